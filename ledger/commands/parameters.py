"""Commands about requests' parameters: searched, shown, and their keys disposed of."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from crypto.canonical import parse_json
from crypto.errors import CryptoError
from ledger.commands.console import home_option, plain_errors, say, with_gateway
from ledger.settings import load_settings
from protocol.httpsig import NONE
from protocol.parameters import CAUSES


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


@click.command("search-parameter")
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

    settings = with_gateway(load_settings(home.absolute()), gateway_port)
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


@click.command("dispose-parameter-key")
@home_option
@click.option("--period", required=True, help="A month that is over, YYYY-MM. 期间。")
@click.option("--cause", type=click.Choice(CAUSES), required=True, help="Why. 事由。")
@plain_errors()
def dispose_parameter_key(home: Path, period: str, cause: str) -> None:
    """Record the disposal of a month's key, then destroy it; stop the gateway first. 销毁密钥。"""
    from ledger.log.disposing import dispose_in_home  # noqa: PLC0415 - the same

    is_new = dispose_in_home(load_settings(home.absolute()), period=period, cause=cause)
    _say_disposed(period, is_new=is_new)


@click.group()
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

    settings = with_gateway(load_settings(home.absolute()), gateway_port)
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
    _say_disposed(subject, is_new=is_new)


def _say_disposed(subject: str | None, *, is_new: bool) -> None:
    say(f"{subject}: {'recorded and destroyed' if is_new else 'recorded before; destroyed'}")
    say("the gateway files the act ParametersDisposed when it runs again")
