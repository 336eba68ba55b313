"""A provider's process: its own service behind the middleware that checks the gateway."""

import json
from pathlib import Path

import uvicorn

from crypto.errors import LedgerError
from example_city.catalogue import OFFERS
from example_city.services import create_service
from example_city.units import unit_key
from ledger.deployment import load_deployment
from sanlian_client.middleware import App, Message, Receive, SanlianProvider, Scope, Send


def with_health(app: App) -> App:
    """Answer GET /health beside the protected service."""

    async def health(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/health":
            await app(scope, receive, send)
            return
        start: Message = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json")],
        }
        await send(start)
        await send({"type": "http.response.body", "body": b'{"status":"ok"}'})

    return health


def serve(slug: str, home: Path, port: int) -> None:
    """Serve one provider until SIGTERM.

    Raises:
        LedgerError: EXAMPLE_NOT_LOADED, NOT_THE_EXAMPLE.
    """
    deployment = load_deployment(home / "deployment.json")
    if not deployment.example:
        raise LedgerError("NOT_THE_EXAMPLE", "these providers serve the example city only")
    offer = next(offer for offer in OFFERS if offer.slug == slug)
    try:
        ids = json.loads((home / "interfaces.json").read_bytes())
    except FileNotFoundError as error:
        raise LedgerError("EXAMPLE_NOT_LOADED", "interfaces.json is missing") from error
    app = SanlianProvider(
        create_service(slug),
        gateway_keys={deployment.origin: deployment.gateway_key},
        department_id=bytes.fromhex(ids["departments"][f"{offer.unit:02d}"]),
        provider_key=unit_key(offer.unit, "provider"),
        authority=f"127.0.0.1:{port}",
        store_path=home / "providers" / f"{slug}.db",
        interfaces={bytes.fromhex(ids["interfaces"][slug]): (offer.method.upper(), offer.path)},
    )
    uvicorn.run(
        with_health(app),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
