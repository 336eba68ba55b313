"""How the HTTP server is configured."""

import uvicorn
from fastapi import FastAPI

from ledger.settings import Settings

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 15
SHUTDOWN_S = 10


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return the HTTP server's configuration: every wait and size has a limit."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.api_port,
        loop="asyncio",
        http="h11",
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
