"""Working days of the published years, and due days that follow from them."""

from datetime import date
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json
from protocol.calendar import date_of, day_of, days_of, due_day, due_time, plain_weekdays


def list_calendar(connection: Connection, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return the published years in the order of their publication.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    with Session(connection) as session:
        rows, next_cursor = page_of(
            session, select(table.CalendarYear), table.CalendarYear, cursor, limit
        )
        return Page([_to_json(row) for row in rows], next_cursor)


def get_calendar_year(connection: Connection, year: int) -> dict[str, Any]:
    """Return a published year.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN.
    """
    with Session(connection) as session:
        row = session.scalars(
            select(table.CalendarYear).where(table.CalendarYear.year == year)
        ).first()
        if row is None:
            raise ProtocolError(
                "CALENDAR_UNKNOWN", f"the working days of {year} are not published", year=year
            )
        return _to_json(row)


def _to_json(row: table.CalendarYear) -> dict[str, Any]:
    plain = plain_weekdays(row.year)
    return {
        **to_json(row),
        "working_day_count": row.working_days.bit_count(),
        "weekdays_off": _dates(row.year, plain & ~row.working_days),
        "weekend_days_worked": _dates(row.year, row.working_days & ~plain),
    }


def _dates(year: int, bits: int) -> list[str]:
    return [day.isoformat() for day in days_of(year, bits)]


class _UsedYears:
    """Published years of the database; keeps those that were asked for."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.used: dict[int, int] = {}

    def get(self, year: int, /) -> int | None:
        found = self._store.find_calendar_year(year)
        if found is None:
            return None
        self.used[year] = found.revision
        return found.working_days


def get_due_day(connection: Connection, *, start: date, working_days: int) -> dict[str, Any]:
    """Return the due day of a deadline that starts on a day.

    Args:
        connection: connection with a read transaction.
        start: the day of receipt, 1970 or later, which is not counted.
        working_days: 0 to 400.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year; COUNT_INVALID.
    """
    with Session(connection) as session:
        years = _UsedYears(SqlStore(session))
        due = due_day(years, day_of(start), working_days)
    return {
        "start": start.isoformat(),
        "working_days": working_days,
        "due": date_of(due).isoformat(),
        "late_from": int(due_time(due).timestamp()),
        "years": [{"year": y, "revision": r} for y, r in sorted(years.used.items())],
    }
