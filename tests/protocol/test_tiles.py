"""Proofs from tiles are those of the tree; bad tiles, paths and histories are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolError, VerificationError
from crypto.merkle import (
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from protocol.checkpoint import MAX_SIZE
from protocol.tiles import HASH_SIZE, HEIGHT, WIDTH, Tile, TileTree

LARGEST = 70_000


class Served:
    """A tree and the tiles of it."""

    def __init__(self, size: int, altered: int | None = None) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        frontier = Frontier()
        for number in range(size):
            text = b"altered" if number == altered else b"record %d" % number
            for level, index, value in frontier.append(leaf_hash(text)):
                self.nodes[level, index] = value
        self.asked: list[Tile] = []

    def get_node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def root(self, size: int) -> bytes:
        return Frontier.from_nodes(size, self.get_node).root()

    def fetch(self, tile: Tile) -> bytes:
        self.asked.append(tile)
        first = tile.index * WIDTH
        places = range(first, first + tile.width)
        return b"".join(self.nodes[HEIGHT * tile.level, place] for place in places)


SERVED = Served(LARGEST)
OTHER = Served(2000, altered=100)
SIZES = st.one_of(
    st.integers(1, LARGEST),
    st.sampled_from([1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, LARGEST]),
)


@given(SIZES, st.data())
def test_proofs_are_those_of_the_tree(size: int, data: st.DataObject) -> None:
    root = SERVED.root(size)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    tree = TileTree(SERVED.fetch, size)
    SERVED.asked.clear()
    assert tree.root() == root
    assert tree.inclusion(index) == inclusion_path(SERVED.get_node, index, size)
    verify_inclusion(SERVED.nodes[0, index], index, size, tree.inclusion(index), root)
    assert tree.consistency(old) == consistency_path(SERVED.get_node, old, size)
    prefix, path = tree.prove_prefix(old, root)
    assert prefix == SERVED.root(old)
    verify_consistency(old, size, prefix, root, path)
    assert len(SERVED.asked) == len(set(SERVED.asked)) <= 12


@given(st.integers(0, 7), st.data())
def test_a_tile_has_one_path(level: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, MAX_SIZE >> (HEIGHT * (level + 1))))
    tile = Tile(level, index, data.draw(st.integers(1, WIDTH)))
    assert Tile.from_path(tile.path) == tile


def test_paths_as_the_specification_writes_them() -> None:
    assert Tile(0, 1234067).path == "0/x001/x234/067"
    assert Tile(1, 0, 7).path == "1/000.p/7"
    assert Tile(0, 999_000, 255).path == "0/x999/000.p/255"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/",
        "0/0",
        "0/0000",
        "0/x000/001",
        "0/x01/001",
        "0/001/002",
        "0/001.p/0",
        "0/001.p/01",
        "0/001.p/256",
        "0/001.p/999",
        "0/001.p/",
        "8/000",
        "00/000",
        "-1/000",
        "7/001",
        "0/x999/x999/x999/x999/x999/999",
        "0/001/",
        "/0/001",
        "0/001\n",
        "0/\u0661\u0661\u0661",
        "entries/001",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ProtocolError, match="TILE_PATH_MALFORMED"):
        Tile.from_path(path)


@pytest.mark.parametrize("old", [0, 1, 256, 300, 1024, 1999, 2000])
def test_tiles_of_another_tree_prove_nothing(old: int) -> None:
    with pytest.raises(VerificationError, match="TILE_INVALID"):
        TileTree(OTHER.fetch, 2000).prove_prefix(old, SERVED.root(2000))


def test_a_second_history_is_proven() -> None:
    """Tiles of the later root bind its prefix, whatever the log signed for that size before."""
    prefix, path = TileTree(OTHER.fetch, 2000).prove_prefix(300, OTHER.root(2000))
    verify_consistency(300, 2000, prefix, OTHER.root(2000), path)
    assert prefix != SERVED.root(300)


@given(st.integers(1, 1999), st.data())
def test_a_changed_byte_is_noticed(old: int, data: st.DataObject) -> None:
    tree = TileTree(SERVED.fetch, 2000)
    SERVED.asked.clear()
    tree.prove_prefix(old, SERVED.root(2000))
    victim = data.draw(st.sampled_from(list(SERVED.asked)))
    place = data.draw(st.integers(0, victim.width * HASH_SIZE - 1))

    def fetch(tile: Tile) -> bytes:
        good = bytearray(SERVED.fetch(tile))
        if tile == victim:
            good[place] ^= 1
        return bytes(good)

    changed = TileTree(fetch, 2000)
    used = (changed.root(), changed.root(old), changed.consistency(old))
    if used == (tree.root(), tree.root(old), tree.consistency(old)):
        # A hash that no proof uses may be wrong; what is proven is right all the same.
        assert changed.prove_prefix(old, SERVED.root(2000))[0] == SERVED.root(old)
        return
    with pytest.raises(VerificationError, match="TILE_INVALID"):
        changed.prove_prefix(old, SERVED.root(2000))


def test_lengths_and_places() -> None:
    with pytest.raises(ProtocolError, match="TILE_MALFORMED"):
        TileTree(lambda _tile: bytes(31), 5).root()
    for level, index in ((0, 5), (3, 0), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="no subtree"):
            TileTree(SERVED.fetch, 5).get_node(level, index)
