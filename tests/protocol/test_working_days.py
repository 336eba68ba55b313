"""Working days in Python: dates, due days, the articles that they serve, unknown years."""

from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolError
from protocol.calendar import (
    MAX_COUNT,
    SHANGHAI,
    calendar_problem,
    date_of,
    day_at,
    day_of,
    days_in,
    days_of,
    due_day,
    due_time,
    first_day,
    is_late,
    is_working_day,
    place_of,
    plain_weekdays,
    working_days,
    working_days_late,
)
from protocol.deadlines import (
    ANSWER_CONDITIONAL,
    ANSWER_EXTENSION,
    ANSWER_UNCONDITIONAL,
    DEADLINES,
    PROVISION,
)
from sanlian_client.calendar import read_package

YEARS = {year: read_package(year) for year in range(2004, 2027)}
DAYS = st.integers(first_day(2004) - 1, first_day(2027) - 1)
#: Start, and the due days after 1, 10 and 20 working days.
VECTORS = (
    (date(2025, 9, 28), date(2025, 9, 29), date(2025, 10, 17), date(2025, 10, 31)),
    (date(2026, 2, 12), date(2026, 2, 13), date(2026, 3, 4), date(2026, 3, 18)),
    (date(2026, 9, 24), date(2026, 9, 28), date(2026, 10, 15), date(2026, 10, 29)),
)
IDS = [str(row[0]) for row in VECTORS]


def due(start: date, count: int) -> date:
    """Return the due day as a date."""
    return date_of(due_day(YEARS, day_of(start), count))


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_21_an_unconditional_request_is_answered_within_1_working_day(
    row: tuple[date, ...],
) -> None:
    assert ANSWER_UNCONDITIONAL.working_days == 1
    assert due(row[0], ANSWER_UNCONDITIONAL.working_days) == row[1]


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_21_a_conditional_request_is_answered_within_10_working_days(
    row: tuple[date, ...],
) -> None:
    assert ANSWER_CONDITIONAL.working_days == 10
    assert due(row[0], ANSWER_CONDITIONAL.working_days) == row[2]


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_21_an_extension_adds_at_most_10_working_days(row: tuple[date, ...]) -> None:
    count = ANSWER_CONDITIONAL.working_days + ANSWER_EXTENSION.working_days
    assert count == 20
    assert due(row[0], count) == row[3]


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_22_data_is_provided_within_20_working_days(row: tuple[date, ...]) -> None:
    assert PROVISION.working_days == 20
    assert due(row[0], PROVISION.working_days) == row[3]


def test_the_deadlines_of_order_809() -> None:
    found = {one.name: (one.article, one.working_days, one.who) for one in DEADLINES}
    assert found == {
        "ENTRY_UPDATE": (16, 10, "provider"),
        "ENTRY_UPDATE_EXTENSION": (16, 5, "provider"),
        "ENTRY_REVIEW": (17, 2, "authority"),
        "ANSWER_UNCONDITIONAL": (21, 1, "provider"),
        "ANSWER_CONDITIONAL": (21, 10, "provider"),
        "ANSWER_EXTENSION": (21, 10, "provider"),
        "PROVISION": (22, 20, "provider"),
        "CORRECTION": (26, 10, "provider"),
    }


def test_each_day_of_a_whole_cycle_has_its_place() -> None:
    """The Gregorian calendar repeats after 400 years: this is every day there is."""
    at = date(1970, 1, 1)
    for day in range(146_097 + 1):
        assert place_of(day) == (at.year, at.timetuple().tm_yday - 1)
        at += timedelta(days=1)
    for day in (146_096, 146_097, 2**32 - 1):
        year, index = place_of(day)
        assert place_of(day + 146_097) == (year + 400, index)


@pytest.mark.parametrize("year", range(1970, 2201))
def test_years_begin_and_end_as_the_calendar_says(year: int) -> None:
    assert date_of(first_day(year)) == date(year, 1, 1)
    assert days_in(year) == (date(year + 1, 1, 1) - date(year, 1, 1)).days
    assert day_of(date(year, 12, 31)) == first_day(year + 1) - 1


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    midnight = int(datetime(2026, 2, 12, tzinfo=SHANGHAI).timestamp())
    day = day_of(date(2026, 2, 12))
    assert (day_at(midnight - 1), day_at(midnight), day_at(midnight + 86_399)) == (
        day - 1,
        day,
        day,
    )
    assert day_at(midnight) != midnight // 86_400, "the day in UTC is another one"


def test_late_begins_at_24_00_of_the_due_day() -> None:
    day = day_of(date(2026, 2, 13))
    end = due_time(day)
    assert end == datetime(2026, 2, 13, 16, tzinfo=UTC)
    assert end.utcoffset() == timedelta(hours=8)
    at = int(end.timestamp())
    assert not is_late(day, at - 1)
    assert is_late(day, at)


