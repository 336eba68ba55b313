"""A gateway's access log as anyone may see it: checkpoints, proofs, tiles, never records."""

from typing import Any, Self

from crypto.errors import LedgerError, ProtocolError, VerificationError
from crypto.merkle import verify_consistency, verify_inclusion
from crypto.sm2 import PublicKey
from protocol.checkpoint import MAX_NOTE_SIZE, Checkpoint, verify_checkpoint
from protocol.receipt import parse_path
from protocol.tiles import Tile
from sanlian_client.transport import Transport


class LogClient:
    """Reads one log and believes nothing that it cannot check.

    Args:
        gateway_url: base URL of the gateway.
        origin: origin of the log.
        public_key: key of the gateway.
        timeout_s: most time for one exchange.
    """

    def __init__(
        self, gateway_url: str, *, origin: str, public_key: PublicKey, timeout_s: float = 30.0
    ) -> None:
        self.origin = origin
        self.public_key = public_key
        self._transport = Transport(gateway_url, timeout_s=timeout_s, max_answer_size=256 * 1024)

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def checkpoint(self, size: int | None = None) -> tuple[str, Checkpoint]:
        """Return a checkpoint, as a note and parsed; the gateway's signature holds.

        Args:
            size: size of a signed checkpoint, the newest without one.

        Raises:
            LedgerError: SERVER_UNREACHABLE, …
            RequestRefused: the gateway refused.
            ProtocolError: CHECKPOINT_MALFORMED.
            VerificationError: CHECKPOINT_INVALID.
        """
        params = None if size is None else {"size": str(size)}
        answer = self._transport.get("/log/checkpoint", params)
        if answer.status != 200:
            raise answer.problem()
        if len(answer.body) > 4 * MAX_NOTE_SIZE:
            raise ProtocolError("CHECKPOINT_MALFORMED", "this is not a signed checkpoint")
        try:
            note = answer.body.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("CHECKPOINT_MALFORMED", "a checkpoint is UTF-8") from error
        return note, verify_checkpoint(note, origin=self.origin, public_key=self.public_key)

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes; whoever uses them has to bind them to a signed root.

        Raises:
            LedgerError: SERVER_UNREACHABLE, …
            RequestRefused: the gateway refused.
        """
        answer = self._transport.get("/log/tile/" + tile.path)
        if answer.status != 200:
            raise answer.problem()
        return answer.body

    def verify_growth(self, old: Checkpoint, new: Checkpoint) -> None:
        """Check that the tree of the later checkpoint only added to the earlier one.

        Raises:
            VerificationError: PROOF_INVALID.
            RequestRefused: the gateway gives no proof.
        """
        path: tuple[bytes, ...] = ()
        if 0 < old.size < new.size:
            path = self._path("/log/consistency", {"old": str(old.size), "new": str(new.size)})
        verify_consistency(old.size, new.size, old.root, new.root, path)

    def verify_leaf(self, leaf: bytes, index: int, checkpoint: Checkpoint) -> None:
        """Check that the checkpoint's tree has this leaf at this index.

        Raises:
            VerificationError: PROOF_INVALID.
            RequestRefused: the gateway gives no proof.
        """
        if index >= checkpoint.size:
            raise VerificationError("PROOF_INVALID", "the log is shorter than the receipt says")
        params = {"index": str(index), "size": str(checkpoint.size)}
        path = self._path("/log/inclusion", params)
        verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root)

    def _path(self, path: str, params: dict[str, str]) -> tuple[bytes, ...]:
        value: Any = self._transport.get_json(path, params)
        bad = ProtocolError("PROOF_MALFORMED", "the gateway's answer holds no proof")
        if not isinstance(value, dict):
            raise LedgerError("RESPONSE_MALFORMED", "the server's answer is not an object")
        return parse_path(value.get("path"), bad)
