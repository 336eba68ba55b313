"""Tiles of the access log's tree, and proofs computed from nothing but tiles.

A tile holds up to 256 hashes of one level of complete subtrees, 8 levels apart. All who read a log
fetch the same tiles and compute the proofs that they need: a log cannot answer one reader otherwise
than another without signing two roots.

Source: docs/protocol.md 6.5; C2SP tlog-tiles, with SM3 in place of SHA-256.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from crypto.errors import ProtocolError, VerificationError
from crypto.merkle import Frontier, consistency_path, inclusion_path, node_hash, verify_consistency
from protocol.checkpoint import MAX_SIZE

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH_SIZE = 32
MAX_TILE_SIZE = WIDTH * HASH_SIZE
#: Levels 0 to 7: none above has a hash in a log of at most 2^63 - 1 records.
_PATH = re.compile(r"([0-7])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_GROUP = 1000


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: its hashes are those of the complete subtrees of level 8 * level.

    Attributes:
        level: 0 to 7; 0 holds leaf hashes.
        index: number of the tile in its level, from 0.
        width: hashes in it, 1 to 256; a tile with fewer than 256 is partial.
    """

    level: int
    index: int
    width: int = WIDTH

    @property
    def is_full(self) -> bool:
        """Whether it holds all hashes that it ever will."""
        return self.width == WIDTH

    @property
    def path(self) -> str:
        """Its path below `/log/tile/`: `0/x001/x234/067`, a partial one with `.p/WIDTH`."""
        groups = [f"{self.index % _GROUP:03d}"]
        rest = self.index // _GROUP
        while rest:
            groups.append(f"x{rest % _GROUP:03d}")
            rest //= _GROUP
        partial = "" if self.is_full else f".p/{self.width}"
        return f"{self.level}/{'/'.join(reversed(groups))}{partial}"

    @classmethod
    def from_path(cls, path: str) -> Self:
        """Parse strictly: each tile has one path.

        Raises:
            ProtocolError: TILE_PATH_MALFORMED.
        """
        bad = ProtocolError("TILE_PATH_MALFORMED", "this is not the path of a tile")
        match = _PATH.fullmatch(path)
        if match is None:
            raise bad
        index = int(match[2].replace("x", "").replace("/", ""))
        found = cls(int(match[1]), index, int(match[3] or WIDTH))
        # A width of 256 has no suffix, and no group in front is zero: else one tile has two names.
        if found.path != path or found.width > WIDTH:
            raise bad
        if index > MAX_SIZE >> (HEIGHT * (found.level + 1)):
            raise bad
        return found


class TileTree:
    """The tree of one size as its tiles show it; what it says counts once a proof binds it.

    Args:
        fetch: returns the bytes of a tile; each is asked for at most once.
        size: number of records.
    """

    def __init__(self, fetch: Callable[[Tile], bytes], size: int) -> None:
        self._fetch = fetch
        self.size = size
        self._tiles: dict[Tile, bytes] = {}

    def get_node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree within the tree.

        Raises:
            ValueError: the tree has no such subtree.
            ProtocolError: TILE_MALFORMED.
        """
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise ValueError(f"no subtree {index} of level {level} in {self.size} records")
        tile_level, above = divmod(level, HEIGHT)
        first = index << above
        tile_index = first >> HEIGHT
        width = min(WIDTH, (self.size >> (HEIGHT * tile_level)) - tile_index * WIDTH)
        data = self._get_tile(Tile(tile_level, tile_index, width))
        start = (first - tile_index * WIDTH) * HASH_SIZE
        hashes = [
            data[at : at + HASH_SIZE]
            for at in range(start, start + (HASH_SIZE << above), HASH_SIZE)
        ]
        while len(hashes) > 1:
            hashes = [
                node_hash(left, right)
                for left, right in zip(hashes[::2], hashes[1::2], strict=True)
            ]
        return hashes[0]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first records, of all without a size."""
        return Frontier.from_nodes(self.size if size is None else size, self.get_node).root()

    def inclusion(self, index: int) -> list[bytes]:
        """Return the inclusion path of a record in this tree."""
        return inclusion_path(self.get_node, index, self.size)

    def consistency(self, old: int) -> list[bytes]:
        """Return the proof that this tree only added to the one of size old."""
        return consistency_path(self.get_node, old, self.size)

    def prove_prefix(self, old: int, root: bytes) -> tuple[bytes, list[bytes]]:
        """Return the one root that the first records have in the tree with this root.

        Whoever signed this root and another one for those records has signed two histories: the
        path proves it to anybody.

        Args:
            old: number of the first records, at most the size.
            root: signed root of the whole tree.

        Returns:
            Root of the first records, and the consistency path from it to the whole.

        Raises:
            VerificationError: TILE_INVALID when the tiles are not those of the signed root.
        """
        prefix, path = self.root(old), self.consistency(old)
        try:
            verify_consistency(old, self.size, prefix, root, path)
            # A proof from the empty tree says nothing of the later one.
            verify_consistency(self.size, self.size, self.root(), root, [])
        except VerificationError as error:
            raise VerificationError(
                "TILE_INVALID", "the log's tiles are not those of its signed root"
            ) from error
        return prefix, path

    def _get_tile(self, tile: Tile) -> bytes:
        data = self._tiles.get(tile)
        if data is None:
            data = self._fetch(tile)
            if len(data) != tile.width * HASH_SIZE:
                raise ProtocolError("TILE_MALFORMED", "a tile is as long as its path says")
            self._tiles[tile] = data
        return data
