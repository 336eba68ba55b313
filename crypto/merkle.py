"""The Merkle tree of the access log: RFC 6962's tree with SM3.

Proofs are computed from complete subtrees alone: get_node(level, index) yields the hash over the
leaves [index * 2^level, (index + 1) * 2^level). Complete subtrees never change, so any store
that only adds can keep them.

Standard: RFC 9162 clause 2.1, with SM3 in place of SHA-256.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from crypto.errors import VerificationError
from crypto.sm3 import DIGEST_LENGTH, sm3

GetNode = Callable[[int, int], bytes]


def leaf_hash(record: bytes) -> bytes:
    """Return the leaf hash SM3(0x00 || record), 32 bytes."""
    return sm3(b"\x00" + record)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the node hash SM3(0x01 || left || right), 32 bytes."""
    return sm3(b"\x01" + left + right)


def place_of(level: int, index: int) -> int:
    """Return the place of a complete subtree in the order in which a growing tree finishes them.

    A store that keeps them by their places writes all new ones at its end. n leaves finish
    2n - popcount(n) subtrees; a leaf is followed by those that it finishes, the smallest first.
    """
    last = ((index + 1) << level) - 1
    return 2 * last - last.bit_count() + level


def empty_root() -> bytes:
    """Return the root of the tree without leaves, SM3 of nothing."""
    return sm3(b"")


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


class InclusionPaths:
    """Inclusion paths in one tree, of which many are made: they share their upper parts.

    Args:
        get_node: yields the hashes of complete subtrees.
        size: number of leaves.

    Standard: RFC 9162 clause 2.1.3.1.
    """

    __slots__ = ("_get_node", "_known", "_peaks", "_size")

    def __init__(self, get_node: GetNode, size: int) -> None:
        self._get_node = get_node
        self._size = size
        self._known: dict[tuple[int, int], tuple[bytes, ...]] = {}
        # The largest complete subtrees from the left: the leaf behind each, its level, and the path
        # from its root upwards, which is the root of all to its right, then those to its left.
        self._peaks: list[tuple[int, int, tuple[bytes, ...]]] = []
        places = list(_complete_subtrees(0, size))
        roots = [get_node(*place) for place in places]
        for number, (level, index) in enumerate(places):
            right = roots[number + 1 :]
            upper = ((_fold(right),) if right else ()) + tuple(roots[:number][::-1])
            self._peaks.append(((index + 1) << level, level, upper))

    def of(self, index: int) -> tuple[bytes, ...]:
        """Return the path of a leaf, 32-byte hashes from the leaf upwards.

        Args:
            index: the leaf's number from 0, below size.

        Raises:
            ValueError: index is not in the tree.
        """
        if not 0 <= index < self._size:
            raise ValueError(f"leaf {index} is not in a tree of {self._size} leaves")
        top, upper = next((top, upper) for end, top, upper in self._peaks if index < end)
        if top == 0:
            return upper
        return (self._get_node(0, index ^ 1), *self._above(1, index >> 1, top, upper))

    def _above(
        self, level: int, index: int, top: int, upper: tuple[bytes, ...]
    ) -> tuple[bytes, ...]:
        if level == top:
            return upper
        path = self._known.get((level, index))
        if path is None:
            sibling = self._get_node(level, index ^ 1)
            path = (sibling, *self._above(level + 1, index >> 1, top, upper))
            self._known[level, index] = path
        return path


