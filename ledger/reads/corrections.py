"""Corrections of data, and when they are due."""

from typing import Any

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError, RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.db.store.corrections import correction_of
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json
from protocol.calendar import date_text, day_at
from protocol.model import PublishedYears
from protocol.model.sharing_clocks import correction_due, is_behind


def list_corrections(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    requester: bytes | None = None,
    provider: bytes | None = None,
    subject: bytes | None = None,
    state: str | None = None,
    department: bytes | None = None,
    at_s: int,
) -> Page:
    """Return corrections in the order of their filing.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        requester: only those filed by this department.
        provider: only those to this department.
        subject: only those on this grant or entry.
        state: only those in this state.
        department: only those with this department on either side.
        at_s: time, in unix seconds, as of which it is said what is late.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Correction)
    for column, value in (
        (table.Correction.requester, requester),
        (table.Correction.provider, provider),
        (table.Correction.subject, subject),
        (table.Correction.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if department is not None:
        query = query.where(
            or_(table.Correction.requester == department, table.Correction.provider == department)
        )
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Correction, cursor, limit)
        return Page([_to_json(row, SqlStore(session), at_s) for row in rows], next_cursor)


def get_correction(connection: Connection, correction_id: bytes, *, at_s: int) -> dict[str, Any]:
    """Return a correction.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Correction, correction_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _to_json(row, SqlStore(session), at_s)


def _to_json(row: table.Correction, store: SqlStore, at_s: int) -> dict[str, Any]:
    correction = correction_of(row)
    told = to_json(row) | {
        "filed_day": date_text(correction.filed_day),
        "closed_day": date_text(correction.closed_day),
        "as_of_day": date_text(day_at(at_s)),
        "due": None,
        "late": None,
        "calendar_missing": None,
    }
    try:
        due = correction_due(PublishedYears(store), correction)
    except ProtocolError as error:
        return told | {"calendar_missing": error.details.get("year")}
    late = is_behind(due, correction.closed_day, day_at(at_s))
    return told | {"due": date_text(due), "late": late}
