"""The command `sanlian-client monitor`."""

import signal
import threading
from pathlib import Path

import click

from crypto.errors import VerificationError
from protocol.checkpoint import parse_note
from protocol.trust import TrustRoot
from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    gateway_option,
    open_platform,
)
from sanlian_client.commands.console import DIRECTORY, FILE, verdict_errors
from sanlian_client.files import read_limited
from sanlian_client.monitor import Limits, Monitor
from sanlian_client.monitor_state import STATE_FILE

_DEFAULT = Limits()
_SECONDS = click.IntRange(1, 31_536_000)


@click.command("monitor")
@click.option("--home", type=DIRECTORY, required=True, help="State and alarms. 状态与告警目录。")
@click.option("--node", default=None, help="Node with the anchors, else the api. 节点地址。")
@click.option("--trust", type=FILE, default=None, help="Witnesses to count. 信任根文件。")
@click.option("--once", is_flag=True, help="Look once; exit 0, 1 alarm, 2 undecided. 只看一次。")
@click.option(
    "--interval-s",
    type=click.FloatRange(0.1, 86400),
    default=10.0,
    show_default=True,
    help="Pause in seconds. 轮询间隔。",
)
@click.option(
    "--stall-s",
    type=_SECONDS,
    default=_DEFAULT.stall_s,
    show_default=True,
    help="Alarm: no growth for so long. 停滞告警。",
)
@click.option(
    "--unanchored-s",
    type=_SECONDS,
    default=_DEFAULT.unanchored_s,
    show_default=True,
    help="Alarm: a record without anchor for so long. 未锚定时长告警。",
)
@click.option(
    "--unanchored-records",
    type=click.IntRange(min=1),
    default=_DEFAULT.unanchored_records,
    show_default=True,
    help="Alarm: more records without anchor. 未锚定条数告警。",
)
@click.option(
    "--unreachable-s",
    type=_SECONDS,
    default=_DEFAULT.unreachable_s,
    show_default=True,
    help="Alarm: no answer for so long. 无应答告警。",
)
@click.option(
    "--cosigned-s",
    type=_SECONDS,
    default=_DEFAULT.cosigned_s,
    show_default=True,
    help="Warning: too few cosignatures for so long. 见证不足警告。",
)
@api_option
@gateway_option
@deployment_option
@verdict_errors
def monitor(
    *,
    home: Path,
    node: str | None,
    trust: Path | None,
    once: bool,
    interval_s: float,
    stall_s: int,
    unanchored_s: int,
    unanchored_records: int,
    unreachable_s: int,
    cosigned_s: int,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Follow a log: alarm on fork, loss, stall, missing anchors. 监视访问日志。"""
    info = None
    if deployment is not None or not (home / STATE_FILE).exists():
        with open_platform(api, deployment) as platform:
            info = platform.deployment()
    root = None if trust is None else TrustRoot.from_bytes(read_limited(trust, max_bytes=65536))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    follower = Monitor(
        home,
        deployment=info,
        api_url=api,
        gateway_url=gateway,
        node_url=node,
        limits=Limits(
            stall_s=stall_s,
            unanchored_s=unanchored_s,
            unanchored_records=unanchored_records,
            unreachable_s=unreachable_s,
            cosigned_s=cosigned_s,
        ),
        witnesses=() if root is None else root.witnesses,
        threshold=0 if root is None else root.witness_threshold,
        say=click.echo,
    )
    try:
        if once:
            _look_once(follower, stop)
        else:
            follower.run(stop, interval_s=interval_s)
    finally:
        follower.close()


def _look_once(follower: Monitor, stop: threading.Event) -> None:
    while follower.step() and not stop.is_set():
        pass
    if follower.is_alarmed:
        kinds = ", ".join(sorted(follower.alarms))
        raise VerificationError("MONITOR_ALARM", f"alarms stand: {kinds}")
    if follower.problem is not None:
        raise follower.problem
    if follower.note:
        newest, _ = parse_note(follower.note)
        click.echo(f"{newest.origin} {newest.size} {newest.root.hex()}")