def inclusion_path(get_node: GetNode, index: int, size: int) -> list[bytes]:
    """Return the inclusion path of leaf index in the tree of this size, from the leaf upwards.

    Args:
        get_node: yields the hashes of complete subtrees.
        index: the leaf's number from 0, below size.
        size: number of leaves.

    Raises:
        ValueError: index is not in the tree.

    Standard: RFC 9162 clause 2.1.3.1.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    return list(InclusionPaths(get_node, size).of(index))


def consistency_path(get_node: GetNode, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of size new begins with the leaves of the one of size old.

    The proof is empty when old is 0 or equal to new.

    Args:
        get_node: yields the hashes of complete subtrees.
        old: number of leaves of the earlier tree.
        new: number of leaves of the later tree, not below old.

    Raises:
        ValueError: the sizes are not in that order.

    Standard: RFC 9162 clause 2.1.4.1.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves does not grow to {new}")
    if old == 0:
        return []
    path = []
    start, end = 0, new
    while end != old:
        split = start + _largest_power_below(end - start)
        if old <= split:
            path.append(_range_root(get_node, split, end))
            end = split
        else:
            path.append(_range_root(get_node, start, split))
            start = split
    if start > 0:
        path.append(_range_root(get_node, start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that the tree of this size and root has leaf at index.

    Args:
        leaf: leaf hash, 32 bytes.
        index: the leaf's number from 0.
        size: number of leaves.
        path: hashes from the leaf upwards, 32 bytes each.
        root: 32 bytes.

    Raises:
        VerificationError: PROOF_INVALID.

    Standard: RFC 9162 clause 2.1.3.2.
    """
    _require_hashes((root,))
    if root_from_path(leaf, index, size, path) != root:
        raise _invalid("the path does not lead to the root")


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion path leads to, 32 bytes.

    Args:
        leaf: leaf hash, 32 bytes.
        index: the leaf's number from 0.
        size: number of leaves.
        path: hashes from the leaf upwards, 32 bytes each.

    Raises:
        VerificationError: PROOF_INVALID when a path of that length cannot stand at this place.

    Standard: RFC 9162 clause 2.1.3.2.
    """
    _require_hashes((leaf, *path))
    if not 0 <= index < size:
        raise _invalid("the leaf's index is outside the tree")
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise _invalid("the path is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise _invalid("the path is too short")
    return result


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the later tree only added leaves to the earlier one.

    Every tree continues the empty tree; that proof is empty.

    Args:
        old_size: number of leaves of the earlier tree.
        new_size: number of leaves of the later tree.
        old_root: 32 bytes.
        new_root: 32 bytes.
        path: hashes of the proof, 32 bytes each.

    Raises:
        VerificationError: PROOF_INVALID.

    Standard: RFC 9162 clause 2.1.4.2.
    """
    _require_hashes((old_root, new_root, *path))
    if not 0 <= old_size <= new_size:
        raise _invalid("the later tree is smaller")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != empty_root():
            raise _invalid("the root is not that of an empty tree")
    if old_size in (0, new_size):
        if path:
            raise _invalid("the path is too long")
        if old_size == new_size and old_root != new_root:
            raise _invalid("one size has two roots")
        return
    # A complete earlier tree is itself the first node of the proof and is not sent.
    nodes: Iterator[bytes] = iter(path if old_size & (old_size - 1) else (old_root, *path))
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first = next(nodes, None)
    if first is None:
        raise _invalid("the path is too short")
    old_result = new_result = first
    for sibling in nodes:
        if last == 0:
            raise _invalid("the path is too long")
        if node & 1 or node == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise _invalid("the path is too short")
    if old_result != old_root:
        raise _invalid("the path does not lead to the earlier root")
    if new_result != new_root:
        raise _invalid("the path does not lead to the later root")


class Frontier:
    """The right edge of a growing tree: the roots of its largest complete subtrees."""

    __slots__ = ("_roots", "_size")

    def __init__(self) -> None:
        self._size = 0
        # One root per bit of the size, the largest subtree first.
        self._roots: list[bytes] = []

    @classmethod
    def from_nodes(cls, size: int, get_node: GetNode) -> "Frontier":
        """Return the frontier of a stored tree.

        Args:
            size: number of leaves.
            get_node: yields the hashes of complete subtrees.
        """
        frontier = cls()
        frontier._size = size
        frontier._roots = [get_node(*place) for place in _complete_subtrees(0, size)]
        return frontier

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; return (level, index, hash) of each complete subtree it finishes.

        The first is the leaf itself at level 0.
        """
        level, index, result = 0, self._size, leaf
        finished = [(0, index, leaf)]
        while index & 1:
            level, index, result = level + 1, index >> 1, node_hash(self._roots.pop(), result)
            finished.append((level, index, result))
        self._roots.append(result)
        self._size += 1
        return finished

    def root(self) -> bytes:
        """Return the tree's root, 32 bytes."""
        return _fold(self._roots)


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _complete_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    # start is a multiple of the largest power of two in end - start, as RFC 9162 splits trees.
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_root(get_node: GetNode, start: int, end: int) -> bytes:
    return _fold([get_node(*place) for place in _complete_subtrees(start, end)])


def _fold(roots: Sequence[bytes]) -> bytes:
    if not roots:
        return empty_root()
    result = roots[-1]
    for left in reversed(roots[:-1]):
        result = node_hash(left, result)
    return result


def _require_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(value) != DIGEST_LENGTH for value in hashes):
        raise _invalid("a hash is not 32 bytes")


def _invalid(reason: str) -> VerificationError:
    return VerificationError("PROOF_INVALID", f"The proof does not hold: {reason}.")
