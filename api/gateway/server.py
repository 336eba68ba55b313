"""How the gateway's HTTP server is configured."""

import gc
import resource
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from api.gateway.data_requests import MAX_IN_FLIGHT
from api.server import server_config
from ledger.settings import Settings

#: Longer than a provider may take, so that calls in work end with their outcome.
_GRACE_S = 10
MAX_CONNECTIONS = 2 * MAX_IN_FLIGHT
#: Objects beyond those that ended, at which a collection begins. What a request makes ends by
#: itself; at Python's 700 those in work were looked through again and again, 15 µs for each.
GC_THRESHOLD = 50_000
#: Open files that are no connections of callers: databases, calls to providers, key files.
SPARE_FILES = 512


def tune_process() -> None:
    """Set the process up for its work; called once everything is loaded."""
    # What was loaded at start lives for ever; collections need not look at it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)


def allow_files() -> int:
    """Raise the limit of open files as far as the system lets us; return what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


def gateway_config(
    app: ASGIApp, settings: Settings, on_refused: Callable[[str, str], None] | None = None
) -> uvicorn.Config:
    """Return the gateway's configuration: of the api's, with more connections and a longer end.

    Args:
        app: the gateway's application.
        settings: its settings.
        on_refused: called with source and code for each connection that was refused or ended.
    """
    files = allow_files()
    return server_config(
        app,
        settings,
        port=settings.gateway_port,
        # Where the system allows few files, connections must leave enough for the log.
        max_connections=min(MAX_CONNECTIONS, max(files - SPARE_FILES, files // 2)),
        shutdown_s=int(settings.provider_timeout_s) + _GRACE_S,
        lifespan="on",
        on_refused=on_refused,
    )
