"""Commands `sanlian-client log`: the access log followed."""

from pathlib import Path

import click

from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    gateway_option,
    open_log,
)
from sanlian_client.commands.console import DIRECTORY, verdict_errors, wait_seconds
from sanlian_client.receipts import ReceiptStore


@click.group("log")
def log() -> None:
    """Access log. 访问日志。"""


@log.command("follow")
@click.argument("directory", type=DIRECTORY)
@click.option("--rounds", default=0, show_default=True, help="0: for ever. 轮数。")
@click.option("--interval-s", default=5.0, show_default=True, help="Pause in seconds. 轮询间隔。")
@api_option
@gateway_option
@deployment_option
@verdict_errors
def log_follow(
    *,
    directory: Path,
    rounds: int,
    interval_s: float,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Check that the log only grows, keeping its newest checkpoint. 跟踪日志增长。"""
    store = ReceiptStore(directory)
    done = 0
    with open_log(api, gateway, deployment) as client:
        while True:
            note, newest = client.checkpoint()
            last = store.find_checkpoint(client)
            if last is None or newest != last:
                if last is not None:
                    client.verify_growth(last, newest)
                store.keep_checkpoint(note, client)
                click.echo(f"{newest.origin} {newest.size} {newest.root.hex()}")
            done += 1
            if rounds and done >= rounds:
                return
            wait_seconds(interval_s)
