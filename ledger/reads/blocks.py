"""Blocks that were followed, with witnesses' signatures on them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page, cut_page, decode_cursor, require_limit
from ledger.reads.rows import to_json


def list_blocks(connection: Connection, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return blocks, newest first, with cosignatures and the number of acts.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    query = select(table.Block)
    if cursor is not None:
        number, _ = decode_cursor(cursor)
        query = query.where(table.Block.number < number)
    with Session(connection) as session:
        rows = session.scalars(query.order_by(table.Block.number.desc()).limit(limit + 1)).all()
        items = _with_cosignatures(session, rows)
        return cut_page(
            [(row.number, row.hash, item) for row, item in zip(rows, items, strict=True)], limit
        )


def get_block(connection: Connection, number: int) -> dict[str, Any]:
    """Return a block with its cosignatures and the ids of its acts.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Block, number) if 0 <= number < 1 << 63 else None
        if row is None:
            raise RequestRefused("NOT_FOUND", "this block has not been followed")
        acts = session.scalars(
            select(table.Event.act_id)
            .where(table.Event.block_number == number)
            .order_by(table.Event.log_index)
        )
        return {**_with_cosignatures(session, [row])[0], "acts": [one.hex() for one in acts]}


def _with_cosignatures(session: Session, rows: Sequence[table.Block]) -> list[dict[str, Any]]:
    numbers = [row.number for row in rows]
    found: dict[int, list[dict[str, Any]]] = {}
    for one in session.scalars(
        select(table.BlockCosignature)
        .where(table.BlockCosignature.number.in_(numbers))
        .order_by(table.BlockCosignature.number, table.BlockCosignature.key_id)
    ):
        item = to_json(one)
        del item["number"], item["hash"]
        found.setdefault(one.number, []).append(item)
    counts: dict[int, int] = dict(
        session.execute(
            select(table.Event.block_number, func.count())
            .where(table.Event.block_number.in_(numbers))
            .group_by(table.Event.block_number)
        ).all()
    )
    return [
        {
            **to_json(row),
            "act_count": counts.get(row.number, 0),
            "cosignatures": found.get(row.number, []),
        }
        for row in rows
    ]
