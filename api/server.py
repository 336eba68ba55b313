"""How the HTTP server is configured."""

import asyncio

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ledger.settings import Settings

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 15
SHUTDOWN_S = 10
HEAD_TIMEOUT_S = 15.0


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 whose request line and headers have a time limit.

    The server itself only limits the pause between two requests, so a sender of one byte at a time
    would hold a connection for ever.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request's head."""
        super().connection_made(transport)
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the time runs until they make a whole head."""
        if self.conn.their_state is h11.IDLE:
            self._start_head_timer()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._end_late_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_late_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return the HTTP server's configuration: every wait and size has a limit."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.api_port,
        loop="asyncio",
        http=PunctualProtocol,
        ws="none",
        lifespan="off",
        workers=1,
        # An address in a header is anybody's claim; the peer's address is what limits count by.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=32 * 1024,
        backlog=512,
    )
