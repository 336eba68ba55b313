"""How the HTTP server is configured."""

import asyncio
from typing import Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ledger.settings import Settings

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 15
SHUTDOWN_S = 10
HEAD_TIMEOUT_S = 15.0
#: Beyond it a connection is cut; a smaller head that is still too large gets an answer (api.guard).
MAX_HEAD_BYTES = 32 * 1024
#: How long a refused connection is read on, unheard.
REFUSED_S = 1.0
_TOO_LARGE = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 39\r\n\r\nThe head of the request is too large.\r\n"
)


class PunctualProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose request line and headers have limits of time and size.

    The server itself only limits the pause between two requests, so a sender of one byte at a time
    would hold a connection for ever, and one of an endless header would fill the memory.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request's head."""
        super().connection_made(transport)
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the time runs until they make a whole head."""
        if self._refused:
            return
        if self._head_timer is None and self._in_head:
            self._start_head_timer()
        for start in range(0, len(data), MAX_HEAD_BYTES):
            piece = data[start : start + MAX_HEAD_BYTES]
            # Of a piece that ends a body and begins a head all counts; it is less than the limit.
            self._head_bytes = self._head_bytes + len(piece) if self._in_head else 0
            super().data_received(piece)
            if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse()
            if self._refused or self.transport.is_closing():
                return

    def _refuse(self) -> None:
        """Answer, and end a little later: closed while it is sent to, the answer would be lost."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer is still being written: nothing may stand in the middle of it.
            self._end()
            return
        self.transport.write(_TOO_LARGE)
        self.loop.call_later(REFUSED_S, self._end)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next bytes begin a head."""
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._end)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def server_config(
    app: ASGIApp,
    settings: Settings,
    *,
    port: int,
    max_connections: int = MAX_CONNECTIONS,
    shutdown_s: int = SHUTDOWN_S,
    lifespan: Literal["on", "off"] = "off",
) -> uvicorn.Config:
    """Return the HTTP server's configuration: every wait and size has a limit.

    Args:
        app: the application.
        settings: for the host.
        port: TCP port.
        max_connections: further ones are answered with 503.
        shutdown_s: how long requests in work may take when the server ends.
        lifespan: whether the application wants to know of start and end.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        loop="uvloop",
        http=PunctualProtocol,
        ws="none",
        lifespan=lifespan,
        workers=1,
        # An address in a header is anybody's claim; the peer's address is what limits count by.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=max_connections,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=shutdown_s,
        backlog=512,
    )
