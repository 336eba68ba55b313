"""Statements that the data behind entries was refreshed."""

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json


def list_refreshes(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    entry: bytes | None = None,
    department: bytes | None = None,
) -> Page:
    """Return refreshes in the order in which they were recorded.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        entry: only refreshes of this entry's data.
        department: only refreshes of this provider.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Refresh)
    if entry is not None:
        query = query.where(table.Refresh.entry == entry)
    if department is not None:
        query = query.where(table.Refresh.department == department)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Refresh, cursor, limit)
        return Page([to_json(row) for row in rows], next_cursor)


def get_refresh(connection: Connection, refresh_id: bytes) -> dict[str, Any]:
    """Return a refresh.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Refresh, refresh_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return to_json(row)
