"""Pages for people: overview, description of the api, error codes. No scripts."""

from importlib.resources import files
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import HTMLResponse

from api.docs_page import docs_page
from api.overview import overview_page, read_overview
from api.page import Markup, page, table
from api.problems import CODES, prefers_chinese
from api.services import ServicesDep
from api.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)

_STYLE = (files("api") / "static" / "style.css").read_bytes()

Language = Annotated[Literal["zh", "en"] | None, Query()]
AcceptLanguage = Annotated[str, Header()]


def _is_chinese(lang: str | None, accept_language: str) -> bool:
    # Pages are Chinese unless the reader asks for English and not for Chinese.
    if lang is not None:
        return lang == "zh"
    return prefers_chinese(accept_language) or not accept_language.lower().startswith("en")


def _html(text: str) -> HTMLResponse:
    return HTMLResponse(text, headers={"vary": "accept-language"})


@router.get("/")
def get_overview(
    services: ServicesDep, lang: Language = None, accept_language: AcceptLanguage = ""
) -> Response:
    """Return the overview."""
    chinese = _is_chinese(lang, accept_language)
    return _html(
        overview_page(read_overview(services.engine), services.deployment, chinese=chinese)
    )


@router.get("/docs")
def get_docs(
    request: Request, lang: Language = None, accept_language: AcceptLanguage = ""
) -> Response:
    """Return the description of the api."""
    return _html(docs_page(request.app.openapi(), chinese=_is_chinese(lang, accept_language)))


@router.get("/errors")
def get_errors(lang: Language = None, accept_language: AcceptLanguage = "") -> Response:
    """Return the table of error codes; each row can be linked to."""
    chinese = _is_chinese(lang, accept_language)
    rows = [
        (Markup(f'<code id="{code}">{code}</code>'), status, zh, en)
        for code, (status, zh, en) in sorted(CODES.items())
    ]
    head = ["代码", "状态", "中文", "英文"] if chinese else ["code", "status", "Chinese", "English"]
    title = "错误代码" if chinese else "Error codes"
    return _html(page(title, table(head, rows), chinese=chinese, path="/errors"))


@router.get("/static/style.css")
def get_style() -> Response:
    """Return the one style sheet."""
    return Response(_STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})
