"""Commands `sanlian-client batch`: batches offered by a provider and received by a requester."""

import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from crypto.errors import LedgerError, SanlianError
from protocol.documents import parse_interface_document
from sanlian_client.batch_service import NotOffered, offer_spool
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import authority_option
from sanlian_client.commands.console import DIRECTORY, fail, parse_hex, plain_errors
from sanlian_client.commands.requesting import request_options
from sanlian_client.data import Purpose
from sanlian_client.platform import Platform
from sanlian_client.receipts import ReceiptStore
from sanlian_client.receive import NotReceived, receive_batches

every_option = click.option(
    "--every",
    "every_s",
    type=click.IntRange(1, 31 * 86_400),
    default=None,
    help="Look again after so many seconds, until SIGTERM; without it once. 每隔若干秒重复。",
)


@click.group("batch")
def batch() -> None:
    """Batches offered on a schedule. 批量推送与接收。"""


@batch.command("offer")
@click.argument("spool", type=DIRECTORY)
@click.option("--grant", required=True, help="Grant that the batches are for. 授权编号。")
@every_option
@authority_option
@caller_options
@plain_errors
def batch_offer(*, spool: Path, grant: str, every_s: int | None, caller: Caller) -> None:
    """Offer the new batches in SPOOL to the holder of a grant. 通知授权方批次已就绪。"""
    grant_id = parse_hex(grant, 32, "--grant")
    signer = caller.open_key()

    def look() -> None:
        failures: list[SanlianError] = []
        with caller.open_platform() as platform:
            document, items = _released_items(platform, grant)
        with caller.open_gateway() as service:
            for one in offer_spool(
                service,
                signer,
                spool,
                grant=grant_id,
                document=parse_interface_document(document),
                items=items,
                salt=lambda: secrets.token_hex(32),
            ):
                if isinstance(one, NotOffered):
                    failures.append(one.error)
                    click.echo(f"{one.name}: {one.error.code}: {one.error.message}", err=True)
                    continue
                click.echo(f"{one.name}: offered by record {one.receipt.index} 已通知")
        _require_none(failures)

    _repeat(every_s, look)


def _released_items(platform: Platform, grant: str) -> tuple[bytes, int]:
    """Return the interface's document and the mask of what a grant releases of it now."""
    request = platform.read("requests", grant)
    interface = platform.read("interfaces", str(request["interface"]))
    entry = platform.read("entries", str(interface["entry"]))
    current = interface["current"]
    items = int(str(request["granted_items"]), 16) & int(str(current["items"]), 16)
    items &= int(str(entry["current"]["items"]), 16)
    return platform.document(bytes.fromhex(current["document"])), items


@batch.command("receive")
@click.argument("directory", type=DIRECTORY)
@click.option("--grant", "grants", multiple=True, required=True, help="Grant; repeatable. 授权。")
@every_option
@request_options
@plain_errors
def batch_receive(
    *,
    directory: Path,
    grants: tuple[str, ...],
    every_s: int | None,
    purpose: Purpose,
    receipts: Path,
    caller: Caller,
) -> None:
    """Receive the batches that are offered under grants into DIRECTORY. 接收已通知的批次。"""
    signer = caller.open_key()
    purposes = {parse_hex(one, 32, "--grant"): purpose for one in grants}

    def look() -> None:
        failures: list[SanlianError] = []
        with caller.open_gateway() as service:
            for one in receive_batches(
                service,
                signer,
                grants=purposes,
                store=ReceiptStore(receipts),
                directory=directory,
            ):
                if isinstance(one, NotReceived):
                    failures.append(one.error)
                    told = f"{one.error.code}: {one.error.message}"
                    click.echo(f"{one.offer.name}: {told}", err=True)
                    continue
                click.echo(
                    f"{one.offer.name}: {one.offer.parts} parts 分片, {one.offer.rows} rows 行, "
                    f"closed by record {one.closing} 完结记录"
                )
        _require_none(failures)

    _repeat(every_s, look)


def _require_none(failures: list[SanlianError]) -> None:
    if failures:
        raise LedgerError("BATCHES_LEFT", f"batches that failed: {len(failures)}; try again")


def _repeat(every_s: int | None, look: Callable[[], None]) -> None:
    """Look once, or until SIGTERM or Ctrl-C; then a failure is told and does not end the work."""
    if every_s is None:
        look()
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    while not stop.is_set():
        try:
            look()
        except SanlianError as error:
            fail(error)
        stop.wait(every_s)
