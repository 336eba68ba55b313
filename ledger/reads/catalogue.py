"""Published entries with everything that an export of the catalogue shows of them."""

from sqlalchemy import Connection, and_, select

from crypto.errors import ProtocolError
from ledger.db import models as table
from ledger.reads.page import decode_cursor, encode_cursor, require_limit
from protocol.dcat import CatalogueRecord
from protocol.documents import WORD_CHOICES, parse_entry_document


def published_records(
    connection: Connection, *, cursor: str | None, limit: int
) -> tuple[list[CatalogueRecord], str | None]:
    """Return published entries in the order of their first submission.

    Entries whose document is not known here, or is no entry document, are left out.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most entries looked at, 1 to 200.

    Returns:
        The records, and the cursor of the next page.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    entry, version, department = table.Entry, table.EntryVersion, table.Department
    columns = (
        entry.id,
        entry.position,
        entry.department,
        department.name.label("department_name"),
        department.uscc,
        version.number,
        *(getattr(version, name) for name in WORD_CHOICES),
        table.Document.data,
        table.Block.time,
    )
    query = (
        select(*columns)
        .select_from(entry)
        .join(version, and_(version.entry == entry.id, version.number == entry.current))
        .join(department, department.id == entry.department)
        .join(table.Block, table.Block.number == version.block_number)
        .outerjoin(table.Document, table.Document.digest == version.document)
        .where(entry.state == "PUBLISHED", department.ended_day == 0)
    )
    if cursor is not None:
        position, after = decode_cursor(cursor)
        query = query.where(
            (entry.position > position) | and_(entry.position == position, entry.id > after)
        )
    rows = connection.execute(query.order_by(entry.position, entry.id).limit(limit + 1)).all()
    records = []
    for row in rows[:limit]:
        if row.data is None:
            continue
        try:
            document = parse_entry_document(row.data)
        except ProtocolError:
            continue
        records.append(
            CatalogueRecord(
                entry=row.id,
                department=row.department,
                department_name=row.department_name,
                department_uscc=row.uscc,
                version=row.number,
                words={name: getattr(row, name) for name in WORD_CHOICES},
                document=document,
                modified_at=row.time,
            )
        )
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return records, None if last is None else encode_cursor(last.position, last.id)
