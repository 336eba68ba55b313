"""Commands `sanlian-client receipt`: receipts listed, verified, exported."""

from pathlib import Path

import click

from crypto.merkle import leaf_hash
from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    further_keys,
    further_option,
    gateway_option,
    open_log,
)
from sanlian_client.commands.console import (
    DIRECTORY,
    json_option,
    plain_errors,
    show,
    verdict_errors,
)
from sanlian_client.files import write_new
from sanlian_client.intents import IntentStore
from sanlian_client.receipts import ReceiptStore, verify_receipts


@click.group("receipt")
def receipt() -> None:
    """Receipts of data requests. 回执。"""


@receipt.command("list")
@click.argument("directory", type=DIRECTORY)
@json_option
@verdict_errors
def receipt_list(directory: Path, *, as_json: bool) -> None:
    """List the kept receipts. 列出回执。"""
    for name, kept in ReceiptStore(directory):
        found = kept.receipt
        index = None if found is None else found.index
        show({"file": name, "grant": kept.request["grant"], "index": index}, as_json=as_json)


@receipt.command("verify")
@click.argument("directory", type=DIRECTORY)
@api_option
@gateway_option
@further_option
@deployment_option
@json_option
@verdict_errors
def receipt_verify(
    directory: Path, api: str, gateway: str, deployment: Path | None, *, as_json: bool
) -> None:
    """Compare the kept receipts with the log: 0 all valid, 1 not, 2 undecided. 核验回执。"""
    with open_log(api, gateway, deployment) as log:
        newest, findings = verify_receipts(ReceiptStore(directory, further_keys()), log)
    for finding in findings:
        words = {"file": finding.name, "verdict": finding.verdict, "code": finding.code}
        show(words, as_json=as_json)
    show({"log": newest.origin, "size": newest.size, "root": newest.root.hex()}, as_json=as_json)
    if any(finding.verdict == "invalid" for finding in findings):
        raise click.exceptions.Exit(1)


@receipt.command("export")
@click.argument("intents", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("directory", type=DIRECTORY)
@plain_errors
def receipt_export(intents: Path, directory: Path) -> None:
    """Write a provider's receipts, from its file of intents, for an audit. 导出提供方回执。"""
    store, count = IntentStore(intents), 0
    try:
        for one in store.receipts():
            path = directory / f"intent-{leaf_hash(one.record).hex()}.json"
            if not path.exists():
                write_new(path, one.to_bytes())
            count += 1
    finally:
        store.close()
    click.echo(f"{directory}: {count}")
