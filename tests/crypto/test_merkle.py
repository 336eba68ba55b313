"""The tree against its recursive definition, and every altered proof refused."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import VerificationError
from crypto.merkle import (
    Frontier,
    consistency_path,
    empty_root,
    inclusion_path,
    leaf_hash,
    node_hash,
    place_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from crypto.sm3 import sm3


def split_of(count: int) -> int:
    """Return the largest power of two below count."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


# RFC 6962 clause 2.1 as it is written, on records.


def naive_root(records: list[bytes]) -> bytes:
    if not records:
        return sm3(b"")
    if len(records) == 1:
        return sm3(b"\x00" + records[0])
    k = split_of(len(records))
    return sm3(b"\x01" + naive_root(records[:k]) + naive_root(records[k:]))


def naive_path(index: int, records: list[bytes]) -> list[bytes]:
    if len(records) == 1:
        return []
    k = split_of(len(records))
    if index < k:
        return [*naive_path(index, records[:k]), naive_root(records[k:])]
    return [*naive_path(index - k, records[k:]), naive_root(records[:k])]


def naive_proof(old: int, records: list[bytes], *, whole: bool = True) -> list[bytes]:
    if old == len(records):
        return [] if whole else [naive_root(records)]
    k = split_of(len(records))
    if old <= k:
        return [*naive_proof(old, records[:k], whole=whole), naive_root(records[k:])]
    return [*naive_proof(old - k, records[k:], whole=False), naive_root(records[:k])]


class Tree:
    def __init__(self, size: int) -> None:
        self.records = [b"record %d" % i for i in range(size)]
        self.frontier = Frontier()
        self.nodes: dict[tuple[int, int], bytes] = {}
        for record in self.records:
            for level, index, value in self.frontier.append(leaf_hash(record)):
                assert (level, index) not in self.nodes
                self.nodes[level, index] = value

    def get_node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


TREE = Tree(70)


def test_places_are_the_order_in_which_subtrees_are_finished() -> None:
    frontier, places = Frontier(), []
    for _ in range(300):
        assert place_of(0, frontier.size) == len(places)
        places += [place_of(level, index) for level, index, _ in frontier.append(bytes(32))]
    assert places == list(range(len(places)))
    assert place_of(40, 2**20 - 1) == 2**61 - 62 + 40


def refuses(call: Callable[[], None]) -> bool:
    with pytest.raises(VerificationError) as caught:
        call()
    return caught.value.code == "PROOF_INVALID"


def altered(path: list[bytes]) -> list[list[bytes]]:
    """Return every path with one byte changed, a hash missing, added, doubled or out of order."""
    changed = []
    for at, node in enumerate(path):
        flipped = bytes([node[0] ^ 1]) + node[1:]
        changed += [
            [*path[:at], flipped, *path[at + 1 :]],
            path[:at] + path[at + 1 :],
            [*path[:at], node, *path[at:]],
        ]
        if at and node != path[at - 1]:
            changed.append([*path[: at - 1], node, path[at - 1], *path[at + 1 :]])
    return [*changed, [*path, bytes(32)], [bytes(32), *path], [*path, b""], [*path, bytes(31)]]


def test_hashes_are_domain_separated() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert left == sm3(b"\x00a")
    assert node_hash(left, right) == sm3(b"\x01" + left + right)
    assert leaf_hash(left + right) != node_hash(left, right)
    assert empty_root() == root_of([]) == sm3(b"") == Frontier().root()


def test_roots_of_every_size() -> None:
    frontier = Frontier()
    for size in range(71):
        expected = naive_root(TREE.records[:size])
        assert frontier.size == size
        assert frontier.root() == expected
        assert root_of(leaf_hash(r) for r in TREE.records[:size]) == expected
        assert Frontier.from_nodes(size, TREE.get_node).root() == expected
        if size < 70:
            frontier.append(leaf_hash(TREE.records[size]))


