"""Interfaces with their versions and the text of their documents."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import document_text, page_of, to_json


def list_interfaces(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    department: bytes | None = None,
    entry: bytes | None = None,
    state: str | None = None,
) -> Page:
    """Return interfaces in the order of their registration, with current and pending version.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        department: only interfaces of this provider.
        entry: only interfaces that serve this entry.
        state: only interfaces in this state.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Interface)
    if department is not None:
        query = query.where(table.Interface.department == department)
    if entry is not None:
        query = query.where(table.Interface.entry == entry)
    if state is not None:
        query = query.where(table.Interface.state == state)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Interface, cursor, limit)
        return Page(_with_versions(session, rows, whole=False), next_cursor)


def get_interface(connection: Connection, interface_id: bytes) -> dict[str, Any]:
    """Return an interface with all its versions; each has its document's text, if it is known.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Interface, interface_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _with_versions(session, [row], whole=True)[0]


def _with_versions(
    session: Session, rows: Sequence[table.Interface], *, whole: bool
) -> list[dict[str, Any]]:
    versions: dict[tuple[bytes, int], dict[str, Any]] = {}
    for version, document in session.execute(
        select(table.InterfaceVersion, table.Document)
        .outerjoin(table.Document, table.Document.digest == table.InterfaceVersion.document)
        .where(table.InterfaceVersion.interface.in_([row.id for row in rows]))
        .order_by(table.InterfaceVersion.interface, table.InterfaceVersion.number)
    ):
        item = to_json(version)
        del item["interface"]
        item["title"] = None if document is None else document.title
        if whole:
            item["document_text"] = document_text(document)
        versions[version.interface, version.number] = item
    result = []
    for row in rows:
        item = to_json(row)
        item["current"] = None if row.current is None else versions.get((row.id, row.current))
        item["pending"] = None if row.pending is None else versions.get((row.id, row.pending))
        shown = item["current"] or item["pending"]
        item["title"] = None if shown is None else shown["title"]
        if whole:
            item["versions"] = [v for (owner, _), v in versions.items() if owner == row.id]
        result.append(item)
    return result
