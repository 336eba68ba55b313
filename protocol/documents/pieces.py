"""Documents out of the pieces in which they stand on the chain (docs/protocol.md, 5)."""

from crypto.sm3 import sm3
from protocol.ethereum import PieceEvent

#: A document of 64 KiB in its shortest pieces.
MAX_PIECES = 8


class Pieces:
    """Collects the pieces of documents, in the order in which the chain holds them.

    Anybody may put a piece, also a wrong one: the newest one of each place counts until the whole
    has the digest, and from then on nothing changes it.
    """

    def __init__(self) -> None:
        self._loose: dict[bytes, dict[tuple[int, int], bytes]] = {}
        self._whole: dict[bytes, bytes] = {}

    def add(self, event: PieceEvent) -> None:
        """Take the next piece; one that is numbered outside its document is passed over."""
        if event.digest in self._whole:
            return
        if not (1 <= event.count <= MAX_PIECES and event.index < event.count):
            return
        loose = self._loose.setdefault(event.digest, {})
        loose[event.count, event.index] = event.piece
        found = [loose.get((event.count, index)) for index in range(event.count)]
        pieces = [piece for piece in found if piece is not None]
        data = b"".join(pieces)
        if len(pieces) == event.count and sm3(data) == event.digest:
            self._whole[event.digest] = data
            del self._loose[event.digest]

    def find(self, digest: bytes) -> bytes | None:
        """Return a document's bytes, None while nobody has supplied it whole."""
        return self._whole.get(digest)
