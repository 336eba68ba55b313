"""The one writer of an access log: group commit, one signed checkpoint per flush.

A flush starts when the previous one has ended. It takes what waits in the queue, gives each record
its index and time, signs the checkpoint of the grown tree, and commits records, tree nodes, nonces,
quotas and checkpoint in one synced transaction. Only then do callers get their receipts.

A commit that fails may yet have persisted. Nothing is concluded from memory then: the state is read
again from the database, callers get LOG_WRITE_FAILED, and an intent that did persist is closed with
an `interrupted` record.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import CryptoError, LedgerError, ProtocolError, RequestRefused, SanlianError
from crypto.merkle import Frontier, inclusion_path, leaf_hash
from crypto.sm2 import PublicKey, Signer
from ledger.log import statements, store
from ledger.log.database import open_writer_database
from ledger.log.numbers import Numbers, key_id_of
from ledger.log.recovery import (
    AnchorPoint,
    Tail,
    load_tail,
    require_continued,
    verify_anchor,
    verify_tail,
)
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.receipt import Receipt
from protocol.records import Prepared, encode_record

MAX_BATCH = 1000
CLOSE_TIMEOUT_S = 30.0
#: After a flush that failed the log tries again by itself, with a heartbeat, so often.
RETRY_S = 5.0
_ENDS = frozenset({"outcome", "interrupted"})

_LOGGER = logging.getLogger(__name__)

__all__ = ["AnchorPoint", "Known", "LogWriter", "Nonce", "Once", "Quota", "Written"]


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
class Once:
    """What a record tells of another platform: written once for its key and the platform's id.

    Attributes:
        key_id: the key.
        record: the platform's id.
        digest: of what is told.
        grant: grant that a prepared record is found again by, if it names one.
    """

    key_id: bytes
    record: str
    digest: bytes
    grant: bytes | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The same was written before.

    Attributes:
        index: of the record.
        log: origin of its log where that is another one.
    """

    index: int
    log: str | None = None


#: What came of one draft of many.
Written = Receipt | Known | SanlianError


class _Many:
    """Collects what came of drafts that were handed in together."""

    def __init__(self, count: int) -> None:
        self.future: Future[list[Written]] = Future()
        self._results: list[Written | None] = [None] * count
        self._left = count

    def settle(self, position: int, result: Written) -> None:
        """Take one result; with the last one the future resolves."""
        if self._results[position] is None:
            self._results[position] = result
            self._left -= 1
            if self._left == 0:
                self.future.set_result([one for one in self._results if one is not None])


