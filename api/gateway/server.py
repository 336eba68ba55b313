"""How the gateway's HTTP server is configured."""

import uvicorn
from starlette.types import ASGIApp

from api.gateway.service import MAX_IN_FLIGHT
from ledger.settings import Settings

#: Longer than a provider may take, so that calls in work end with their outcome.
_GRACE_S = 10


def gateway_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return the HTTP server's configuration."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.gateway_port,
        access_log=False,
        server_header=False,
        # A record's source is who connected, not what a header claims.
        proxy_headers=False,
        limit_concurrency=2 * MAX_IN_FLIGHT,
        log_config=None,
        timeout_graceful_shutdown=int(settings.provider_timeout_s) + _GRACE_S,
    )
