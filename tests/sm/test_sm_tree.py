"""Inclusion in an SM3 Merkle tree on chain, against crypto.merkle."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from sm_node import Node

from crypto.errors import VerificationError
from crypto.merkle import (
    Frontier,
    inclusion_path,
    leaf_hash,
    node_hash,
    verify_inclusion,
)

LEAF = "isIncluded(bytes32,uint64,uint64,bytes32[],bytes32)"
RECORD = "isRecordIncluded(bytes,uint64,uint64,bytes32[],bytes32)"
LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Proof:
    """The arguments of isIncluded."""

    leaf: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    root: bytes

    @property
    def arguments(self) -> tuple[bytes, int, int, tuple[bytes, ...], bytes]:
        return self.leaf, self.index, self.size, self.path, self.root

    def holds(self) -> bool:
        """What crypto.merkle says."""
        try:
            verify_inclusion(self.leaf, self.index, self.size, self.path, self.root)
        except VerificationError:
            return False
        return True


class Tree:
    """A tree of random leaves with all its complete subtrees."""

    def __init__(self, size: int) -> None:
        source = random.Random(size)  # noqa: S311 - leaves of a test
        self.leaves = [source.randbytes(32) for _ in range(size)]
        self.nodes: dict[tuple[int, int], bytes] = {}
        frontier = Frontier()
        for leaf in self.leaves:
            for level, index, result in frontier.append(leaf):
                self.nodes[level, index] = result
        self.root = frontier.root()

    def prove(self, index: int) -> Proof:
        size = len(self.leaves)
        path = inclusion_path(lambda level, i: self.nodes[level, i], index, size)
        return Proof(self.leaves[index], index, size, tuple(path), self.root)


def proof_of_size(index: int, size: int, source: random.Random) -> Proof:
    """Return a proof for a tree too large to make, by choosing its path and computing its root."""
    leaf = source.randbytes(32)
    path, root, node, last = [], leaf, index, size - 1
    while last:
        if node & 1 or node < last:
            sibling = source.randbytes(32)
            path.append(sibling)
            root = node_hash(sibling, root) if node & 1 else node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return Proof(leaf, index, size, tuple(path), root)


def flip(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")


def alter(proof: Proof, source: random.Random) -> list[Proof]:
    """Return proofs that differ in one thing."""
    path, bit = proof.path, source.randrange(256)
    altered = [
        replace(proof, leaf=flip(proof.leaf, bit)),
        replace(proof, root=flip(proof.root, bit)),
        replace(proof, path=(*path, source.randbytes(32))),
        replace(proof, path=(*path, proof.root)),
        replace(proof, index=proof.size),
        replace(proof, index=LARGEST),
        replace(proof, size=0),
        replace(proof, size=proof.index),
    ]
    for i, sibling in enumerate(path):
        altered.append(replace(proof, path=(*path[:i], flip(sibling, bit), *path[i + 1 :])))
        altered.append(replace(proof, path=(*path[:i], *path[i + 1 :])))
        # The other side at this level.
        altered.append(replace(proof, index=proof.index ^ 1 << i))
    if len(path) > 1:
        altered.append(replace(proof, path=path[::-1]))
        # A node on the way, given as a leaf.
        parent = node_hash(path[0], proof.leaf) if proof.index & 1 else None
        if parent is not None:
            altered.append(replace(proof, leaf=parent, path=path[1:]))
    return altered


def verdicts(node: Node, proofs: Sequence[Proof]) -> list[bool]:
    found: list[bool] = node.call_each(LEAF, "bool", [proof.arguments for proof in proofs])
    assert all(verdict in {True, False} for verdict in found)
    return found


def test_every_leaf_of_every_small_tree(node: Node) -> None:
    for size in range(1, 71):
        tree = Tree(size)
        proofs = [tree.prove(index) for index in range(size)]
        assert all(proof.holds() for proof in proofs)
        assert all(verdicts(node, proofs)), size


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 70])
def test_every_wrong_place_in_a_small_tree(node: Node, size: int) -> None:
    tree = Tree(size)
    for index in {0, size // 2, size - 2, size - 1} & set(range(size)):
        proof = tree.prove(index)
        moved = [replace(proof, index=i) for i in range(size + 2) if i != index]
        resized = [replace(proof, size=n) for n in range(size + 3) if n != size]
        found = verdicts(node, moved + resized)
        # Another size may have a path of the same form; the root is the caller's, for one size.
        assert found == [p.holds() for p in moved + resized]
        assert not any(found[: len(moved)])


@pytest.mark.parametrize("size", [1, 2, 3, 6, 13, 64, 70, 1_000])
def test_altered_proofs(node: Node, size: int) -> None:
    source = random.Random(size)  # noqa: S311 - picks bits to flip
    tree = Tree(size)
    for index in {0, source.randrange(size), size - 1}:
        altered = alter(tree.prove(index), source)
        assert not any(p.holds() for p in altered)
        assert not any(verdicts(node, altered))


def test_large_trees(node: Node) -> None:
    source = random.Random(20)  # noqa: S311 - sizes and hashes of a test
    sizes = [2**20, 2**20 + 1, 2**63 - 1, 2**63, 2**64 - 1]
    sizes += [source.randrange(1, 2 ** source.randrange(8, 64)) for _ in range(20)]
    for size in sizes:
        for index in (0, source.randrange(size), size - 1):
            proof = proof_of_size(index, size, source)
            altered = alter(proof, source)
            if size < 2**63:
                # The same as a real tree's: crypto.merkle agrees on all of them.
                assert proof.holds()
            assert verdicts(node, [proof]) == [True]
            few = source.sample(altered, min(len(altered), 12))
            assert verdicts(node, few) == [p.holds() for p in few]
            assert not any(verdicts(node, few))


def test_numbers_beyond_64_bits_are_refused(node: Node) -> None:
    proof = Tree(3).prove(1)
    for index, size in ((1 + 2**64, 3), (1, 3 + 2**64), (2**256 - 1, 3)):
        words = [proof.leaf, index.to_bytes(32, "big"), size.to_bytes(32, "big")]
        data = b"".join(words) + (160).to_bytes(32, "big") + proof.root
        data += len(proof.path).to_bytes(32, "big") + b"".join(proof.path)
        assert node.is_refused(LEAF, data)


def test_records_are_hashed_as_leaves(node: Node) -> None:
    source = random.Random(9)  # noqa: S311 - records of a test
    lengths = [0, 1, 31, 54, 55, 56, 62, 63, 64, 65, 66, 119, 120, 127, 128, 1_000, 20_000]
    for length in lengths:
        record, sibling = source.randbytes(length), source.randbytes(32)
        leaf = leaf_hash(record)
        for index, root in ((0, node_hash(leaf, sibling)), (1, node_hash(sibling, leaf))):
            right = (record, index, 2, (sibling,), root)
            wrong = [
                (record + b"\0", index, 2, (sibling,), root),
                (b"\0" + record, index, 2, (sibling,), root),
                (record, 1 - index, 2, (sibling,), root),
                (record[1:], index, 2, (sibling,), root) if record else (b"x", *right[1:]),
            ]
            assert node.call_each(RECORD, "bool", [right, *wrong]) == [True] + [False] * len(wrong)
        assert node.call_each(RECORD, "bool", [(record, 0, 1, (), leaf)]) == [True]


def test_the_bytes_of_a_node_are_no_record(node: Node) -> None:
    """0x00 and 0x01 keep leaves and nodes apart (RFC 9162 clause 2.1.1)."""
    left, right, other = (bytes((i,)) * 32 for i in (1, 2, 3))
    root = node_hash(node_hash(left, right), other)
    for record in (left + right, b"\x01" + left + right):
        assert node.call(RECORD, "bool", record, 0, 2, (other,), root) is False
        assert node.call(RECORD, "bool", record, 0, 1, (), node_hash(left, right)) is False


def test_a_path_beyond_all_limits_costs_no_more(node: Node) -> None:
    proof = Tree(5).prove(4)
    longer = replace(proof, path=proof.path + (bytes(32),) * 1_000)
    assert verdicts(node, [longer]) == [False]
