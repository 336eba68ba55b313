"""Disputes over sharing."""

from typing import Any

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json


def list_disputes(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    requester: bytes | None = None,
    provider: bytes | None = None,
    request: bytes | None = None,
    state: str | None = None,
    department: bytes | None = None,
) -> Page:
    """Return disputes in the order of their opening.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        requester: only those opened by this department.
        provider: only those against this department.
        request: only those over this request.
        state: only those in this state.
        department: only those with this department on either side.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Dispute)
    for column, value in (
        (table.Dispute.requester, requester),
        (table.Dispute.provider, provider),
        (table.Dispute.request, request),
        (table.Dispute.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if department is not None:
        query = query.where(
            or_(table.Dispute.requester == department, table.Dispute.provider == department)
        )
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Dispute, cursor, limit)
        return Page([to_json(row) for row in rows], next_cursor)


def get_dispute(connection: Connection, dispute_id: bytes) -> dict[str, Any]:
    """Return a dispute.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Dispute, dispute_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return to_json(row)
