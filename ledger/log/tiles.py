"""Tiles of a log, read from its file (docs/protocol.md, 6.5)."""

from sqlalchemy import Connection, select

from crypto.errors import LedgerError
from crypto.merkle import place_of
from ledger.log import store
from protocol.tiles import HEIGHT, WIDTH, Tile


def read_tile(connection: Connection, tile: Tile) -> bytes:
    """Return a tile's hashes, one after the other, 32 bytes each.

    Raises:
        LedgerError: LOG_SIZE_UNKNOWN when no signed checkpoint covers all of them, LOG_DAMAGED.
    """
    checkpoints, nodes = store.checkpoints.c, store.nodes.c
    newest = select(checkpoints.size).order_by(checkpoints.size.desc()).limit(1)
    size = connection.scalar(newest) or 0
    level, first = HEIGHT * tile.level, tile.index * WIDTH
    if first + tile.width > size >> level:
        raise LedgerError("LOG_SIZE_UNKNOWN", "the log has not filled this tile", path=tile.path)
    hashes = connection.scalars(
        select(nodes.hash)
        .where(nodes.place.in_([place_of(level, first + one) for one in range(tile.width)]))
        .order_by(nodes.place)
    ).all()
    if len(hashes) != tile.width:
        raise LedgerError("LOG_DAMAGED", "a node of the tree is missing")
    return b"".join(bytes(one) for one in hashes)