@dataclass(slots=True)
class _Item:
    """A draft that waits, and who waits for it (nobody for the log's own records)."""

    draft: Mapping[str, Any]
    nonce: Nonce | None = None
    quota: Quota | None = None
    time_ms: int | None = None
    future: "Future[Receipt] | None" = None
    waiter: "asyncio.Future[Receipt] | None" = None
    once: Once | None = None
    many: _Many | None = None
    position: int = 0
    prepared: Prepared | None = None
    envelope: bytes | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether a caller waits, who owes an intent its outcome."""
        return self.future is not None or self.waiter is not None


_Settled = tuple["asyncio.Future[Receipt]", Receipt | SanlianError]


@dataclass(slots=True)
class _Flush:
    """What one transaction wrote, valid once it is committed."""

    tail: Tail
    written: list[tuple[_Item, Receipt]]
    refused: list[tuple[_Item, Known | SanlianError]]


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
        queue_limit: int = 10_000,
    ) -> None:
        self._origin = origin
        self._key = key
        self._heartbeat_interval_s = heartbeat_interval_s
        self._queue_limit = queue_limit
        self._queue: deque[_Item] = deque()
        self._wake = threading.Condition()
        # Drafts of callers in event loops, until what is ready to run in the loop has run.
        self._staged: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        self._closing = False
        # Intents whose outcome their callers still owe; any other open intent was interrupted.
        self._in_flight: set[int] = set()
        self._sweep_due = True
        self._is_failing = False
        self._tail: Tail | None = None
        self._size = 0
        with ExitStack() as stack:
            try:
                self._database = stack.enter_context(open_writer_database(url, origin))
                self._engine = self._database.engine
                with self._engine.begin() as connection:
                    tail = verify_tail(
                        connection, origin=origin, log_id=log_id, public_key=key.public_key
                    )
                    verify_anchor(connection, tail.size, anchor)
            except (SQLAlchemyError, TypeError, ValueError) as error:
                # SQLite lets any type stand in a column, so a changed row may have another.
                raise LedgerError(
                    "LOG_DAMAGED", "the access log's database does not hold what a writer wrote"
                ) from error
            self._tail = tail
            self._durable = tail
            self._size = tail.size
            first = []
            if tail.size == 0:
                opened = {
                    "event": "opened",
                    "log_id": log_id.hex(),
                    "gateway_key": key.public_key.key_id.hex(),
                }
                first.append(_Item(opened))
            self._flush(first)
            if self._tail is None:
                raise LedgerError("LOG_WRITE_FAILED", "the access log's database cannot be written")
            self._resources = stack.pop_all()
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
        item = _Item(dict(draft), nonce, quota, time_ms, future, envelope=envelope)
        with self._wake:
            self._require_room(item)
            self._queue.append(item)
            self._wake.notify()
        return future

    def append_many(
        self, drafts: Sequence[tuple[Mapping[str, Any] | Prepared, Once]], *, time_ms: int
    ) -> "Future[list[Written]]":
        """Queue records that are written in this order, in one flush.

        Args:
            drafts: at most MAX_BATCH drafts of records about something that is written once, or
                prepared records of this log with that time.
            time_ms: time of the decision that all of them tell.

        Returns:
            Future of what came of each, in order: its receipt; where the same was written before;
            or the error that append's future would fail with, or OBSERVATION_DIFFERS when
            something else was written for the same key and platform's id. It never fails.

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
            ValueError: more than MAX_BATCH drafts, or none.
        """
        if not 1 <= len(drafts) <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} drafts")
        many = _Many(len(drafts))
        # Nobody can cancel what is written all the same.
        many.future.set_running_or_notify_cancel()
        items = [
            _Item(
                {"event": draft.event} if isinstance(draft, Prepared) else dict(draft),
                time_ms=time_ms,
                once=once,
                many=many,
                position=position,
                prepared=draft if isinstance(draft, Prepared) else None,
            )
            for position, (draft, once) in enumerate(drafts)
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
        item = _Item(dict(draft), nonce, quota, time_ms, waiter=waiter, envelope=envelope)
        self._require_room(item)
        staged = self._staged.setdefault(loop, [])
        staged.append(item)
        if len(staged) == 1:
            # Whatever else is ready to run in the loop may add to the same flush.
            loop.call_soon(self._enqueue_staged, loop)
        if item.waiter is None:
            raise AssertionError
        return await item.waiter

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
        if len(self._queue) >= self._queue_limit and item.draft.get("event") != "outcome":
            raise LedgerError("LOG_BUSY", "too many records wait to be written; try again")

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self._origin

    @property
    def size(self) -> int:
        """Number of durable records, as far as this process knows."""
        return self._size

    @property
    def is_healthy(self) -> bool:
        """Whether the last flush succeeded and the thread is alive.

        That the log can be read says nothing: a full disk is read as ever. While nothing else
        comes, a heartbeat finds out every RETRY_S whether it can be written again.
        """
        return not self._is_failing and self._thread.is_alive()

    def close(self) -> None:
        """Write what is queued, then end the thread and release the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():
            self._resources.close()

    # --- the writer's thread ------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                return
            try:
                self._flush(batch)
            except Exception:
                # A defect: no caller may wait for ever, and the thread must live on.
                _LOGGER.exception("a flush of the access log failed unexpectedly")
                self._tail = None
                self._fail(batch)

    def _take(self) -> list[_Item] | None:
        """Wait for drafts; None when the log is closed and all is written."""
        interval_s = self._heartbeat_interval_s
        due = time.monotonic() + (min(RETRY_S, interval_s) if self._is_failing else interval_s)
        with self._wake:
            while not self._queue:
                if self._closing:
                    return None
                left = due - time.monotonic()
                if left <= 0:
                    return [_Item({"event": "heartbeat"})]
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
                if item.draft.get("event") == "intent":
                    continue
                item.future = None
            batch.append(item)
        return batch

    def _flush(self, batch: Sequence[_Item]) -> None:
        flush: _Flush | None = None
        try:
            with self._engine.begin() as connection:
                tail = self._tail if self._tail is not None else self._load(connection)
                flush = self._write(connection, tail, batch)
                if not flush.written:
                    connection.rollback()
        except (SQLAlchemyError, CryptoError, LedgerError, OSError) as error:
            _LOGGER.error("the access log could not be written: %s", type(error).__name__)
            self._recover()
            self._fail(batch)
            return
        self._tail = self._durable = flush.tail
        self._size = flush.tail.size
        self._sweep_due = False
        if flush.written:  # what wrote nothing has shown nothing
            self._is_failing = False
        for item, receipt in flush.written:
            event = item.draft["event"]
            if event == "intent" and item.is_awaited:
                self._in_flight.add(receipt.index)
            elif event == "outcome":
                self._in_flight.discard(item.draft["intent"])
        for item, _ in flush.refused:
            self._abandon(item)
        _deliver([*flush.written, *flush.refused])

    def _abandon(self, item: _Item) -> None:
        """An outcome that could not be written leaves its intent to an `interrupted` record."""
        if item.draft.get("event") == "outcome":
            self._in_flight.discard(item.draft.get("intent", -1))
            self._sweep_due = True

    def _fail(self, batch: Sequence[_Item]) -> None:
        self._sweep_due = self._is_failing = True
        for item in batch:
            self._abandon(item)
        failure = LedgerError("LOG_WRITE_FAILED", "the access log could not be written")
        _deliver([(item, failure) for item in batch])

    def _recover(self) -> None:
        """Forget what memory says and read the file again; without success, before each flush."""
        self._tail = None
        try:
            self._engine.dispose()
            with self._engine.begin() as connection:
                tail = self._load(connection)
            self._tail = self._durable = tail
            self._size = tail.size
        except (SQLAlchemyError, LedgerError, OSError) as error:
            _LOGGER.error("the access log cannot be read either: %s", type(error).__name__)

    def _load(self, connection: Connection) -> Tail:
        """Read where the log ends; what callers were told is durable must still be in it."""
        tail = load_tail(connection)
        require_continued(connection, tail, self._durable)
        return tail

    def _write(self, connection: Connection, tail: Tail, batch: Sequence[_Item]) -> _Flush:
        """Write the batch inside the open transaction; nothing counts before the commit."""
        if self._database.is_shared:
            self._database.lock(connection, set(_owners(batch)))
        stored = connection.exec_driver_sql(statements.LAST_SIZE).scalar() or 0
        if stored != tail.size:
            raise LedgerError("LOG_DAMAGED", "the file changed under its only writer")
        own = self._interruptions(connection) if self._sweep_due else []
        items = [*own, *batch]
        known_nonces = statements.find_nonces(
            connection, [(i.nonce.key_id, i.nonce.value) for i in items if i.nonce is not None]
        )
        used = statements.find_quotas(
            connection, {i.quota.grant for i in items if i.quota is not None}
        )
        open_leaves = statements.find_open_intents(
            connection,
            {i.draft.get("intent") for i in items if i.draft.get("event") in _ENDS},
        )
        observed = statements.find_observations(
            connection, [(i.once.key_id, i.once.record) for i in items if i.once is not None]
        )
        numbers = Numbers(connection)
        touched: set[bytes] = set()
        ended: list[int] = []
        rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in statements.GROWING}
        frontier = Frontier.from_nodes(tail.size, lambda *place: tail.edge[place])
        edge = dict(tail.edge)
        now_ms = time.time_ns() // 1_000_000
        refused: list[tuple[_Item, Known | SanlianError]] = []
        placed: list[tuple[_Item, int, bytes]] = []
        for item in items:
            problem = (
                _problem(item, known_nonces, used, open_leaves)
                or _known(item, observed, self._database.log)
                or numbers.problem(item.draft, is_taken=item.nonce is not None)
            )
            if problem is not None:
                refused.append((item, problem))
                continue
            seq = frontier.size
            time_ms = now_ms if item.time_ms is None else item.time_ms
            common = {"v": 1, "log": self._origin, "seq": seq, "time_ms": time_ms}
            try:
                if item.prepared is not None:
                    data = item.prepared.encode(seq)
                else:
                    data = encode_record({**common, **item.draft})
                columns = _index_columns(item)
            except (ProtocolError, CryptoError) as error:
                refused.append((item, error))
                continue
            leaf = leaf_hash(data)
            event = item.draft["event"]
            numbers.keep(item.draft, seq)
            rows[store.records].append((seq, leaf, data, event, time_ms, *columns))
            for level, index, digest in frontier.append(leaf):
                edge[level, index] = digest
                rows[store.nodes].append((level, index, digest))
            if item.nonce is not None:
                pair = (item.nonce.key_id, item.nonce.value)
                known_nonces.add(pair)
                rows[store.nonces].append((*pair, seq))
            if item.once is not None:
                log = self._database.log
                observed[item.once.key_id, item.once.record] = item.once.digest, seq, log
                rows[store.observations].append(
                    (item.once.key_id, item.once.record, item.once.digest, seq, log)
                )
            if item.envelope is not None:
                rows[store.kept].append((seq, item.envelope))
            if item.quota is not None:
                used[item.quota.grant] = used.get(item.quota.grant, 0) + 1
                touched.add(item.quota.grant)
            if event == "intent":
                rows[store.open_intents].append((seq, leaf))
            elif event in _ENDS:
                open_leaves.pop(item.draft["intent"])
                ended.append(item.draft["intent"])
            placed.append((item, seq, data))
        if not placed:
            return _Flush(tail, [], refused)
        size, root = frontier.size, frontier.root()
        note = sign_checkpoint(Checkpoint(self._origin, size, root), self._key)
        rows[store.checkpoints].append((size, root, note))
        for table, added in rows.items():
            statements.insert(connection, table, added)
        statements.end_intents(connection, ended)
        statements.set_quotas(connection, {grant: used[grant] for grant in touched})
        roots: dict[tuple[int, int], bytes] = {}
        written = [
            (
                item,
                Receipt(
                    data,
                    seq,
                    tuple(inclusion_path(lambda *place: edge[place], seq, size, roots)),
                    note,
                ),
            )
            for item, seq, data in placed
        ]
        return _Flush(Tail.from_edge(size, edge), written, refused)

    def _interruptions(self, connection: Connection) -> list[_Item]:
        found = connection.execute(
            select(store.open_intents.c.seq, store.open_intents.c.leaf).order_by(
                store.open_intents.c.seq
            )
        )
        return [
            _Item({"event": "interrupted", "intent": seq, "intent_leaf": leaf.hex()})
            for seq, leaf in found
            if seq not in self._in_flight
        ]


