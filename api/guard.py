"""The outermost layer of the api: limits, security headers, request ids, and the last resort.

A body is read whole, within its limits of size and time, before any route runs: no route can be
held open by a slow sender, and none sees a body that is too large.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import make_problem, problem_response
from crypto.errors import SanlianError

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_DRAINED_BYTES: Final = 4 * MAX_BODY_BYTES
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 64
BODY_TIMEOUT_S: Final = 30.0

#: A page may use its own style sheets and nothing else; nothing may frame it.
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_SECURITY_LINES: Final = [
    (name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
]
_OURS: Final = {name for name, _ in _SECURITY_LINES} | {b"x-request-id"}

log = logging.getLogger(__name__)


class LargeBodies(Protocol):
    """Who may send bodies above MAX_BODY_BYTES."""

    @property
    def limits(self) -> Mapping[str, int]:
        """Largest body in bytes by path."""

    def enter(self, scope: Scope) -> Callable[[], None]:
        """Take a place in memory for the body of a request, and return what gives it back.

        Raises:
            SanlianError: there is none for this request.
        """


class _Refused(Exception):
    """The request is over a limit; its text is the code."""


class Guard:
    """Pure ASGI middleware around the whole application.

    Args:
        app: what it guards.
        large_bodies: who may send larger bodies, and where; without it nobody.
    """

    def __init__(self, app: ASGIApp, large_bodies: LargeBodies | None = None) -> None:
        self.app = app
        self._large_bodies = large_bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on what is not HTTP."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope["sanlian.request_id"] = request_id
        headers = Headers(scope=scope)
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                ours = [*_SECURITY_LINES, (b"x-request-id", request_id.encode())]
                if b"cache-control" not in names:
                    ours.append((b"cache-control", b"no-store"))
                # Of a header that stands in both, ours is the one that goes out.
                if not names.isdisjoint(_OURS):
                    given = [line for line in given if line[0].lower() not in _OURS]
                message["headers"] = given + ours
            await send(message)

        async def refuse(code: str) -> None:
            problem = make_problem(
                code,
                accept_language=headers.get("accept-language", ""),
                request_id=request_id,
            )
            # What is left of the body was not read, so the connection cannot be used again.
            response = problem_response(problem, headers={"connection": "close"})
            await response(scope, receive, guarded_send)

        with ExitStack() as places:
            try:
                await self._serve(scope, receive, guarded_send, refuse, places)
            except Exception as error:
                log.error("request %s failed", request_id, exc_info=error)
                if started:
                    raise
                await refuse("INTERNAL_ERROR")

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        refuse: Callable[[str], Awaitable[None]],
        places: ExitStack,
    ) -> None:
        limit = MAX_BODY_BYTES
        if self._large_bodies is not None:
            limit = self._large_bodies.limits.get(scope["path"], MAX_BODY_BYTES)

        def enlarge() -> None:
            if self._large_bodies is not None:
                places.callback(self._large_bodies.enter(scope))

        try:
            _check_headers(scope)
            body = await _read_body(Headers(scope=scope), receive, limit, enlarge)
        except _Refused as refused:
            await refuse(str(refused))
            return
        if body is None:  # the client went away
            return
        await self.app(scope, _replay(body, receive), send)


def _check_headers(scope: Scope) -> None:
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) for name, value in raw)
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if len(raw) > MAX_HEADERS or size > MAX_HEADER_BYTES or target > MAX_HEADER_BYTES // 2:
        raise _Refused("HEADERS_TOO_LARGE")


async def _read_body(
    headers: Headers, receive: Receive, limit: int, enlarge: Callable[[], None]
) -> bytes | None:
    declared = headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or len(declared) > 19:
        raise _Refused("REQUEST_MALFORMED")
    most = max(limit, MAX_DRAINED_BYTES)
    if int(declared) > most:
        raise _Refused("BODY_TOO_LARGE")
    body = bytearray()
    size = 0
    refused = ""
    is_large = False
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                piece = message.get("body", b"")
                size += len(piece)
                if MAX_BODY_BYTES < size <= limit and not is_large:
                    is_large = True
                    try:
                        enlarge()
                    except SanlianError as error:
                        refused = error.code
                        body.clear()
                if size <= limit and not refused:
                    body += piece
                # A connection that is closed while its peer still sends is reset, and the answer
                # is lost with it; so what is somewhat too large is read to its end, unkept.
                if size > most:
                    raise _Refused("BODY_TOO_LARGE")
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise _Refused("BODY_TOO_SLOW") from None
    if size > limit:
        raise _Refused("BODY_TOO_LARGE")
    if refused:
        raise _Refused(refused)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
