"""Commands `sanlian init` and `init-gateway`: a new ledger, a further gateway."""

from pathlib import Path

import click

from crypto.keyfile import load_public_key
from crypto.sm2 import PublicKey
from ledger.chain.deploy import DEFAULT_REPLACEMENT_DELAY_S
from ledger.commands.console import FILE, home_option, plain_errors, read_file, say
from ledger.deployment import load_deployment
from ledger.processes import platform_processes
from ledger.settings import load_settings
from ledger.setup import Founders, add_gateway, initialise
from ledger.supervisor import Supervisor
from protocol.model import MAX_REPLACEMENT_DELAY_S


def _read_public_key(path: Path) -> PublicKey:
    try:
        return load_public_key(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"FILE_UNREADABLE: {path}") from error


@click.command()
@home_option
@click.option(
    "--head",
    type=FILE,
    required=True,
    help="Public key of the authority's head. 主管部门负责人公钥。",
)
@click.option(
    "--authority", type=FILE, multiple=True, required=True, help="Authority's keys. 公钥，可多次。"
)
@click.option("--threshold", type=int, required=True, help="How many of them act together.")
@click.option("--witness", type=FILE, multiple=True, help="Public keys of witnesses.")
@click.option(
    "--witness-threshold",
    type=int,
    default=1,
    show_default=True,
    help="How many witnesses must vouch for a block. 见证门限。",
)
@click.option(
    "--replacement-delay-s",
    type=click.IntRange(1, MAX_REPLACEMENT_DELAY_S),
    default=DEFAULT_REPLACEMENT_DELAY_S,
    show_default=True,
    help="Seconds for a head's objection to a new key; fixed for ever. 换钥异议期。",
)
@click.option("--origin", required=True, help="Origin of the access log, a-z 0-9 . / -")
@click.option(
    "--supplement-stops-clock/--supplement-clock-runs-on",
    default=True,
    show_default=True,
    help="Whether the clock of an answer waits for a supplement, for ever. 补正期间是否停止计时。",
)
@plain_errors()
def init(
    *,
    home: Path,
    head: Path,
    authority: tuple[Path, ...],
    threshold: int,
    witness: tuple[Path, ...],
    witness_threshold: int,
    replacement_delay_s: int,
    origin: str,
    supplement_stops_clock: bool,
) -> None:
    """Deploy a new ledger (public keys as PEM files). 部署新账本。"""
    settings = load_settings(home.absolute())
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    founders = Founders(
        head=_read_public_key(head),
        authority=tuple(map(_read_public_key, authority)),
        threshold=threshold,
        witnesses=tuple(map(_read_public_key, witness)),
        witness_threshold=witness_threshold,
        replacement_delay_s=replacement_delay_s,
        supplement_stops_clock=supplement_stops_clock,
    )
    supervisor = Supervisor(settings.home / "processes", say=say)
    try:
        node = platform_processes(settings).get("node")
        if node is not None:
            supervisor.start(node)
        initialise(settings, founders, origin=origin, example=False, say=say)
    finally:
        supervisor.stop()
    say(f"done: {settings.home / 'deployment.json'}, {settings.home / 'trust.json'}")


@click.command("init-gateway")
@home_option
@click.option(
    "--deployment", type=FILE, required=True, help="deployment.json of the first home. 部署文件。"
)
@click.option("--trust", type=FILE, required=True, help="trust.json of the first home. 信任根。")
@click.option("--origin", required=True, help="Origin of the new gateway's log, a-z 0-9 . / -")
@plain_errors()
def init_gateway(home: Path, deployment: Path, trust: Path, origin: str) -> None:
    """Make the home of a further gateway, with a key of its own. 新增网关的主目录。"""
    settings = load_settings(home.absolute())
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    add_gateway(settings, load_deployment(deployment), read_file(trust, 65536), origin=origin)
    say(f"done: {settings.home / 'deployment.json'}; register its key and its log on chain")
