"""Commands `sanlian-client calendar`: working days drafted, corrected, shown and counted."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from crypto.errors import LedgerError, RequestRefused
from crypto.sm3 import sm3
from protocol.calendar import date_of, day_of, due_day, due_time, plain_weekdays
from sanlian_client.acts import Acts
from sanlian_client.calendar import MAX_CSV_SIZE, differences, month_grid, read_csv, read_package
from sanlian_client.commands.connecting import api_option, deployment_option, open_platform
from sanlian_client.commands.console import (
    FILE,
    json_option,
    language_option,
    parse_hex,
    plain_errors,
    show,
)
from sanlian_client.drafts import Draft
from sanlian_client.files import read_limited, write_new
from sanlian_client.sealing import MAX_SEALED_SIZE

_PACKAGE = "chinesecalendar"
_MAX_NOTICE_SIZE = 64 * 1024 * 1024
_YEAR = click.IntRange(2000, 2199)


@click.group()
def calendar() -> None:
    """Working days and due days. 工作日历与到期日。"""


def _draft_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that the two drafts share."""
    for option in (
        deployment_option,
        api_option,
        language_option,
        click.option(
            "--lifetime-s",
            default=7 * 24 * 3600,
            show_default=True,
            help="Validity in seconds. 有效时长。",
        ),
        click.option(
            "--source",
            type=FILE,
            required=True,
            help="The State Council's notice as published; its SM3 is signed. 通知原文。",
        ),
        click.option(
            "--from",
            "origin",
            default=_PACKAGE,
            show_default=True,
            help=f"{_PACKAGE}, or a CSV file of date and kind. 数据来源。",
        ),
        click.option(
            "--signer",
            "signers",
            multiple=True,
            required=True,
            help="Key id of an authority person; the actor first. 签署密钥。",
        ),
        click.argument("path", type=FILE),
        click.argument("year", type=_YEAR),
    ):
        command = option(command)
    return command


def _read_working_days(year: int, origin: str) -> int:
    if origin == _PACKAGE:
        return read_package(year)
    try:
        return read_csv(year, read_limited(Path(origin), max_bytes=MAX_CSV_SIZE))
    except LedgerError as error:
        rows = error.details.get("rows")
        for row in rows if isinstance(rows, list) else ():
            click.echo(row, err=True)
        raise


def _show_year(year: int, bits: int, lang: str) -> None:
    for line in month_grid(year, bits, lang):
        click.echo(line)
    count = bits.bit_count()
    click.echo(f"工作日数: {count}" if lang == "zh" else f"working days: {count}")


def _show_differences(title: str, year: int, bits: int, other: int) -> None:
    found = differences(year, bits, other)
    click.echo(f"{title}: {len(found)}")
    for line in found:
        click.echo(f"  {line}")


def _show_plain(year: int, bits: int, lang: str) -> None:
    title = "与周一至周五不同的日期" if lang == "zh" else "differs from Monday to Friday"
    _show_differences(title, year, bits, plain_weekdays(year))


def _digest(source: Path) -> bytes:
    notice = read_limited(source, max_bytes=_MAX_NOTICE_SIZE)
    if not notice:
        raise LedgerError("FILE_NOT_READ", f"{source.name} is empty", file=source.name)
    return sm3(notice)


def _key_ids(signers: tuple[str, ...], count: int | None = None) -> list[bytes]:
    if count not in (None, len(signers)):
        raise click.UsageError("one authority person publishes a year: give --signer once")
    return [parse_hex(signer, 32, "--signer") for signer in signers]


def _write(draft: Draft, path: Path) -> None:
    write_new(path, draft.to_bytes())
    click.echo(draft.act_id.hex())


@calendar.command("draft")
@_draft_options
@plain_errors
def calendar_draft(
    *,
    year: int,
    path: Path,
    signers: tuple[str, ...],
    origin: str,
    source: Path,
    lifetime_s: int,
    lang: str,
    api: str,
    deployment: Path | None,
) -> None:
    """Show YEAR, then draft its publication into a new file. 起草公布工作日历。"""
    bits = _read_working_days(year, origin)
    digest = _digest(source)
    (signer,) = _key_ids(signers, count=1)
    _show_year(year, bits, lang)
    _show_plain(year, bits, lang)
    with open_platform(api, deployment) as platform:
        if platform.find_calendar_year(year) is not None:
            raise RequestRefused(
                "YEAR_TAKEN", f"{year} is published: draft a correction", year=year
            )
        draft = Acts(platform, lifetime_s=lifetime_s).publish_calendar(
            signer, year=year, working_days=bits, source=digest
        )
    _write(draft, path)


@calendar.command("correct")
@_draft_options
@click.option("--reason", type=FILE, required=True, help="Text of the reason. 理由文件。")
@click.option(
    "--sealed", type=FILE, required=True, help="Where salt and reason go; keep it. 密封文件。"
)
@plain_errors
def calendar_correct(
    *,
    year: int,
    path: Path,
    signers: tuple[str, ...],
    origin: str,
    source: Path,
    lifetime_s: int,
    lang: str,
    api: str,
    deployment: Path | None,
    reason: Path,
    sealed: Path,
) -> None:
    """Show what changes in YEAR, then draft its correction. 起草更正工作日历。"""
    bits = _read_working_days(year, origin)
    digest = _digest(source)
    text = read_limited(reason, max_bytes=MAX_SEALED_SIZE)
    with open_platform(api, deployment) as platform:
        found = platform.get_calendar_year(year)
        _show_year(year, bits, lang)
        title = "与已公布的不同" if lang == "zh" else "differs from what is published"
        _show_differences(title, year, bits, found.working_days)
        draft, kept = Acts(platform, lifetime_s=lifetime_s).correct_calendar(
            _key_ids(signers),
            found.id,
            year=year,
            working_days=bits,
            source=digest,
            reason=text,
            # The revision that was shown, so that nothing else is corrected unseen.
            revision=found.revision,
        )
    write_new(sealed, kept.to_bytes())
    _write(draft, path)


@calendar.command("show")
@click.argument("year", type=_YEAR)
@language_option
@api_option
@plain_errors
def calendar_show(year: int, lang: str, api: str) -> None:
    """Show the published working days of YEAR. 查看已公布的工作日历。"""
    with open_platform(api, None) as platform:
        found = platform.get_calendar_year(year)
    _show_year(year, found.working_days, lang)
    _show_plain(year, found.working_days, lang)
    show(
        {"id": found.id.hex(), "revision": found.revision, "source": found.source.hex()},
        as_json=False,
    )


@calendar.command("due")
@click.argument("start", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("working_days", type=click.IntRange(0, 400))
@api_option
@json_option
@plain_errors
def calendar_due(start: datetime, working_days: int, api: str, *, as_json: bool) -> None:
    """Count WORKING_DAYS behind START, the day of receipt. 推算到期日。"""
    with open_platform(api, None) as platform:
        years = {one.year: one.working_days for one in platform.calendar_years()}
    due = due_day(years, day_of(start.date()), working_days)
    show({"due": date_of(due).isoformat(), "late_from": due_time(due).isoformat()}, as_json=as_json)
