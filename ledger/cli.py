"""`sanlian`: sets up, runs, audits and rebuilds a ledger, and verifies evidence.

Exit codes: 0 done or valid, 1 refused or invalid, 2 cannot decide.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, SanlianError, VerificationError
from crypto.keyfile import load_public_key
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from ledger.chain.deploy import DEFAULT_REPLACEMENT_DELAY_S
from ledger.deployment import load_deployment
from ledger.processes import node_running, platform_processes
from ledger.settings import Settings, load_settings
from ledger.setup import Founders, add_gateway, initialise
from ledger.supervisor import Supervisor
from protocol.calendar import day_of
from protocol.evidence import Status, verify_evidence
from protocol.httpsig import NONE
from protocol.model import MAX_REPLACEMENT_DELAY_S
from protocol.parameters import CAUSES
from protocol.trust import TrustRoot

CANNOT_DECIDE = 2
MAX_EVIDENCE_SIZE = 64 * 1024 * 1024
FILE = click.Path(path_type=Path, dir_okay=False)
DAY = click.DateTime(["%Y-%m-%d"])

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SANLIAN_HOME",
    default=Path(".sanlian"),
    show_default=True,
    help="Home directory. 主目录。",
)


def _failure(message: str, status: int) -> click.ClickException:
    """Return the error that ends the command with one line and this exit status."""
    error = click.ClickException(message)
    error.exit_code = status  # type: ignore[misc]  # click reads it from the instance
    return error


def plain_errors(
    status: int = 1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn the project's errors into one line and this exit status."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            try:
                return command(*arguments, **options)
            except SanlianError as error:
                raise _failure(str(error), status) from error
            except ValidationError as error:
                lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
                raise _failure("SETTING_INVALID: " + "; ".join(lines), status) from error

        return wrapped

    return decorate


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {line}")
    sys.stdout.flush()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sanlian")
def main() -> None:
    """Ledger for data sharing between departments. 政务数据共享账本（三链）。"""


def _read_public_key(path: Path) -> PublicKey:
    try:
        return load_public_key(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"FILE_UNREADABLE: {path}") from error


@main.command()
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
    supervisor = Supervisor(settings.home / "processes", say=_say)
    try:
        node = platform_processes(settings).get("node")
        if node is not None:
            supervisor.start(node)
        initialise(settings, founders, origin=origin, example=False, say=_say)
    finally:
        supervisor.stop()
    _say(f"done: {settings.home / 'deployment.json'}, {settings.home / 'trust.json'}")


@main.command("init-gateway")
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
    add_gateway(settings, load_deployment(deployment), _read(trust, 65536), origin=origin)
    _say(f"done: {settings.home / 'deployment.json'}; register its key and its log on chain")


@main.command()
@home_option
@click.option(
    "--gateway-only",
    is_flag=True,
    help="Run this home's gateway alone. 只运行本主目录的网关。",
)
@plain_errors()
def run(home: Path, *, gateway_only: bool) -> None:
    """Run node, api and gateway until Ctrl-C. 运行账本，按 Ctrl-C 停止。"""
    settings = load_settings(home.absolute())
    load_deployment(settings.home / "deployment.json")
    processes = platform_processes(settings)
    if gateway_only:
        processes = {"gateway": processes["gateway"]}
    supervisor = Supervisor(settings.home / "processes", say=_say)
    signal.signal(signal.SIGINT, supervisor.ask_stop)
    signal.signal(signal.SIGTERM, supervisor.ask_stop)
    try:
        for name, process in processes.items():
            _say(f"starting {name}")
            supervisor.start(process)
        name, port = (
            ("gateway", settings.gateway_port) if gateway_only else ("api", settings.api_port)
        )
        _say(f"{name} http://{settings.host}:{port}/")
        supervisor.watch()
    finally:
        supervisor.stop()
        _say("stopped 已停止")


@main.command()
@click.argument("evidence", type=FILE)
@click.option(
    "--trust", type=FILE, default=None, help="Trust root; default: trust.json of the home. 信任根。"
)
@click.option(
    "--pin",
    multiple=True,
    metavar="NUMBER:HASH",
    help="A block hash known from elsewhere. 已知区块。",
)
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")
@plain_errors(CANNOT_DECIDE)
def verify(
    evidence: Path, trust: Path | None, pin: tuple[str, ...], home: Path, *, as_json: bool
) -> None:
    """Verify an evidence file, offline. 离线核验证据文件。

    Exit status: 0 valid, 1 invalid, 2 undecided.
    """
    root = TrustRoot.from_bytes(_read(trust or home / "trust.json", 65536))
    data = _read(evidence, MAX_EVIDENCE_SIZE)
    try:
        verdict = verify_evidence(data, root, pinned=dict(map(_parse_pin, pin)))
    except VerificationError as error:
        part = str(error.details.get("part", ""))
        cause = str(error.details.get("cause", error.code))
        _print_verdict(
            {"verdict": "invalid", "part": part, "code": cause, "message": error.message},
            f"INVALID 无效: {error.message} ({cause})",
            as_json=as_json,
        )
        sys.exit(1)
    valid = verdict.status is Status.VALID
    word = "VALID 有效" if valid else f"UNDECIDED 无法判定: {verdict.reason}"
    _print_verdict(
        {
            "verdict": "valid" if valid else "undecided",
            "reason": verdict.reason,
            "facts": dict(verdict.facts),
        },
        f"{word}\n{verdict.summary}",
        as_json=as_json,
    )
    sys.exit(int(verdict.status))


def _print_verdict(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise _failure(f"FILE_UNREADABLE: {path}", CANNOT_DECIDE) from error
    if len(data) > limit:
        raise _failure(f"FILE_TOO_LARGE: {path} has more than {limit} bytes", CANNOT_DECIDE)
    return data


def _parse_pin(text: str) -> tuple[int, bytes]:
    number, _, digest = text.partition(":")
    try:
        value = bytes.fromhex(digest.removeprefix("0x"))
        if len(value) != 32:
            raise ValueError(digest)
        return int(number), value
    except ValueError as error:
        raise _failure("PIN_MALFORMED: --pin takes NUMBER:HASH", CANNOT_DECIDE) from error


LOG_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@main.command()
@home_option
@click.option("--node", default=None, help="JSON-RPC URL; default: from the settings. 节点地址。")
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    help="Also compile this source tree and compare the code on chain. 源码目录。",
)
@click.option(
    "--log",
    "logs",
    type=LOG_FILE,
    multiple=True,
    help="File of another gateway's access log; several times. 其他网关的日志文件。",
)
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    help="Folder of receipts that requesters and providers hold. 各方持有的回执目录。",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")
@plain_errors(CANNOT_DECIDE)
def audit(
    *,
    home: Path,
    node: str | None,
    source: Path | None,
    logs: tuple[Path, ...],
    receipts: Path | None,
    as_json: bool,
) -> None:
    """Audit chain and access log against each other. 审计整个账本。

    Reads only. Where nothing answers at the node's URL, the embedded node is started for the time.
    Exit status: 0 nothing found, 1 findings, 2 the audit could not be made.
    """
    from ledger.audit.run import run_audit  # noqa: PLC0415 - keeps `sanlian verify` light

    settings = _with_node(load_settings(home.absolute()), node)
    news = _say_nothing if as_json else _say
    with node_running(settings, news):
        report = run_audit(settings, say=news, source=source, logs=logs, receipts=receipts)
    if as_json:
        click.echo(json.dumps(report.to_value(), ensure_ascii=False))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        for one in report.explained:
            click.echo(f"explained 已说明: {one}")
        click.echo(report.summary())
    sys.exit(1 if report.findings else 0)


@main.command()
@click.argument("logs", type=LOG_FILE, nargs=-1)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Also all logs in the PostgreSQL database of this home's settings. 主目录。",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")
@plain_errors(CANNOT_DECIDE)
def completeness(logs: tuple[Path, ...], *, home: Path | None, as_json: bool) -> None:
    """Look for missing and twofold numbers in files of access logs. 离线检查日志完整性。

    Needs no node: LOGS are the logs of all gateways. Exit status as of audit.
    """
    from ledger.audit.offline import check_logs  # noqa: PLC0415 - the same

    database = "" if home is None else load_settings(home.absolute()).log_database_url
    if not logs and not database:
        raise click.UsageError("name LOGS, or a --home whose log_database_url is set")
    report = check_logs(logs, database=database)
    if as_json:
        click.echo(json.dumps(report.to_value(), ensure_ascii=False))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        for one in report.explained:
            click.echo(f"explained 已说明: {one}")
        click.echo(f"{report.records} access records checked, {len(report.findings)} findings")
    sys.exit(1 if report.findings else 0)


@main.command()
@home_option
@click.option("--from", "first", type=DAY, required=True, help="First day. 起始日。")
@click.option("--until", type=DAY, required=True, help="Last day, up to today. 截止日。")
@click.option("--department", default=None, help="Only this department's id. 部门标识。")
@click.option("--node", default=None, help="JSON-RPC URL; default: from the settings. 节点地址。")
@click.option("--json", "as_json", is_flag=True, help="Print the report itself. 输出报告原文。")
@plain_errors(CANNOT_DECIDE)
def performance(
    *,
    home: Path,
    first: datetime,
    until: datetime,
    department: str | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Compute the departments' performance from the chain alone. 由链计算部门绩效。

    Every signature and rule is checked again on the way. The figures: docs/performance.md.
    """
    from ledger.audit.performance import report_from_chain  # noqa: PLC0415 - the same
    from ledger.audit.performance_text import describe_report  # noqa: PLC0415 - the same

    settings = _with_node(load_settings(home.absolute()), node)
    period = day_of(first.date()), day_of(until.date())
    news = _say_nothing if as_json else _say
    with node_running(settings, news):
        report = report_from_chain(settings, period, say=news)
    if department is not None:
        report["departments"] = [x for x in report["departments"] if x["id"] == department]
        if not report["departments"]:
            raise click.ClickException("NOT_FOUND: no department has this id in that period")
    data = canonical_json(report)
    if as_json:  # the report's own bytes, of which the digest is: no newline behind them
        click.echo(data.decode(), nl=False)
    else:
        click.echo(describe_report(report, sm3(data).hex()))


