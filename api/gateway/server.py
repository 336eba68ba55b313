"""How the gateway's HTTP server is configured."""

import gc

import uvicorn
from starlette.types import ASGIApp

from api.gateway.service import MAX_IN_FLIGHT
from api.server import server_config
from ledger.settings import Settings

#: Longer than a provider may take, so that calls in work end with their outcome.
_GRACE_S = 10


def tune_process() -> None:
    """Set the process up for its work; called once everything is loaded."""
    # What was loaded at start lives for ever; collections need not look at it.
    gc.collect()
    gc.freeze()


def gateway_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return the gateway's configuration: of the api's, with more connections and a longer end."""
    return server_config(
        app,
        settings,
        port=settings.gateway_port,
        max_connections=2 * MAX_IN_FLIGHT,
        shutdown_s=int(settings.provider_timeout_s) + _GRACE_S,
        lifespan="on",
    )
