"""Entering a year's working days: where they come from, and how a person checks them.

What counts is what the authority publishes on chain. The package chinesecalendar and files only
help to draft it.
"""

import csv
import io
import re
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import version
from itertools import zip_longest

import chinese_calendar

from crypto.errors import LedgerError, ProtocolError
from protocol.calendar import (
    FIRST_YEAR,
    LAST_YEAR,
    calendar_problem,
    days_in,
    days_of,
    plain_weekdays,
)

MAX_CSV_SIZE = 64 * 1024
_MAX_ROWS = 400
_SATURDAY = 5
#: What a row makes of its date; 1 is a working day.
_KINDS = {"班": 1, "work": 1, "休": 0, "off": 0}
_DATE = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})")
_MONTHS_ACROSS = 2
_CELLS = 7

_WEEKDAYS = {
    "zh": ("一", "二", "三", "四", "五", "六", "日"),
    "en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"),
}
#: Marks of weekdays off, weekend days worked and weekend days off.
_MARKS = {"zh": ("休", "班", "· "), "en": ("off", "wrk", "·  ")}
_LEGENDS = {
    "zh": "休 放假的平日  班 上班的周末  · 周末",
    "en": "off weekday off  wrk weekend day worked  · weekend",
}


def read_package(year: int) -> int:
    """Return a year's working days from the package chinesecalendar, as bits.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN where the package does not know the year.
    """
    _require_year(year)
    first = date(year, 1, 1)
    try:
        return sum(
            1 << i
            for i in range(days_in(year))
            if chinese_calendar.is_workday(first + timedelta(days=i))
        )
    except NotImplementedError as error:
        raise ProtocolError(
            "CALENDAR_UNKNOWN",
            f"chinesecalendar {version('chinesecalendar')} does not know {year}: update it, or "
            "enter the notice in a CSV file",
            year=year,
        ) from error


def read_csv(year: int, data: bytes) -> int:
    """Return a year's working days from a file of what differs from Monday to Friday, as bits.

    Columns: `date` (2027-01-01 or 2027/1/1) and `kind` (班 or work: worked; 休 or off: off). Days
    off on a weekend may be named, as notices do.

    Args:
        year: the year.
        data: CSV in UTF-8 or GB 18030 with a header line.

    Raises:
        LedgerError: CALENDAR_FILE_INVALID; details rows lists every error with its row.
        ProtocolError: CALENDAR_UNKNOWN for a year outside 2000 to 2199.
    """
    _require_year(year)
    problems: list[str] = []
    kinds: dict[date, int] = {}
    rows = _rows(data)
    if not rows or [name.strip().lower() for name in rows[0]] != ["date", "kind"]:
        raise _invalid(["row 1: the header is date,kind"])
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            at, kind = _parse_row(year, row)
            if at in kinds:
                raise ValueError(f"{at} stands twice")
            kinds[at] = kind
        except ValueError as error:
            problems.append(f"row {number}: {error}")
    if not kinds and not problems:
        problems.append("row 2: no day differs, yet every notice names days off")
    if problems:
        raise _invalid(problems)
    bits = _changed(year, kinds)
    problem = calendar_problem(year, bits)
    if problem:
        raise _invalid([f"working days: {problem}, found {bits.bit_count()}"])
    return bits


def _rows(data: bytes) -> list[list[str]]:
    if len(data) > MAX_CSV_SIZE:
        raise _invalid([f"the file is larger than {MAX_CSV_SIZE} bytes"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            raise _invalid(["the file is neither UTF-8 nor GB 18030"]) from None
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise _invalid([f"the file is not CSV: {error}"]) from None
    if len(rows) > _MAX_ROWS:
        raise _invalid([f"the file has more than {_MAX_ROWS} rows"])
    return rows


def _parse_row(year: int, row: list[str]) -> tuple[date, int]:
    if len(row) != 2:
        raise ValueError(f"2 columns are wanted, found {len(row)}")
    text, word = row[0].strip(), row[1].strip().lower()
    try:
        found = _DATE.fullmatch(text)
        if found is None:
            raise ValueError
        at = date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as {year}-01-01") from None
    if at.year != year:
        raise ValueError(f"{at} is not in {year}; correct {at.year} with an act of its own")
    if word not in _KINDS:
        raise ValueError(f"{word!r} is none of {', '.join(_KINDS)}")
    kind = _KINDS[word]
    if kind and at.weekday() < _SATURDAY:
        raise ValueError(f"{at} is a Monday to Friday, which is worked without being named")
    return at, kind


def _changed(year: int, kinds: Mapping[date, int]) -> int:
    bits = plain_weekdays(year)
    for at, kind in kinds.items():
        bit = 1 << (at.timetuple().tm_yday - 1)
        bits = bits | bit if kind else bits & ~bit
    return bits


def _require_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ProtocolError(
            "CALENDAR_UNKNOWN", f"calendars are of {FIRST_YEAR} to {LAST_YEAR}", year=year
        )


def _invalid(rows: list[str]) -> LedgerError:
    return LedgerError("CALENDAR_FILE_INVALID", f"{len(rows)} errors in the file", rows=rows)


def differences(year: int, bits: int, other: int) -> list[str]:
    """Return the days on which a year differs from another version of it, each with its mark.

    Args:
        year: the year.
        bits: its working days.
        other: working days that it is compared with, such as plain_weekdays.
    """
    worked = set(days_of(year, bits & ~other))
    return [
        f"{at.isoformat()} {'班 work' if at in worked else '休 off'}"
        for at in days_of(year, bits ^ other)
    ]


def month_grid(year: int, bits: int, language: str) -> list[str]:
    """Return a year as lines of month grids, with marks where a day differs from its weekday.

    Args:
        year: the year.
        bits: its working days.
        language: zh or en.
    """
    lines = [_LEGENDS[language]]
    for month in range(1, 13, _MONTHS_ACROSS):
        blocks = [_month(year, month + i, bits, language) for i in range(_MONTHS_ACROSS)]
        empty = " " * _width(blocks[0][0])
        lines += ["   ".join(cells).rstrip() for cells in zip_longest(*blocks, fillvalue=empty)]
    return lines


def _month(year: int, month: int, bits: int, language: str) -> list[str]:
    """Lines of one width, counted in columns of a terminal."""
    mark_off, mark_worked, mark_weekend = _MARKS[language]
    width = 2 + _width(mark_off) + 1
    title = f"{year}-{month:02d}"
    lines = [title.ljust(width * _CELLS)]
    lines.append("".join(name + " " * (width - _width(name)) for name in _WEEKDAYS[language]))
    first = date(year, month, 1)
    line = " " * (width * first.weekday())
    at = first
    while at.month == month:
        worked = bits >> (at.timetuple().tm_yday - 1) & 1
        weekend = at.weekday() >= _SATURDAY
        mark = " " * _width(mark_off)
        if weekend:
            mark = mark_worked if worked else mark_weekend
        elif not worked:
            mark = mark_off
        line += f"{at.day:2d}{mark} "
        if at.weekday() == 6:
            lines.append(line)
            line = ""
        at += timedelta(days=1)
    if line:
        lines.append(line + " " * (width * _CELLS - _width(line)))
    return lines


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if "\u2e80" <= c <= "\uffee" else 1 for c in text)
