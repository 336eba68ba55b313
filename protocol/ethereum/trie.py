"""The Merkle-Patricia trie as far as receipts need it: build, prove, verify.

A proof is the list of nodes from the root to the value. Nodes shorter than 32 bytes stand inside
their parents and are not listed.

Standard: Ethereum Yellow Paper, appendix D.
"""

from collections.abc import Mapping, Sequence

from crypto.errors import VerificationError
from crypto.keccak import keccak256
from protocol.ethereum.rlp import Item, as_bytes, as_list, decode, encode

_HASH = 32


def _nibbles(key: bytes) -> tuple[int, ...]:
    return tuple(half for byte in key for half in (byte >> 4, byte & 15))


def _pack(path: Sequence[int], *, leaf: bool) -> bytes:
    """Hex-prefix encoding (Yellow Paper, appendix C)."""
    flag = 2 if leaf else 0
    full = [flag + 1, *path] if len(path) % 2 else [flag, 0, *path]
    return bytes(16 * full[i] + full[i + 1] for i in range(0, len(full), 2))


def _unpack(packed: bytes) -> tuple[tuple[int, ...], bool]:
    nibbles = _nibbles(packed)
    if not nibbles or nibbles[0] > 3:
        raise _invalid("a node's path is malformed")
    odd, leaf = nibbles[0] & 1, bool(nibbles[0] & 2)
    if not odd and nibbles[1] != 0:
        raise _invalid("a node's path is malformed")
    return nibbles[1 if odd else 2 :], leaf


def _invalid(reason: str) -> VerificationError:
    return VerificationError("PROOF_INVALID", f"The proof does not hold: {reason}.")


class Trie:
    """A trie over a fixed set of keys and values.

    Args:
        values: non-empty values by key.
    """

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        if not all(values.values()):
            raise ValueError("a trie holds no empty values")
        self._nodes: dict[bytes, bytes] = {}
        pairs = sorted((_nibbles(key), value) for key, value in values.items())
        root = encode(self._build(pairs, 0) if pairs else b"")
        self.root_hash = keccak256(root)
        self._nodes[self.root_hash] = root

    def _build(self, pairs: list[tuple[tuple[int, ...], bytes]], depth: int) -> Item:
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_pack(first[depth:], leaf=True), pairs[0][1]]
        # The pairs are sorted: what the first and the last share, all share.
        common = depth
        while common < min(len(first), len(last)) and first[common] == last[common]:
            common += 1
        if common > depth:
            child = self._refer(self._build(pairs, common))
            return [_pack(first[depth:common], leaf=False), child]
        branch: list[Item] = [b""] * 17
        for nibble in range(16):
            below = [pair for pair in pairs if len(pair[0]) > depth and pair[0][depth] == nibble]
            if below:
                branch[nibble] = self._refer(self._build(below, depth + 1))
        if len(first) == depth:
            branch[16] = pairs[0][1]
        return branch

    def _refer(self, node: Item) -> Item:
        data = encode(node)
        if len(data) < _HASH:
            return node
        digest = keccak256(data)
        self._nodes[digest] = data
        return digest

    def prove(self, key: bytes) -> list[bytes]:
        """Return the proof of a key's value: RLP of the nodes from the root.

        Raises:
            KeyError: the key is not in the trie.
        """
        path = _nibbles(key)
        proof = [self._nodes[self.root_hash]]
        node = decode(proof[0])
        while True:
            step = _step(as_list(node, 2, 17), path) if node != b"" else None
            if step is None:
                raise KeyError(key)
            child, path, is_value = step
            if is_value:
                return proof
            if isinstance(child, bytes):
                proof.append(self._nodes[child])
                child = decode(proof[-1])
            node = child


def _step(node: list[Item], path: tuple[int, ...]) -> tuple[Item, tuple[int, ...], bool] | None:
    """Follow a path through one node: child or value, the rest of the path, whether a value."""
    if len(node) == 17:
        if not path:
            value = as_bytes(node[16])
            return (value, (), True) if value else None
        child = node[path[0]]
        return (child, path[1:], False) if child != b"" else None
    prefix, is_leaf = _unpack(as_bytes(node[0]))
    if path[: len(prefix)] != prefix or (is_leaf and len(path) != len(prefix)):
        return None
    return node[1], path[len(prefix) :], is_leaf


def verify_trie_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """Check a proof and return the value; every node must be needed.

    Args:
        root: root hash of the trie.
        key: the key.
        proof: RLP of the nodes from the root.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
        VerificationError: PROOF_INVALID.
    """
    path, rest = _nibbles(key), list(proof)
    node: Item = root
    while True:
        if isinstance(node, bytes):
            if len(node) != _HASH or not rest:
                raise _invalid("a node is missing")
            data = rest.pop(0)
            if keccak256(data) != node:
                raise _invalid("a node does not have the hash that its parent names")
            node = decode(data)
        step = _step(as_list(node, 2, 17), path)
        if step is None:
            raise _invalid("it leads to another key")
        child, path, is_value = step
        if is_value:
            if rest:
                raise _invalid("a node is not needed")
            return as_bytes(child)
        node = child
