"""Tiles from the log's file."""

from collections.abc import Callable

import pytest

from crypto.errors import LedgerError
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.tiles import Tile, TileTree
from tests.log.conftest import ORIGIN

Open = Callable[..., LogWriter]


REJECTED = {"event": "rejected", "source": "192.0.2.1", "code": "SIGNATURE_INVALID", "count": 1}


def test_tiles_are_those_of_the_signed_tree(open_log: Open, url: str) -> None:
    writer = open_log()
    for number in range(300):
        last = writer.append({**REJECTED, "minute": number})
    last.result(20)
    reader = LogReader.open(url, ORIGIN)
    size = reader.size()
    assert size >= 300
    tree = TileTree(reader.tile, size)
    prefix, path = tree.prove_prefix(257, reader.root())
    assert (prefix, path) == (reader.root(257), reader.consistency(257, size))
    assert tree.inclusion(299) == reader.inclusion(299, size)
    assert len(reader.tile(Tile(0, 0))) == 256 * 32
    assert reader.tile(Tile(1, 0, 1)) == TileTree(reader.tile, 256).root()
    assert reader.tile(Tile(0, 1, 1)) == reader.tile(Tile(0, 1, 44))[:32]
    for missing in (Tile(0, 1), Tile(0, 1, size - 255), Tile(1, 0, 2), Tile(7, 0, 1)):
        with pytest.raises(LedgerError, match="LOG_SIZE_UNKNOWN"):
            reader.tile(missing)
    reader.close()