def _say_nothing(_line: str) -> None:
    """Keep quiet where only JSON is wanted."""


@main.command()
@home_option
@click.option("--node", default=None, help="JSON-RPC URL; default: from the settings. 节点地址。")
@plain_errors()
def rebuild(home: Path, node: str | None) -> None:
    """Rebuild the database from the chain alone; stop the api first. 由链重建数据库。"""
    from ledger.rebuild import rebuild as rebuild_database  # noqa: PLC0415 - the same

    settings = _with_node(load_settings(home.absolute()), node)
    with node_running(settings, _say):
        rebuild_database(settings, _say)


def consultant_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add who looks, and why; the gateway records both before anything is done."""
    options = (
        click.option("--key", required=True, help="Auditor's key, file or URI. 审计员密钥。"),
        click.option(
            "--passphrase",
            envvar="SANLIAN_AUDITOR_PASSPHRASE",
            prompt=True,
            hide_input=True,
            help="Of the key file, or PIN; better in SANLIAN_AUDITOR_PASSPHRASE. 口令。",
        ),
        click.option("--gateway-port", type=click.IntRange(1, 65535), help="网关端口。"),
        click.option("--person", required=True, help="Pseudonym of who looks. 查询人员代号。"),
        click.option("--basis", default=NONE, help="Code of the legal basis. 法律依据代码。"),
        click.option("--case", default=NONE, help="Number of the case. 案件编号。"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command("search-parameter")
@home_option
@click.option(
    "--pointer", multiple=True, help="JSON pointer; default: those of the settings. 参数路径。"
)
@click.option(
    "--period", multiple=True, help="Month YYYY-MM; default: all since the log began. 期间。"
)
@consultant_options
@plain_errors()
def search_parameter_command(
    *,
    home: Path,
    pointer: tuple[str, ...],
    period: tuple[str, ...],
    key: str,
    passphrase: str,
    gateway_port: int | None,
    **who: str,
) -> None:
    """Find the requests that asked about a value, a JSON text on standard input. 按参数值查询。"""
    from ledger import consulting  # noqa: PLC0415 - keeps `sanlian verify` light

    settings = _with_gateway(load_settings(home.absolute()), gateway_port)
    # Not an argument: those are seen in the list of processes and kept in the shell's history.
    try:
        value = parse_json(sys.stdin.buffer.read(65537), max_bytes=65536)
    except CryptoError as error:
        raise click.ClickException("PARAMETER_INVALID: standard input is not JSON") from error
    consultant = consulting.Consultant(consulting.open_auditor_key(key, passphrase), **who)
    found = consulting.search_in_home(settings, consultant, value, pointers=pointer, periods=period)
    click.echo(f"the search is record {found.consultation}", err=True)
    for seq in found.records:
        click.echo(f"record {seq}")
    for month in found.closed:
        click.echo(f"{month} cannot be searched: its key is gone", err=True)


@main.command("dispose-parameter-key")
@home_option
@click.option("--period", required=True, help="A month that is over, YYYY-MM. 期间。")
@click.option("--cause", type=click.Choice(CAUSES), required=True, help="Why. 事由。")
@plain_errors()
def dispose_parameter_key(home: Path, period: str, cause: str) -> None:
    """Record the disposal of a month's key, then destroy it; stop the gateway first. 销毁密钥。"""
    from ledger.log.disposing import dispose_in_home  # noqa: PLC0415 - the same

    is_new = dispose_in_home(load_settings(home.absolute()), period=period, cause=cause)
    _say(f"{period}: {'recorded and destroyed' if is_new else 'recorded before; destroyed'}")


