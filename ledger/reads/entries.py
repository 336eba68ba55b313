"""Catalogue entries with their versions and the text of their documents."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError, RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.reads.clocks import clocks_of
from ledger.reads.page import Page
from ledger.reads.rows import document_text, to_json
from ledger.reads.search import EntryFilter, find_entries
from protocol.documents import (
    WORD_CHOICES,
    EntrySide,
    find_differences,
    parse_entry_document,
)

EVERY_ENTRY = EntryFilter()


def list_entries(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    wanted: EntryFilter = EVERY_ENTRY,
) -> Page:
    """Return entries with current and pending version, in the order of find_entries.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        wanted: which entries.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID, QUERY_WORDS_INVALID.
    """
    ids, next_cursor = find_entries(connection, wanted, cursor=cursor, limit=limit)
    with Session(connection) as session:
        rows = {
            row.id: row
            for row in session.scalars(select(table.Entry).where(table.Entry.id.in_(ids)))
        }
        found = [rows[one] for one in ids]
        return Page(_with_versions(session, found, whole=False), next_cursor)


def get_differences(
    connection: Connection, entry_id: bytes, *, old: int, new: int
) -> dict[str, Any]:
    """Return what changed from one version of an entry to another.

    Args:
        connection: connection with a read transaction.
        entry_id: the entry.
        old: number of the version to compare from.
        new: number of the version to compare to.

    Returns:
        The numbers, whether both documents are known, and the differences.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        sides = [_side(session, entry_id, number) for number in (old, new)]
    return {
        "entry": entry_id.hex(),
        "from_version": old,
        "to_version": new,
        "complete": all(side.document is not None for side in sides),
        "differences": [asdict(one) for one in find_differences(sides[0], sides[1])],
    }


def _side(session: Session, entry_id: bytes, number: int) -> EntrySide:
    version = session.get(table.EntryVersion, (entry_id, number))
    if version is None:
        raise RequestRefused("NOT_FOUND", "the entry has no such version")
    words = {name: getattr(version, name) for name in WORD_CHOICES}
    row = session.get(table.Document, version.document)
    try:
        return EntrySide(words, None if row is None else parse_entry_document(row.data))
    except ProtocolError:
        # Anybody can put an act on the chain whose document is something else.
        return EntrySide(words, None)


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
