"""Rows as JSON objects: bytes become hex, masks 64 hex digits."""

import json
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from ledger.db import models as table
from ledger.db.types import Uint256, Uint512
from ledger.reads.page import Page, cut_page, decode_cursor, require_limit

_HIDDEN = frozenset({"position"})
#: Every integer that JSON readers hold exactly; larger ones are written in decimal as text.
_MAX_JSON_INT = 2**53 - 1


def to_json(row: table.Base) -> dict[str, Any]:
    """Return a row's columns; u64 values above 2^53 - 1 become decimal text."""
    result: dict[str, Any] = {}
    for column in row.__table__.columns:
        if column.key in _HIDDEN:
            continue
        value: object = getattr(row, column.key)
        if isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, int) and not isinstance(value, bool):
            if isinstance(column.type, Uint256):
                value = f"{value:064x}"
            elif isinstance(column.type, Uint512):
                value = f"{value:0128x}"
            else:
                value = json_number(value)
        result[column.key] = value
    return result


def json_number(value: int) -> int | str:
    """Return a number that JSON readers hold exactly, or its decimal text."""
    return str(value) if value > _MAX_JSON_INT else value


def document_text(document: table.Document | None) -> Any:
    """Return a document as JSON; None where it is missing or neither entry nor interface.

    Anybody can put any bytes under their digest on the chain: they need not be JSON.
    """
    if document is None or document.kind == "other":
        return None
    return json.loads(document.data)


def behind(
    position: InstrumentedAttribute[int], key: InstrumentedAttribute[bytes], cursor: str | None
) -> list[ColumnElement[bool]]:
    """Return the condition that continues behind a cursor.

    Raises:
        RequestRefused: CURSOR_INVALID.
    """
    if cursor is None:
        return []
    number, after = decode_cursor(cursor)
    return [tuple_(position, key) > tuple_(number, after)]


def is_like(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Return the condition that a column contains the text, taken literally."""
    return column.contains(text, autoescape=True)


def page_of(
    session: Session, query: Select[Any], kind: Any, cursor: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """Read one page of a table that has id and position.

    Args:
        session: session of a read transaction.
        query: select of rows of the table with its filters.
        kind: the table's class.
        cursor: where to continue.
        limit: most rows, 1 to 200.

    Returns:
        The rows, and the cursor of the next page.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    rows = list(
        session.scalars(
            query.where(*behind(kind.position, kind.id, cursor))
            .order_by(kind.position, kind.id)
            .limit(limit + 1)
        )
    )
    page: Page = cut_page([(row.position, row.id, {}) for row in rows], limit)
    return rows[:limit], page.next_cursor
