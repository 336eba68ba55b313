"""Claims to data elements: who is the source of what, and which conflicts wait for a decision."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.db.store.claims import claim_of
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json
from protocol.model import find_source, is_claim_live


def list_claims(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    element: bytes | None = None,
    entry: bytes | None = None,
    department: bytes | None = None,
    state: str | None = None,
) -> Page:
    """Return claims in the order in which they were made; `live` says whether one counts.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        element: only claims to this data element.
        entry: only claims of this entry.
        department: only claims of this department.
        state: only claims in this state.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Claim)
    filters = {"element": element, "entry": entry, "department": department, "state": state}
    for name, value in filters.items():
        if value is not None:
            query = query.where(table.Claim.__table__.columns[name] == value)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Claim, cursor, limit)
        return Page(_with_liveness(session, rows), next_cursor)


def get_claim(connection: Connection, claim_id: bytes) -> dict[str, Any]:
    """Return a claim.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Claim, claim_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _with_liveness(session, [row])[0]


def get_source(connection: Connection, element: bytes) -> dict[str, Any]:
    """Return the source department of a data element and its claim; null while there is none."""
    with Session(connection) as session:
        claim = find_source(SqlStore(session), element)
        return {
            "element": element.hex(),
            "department": None if claim is None else claim.department.hex(),
            "claim": None if claim is None else claim.id.hex(),
        }


def _with_liveness(session: Session, rows: Sequence[table.Claim]) -> list[dict[str, Any]]:
    store = SqlStore(session)
    return [{**to_json(row), "live": is_claim_live(store, claim_of(row))} for row in rows]
