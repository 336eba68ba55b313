"""Reading an access log: records, proofs and checkpoints, from the file alone."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from protocol.receipt import Receipt


class LogReader:
    """Reads one log's file; it takes no lock that a writer would wait for.

    Args:
        engine: engine from open_reader_engine (or the writer's).
    """

    def __init__(self, engine: Engine) -> None: ...

    @classmethod
    def open(cls, url: str) -> "LogReader":
        """Open a log's file for reading.

        Raises:
            LedgerError: LOG_MISSING, LOG_DATABASE_UNSUPPORTED.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""

    def size(self) -> int:
        """Return the number of records."""
        raise NotImplementedError

    def get_record(self, seq: int) -> bytes:
        """Return a record's canonical bytes.

        Raises:
            LedgerError: LOG_RECORD_UNKNOWN.
        """
        raise NotImplementedError

    def records(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of the records from start up to, not including, end."""
        raise NotImplementedError

    def find_end(self, intent_seq: int) -> int | None:
        """Return the index of the outcome or interruption of an intent, or None."""
        raise NotImplementedError

    def root(self, size: int | None = None) -> bytes:
        """Return the 32-byte root of the tree of this size, the whole log without one.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN.
        """
        raise NotImplementedError

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """Return the inclusion path of a record in the tree of this size.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN, LOG_RECORD_UNKNOWN.
        """
        raise NotImplementedError

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of size new only added to that of size old.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN.
        """
        raise NotImplementedError

    def get_checkpoint(self, size: int | None = None, lines: Sequence[str] = ()) -> str:
        """Return the signed note of this size, the newest one without a size.

        Args:
            size: size of a flush's checkpoint; sizes between flushes were never signed.
            lines: witnesses' signature lines to add below the gateway's.

        Raises:
            LedgerError: LOG_CHECKPOINT_UNKNOWN.
        """
        raise NotImplementedError

    def receipt(self, seq: int) -> Receipt:
        """Return a receipt of a record under the newest checkpoint."""
        raise NotImplementedError

    def find_records(
        self, *, grant: bytes | None = None, key_id: bytes | None = None, limit: int = 200
    ) -> list[int]:
        """Return the newest records' indices of a grant or of a requester's key."""
        raise NotImplementedError