def _deliver(results: Sequence[tuple[_Item, Written]]) -> None:
    """Hand out what came of records, to each event loop in one call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for item, result in results:
        if item.many is not None:
            item.many.settle(item.position, result)
        # Only what is written once is known, and only one of many.
        if isinstance(result, Known):
            continue
        if item.future is not None and not item.future.done():
            if isinstance(result, Receipt):
                item.future.set_result(result)
            else:
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


def _owners(batch: Sequence[_Item]) -> Iterator[bytes]:
    """Yield the keys and grants whose nonces, quotas and numbers a batch reads or changes."""
    for item in batch:
        if item.quota is not None:
            yield item.quota.grant
        if item.nonce is not None:
            yield item.nonce.key_id
        if item.once is not None:
            yield item.once.key_id
        request = item.draft.get("request")
        if request is not None:
            yield key_id_of(request)


def _problem(
    item: _Item,
    known_nonces: set[tuple[bytes, bytes]],
    used: Mapping[bytes, int],
    open_leaves: Mapping[int, bytes],
) -> SanlianError | None:
    if item.nonce is not None and (item.nonce.key_id, item.nonce.value) in known_nonces:
        return RequestRefused("NONCE_REPLAYED", "this key has used the nonce before")
    if item.quota is not None and used.get(item.quota.grant, 0) >= item.quota.limit:
        return RequestRefused("QUOTA_EXCEEDED", "the grant's data requests are used up")
    if item.draft.get("event") in _ENDS:
        leaf = open_leaves.get(item.draft.get("intent", -1))
        if leaf is None or leaf.hex() != item.draft.get("intent_leaf"):
            return LedgerError("INTENT_CLOSED", "the intent has ended already, or is another")
    return None


def _known(
    item: _Item,
    observed: Mapping[tuple[bytes, str], tuple[bytes, int, str | None]],
    own: str | None,
) -> Known | SanlianError | None:
    found = observed.get((item.once.key_id, item.once.record)) if item.once is not None else None
    if item.once is None or found is None:
        return None
    digest, seq, log = found
    if digest != item.once.digest:
        return RequestRefused(
            "OBSERVATION_DIFFERS", "another record of the same key and id was handed in before"
        )
    return Known(seq, None if log == own else log)


def _index_columns(item: _Item) -> tuple[bytes | None, bytes | None, bytes | None, int | None]:
    """Return key id, nonce, grant and intent, which find a record again; its form was checked."""
    if item.once is not None and item.prepared is not None:
        return item.once.key_id, None, item.once.grant, None
    if item.once is not None and "observation" in item.draft:
        named = item.draft["observation"]["grant"]
        return item.once.key_id, None, None if named is None else bytes.fromhex(named), None
    request = item.draft.get("request")
    intent = item.draft["intent"] if item.draft["event"] in _ENDS else None
    if request is None:
        return None, None, None, intent
    point = bytes.fromhex(request["public_key"])
    grant = bytes.fromhex(request["grant"])
    return PublicKey.from_bytes(point).key_id, bytes.fromhex(request["nonce"]), grant, intent
