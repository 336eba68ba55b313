"""Commands `sanlian audit` and `completeness`: chain and logs checked against each other."""

import json
import sys
from pathlib import Path

import click

from ledger.commands.console import (
    CANNOT_DECIDE,
    LOG_FILE,
    home_option,
    json_option,
    node_option,
    plain_errors,
    say,
    say_nothing,
    with_node,
)
from ledger.processes import node_running
from ledger.settings import load_settings


@click.command()
@home_option
@node_option
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
@json_option
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

    settings = with_node(load_settings(home.absolute()), node)
    news = say_nothing if as_json else say
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


@click.command()
@click.argument("logs", type=LOG_FILE, nargs=-1)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Also all logs in the PostgreSQL database of this home's settings. 主目录。",
)
@json_option
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
