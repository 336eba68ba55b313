"""The one writer of an access log: group commit, one signed checkpoint per flush.

A flush starts when the previous one has ended. It takes what waits in the queue, gives each record
its index and time, signs the checkpoint of the grown tree, and commits records, tree nodes, nonces,
quotas and checkpoint in one synced transaction. Only then do callers get their receipts.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from crypto.sm2 import PrivateKey
from protocol.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Nonce:
    """A request's nonce: accepted once for a key, remembered with the record that used it."""

    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Quota:
    """One use of a grant, reserved with the record: refused when limit uses are reserved."""

    grant: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class AnchorPoint:
    """The newest checkpoint of this log that is anchored on chain."""

    size: int
    root: bytes


class LogWriter:
    """Appends records to one log; safe to call from any thread.

    Args:
        url: SQLAlchemy URL of the log's SQLite file; made and migrated when missing.
        origin: origin of the log.
        log_id: 32-byte id of the log's registration on chain.
        key: the gateway's key; it signs every checkpoint.
        anchor: newest anchor on chain, None when there is none yet.
        heartbeat_interval_s: a heartbeat is written when nothing else came for so long.
        queue_limit: most drafts that may wait; beyond it LOG_BUSY.

    Raises:
        LedgerError: LOG_IN_USE, LOG_DAMAGED, LOG_BEHIND_ANCHOR, LOG_OTHER_IDENTITY.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        log_id: bytes,
        key: PrivateKey,
        anchor: AnchorPoint | None = None,
        heartbeat_interval_s: float = 600,
        queue_limit: int = 10_000,
    ) -> None: ...

    def append(
        self, draft: Mapping[str, Any], *, nonce: Nonce | None = None, quota: Quota | None = None
    ) -> "Future[Receipt]":
        """Queue a record; the future resolves once it is durable.

        Args:
            draft: members of the record but v, log, seq and time_ms.
            nonce: recorded with it; the future fails with NONCE_REPLAYED when it is known.
            quota: reserved with it; the future fails with QUOTA_EXCEEDED when none is left.

        Returns:
            Future of the receipt. It fails with RequestRefused (NONCE_REPLAYED, QUOTA_EXCEEDED),
            ProtocolError (RECORD_MALFORMED) or LedgerError (LOG_WRITE_FAILED: whether the record
            is in the log is not known, so nothing that rests on it may happen).

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
        """
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of durable records."""
        raise NotImplementedError

    def quota_used(self, grant: bytes) -> int:
        """Return how many uses of a grant are reserved."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is queued, then end the thread and release the file."""
