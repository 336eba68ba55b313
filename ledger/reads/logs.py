"""Access logs, the anchors of their checkpoints, and witnesses' lines on them."""

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page, cut_page, decode_cursor, require_limit
from ledger.reads.rows import page_of, to_json


def list_logs(connection: Connection, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return logs in the order of their registration, each with its newest anchor.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    with Session(connection) as session:
        rows, next_cursor = page_of(session, select(table.Log), table.Log, cursor, limit)
        return Page([_with_anchor(session, row) for row in rows], next_cursor)


def get_log(connection: Connection, log_id: bytes) -> dict[str, Any]:
    """Return a log with its newest anchor.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Log, log_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _with_anchor(session, row)


def _with_anchor(session: Session, row: table.Log) -> dict[str, Any]:
    newest = session.scalars(
        select(table.Anchor)
        .where(table.Anchor.log == row.id)
        .order_by(table.Anchor.size.desc())
        .limit(1)
    ).first()
    return {**to_json(row), "anchor": None if newest is None else to_json(newest)}


def list_anchors(
    connection: Connection, log_id: bytes, *, cursor: str | None = None, limit: int = 50
) -> Page:
    """Return a log's anchors, newest first, each with the witnesses' lines on its checkpoint.

    Raises:
        RequestRefused: CURSOR_INVALID, CURSOR_OF_OTHER_LIST, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    query = select(table.Anchor).where(table.Anchor.log == log_id)
    if cursor is not None:
        size, of_log = decode_cursor(cursor)
        if of_log != log_id:
            raise RequestRefused("CURSOR_OF_OTHER_LIST", "this cursor is of another list")
        query = query.where(table.Anchor.size < size)
    with Session(connection) as session:
        rows = session.scalars(query.order_by(table.Anchor.size.desc()).limit(limit + 1)).all()
        lines: dict[int, list[dict[str, Any]]] = {}
        for line in session.scalars(
            select(table.CheckpointCosignature)
            .where(
                table.CheckpointCosignature.log == log_id,
                table.CheckpointCosignature.size.in_([row.size for row in rows]),
            )
            .order_by(table.CheckpointCosignature.key_id)
        ):
            lines.setdefault(line.size, []).append(to_json(line))
        return cut_page(
            [
                (row.size, row.log, {**to_json(row), "cosignatures": lines.get(row.size, [])})
                for row in rows
            ],
            limit,
        )
