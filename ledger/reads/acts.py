"""Acts that the contracts accepted: the history of everything."""

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from ledger.db import models as table
from ledger.db.packing import unpack_signatures
from ledger.reads.page import Page, cut_page, require_limit
from ledger.reads.rows import behind
from protocol.acts import Act, Value
from protocol.description import BY_CODE, Field


def list_acts(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    target: bytes | None = None,
    key_id: bytes | None = None,
) -> Page:
    """Return recorded acts in the order of the chain.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        target: only acts on this target, its creation included.
        key_id: only acts of this actor's key.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    event = table.Event
    query = select(event, table.Block.time).join(
        table.Block, table.Block.number == event.block_number
    )
    if target is not None:
        query = query.where(event.target == target)
    if key_id is not None:
        query = query.where(event.key_id == key_id)
    query = query.where(*behind(event.position, event.act_id, cursor))
    with Session(connection) as session:
        rows = session.execute(query.order_by(event.position, event.act_id).limit(limit + 1)).all()
        return cut_page(
            [(row.position, row.act_id, _to_json(row, time)) for row, time in rows], limit
        )


def _to_json(row: table.Event, block_time: int) -> dict[str, Any]:
    act = Act.from_bytes(row.data)
    return {
        "act_id": row.act_id.hex(),
        "type": BY_CODE[row.type_code].name,
        "contract": row.contract,
        "key_id": row.key_id.hex(),
        "target": row.target.hex(),
        "revision": row.revision,
        "nonce": act.nonce,
        "expires_at": act.expires_at,
        "values": {
            field.name: _to_text(field, act.values[field.name])
            for word in act.type.words
            for field in word
        },
        "act": row.data.hex(),
        "signatures": [
            {
                "key_id": one.key_id.hex(),
                "r": f"{one.signature.r:064x}",
                "s": f"{one.signature.s:064x}",
            }
            for one in unpack_signatures(row.signatures)
        ],
        "block_number": row.block_number,
        "block_time": block_time,
        "transaction_hash": row.transaction_hash.hex(),
    }


def _to_text(field: Field, value: Value) -> int | str:
    """Return bytes and large numbers, such as masks and keys, as hex; 64 digits or the field's."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and value >= 1 << 53:
        return f"{value:0{max(64, 2 * field.size)}x}"
    return value
