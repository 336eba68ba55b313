"""Errors over HTTP: the one place that maps codes to statuses and titles (RFC 9457).

A problem carries the title in both languages, the stable code, the id of the request, and details
that are safe to show. An error whose code is not in the table, and every exception that is not an
error of the product, becomes INTERNAL_ERROR with the request's id; its text goes to the log alone.
"""

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from api.catalogue_codes import CATALOGUE_CODES
from api.codes import (
    API_CODES,
    BYTES_CODES,
    CLIENT_CODES,
    CONTRACT_CODES,
    EVIDENCE_CODES,
    LEDGER_CODES,
    TOKEN_CODES,
    Row,
)
from api.gateway.codes import CODES as GATEWAY_CODES
from crypto.errors import SanlianError

MEDIA_TYPE: Final = "application/problem+json"
_LANGUAGE = re.compile(r"\s*([a-z]{1,8}|\*)(?:-[a-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")
_MAX_ERRORS = 20
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_MAX_DETAIL = 200
_RETRY_AFTER_S = {
    "DEPARTMENT_BUSY": 1,
    "GATEWAY_BUSY": 1,
    "PROVIDER_BUSY": 1,
    "PROVIDER_PAUSED": 10,
    "REPORT_BUSY": 2,
    "LEDGER_BUSY": 1,
    "LEDGER_NOT_READY": 5,
    "OUTBOX_FULL": 5,
    "OUTBOX_KEY_FULL": 5,
    "RATE_LIMITED": 5,
}

log = logging.getLogger(__name__)


def _joined() -> dict[str, Row]:
    tables = (
        CONTRACT_CODES,
        BYTES_CODES,
        EVIDENCE_CODES,
        LEDGER_CODES,
        CLIENT_CODES,
        API_CODES,
        CATALOGUE_CODES,
        GATEWAY_CODES,
        TOKEN_CODES,
    )
    joined: dict[str, Row] = {}
    for table in tables:
        for code, row in table.items():
            joined.setdefault(code, row)  # a test holds that no code stands in two tables
    return joined


#: code -> (HTTP status, title in Chinese, title in English)
CODES: Final[Mapping[str, Row]] = _joined()


class Problem(BaseModel):
    """Problem details (RFC 9457): what went wrong, with a stable code."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="where the code is explained, relative to this server")
    title: str = Field(description="what the code means, in the language asked for")
    title_zh: str
    title_en: str
    status: int = Field(ge=400, le=599)
    code: str = Field(pattern="^[A-Z][A-Z0-9_]*$")
    detail: str = Field(description="what happened this time; empty for internal errors")
    instance: str = Field(description="urn:uuid of this request; name it when you report a problem")
    details: dict[str, Any] = Field(description="values that help the caller")


def prefers_chinese(accept_language: str) -> bool:
    """Tell whether the header Accept-Language puts Chinese before English.

    Args:
        accept_language: the header's value; empty when it was not sent.

    Standard: RFC 9110 clause 12.5.4.
    """
    zh = en = 0.0
    for part in accept_language[:256].lower().split(","):
        match = _LANGUAGE.fullmatch(part)
        if match is None:
            continue
        quality = float(match[2] or 1)
        if match[1] == "zh":
            zh = max(zh, quality)
        elif match[1] == "en":
            en = max(en, quality)
    return zh > en


def make_problem(
    code: str,
    *,
    detail: str = "",
    details: Mapping[str, object] | None = None,
    accept_language: str = "",
    request_id: str | None = None,
) -> Problem:
    """Build the problem of a code in the table.

    Args:
        code: a code of the table; any other becomes INTERNAL_ERROR.
        detail: one sentence without internals; left out where the status is 500.
        details: values that help the caller; only JSON values of bounded size are kept.
        accept_language: the request's header.
        request_id: id of the request; a new one when None.
    """
    if code not in CODES:
        log.error("error code without a row in the table: %s", code)
        code, detail, details = "INTERNAL_ERROR", "", None
    status, title_zh, title_en = CODES[code]
    internal = status == 500
    return Problem(
        type=f"/errors#{code}",
        title=title_zh if prefers_chinese(accept_language) else title_en,
        title_zh=title_zh,
        title_en=title_en,
        status=status,
        code=code,
        detail="" if internal else detail,
        instance=f"urn:uuid:{request_id or uuid.uuid4()}",
        details={} if internal else _safe(details or {}),
    )


def _safe(details: Mapping[str, object]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in details.items():
        if isinstance(value, bytes):
            kept[name] = value[:64].hex()
        elif isinstance(value, str):
            kept[name] = value[:_MAX_DETAIL]
        elif value is None or isinstance(value, bool | int):
            kept[name] = value
        elif isinstance(value, Sequence):
            kept[name] = [
                v[:_MAX_DETAIL] if isinstance(v, str) else v
                for v in value[:_MAX_ERRORS]
                if isinstance(v, str | int)
            ]
    return kept


def problem_response(problem: Problem, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the problem as a response."""
    retry_after_s = _RETRY_AFTER_S.get(problem.code)
    more = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return JSONResponse(
        problem.model_dump(),
        status_code=problem.status,
        headers={"cache-control": "no-store", "vary": "accept-language", **more, **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def request_id(request: Request) -> str:
    """Return the id that the request was given on arrival."""
    found = request.scope.get("sanlian.request_id")
    return found if isinstance(found, str) else str(uuid.uuid4())


def _answer(
    request: Request,
    code: str,
    *,
    detail: str = "",
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = make_problem(
        code,
        detail=detail,
        details=details,
        accept_language=request.headers.get("accept-language", ""),
        request_id=request_id(request),
    )
    return problem_response(problem, headers=headers)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SanlianError):
        raise error
    return answer_error(request, error)


def answer_error(request: Request, error: SanlianError) -> Response:
    """Return the response to an error of the product."""
    if error.code not in CODES or CODES[error.code][0] == 500:
        log.error("request %s failed", request_id(request), exc_info=error)
    return _answer(request, error.code, detail=error.message, details=error.details)


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # The values stay out: they may hold what the caller did not mean to have repeated.
    errors = [
        ".".join(str(part) for part in item["loc"])[:_MAX_DETAIL] + ": " + str(item["type"])
        for item in error.errors()[:_MAX_ERRORS]
    ]
    return _answer(
        request,
        "REQUEST_MALFORMED",
        detail="the request does not follow the description in /openapi.json",
        details={"errors": errors},
    )


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code)
    if code is None:
        code = "REQUEST_MALFORMED" if error.status_code < 500 else "INTERNAL_ERROR"
    headers = error.headers
    if error.status_code == 405:
        headers = {"allow": ", ".join(_allowed_methods(request))}  # in place of the framework's
    return _answer(request, code, headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes with the request's path; the framework names one's."""
    return [
        method
        for method in _METHODS
        for scope in [{**request.scope, "method": method}]
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]


async def _on_database(request: Request, error: Exception) -> Response:
    """Answer that a database is away or busy; what a statement does wrong is a defect of ours."""
    log.warning("a database cannot be used now: %s", type(error).__name__)
    return _answer(request, "DATABASE_UNAVAILABLE")


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(SanlianError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _on_database)
