"""The api process: database, threads and HTTP server, started and stopped in order."""

import logging
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import uvicorn

from api.app import create_app
from api.server import server_config
from api.services import Services
from crypto.errors import LedgerError, SanlianError
from ledger.audit.performance import Reports
from ledger.chain.anchorer import Anchorer
from ledger.chain.indexer import Indexer
from ledger.chain.relay import Relay
from ledger.chain.rpc import Rpc
from ledger.chain.sender import Sender
from ledger.chain.worker import Worker
from ledger.db.engine import make_engine
from ledger.db.migrate import upgrade
from ledger.deployment import load_deployment
from ledger.outbox.service import Outbox
from ledger.settings import Settings, load_settings
from ledger.setup import load_key, load_relay_key

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SanlianError: the process cannot start, with what to do about it.
    """
    deployment = load_deployment(settings.home / "deployment.json")
    platform_key = load_key(settings, "platform")
    if platform_key.public_key != deployment.platform_key:
        raise LedgerError(
            "PLATFORM_KEY_DIFFERS", "the platform's key is not the one that deployment.json names"
        )
    with ExitStack() as stack:
        engine = make_engine(settings.resolved_database_url)
        stack.callback(engine.dispose)
        upgrade(engine)
        rpc = Rpc(settings.resolved_node_url)
        stack.callback(rpc.close)
        sender = Sender(
            engine, rpc, chain_id=deployment.chain_id, private_key=load_relay_key(settings)
        )
        relay = Relay(engine, deployment, rpc, sender)
        anchorers = [
            Anchorer(
                engine,
                deployment,
                sender,
                url,
                anchor_interval_s=settings.anchor_interval_s,
                anchor_records=settings.anchor_records,
                further=number,
            )
            for number, url in enumerate(settings.resolved_gateway_urls)
        ]
        workers: Sequence[Worker] = (Indexer(engine, deployment, rpc), relay, *anchorers)
        services = Services(
            engine=engine,
            deployment=deployment,
            outbox=Outbox(engine, deployment, platform_key),
            reports=Reports(rpc, deployment),
            worker_states=lambda: [worker.state() for worker in workers],
            on_accepted=relay.wake,
            head_max_age_s=settings.head_max_age_s,
        )
        server = uvicorn.Server(
            server_config(create_app(services), settings, port=settings.api_port)
        )
        stack.callback(_stop, workers)
        for worker in workers:
            worker.start()
        log.info("api listens on %s:%d", settings.host, settings.api_port)
        # The server ends at these signals and then raises them again, for whoever handled them
        # before it; by default that would end the process with its threads at work.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: setattr(server, "should_exit", True))
        server.run()
    log.info("api stopped")


def _stop(workers: Sequence[Worker]) -> None:
    """Stop the threads side by side: each may be waiting for its own answer."""
    stoppers = [threading.Thread(target=worker.stop) for worker in workers]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SANLIAN_HOME",
    default=Path(".sanlian"),
    help="home directory",
)
def main(home: Path) -> None:
    """Serve the ledger's HTTP API and keep outbox, index and anchors moving."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every poll says nothing
    try:
        run(load_settings(home))
    except SanlianError as error:
        raise click.ClickException(str(error)) from error
