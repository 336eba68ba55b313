"""Commands `sanlian-client witness`: a witness that a department runs."""

import signal
import threading
from pathlib import Path

import click

from crypto.sm2 import Signer
from sanlian_client.commands.connecting import api_option, gateway_option
from sanlian_client.commands.console import DIRECTORY, plain_errors
from sanlian_client.commands.signing import ask_passphrase, open_key, passphrase_option, pin_option
from sanlian_client.keys import load_key, make_key
from sanlian_client.witness import Witness


@click.group("witness")
def witness() -> None:
    """Witness. 见证人。"""


def _witness_key(path: Path, key_file: str | None, passphrase: str | None) -> Signer:
    if key_file is not None:
        return open_key(key_file, passphrase)
    secret = ask_passphrase(passphrase)
    return load_key(path, secret) if path.exists() else make_key(path, secret)


@witness.command("run")
@click.option("--home", type=DIRECTORY, required=True, help="Key and state. 密钥与状态目录。")
@click.option("--name", required=True, help="Name in cosignatures. 见证人名称。")
@click.option("--node", required=True, help="JSON-RPC URL of a node. 节点地址。")
@click.option("--interval-s", default=1.0, show_default=True, help="Pause in seconds. 轮询间隔。")
@click.option(
    "--key",
    "key_file",
    default=None,
    help="Key, default key.pem of the home; a pkcs11: URI works too. 见证人密钥。",
)
@pin_option
@passphrase_option
@api_option
@gateway_option
@plain_errors
def witness_run(
    *,
    home: Path,
    name: str,
    node: str,
    interval_s: float,
    key_file: str | None,
    passphrase: str | None,
    api: str,
    gateway: str,
) -> None:
    """Sign blocks and checkpoints that continue what was signed before. 运行见证人。"""
    signer = _witness_key(home / "key.pem", key_file, passphrase)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    runner = Witness(
        home, name=name, key=signer, node_url=node, api_url=api, gateway_url=gateway, say=_say
    )
    click.echo(f"witness 见证人 {name}: {signer.public_key.key_id.hex()}")
    try:
        runner.run(stop, interval_s=interval_s)
    finally:
        runner.close()


def _say(news: str) -> None:
    click.echo(news)
