"""The provider's durable memory: which intents it has answered, and their receipts."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from crypto.errors import LedgerError, RequestRefused
from protocol.receipt import Receipt

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    leaf BLOB PRIMARY KEY,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    requester BLOB NOT NULL,
    nonce TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    receipt BLOB NOT NULL,
    UNIQUE (log, seq),
    UNIQUE (requester, nonce)
) STRICT, WITHOUT ROWID
"""


class IntentStore:
    """Intents that were used, in SQLite; what is added is on disk before the call returns.

    Several processes may share one file.

    Args:
        path: the database file; made if missing.

    Raises:
        LedgerError: INTENT_STORE_FAILED.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, timeout=5, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise _failed() from error

    def add(
        self, receipt: Receipt, *, leaf: bytes, log: str, requester: bytes, nonce: str, now: int
    ) -> None:
        """Mark an intent as used, durably; once only.

        Args:
            receipt: the verified receipt of the intent.
            leaf: its leaf hash, 32 bytes.
            log: origin of its log.
            requester: key id of the requester.
            nonce: nonce of the requester's signature.
            now: unix seconds.

        Raises:
            RequestRefused: INTENT_REPLAYED when the intent was used, REQUEST_REPLAYED when the
                requester's signature was used under another intent, INTENT_FORKED when the log
                showed another record at this index.
            LedgerError: INTENT_STORE_FAILED.
        """
        row = (leaf, log, receipt.index, requester, nonce, now, receipt.to_bytes())
        with self._lock:
            try:
                added = self._connection.execute(
                    "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row
                ).rowcount
                if added == 1:
                    return
                leaves = self._connection.execute(
                    "SELECT leaf FROM intents WHERE leaf = ? OR (log = ? AND seq = ?)",
                    (leaf, log, receipt.index),
                ).fetchall()
            except sqlite3.Error as error:
                raise _failed() from error
        if (leaf,) in leaves:
            raise RequestRefused("INTENT_REPLAYED", "this intent was used before")
        if leaves:
            raise RequestRefused(
                "INTENT_FORKED", "the log showed another record at this index before"
            )
        raise RequestRefused("REQUEST_REPLAYED", "this request was answered under another intent")

    def receipts(self) -> Iterator[Receipt]:
        """Yield the kept receipts in the order of their logs and indices.

        Raises:
            LedgerError: INTENT_STORE_FAILED.
        """
        after: tuple[str, int] = ("", -1)
        while True:
            with self._lock:
                try:
                    rows = self._connection.execute(
                        "SELECT log, seq, receipt FROM intents WHERE (log, seq) > (?, ?)"
                        " ORDER BY log, seq LIMIT 500",
                        after,
                    ).fetchall()
                except sqlite3.Error as error:
                    raise _failed() from error
            for log, seq, receipt in rows:
                yield Receipt.from_bytes(receipt)
                after = (log, seq)
            if not rows:
                return

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _failed() -> LedgerError:
    return LedgerError("INTENT_STORE_FAILED", "the file of used intents cannot be used")
