"""Rows of the years of the calendar."""

from sqlalchemy import select

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class CalendarRows(Rows):
    """Published years of working days."""

    def find_calendar_year(self, year: int) -> model.CalendarYear | None:
        """Return the published working days of a year."""
        row = self._session.scalars(
            select(table.CalendarYear).where(table.CalendarYear.year == year)
        ).first()
        return None if row is None else calendar_year_of(row)

    def find_calendar_publication(self, publication_id: bytes) -> model.CalendarYear | None:
        """Return the year that this act published."""
        row = self._session.get(table.CalendarYear, publication_id)
        return None if row is None else calendar_year_of(row)

    def put_calendar_year(self, calendar_year: model.CalendarYear) -> None:
        """Keep a year's working days."""
        c = calendar_year
        self._put(
            table.CalendarYear,
            c.id,
            id=c.id,
            year=c.year,
            working_days=c.working_days,
            source=c.source,
            reason=c.reason,
            revision=c.revision,
            block_number=c.block_number,
        )


def calendar_year_of(row: table.CalendarYear) -> model.CalendarYear:
    """Return the model's calendar year."""
    return model.CalendarYear(
        id=row.id,
        year=row.year,
        working_days=row.working_days,
        source=row.source,
        reason=row.reason,
        revision=row.revision,
        block_number=row.block_number,
    )