def test_a_stored_frontier_grows_like_the_first_one() -> None:
    for size in (0, 1, 7, 8, 31, 64):
        resumed = Frontier.from_nodes(size, TREE.get_node)
        for record in TREE.records[size:]:
            resumed.append(leaf_hash(record))
        assert resumed.root() == TREE.frontier.root()


def test_every_inclusion_path_up_to_33_leaves() -> None:
    for size in range(1, 34):
        records = TREE.records[:size]
        root = naive_root(records)
        for index in range(size):
            path = inclusion_path(TREE.get_node, index, size)
            assert path == naive_path(index, records)
            verify_inclusion(leaf_hash(records[index]), index, size, path, root)


def test_every_consistency_path_up_to_33_leaves() -> None:
    for new in range(34):
        new_root = naive_root(TREE.records[:new])
        for old in range(new + 1):
            path = consistency_path(TREE.get_node, old, new)
            assert path == (naive_proof(old, TREE.records[:new]) if old else [])
            verify_consistency(old, new, naive_root(TREE.records[:old]), new_root, path)


@settings(max_examples=60)
@given(st.data())
def test_altered_inclusion_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    root = naive_root(TREE.records[:size])
    leaf = leaf_hash(TREE.records[index])
    path = inclusion_path(TREE.get_node, index, size)
    verify_inclusion(leaf, index, size, path, root)
    for wrong in altered(path):
        assert refuses(lambda wrong=wrong: verify_inclusion(leaf, index, size, wrong, root))  # type: ignore[misc]
    for other in range(size):
        if other != index:
            assert refuses(lambda i=other: verify_inclusion(leaf, i, size, path, root))  # type: ignore[misc]
    assert refuses(lambda: verify_inclusion(leaf_hash(b"x"), index, size, path, root))
    assert refuses(lambda: verify_inclusion(leaf, index, size, path, sm3(b"x")))
    assert refuses(lambda: verify_inclusion(leaf, -1, size, path, root))
    assert refuses(lambda: verify_inclusion(leaf, size, size, path, root))
    assert refuses(lambda: verify_inclusion(leaf, 0, 0, [], root))
    assert refuses(lambda: verify_inclusion(leaf[:31], index, size, path, root))


@settings(max_examples=60)
@given(st.data())
def test_altered_consistency_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 70))
    old = data.draw(st.integers(0, new))
    old_root, new_root = naive_root(TREE.records[:old]), naive_root(TREE.records[:new])
    path = consistency_path(TREE.get_node, old, new)
    verify_consistency(old, new, old_root, new_root, path)
    for wrong in altered(path):
        assert refuses(lambda wrong=wrong: verify_consistency(old, new, old_root, new_root, wrong))  # type: ignore[misc]
    assert refuses(lambda: verify_consistency(old, new, sm3(b"x"), new_root, path))
    if old:
        assert refuses(lambda: verify_consistency(old, new, old_root, sm3(b"x"), path))
    if old != new:
        assert refuses(lambda: verify_consistency(new, old, new_root, old_root, path))
        assert refuses(lambda: verify_consistency(new, new, old_root, new_root, []))
    assert refuses(lambda: verify_consistency(-1, new, old_root, new_root, path))


def test_a_log_that_forked_has_no_proof() -> None:
    fork = [*TREE.records[:20], b"another", *TREE.records[21:40]]
    path = consistency_path(TREE.get_node, 30, 40)
    honest = naive_root(TREE.records[:40])
    assert refuses(lambda: verify_consistency(30, 40, naive_root(fork[:30]), honest, path))
    assert refuses(
        lambda: verify_consistency(30, 40, naive_root(TREE.records[:30]), naive_root(fork), path)
    )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5)])
def test_no_path_for_a_leaf_outside(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_path(TREE.get_node, index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_proof_backwards(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="does not grow"):
        consistency_path(TREE.get_node, old, new)
