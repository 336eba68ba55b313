"""Catalogue entries with their versions and the text of their documents."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.reads.clocks import clocks_of
from ledger.reads.page import Page
from ledger.reads.rows import document_text, is_like, page_of, to_json


def list_entries(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    department: bytes | None = None,
    state: str | None = None,
    sharing_class: int | None = None,
    text: str | None = None,
) -> Page:
    """Return entries in the order of their first submission, with current and pending version.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        department: only entries of this provider.
        state: only entries in this state.
        sharing_class: only entries whose current version has this class.
        text: only entries with a version whose document's name contains it.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    entry, version = table.Entry, table.EntryVersion
    query = select(entry)
    if department is not None:
        query = query.where(entry.department == department)
    if state is not None:
        query = query.where(entry.state == state)
    if sharing_class is not None:
        query = query.where(
            select(version.entry)
            .where(
                version.entry == entry.id,
                version.number == entry.current,
                version.sharing_class == sharing_class,
            )
            .exists()
        )
    if text:
        query = query.where(
            select(version.entry)
            .join(table.Document, table.Document.digest == version.document)
            .where(
                version.entry == entry.id,
                or_(version.number == entry.current, version.number == entry.pending),
                is_like(table.Document.title, text),
            )
            .exists()
        )
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, entry, cursor, limit)
        return Page(_with_versions(session, rows, whole=False), next_cursor)


def get_entry(connection: Connection, entry_id: bytes) -> dict[str, Any]:
    """Return an entry with all its versions; each has its document's text, if it is known.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Entry, entry_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _with_versions(session, [row], whole=True)[0]


def _with_versions(
    session: Session, rows: Sequence[table.Entry], *, whole: bool
) -> list[dict[str, Any]]:
    versions: dict[tuple[bytes, int], dict[str, Any]] = {}
    for version, document in session.execute(
        select(table.EntryVersion, table.Document)
        .outerjoin(table.Document, table.Document.digest == table.EntryVersion.document)
        .where(table.EntryVersion.entry.in_([row.id for row in rows]))
        .order_by(table.EntryVersion.entry, table.EntryVersion.number)
    ):
        item = to_json(version)
        del item["entry"]
        item["title"] = None if document is None else document.title
        if whole:
            item["document_text"] = document_text(document)
        versions[version.entry, version.number] = item
    result = []
    store = SqlStore(session)
    for row in rows:
        item = to_json(row)
        item["current"] = None if row.current is None else versions.get((row.id, row.current))
        item["pending"] = None if row.pending is None else versions.get((row.id, row.pending))
        if (entry := store.find_entry(row.id)) is not None:
            item["clocks"] = clocks_of(session, entry)
        shown = item["current"] or item["pending"]
        item["title"] = None if shown is None else shown["title"]
        if whole:
            item["versions"] = [v for (entry, _), v in versions.items() if entry == row.id]
        result.append(item)
    return result
