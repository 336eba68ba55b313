"""Consents that data are passed on to third parties."""

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json
from protocol.model.third_party_rules import is_consent_live, passed_items


def list_consents(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    grant: bytes | None = None,
    provider: bytes | None = None,
    state: str | None = None,
    at_s: int,
) -> Page:
    """Return consents in the order of their giving.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        grant: only those for this grant.
        provider: only those by this department.
        state: only those in this state.
        at_s: time, in unix seconds, as of which it is said what is live.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Consent)
    for column, value in (
        (table.Consent.grant, grant),
        (table.Consent.provider, provider),
        (table.Consent.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Consent, cursor, limit)
        return Page([_to_json(row, SqlStore(session), at_s) for row in rows], next_cursor)


def get_consent(connection: Connection, consent_id: bytes, *, at_s: int) -> dict[str, Any]:
    """Return a consent.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Consent, consent_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _to_json(row, SqlStore(session), at_s)


def _to_json(row: table.Consent, store: SqlStore, at_s: int) -> dict[str, Any]:
    return to_json(row) | {
        "effective_items": f"{passed_items(store, row.id):064x}",
        "live": is_consent_live(store, row.id, at_s),
    }
