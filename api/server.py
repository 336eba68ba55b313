"""How the HTTP server is configured."""

import asyncio
from collections.abc import Callable
from typing import Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.connections import CODE as TOO_MANY
from api.connections import Connections
from api.problems import MEDIA_TYPE, make_problem
from ledger.settings import Settings

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 15
SHUTDOWN_S = 10
HEAD_TIMEOUT_S = 15.0
#: How long an answer may wait for its reader to take the next 48 KiB or so of it.
READER_TIMEOUT_S = 30.0
#: Beyond it a connection is cut; a smaller head that is still too large gets an answer (api.guard).
MAX_HEAD_BYTES = 32 * 1024
#: How long a refused connection is read on, unheard.
REFUSED_S = 1.0
_TOO_LARGE = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 39\r\n\r\nThe head of the request is too large.\r\n"
)


class PunctualProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose request line and headers have limits of time and size, and answers of time.

    The server itself only limits the pause between two requests, so a sender of one byte at a time
    would hold a connection for ever, one of an endless header would fill the memory, and one who
    reads no answers would hold what they are made of.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    reader_timeout_s = READER_TIMEOUT_S
    #: The server's connections; without it there is no limit.
    held: Connections | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _refused = False
    _is_known = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request's head, or refuse what is too much."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.held is not None and not self.held.enter(self, peer):
            self._refused = True
            self.transport.write(_too_many())
            self.transport.close()  # at once: to be read on would be what it came for
            return
        self._start_head_timer()

    @property
    def owes_bytes(self) -> bool:
        """Whether it waits for its client, to send or to read: nothing of it is in work here."""
        if self.flow.write_paused:
            return True
        if self.pipeline:
            return False
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def cut(self) -> None:
        """End it at once."""
        self._end()

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
        if self.held is not None and not self._is_known:
            self._is_known = True
            self.held.know(self)
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The reader is behind: its time begins."""
        super().pause_writing()
        if self._reader_timer is None:
            self._reader_timer = self.loop.call_later(self.reader_timeout_s, self._end)

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        self._stop_reader_timer()

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time, and the connection."""
        self._stop_head_timer()
        self._stop_reader_timer()
        if self.held is not None:
            self.held.leave(self)
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


def _too_many() -> bytes:
    """Return the answer to a connection that may not stay."""
    problem = make_problem(TOO_MANY, detail="close some, or come from another address")
    body = problem.model_dump_json().encode()
    head = (
        f"HTTP/1.1 {problem.status} Too Many Requests\r\nconnection: close\r\n"
        f"retry-after: 5\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def server_config(
    app: ASGIApp,
    settings: Settings,
    *,
    port: int,
    max_connections: int = MAX_CONNECTIONS,
    shutdown_s: int = SHUTDOWN_S,
    lifespan: Literal["on", "off"] = "off",
    on_refused: Callable[[str, str], None] | None = None,
) -> uvicorn.Config:
    """Return the HTTP server's configuration: every wait and size has a limit.

    Args:
        app: the application.
        settings: for the host, and the proxies that speak for many.
        port: TCP port.
        max_connections: most connections (api.connections).
        shutdown_s: how long requests in work may take when the server ends.
        lifespan: whether the application wants to know of start and end.
        on_refused: called with source and code for each connection that was refused or ended.
    """
    held = Connections(
        max_connections, proxies=settings.resolved_trusted_proxies, on_refused=on_refused
    )
    return uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        loop="uvloop",
        http=type("BoundedProtocol", (PunctualProtocol,), {"held": held}),
        ws="none",
        lifespan=lifespan,
        workers=1,
        # An address in a header is anybody's claim; the peer's address is what limits count by.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=shutdown_s,
        backlog=512,
    )
