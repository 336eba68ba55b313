"""Runs a gateway: `python -m api.gateway --home DIR`."""

import logging
import sys
from functools import cache
from pathlib import Path

import click
import uvicorn

from api.gateway.app import make_app
from api.gateway.evidence import Build
from api.gateway.gateway import Gateway
from api.gateway.server import gateway_config, tune_process
from api.gateway.state import LedgerState
from crypto.errors import SanlianError
from crypto.sm2 import PrivateKey
from ledger.audit.evidence import make_evidence_builder
from ledger.db.engine import make_engine
from ledger.deployment import load_deployment
from ledger.log.process import LogProcess
from ledger.settings import Settings, load_settings
from ledger.token_keys import open_gateway_key
from protocol.deployment import Deployment


def _lazy_builder(settings: Settings, deployment: Deployment) -> Build:
    """Data requests need neither trust root nor node: they are looked for when evidence is."""

    @cache
    def get_builder() -> Build:
        return make_evidence_builder(settings, deployment)

    def build(seq: int) -> bytes:
        return get_builder()(seq)

    return build


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="home directory")
def main(home: Path) -> None:
    """Serve data requests until SIGTERM; calls in work are finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = load_settings(home)
        deployment = load_deployment(home / "deployment.json")
        key = open_gateway_key(settings, deployment)
        engine = make_engine(settings.resolved_database_url, read_only=True)
    except SanlianError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    ledger = LedgerState(engine)
    gateway = Gateway(settings, deployment, key, ledger, _lazy_builder(settings, deployment))
    if settings.log_process and isinstance(key, PrivateKey):
        gateway.log_process = LogProcess.start(key)
    server = uvicorn.Server(gateway_config(make_app(gateway), settings, gateway.count_refused))

    def stop() -> None:
        server.should_exit = True

    gateway.on_fatal = stop
    tune_process()
    server.run()
    if gateway.fatal is not None:
        click.echo(str(gateway.fatal), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
