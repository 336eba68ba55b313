"""The one writer of an access log, in a thread: group commit, one signed checkpoint per flush.

A flush starts when the previous one has ended and takes what waits in the queue; what it does is
ledger.log.core. A gateway under load has its writer in a process of its own (ledger.log.process).
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from crypto.errors import LedgerError, SanlianError
from crypto.sm2 import Signer
from ledger.log.core import LogCore
from ledger.log.entries import (
    MAX_BATCH,
    Entry,
    Known,
    Nonce,
    Once,
    Packed,
    Placed,
    PreparedWritten,
    Quota,
    Result,
    Written,
)
from ledger.log.pipe import unpack_entries
from ledger.log.recovery import AnchorPoint
from protocol.receipt import Receipt

CLOSE_TIMEOUT_S = 30.0
#: Most entries that may wait to be written.
QUEUE_LIMIT = 10_000


class AccessLog(Protocol):
    """An access log that is open for writing, wherever its writer is."""

    @property
    def origin(self) -> str:
        """Origin of the log."""

    @property
    def size(self) -> int:
        """Number of durable records, as far as this process knows."""

    @property
    def is_healthy(self) -> bool:
        """Whether the last flush succeeded and the writer lives."""

    def append(self, draft: Mapping[str, Any]) -> "Future[Receipt]":
        """Queue a record; the future resolves once it is durable."""

    def append_many(
        self, drafts: Sequence[tuple[Mapping[str, Any], Once]], *, time_ms: int
    ) -> "Future[list[Written]]":
        """Queue records that are written in this order, in one flush."""

    def append_prepared(self, packed: Sequence[Packed]) -> "Future[list[PreparedWritten]]":
        """Queue prepared records that are written in this order, in one flush."""

    async def write(
        self,
        draft: Mapping[str, Any],
        *,
        nonce: Nonce | None = None,
        quota: Quota | None = None,
        time_ms: int | None = None,
        envelope: bytes | None = None,
    ) -> Receipt:
        """Write a record and return its receipt once it is durable."""

    def close(self) -> None:
        """Write what is queued and release the log."""


class _Many:
    """Collects what came of entries that were handed in together."""

    def __init__(self, count: int) -> None:
        self.future: Future[list[Any]] = Future()
        self._results: list[Result | None] = [None] * count
        self._left = count

    def settle(self, position: int, result: Result) -> None:
        """Take one result; with the last one the future resolves."""
        if self._results[position] is None:
            self._results[position] = result
            self._left -= 1
            if self._left == 0:
                self.future.set_result([one for one in self._results if one is not None])


@dataclass(slots=True)
class _Item:
    """An entry that waits, and who waits for it (nobody for the log's own records)."""

    entry: Entry
    future: "Future[Receipt] | None" = None
    waiter: "asyncio.Future[Receipt] | None" = None
    many: _Many | None = None
    position: int = 0


_Settled = tuple["asyncio.Future[Receipt]", Receipt | SanlianError]


class LogWriter:
    """Appends records to one log; safe to call from any thread.

    Args:
        url: SQLAlchemy URL of the log's SQLite file, or of a PostgreSQL database that gateways
            share; made and migrated when missing.
        origin: origin of the log.
        log_id: 32-byte id of the log's registration on chain.
        key: the gateway's key; it signs every checkpoint.
        anchor: newest anchor on chain, None when there is none yet.
        heartbeat_interval_s: a heartbeat is written when nothing else came for so long.
        queue_limit: most drafts that may wait; beyond it LOG_BUSY.

    Raises:
        LedgerError: LOG_IN_USE, LOG_DATABASE_UNSUPPORTED, LOG_DAMAGED, LOG_OTHER_IDENTITY,
            LOG_BEHIND_ANCHOR, LOG_ANCHOR_DIFFERS, LOG_WRITE_FAILED; of PostgreSQL
            LOG_DATABASE_UNREACHABLE, DATABASE_UNSAFE.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        log_id: bytes,
        key: Signer,
        anchor: AnchorPoint | None = None,
        heartbeat_interval_s: float = 600,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._core = LogCore(url, origin=origin, log_id=log_id, key=key, anchor=anchor)
        self._heartbeat_interval_s = heartbeat_interval_s
        self._queue_limit = queue_limit
        self._queue: deque[_Item] = deque()
        self._wake = threading.Condition()
        # Drafts of callers in event loops, until what is ready to run in the loop has run.
        self._staged: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def append(
        self,
        draft: Mapping[str, Any],
        *,
        nonce: Nonce | None = None,
        quota: Quota | None = None,
        time_ms: int | None = None,
        envelope: bytes | None = None,
    ) -> "Future[Receipt]":
        """Queue a record; the future resolves once it is durable.

        Cancelling the future of an intent that still waits drops it; any other record is written
        all the same.

        Args:
            draft: members of the record but v, log, seq and time_ms.
            nonce: recorded with it; the future fails with NONCE_REPLAYED when it is known.
            quota: reserved with it; the future fails with QUOTA_EXCEEDED when none is left.
            time_ms: time of the decision that the record tells, so that whoever repeats the
                decision repeats it at this time; the time of writing without one.
            envelope: kept with it, in the same transaction; the draft has its digest.

        Returns:
            Future of the receipt. It fails with RequestRefused (NONCE_REPLAYED, QUOTA_EXCEEDED,
            SEQUENCE_REPEATED, SEQUENCE_STATED),
            ProtocolError (RECORD_MALFORMED) or LedgerError (INTENT_CLOSED; LOG_WRITE_FAILED:
            whether the record is in the log is not known, so nothing that rests on it may happen).

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
        """
        future: Future[Receipt] = Future()
        item = _Item(Entry(dict(draft), nonce, quota, time_ms, envelope), future)
        with self._wake:
            self._require_room(item)
            self._queue.append(item)
            self._wake.notify()
        return future

    def append_many(
        self, drafts: Sequence[tuple[Mapping[str, Any], Once]], *, time_ms: int
    ) -> "Future[list[Written]]":
        """Queue records that are written in this order, in one flush.

        Args:
            drafts: at most MAX_BATCH drafts of records about something that is written once.
            time_ms: time of the decision that all of them tell.

        Returns:
            Future of what came of each, in order: its receipt; where the same was written before;
            or the error that append's future would fail with, or OBSERVATION_DIFFERS when
            something else was written for the same key and platform's id. It never fails.

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
            ValueError: more than MAX_BATCH drafts, or none.
        """
        return self._queue_many(
            [Entry(dict(draft), time_ms=time_ms, once=once) for draft, once in drafts]
        )

    def append_prepared(self, packed: Sequence[Packed]) -> "Future[list[PreparedWritten]]":
        """Queue prepared records of this log that are written in this order, in one flush.

        Args:
            packed: of at most MAX_BATCH records, see ledger.log.pipe.pack_prepared.

        Returns:
            Future of what came of each, in order, as append_many's; what was written is Placed.

        Raises:
            LedgerError, ValueError: as append_many.
        """
        return self._queue_many([entry for one in packed for entry in unpack_entries(one.data)])

    def _queue_many(self, entries: Sequence[Entry]) -> "Future[list[Any]]":
        if not 1 <= len(entries) <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} drafts")
        many = _Many(len(entries))
        # Nobody can cancel what is written all the same.
        many.future.set_running_or_notify_cancel()
        items = [
            _Item(entry, many=many, position=position) for position, entry in enumerate(entries)
        ]
        with self._wake:
            self._require_room(items[0])
            self._queue.extend(items)
            self._wake.notify()
        return many.future

    async def write(
        self,
        draft: Mapping[str, Any],
        *,
        nonce: Nonce | None = None,
        quota: Quota | None = None,
        time_ms: int | None = None,
        envelope: bytes | None = None,
    ) -> Receipt:
        """Do the same as append for callers in an event loop: a flush wakes them all at once.

        Raises:
            SanlianError: as append, and what its future fails with.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Receipt] = loop.create_future()
        item = _Item(Entry(dict(draft), nonce, quota, time_ms, envelope), waiter=waiter)
        self._require_room(item)
        staged = self._staged.setdefault(loop, [])
        staged.append(item)
        if len(staged) == 1:
            # Whatever else is ready to run in the loop may add to the same flush.
            loop.call_soon(self._enqueue_staged, loop)
        return await waiter

    def _enqueue_staged(self, loop: asyncio.AbstractEventLoop) -> None:
        items = self._staged.pop(loop)
        with self._wake:
            if not self._closing:
                self._queue.extend(items)
                self._wake.notify()
                return
        closed = LedgerError("LOG_CLOSED", "the access log is closed")
        _settle([(item.waiter, closed) for item in items if item.waiter is not None])

    def _require_room(self, item: _Item) -> None:
        if self._closing:
            raise LedgerError("LOG_CLOSED", "the access log is closed")
        # What ends an intent is never turned away: there are as many as intents were let in.
        if len(self._queue) >= self._queue_limit and item.entry.draft.get("event") != "outcome":
            raise LedgerError("LOG_BUSY", "too many records wait to be written; try again")

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self._core.origin

    @property
    def size(self) -> int:
        """Number of durable records, as far as this process knows."""
        return self._core.size

    @property
    def is_healthy(self) -> bool:
        """Whether the last flush succeeded and the thread is alive."""
        return self._core.is_healthy and self._thread.is_alive()

    def close(self) -> None:
        """Write what is queued, then end the thread and release the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():
            self._core.close()

    # --- the writer's thread ------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                return
            results = self._core.flush([item.entry for item in batch])
            _deliver(list(zip(batch, results, strict=True)))

    def _take(self) -> list[_Item] | None:
        """Wait for drafts; None when the log is closed and all is written."""
        due = time.monotonic() + self._core.heartbeat_s(self._heartbeat_interval_s)
        with self._wake:
            while not self._queue:
                if self._closing:
                    return None
                left = due - time.monotonic()
                if left <= 0:
                    return [_Item(Entry({"event": "heartbeat"}))]
                self._wake.wait(left)
            taken: list[_Item] = []
            # Drafts that were handed in together stay together.
            while self._queue and (
                len(taken) < MAX_BATCH
                or (taken[-1].many is not None and self._queue[0].many is taken[-1].many)
            ):
                taken.append(self._queue.popleft())
        batch = []
        for item in taken:
            is_wanted = item.future is None or item.future.set_running_or_notify_cancel()
            if not is_wanted:
                if item.entry.draft.get("event") == "intent":
                    continue
                item.future = None
            batch.append(item)
        return batch


def _deliver(results: Sequence[tuple[_Item, Result]]) -> None:
    """Hand out what came of records, to each event loop in one call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for item, result in results:
        if item.many is not None:
            item.many.settle(item.position, result)
        # What is known before or prepared is one of many.
        if isinstance(result, Known | Placed):
            continue
        if item.future is not None and not item.future.done():
            if isinstance(result, Receipt):
                item.future.set_result(result)
            elif isinstance(result, SanlianError):
                item.future.set_exception(result)
        if item.waiter is not None:
            by_loop.setdefault(item.waiter.get_loop(), []).append((item.waiter, result))
    for loop, settled in by_loop.items():
        # A loop that has ended has nobody who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: "list[_Settled]") -> None:
    for waiter, result in settled:
        if waiter.done():
            continue
        if isinstance(result, Receipt):
            waiter.set_result(result)
        else:
            waiter.set_exception(result)
