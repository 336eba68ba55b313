"""Working days: arithmetic over the years that the authority published (docs/protocol.md, 3.5).

The twin of contracts/registry/Calendar.sol. A day is a number: whole days since 1970-01-01 in
Asia/Shanghai. The working days of a year are a number of up to 366 bits: bit i is day i of the
year, 0 is 1 January. A year that is not published is an error, never a guess.
"""

from datetime import date, datetime, timedelta, timezone
from typing import Protocol

from crypto.errors import ProtocolError

#: China has one time and, since 1992, no summer time.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
FIRST_YEAR = 2000
LAST_YEAR = 2199
MIN_WORKING_DAYS = 200
MAX_WORKING_DAYS = 300
#: Most working days that a due day may lie ahead.
MAX_COUNT = 400

_DAY_S = 86_400
_OFFSET_S = 8 * 3600
_EPOCH = date(1970, 1, 1).toordinal()
_LEAP_DAYS_BEFORE_1970 = 477


class Years(Protocol):
    """Published years; a dict of year and bits is one."""

    def get(self, year: int, /) -> int | None:
        """Return the working days of a year as bits, None where it is not published."""


def day_at(at_s: int) -> int:
    """Return the day in Asia/Shanghai at a time in unix seconds."""
    return (at_s + _OFFSET_S) // _DAY_S


def day_of(at: date) -> int:
    """Return the number of a calendar day."""
    return at.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """Return the calendar day of a number."""
    return date.fromordinal(day + _EPOCH)


def date_text(day: int) -> str | None:
    """Return a day as YYYY-MM-DD; None for 0, which stands for not yet."""
    return date_of(day).isoformat() if day else None


def days_in(year: int) -> int:
    """Return how many days a year has."""
    return 366 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 365


def first_day(year: int) -> int:
    """Return the day of 1 January; the year is 1970 or later."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400 - _LEAP_DAYS_BEFORE_1970
    return 365 * (year - 1970) + leap_days


def place_of(day: int) -> tuple[int, int]:
    """Return the year of a day, and the day's number in it from 0; the day is 0 or later."""
    year = 1970 + day * 400 // 146_097  # by the average year: at most one off
    if day < first_day(year):
        year -= 1
    elif day >= first_day(year + 1):
        year += 1
    return year, day - first_day(year)


def is_working_day(years: Years, day: int) -> bool:
    """Return whether a day is a working day.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    year, index = place_of(day)
    return _bits_of(years, year) >> index & 1 == 1


def due_day(years: Years, start_day: int, count: int) -> int:
    """Return the count-th working day after a day.

    Args:
        years: the published years.
        start_day: the day of receipt, which is not counted.
        count: 0 to 400; 0 gives the start day.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year; COUNT_INVALID.

    Standard: State Council Order 809 Art 21 and 22.
    """
    if not 0 <= count <= MAX_COUNT:
        raise ProtocolError("COUNT_INVALID", f"working days are counted up to {MAX_COUNT}")
    if count == 0:
        return start_day
    year, index = place_of(start_day + 1)
    left = count
    while True:
        bits = _bits_of(years, year) >> index << index
        found = bits.bit_count()
        if left <= found:
            return first_day(year) + _nth_bit(bits, left)
        left -= found
        year, index = year + 1, 0


def working_days(years: Years, from_day: int, to_day: int) -> int:
    """Return the number of working days behind one day up to another, which is counted.

    Args:
        years: the published years.
        from_day: the day that is not counted.
        to_day: the last day that is counted; 0 is returned where it is not behind from_day.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    if to_day <= from_day:
        return 0
    year, index = place_of(from_day + 1)
    last_year, last_index = place_of(to_day)
    count = 0
    while True:
        bits = _bits_of(years, year) >> index << index
        if year == last_year:
            return count + (bits & ((2 << last_index) - 1)).bit_count()
        count += bits.bit_count()
        year, index = year + 1, 0


def due_time(day: int) -> datetime:
    """Return the end of a due day: 24:00 in Asia/Shanghai, the first instant that is too late."""
    return datetime(1970, 1, 1, tzinfo=SHANGHAI) + timedelta(days=day + 1)


def is_late(day: int, at_s: int) -> bool:
    """Return whether a time in unix seconds lies behind a due day."""
    return day_at(at_s) > day


def working_days_late(years: Years, day: int, at_s: int) -> int:
    """Return by how many working days a time lies behind a due day.

    Late on the days off that follow the due day is 0 working days late: see is_late.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    return working_days(years, day, day_at(at_s))


def plain_weekdays(year: int) -> int:
    """Return a year's Mondays to Fridays as bits: what no notice has changed."""
    first = date(year, 1, 1)
    return sum(1 << i for i in range(days_in(year)) if (first.weekday() + i) % 7 < 5)


def days_of(year: int, bits: int) -> list[date]:
    """Return the calendar days whose bits are set."""
    first = first_day(year)
    return [date_of(first + i) for i in range(days_in(year)) if bits >> i & 1]


def calendar_problem(year: int, bits: int) -> str:
    """Return what forbids these working days, in words; empty when nothing does.

    Args:
        year: the year, FIRST_YEAR to LAST_YEAR.
        bits: its working days.
    """
    if bits >> days_in(year):
        return "names days beyond the year's end"
    if not MIN_WORKING_DAYS <= bits.bit_count() <= MAX_WORKING_DAYS:
        return f"must be {MIN_WORKING_DAYS} to {MAX_WORKING_DAYS} days"
    return ""


def _bits_of(years: Years, year: int) -> int:
    bits = years.get(year)
    if bits is None:
        raise ProtocolError(
            "CALENDAR_UNKNOWN", f"the working days of {year} are not published", year=year
        )
    return bits


def _nth_bit(bits: int, n: int) -> int:
    for _ in range(n - 1):
        bits &= bits - 1
    return (bits & -bits).bit_length() - 1
