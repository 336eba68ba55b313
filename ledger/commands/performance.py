"""Command `sanlian performance`: the departments' figures from the chain."""

from datetime import datetime
from pathlib import Path

import click

from crypto.canonical import canonical_json
from crypto.sm3 import sm3
from ledger.commands.console import (
    CANNOT_DECIDE,
    home_option,
    node_option,
    plain_errors,
    say,
    say_nothing,
    with_node,
)
from ledger.processes import node_running
from ledger.settings import load_settings
from protocol.calendar import day_of

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@home_option
@click.option("--from", "first", type=DAY, required=True, help="First day. 起始日。")
@click.option("--until", type=DAY, required=True, help="Last day, up to today. 截止日。")
@click.option("--department", default=None, help="Only this department's id. 部门标识。")
@node_option
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

    settings = with_node(load_settings(home.absolute()), node)
    period = day_of(first.date()), day_of(until.date())
    news = say_nothing if as_json else say
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