@main.group()
def kept() -> None:
    """Parameters that law demands to keep. 依法留存的参数。"""


@kept.command("show")
@home_option
@click.argument("record", type=click.IntRange(0, 2**53 - 1))
@consultant_options
@plain_errors()
def kept_show(
    *,
    home: Path,
    record: int,
    key: str,
    passphrase: str,
    gateway_port: int | None,
    **who: str,
) -> None:
    """Open the envelope of RECORD; the gateway first records who looks, and why. 查看留存参数。"""
    from ledger import consulting  # noqa: PLC0415 - the same

    settings = _with_gateway(load_settings(home.absolute()), gateway_port)
    consultant = consulting.Consultant(consulting.open_auditor_key(key, passphrase), **who)
    index, body = consulting.show_kept_in_home(settings, consultant, record)
    click.echo(f"the opening is record {index}", err=True)
    click.echo(body)


@kept.command("dispose")
@home_option
@click.option("--month", help="A month that is over, YYYY-MM: all its envelopes. 月份。")
@click.option("--record", type=click.IntRange(0, 2**53 - 1), help="One record. 记录序号。")
@click.option("--cause", type=click.Choice(CAUSES), required=True, help="Why. 事由。")
@plain_errors()
def kept_dispose(home: Path, month: str | None, record: int | None, cause: str) -> None:
    """Record the disposal of envelopes, then destroy their keys; stop the gateway first. 销毁。"""
    from ledger.log.disposing import dispose_kept_in_home  # noqa: PLC0415 - the same

    if (month is None) == (record is None):
        raise click.UsageError("name a month or a record")
    settings = load_settings(home.absolute())
    is_new = dispose_kept_in_home(settings, period=month, seq=record, cause=cause)
    subject = month if month is not None else f"record {record}"
    _say(f"{subject}: {'recorded and destroyed' if is_new else 'recorded before; destroyed'}")


def _with_gateway(settings: Settings, port: int | None) -> Settings:
    return settings if port is None else settings.model_copy(update={"gateway_port": port})


def _with_node(settings: Settings, node: str | None) -> Settings:
    return settings if node is None else settings.model_copy(update={"node_url": node})


if __name__ == "__main__":
    main()
