"""Share requests and the grants that they became."""

from typing import Any

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json


def list_requests(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    requester: bytes | None = None,
    provider: bytes | None = None,
    department: bytes | None = None,
    interface: bytes | None = None,
    state: str | None = None,
) -> Page:
    """Return requests in the order of their filing.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        requester: only requests by this department.
        provider: only requests to this department.
        department: only requests by or to this department.
        interface: only requests for this interface.
        state: only requests in this state.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Request)
    for column, value in (
        (table.Request.requester, requester),
        (table.Request.provider, provider),
        (table.Request.interface, interface),
    ):
        if value is not None:
            query = query.where(column == value)
    if department is not None:
        query = query.where(
            or_(table.Request.requester == department, table.Request.provider == department)
        )
    if state is not None:
        query = query.where(table.Request.state == state)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Request, cursor, limit)
        return Page([to_json(row) for row in rows], next_cursor)


def get_request(connection: Connection, request_id: bytes) -> dict[str, Any]:
    """Return a request with its grant.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Request, request_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return to_json(row)