def test_lateness_counts_working_days() -> None:
    day = day_of(date(2026, 2, 13))  # then 02-14 is worked, 15 to 23 off, 24 worked

    def late_on(*at: int) -> int:
        return working_days_late(YEARS, day, int(datetime(*at, tzinfo=SHANGHAI).timestamp()))

    assert late_on(2026, 2, 13, 23) == 0
    assert late_on(2026, 2, 14, 0) == 1
    assert late_on(2026, 2, 23, 23) == 1
    assert late_on(2026, 2, 24, 0) == 2
    assert late_on(2026, 1, 1, 0) == 0


def slow_due(start: date, count: int) -> date:
    """Count day by day, as a person with a wall calendar does."""
    at = start
    while count:
        at += timedelta(days=1)
        count -= chinese_calendar.is_workday(at)
    return at


@given(day=st.integers(first_day(2004), first_day(2025)), count=st.integers(0, MAX_COUNT))
def test_due_days_are_those_of_a_wall_calendar(day: int, count: int) -> None:
    found = due_day(YEARS, day, count)
    assert date_of(found) == slow_due(date_of(day), count)
    assert working_days(YEARS, day, found) == count
    if count:
        assert is_working_day(YEARS, found)


@given(one=DAYS, other=DAYS, third=DAYS)
def test_working_days_add_up(one: int, other: int, third: int) -> None:
    a, b, c = sorted((one, other, third))
    assert working_days(YEARS, a, c) == working_days(YEARS, a, b) + working_days(YEARS, b, c)
    assert working_days(YEARS, c, a) == 0


@given(day=st.integers(first_day(2004), first_day(2027) - 1))
def test_each_day_is_what_the_package_says(day: int) -> None:
    assert is_working_day(YEARS, day) is chinese_calendar.is_workday(date_of(day))
    assert working_days(YEARS, day - 1, day) == int(is_working_day(YEARS, day))


def unknown(function: object, *arguments: int) -> object:
    """Return the year that is missing."""
    assert callable(function)
    with pytest.raises(ProtocolError) as caught:
        function(YEARS, *arguments)
    assert caught.value.code == "CALENDAR_UNKNOWN"
    return caught.value.details["year"]


def test_an_unknown_year_is_an_error_and_never_a_guess() -> None:
    last = day_of(date(2026, 12, 31))
    assert unknown(is_working_day, last + 1) == 2027
    assert unknown(is_working_day, first_day(2004) - 1) == 2003
    assert unknown(due_day, last, 1) == 2027
    assert unknown(due_day, last - 5, 10) == 2027
    assert unknown(working_days, last, last + 1) == 2027
    assert unknown(working_days, first_day(2004) - 2, last) == 2003
    # What is not read need not be known.
    assert due_day(YEARS, first_day(2004) - 1, 1) == day_of(date(2004, 1, 2))
    assert due_day(YEARS, 2**32 - 1, 0) == 2**32 - 1
    assert working_days(YEARS, first_day(2004) - 1, last) == sum(
        bits.bit_count() for bits in YEARS.values()
    )
    assert working_days(YEARS, 2**32 - 1, 2**32 - 1) == 0


def test_a_gap_between_published_years_is_an_error() -> None:
    years = {2024: YEARS[2024], 2026: YEARS[2026]}
    with pytest.raises(ProtocolError) as caught:
        working_days(years, day_of(date(2024, 6, 1)), day_of(date(2026, 6, 1)))
    assert caught.value.details == {"year": 2025}


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1])
def test_working_days_are_counted_up_to_400(count: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        due_day(YEARS, day_of(date(2025, 1, 1)), count)
    assert caught.value.code == "COUNT_INVALID"


def test_plain_weekdays() -> None:
    for year in (2024, 2025, 2026):
        assert all(day.weekday() < 5 for day in days_of(year, plain_weekdays(year)))
        assert plain_weekdays(year).bit_count() in (260, 261, 262)


def test_what_a_year_may_be() -> None:
    for year, bits in YEARS.items():
        assert calendar_problem(year, bits) == ""
    assert calendar_problem(2024, (1 << 366) - (1 << 66)) == ""
    assert "beyond" in calendar_problem(2025, YEARS[2025] | 1 << 365)
    assert calendar_problem(2025, (1 << 200) - 1) == ""
    assert "200 to 300" in calendar_problem(2025, (1 << 199) - 1)
    assert calendar_problem(2025, (1 << 300) - 1) == ""
    assert "200 to 300" in calendar_problem(2025, (1 << 301) - 1)
