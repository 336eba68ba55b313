"""One access log, open for its only writer: what a flush does, without threads and queues.

A flush gives each record its index and time, signs the checkpoint of the grown tree, and commits
records, tree nodes, nonces, quotas and checkpoint in one synced transaction. Only then are there
receipts.

A commit that fails may yet have persisted. Nothing is concluded from memory then: the state is read
again from the database, callers get LOG_WRITE_FAILED, and an intent that did persist is closed with
an `interrupted` record.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, select
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import CryptoError, LedgerError, ProtocolError, RequestRefused, SanlianError
from crypto.merkle import Frontier, InclusionPaths, leaf_hash, place_of
from crypto.sm2 import Signer
from ledger.log import statements, store
from ledger.log.database import open_writer_database
from ledger.log.entries import Entry, Known, Placed, Result
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
from protocol.records import encode_record

#: After a flush that failed the log tries again by itself, with a heartbeat, so often.
RETRY_S = 5.0
_ENDS = frozenset({"outcome", "interrupted"})

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flush:
    """What one transaction wrote, valid once it is committed."""

    tail: Tail
    results: list[Result]


class LogCore:
    """Writes one log; not safe to call from two threads at a time.

    Args:
        url: SQLAlchemy URL of the log's SQLite file, or of a PostgreSQL database that gateways
            share; made and migrated when missing.
        origin: origin of the log.
        log_id: 32-byte id of the log's registration on chain.
        key: the gateway's key; it signs every checkpoint.
        anchor: newest anchor on chain, None when there is none yet.

    Raises:
        LedgerError: LOG_IN_USE, LOG_DATABASE_UNSUPPORTED, LOG_DAMAGED, LOG_OTHER_IDENTITY,
            LOG_BEHIND_ANCHOR, LOG_ANCHOR_DIFFERS, LOG_WRITE_FAILED; of PostgreSQL
            LOG_DATABASE_UNREACHABLE, DATABASE_UNSAFE.
    """

    def __init__(
        self, url: str, *, origin: str, log_id: bytes, key: Signer, anchor: AnchorPoint | None
    ) -> None:
        self.origin = origin
        self._key = key
        # Intents whose outcome their callers still owe; any other open intent was interrupted.
        self._in_flight: set[int] = set()
        self._sweep_due = True
        self._is_failing = False
        self._tail: Tail | None = None
        self.size = 0
        with ExitStack() as stack:
            try:
                self._database = stack.enter_context(open_writer_database(url, origin))
                self.engine: Engine = self._database.engine
                with self.engine.begin() as connection:
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
            self.size = tail.size
            first = []
            if tail.size == 0:
                opened = {
                    "event": "opened",
                    "log_id": log_id.hex(),
                    "gateway_key": key.public_key.key_id.hex(),
                }
                first.append(Entry(opened))
            self.flush(first)
            if self._tail is None or self.size == 0:  # a log begins with `opened`
                raise LedgerError("LOG_WRITE_FAILED", "the access log's database cannot be written")
            self._resources = stack.pop_all()

    @property
    def is_healthy(self) -> bool:
        """Whether the last flush succeeded.

        That the log can be read says nothing: a full disk is read as ever.
        """
        return not self._is_failing

    def heartbeat_s(self, interval_s: float) -> float:
        """Return when a heartbeat is due while nothing else comes.

        Args:
            interval_s: seconds between heartbeats; a failing log finds out every RETRY_S whether it
                can be written again.
        """
        return min(RETRY_S, interval_s) if self._is_failing else interval_s

    def close(self) -> None:
        """Release the database."""
        self._resources.close()

    def flush(self, batch: Sequence[Entry]) -> list[Result]:
        """Write entries in this order, in one transaction.

        Returns:
            What came of each, in order; LOG_WRITE_FAILED for all where nothing is known.
        """
        try:
            return self._flush(batch)
        except Exception:
            # A defect: no caller may wait for ever, and the log must go on.
            _LOGGER.exception("a flush of the access log failed unexpectedly")
            self._tail = None
            return self._fail(batch)

    def _flush(self, batch: Sequence[Entry]) -> list[Result]:
        try:
            with self.engine.begin() as connection:
                tail = self._tail if self._tail is not None else self._load(connection)
                flush = self._write(connection, tail, batch)
                if flush.tail is tail:
                    connection.rollback()
        except (SQLAlchemyError, CryptoError, LedgerError, OSError) as error:
            _LOGGER.error("the access log could not be written: %s", type(error).__name__)
            self._recover()
            return self._fail(batch)
        if flush.tail.size > self.size:  # what wrote nothing has shown nothing
            self._is_failing = False
        self._tail = self._durable = flush.tail
        self.size = flush.tail.size
        self._sweep_due = False
        for entry, result in zip(batch, flush.results, strict=True):
            if isinstance(result, Placed):
                continue
            event = entry.draft.get("event")
            if not isinstance(result, Receipt):
                self._abandon(entry)
            elif event == "intent":
                self._in_flight.add(result.index)
            elif event == "outcome":
                self._in_flight.discard(entry.draft["intent"])
        return flush.results

    def _abandon(self, entry: Entry) -> None:
        """An outcome that could not be written leaves its intent to an `interrupted` record."""
        if entry.draft.get("event") == "outcome":
            self._in_flight.discard(entry.draft.get("intent", -1))
            self._sweep_due = True

    def _fail(self, batch: Sequence[Entry]) -> list[Result]:
        self._sweep_due = self._is_failing = True
        for entry in batch:
            self._abandon(entry)
        return [LedgerError("LOG_WRITE_FAILED", "the access log could not be written")] * len(batch)

    def _recover(self) -> None:
        """Forget what memory says and read the file again; without success, before each flush."""
        self._tail = None
        try:
            self.engine.dispose()
            with self.engine.begin() as connection:
                tail = self._load(connection)
            self._tail = self._durable = tail
            self.size = tail.size
        except (SQLAlchemyError, LedgerError, OSError) as error:
            _LOGGER.error("the access log cannot be read either: %s", type(error).__name__)

    def _load(self, connection: Connection) -> Tail:
        """Read where the log ends; what callers were told is durable must still be in it."""
        tail = load_tail(connection)
        require_continued(connection, tail, self._durable)
        return tail

    def _write(self, connection: Connection, tail: Tail, batch: Sequence[Entry]) -> _Flush:
        """Write the batch inside the open transaction; nothing counts before the commit."""
        if self._database.is_shared:
            self._database.lock(connection, set(_owners(batch)))
        stored = statements.run(connection, statements.LAST_SIZE, ()).scalar() or 0
        if stored != tail.size:
            raise LedgerError("LOG_DAMAGED", "the file changed under its only writer")
        own = self._interruptions(connection) if self._sweep_due else []
        entries = [*own, *batch]
        known_nonces = statements.find_nonces(
            connection, [(i.nonce.key_id, i.nonce.value) for i in entries if i.nonce is not None]
        )
        used = statements.find_quotas(
            connection, {i.quota.grant for i in entries if i.quota is not None}
        )
        open_leaves = statements.find_open_intents(
            connection,
            {i.draft.get("intent") for i in entries if i.draft.get("event") in _ENDS},
        )
        observed = statements.find_observations(
            connection, [(i.once.key_id, i.once.record) for i in entries if i.once is not None]
        )
        numbers = Numbers(connection, [entry.draft for entry in entries])
        touched: set[bytes] = set()
        ended: list[int] = []
        rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in statements.GROWING}
        frontier = Frontier.from_nodes(tail.size, lambda *place: tail.edge[place])
        edge, place = dict(tail.edge), place_of(0, tail.size)
        now_ms = time.time_ns() // 1_000_000
        # A prepared record's bytes are not kept: who handed it in has them.
        placed: list[tuple[int, bytes | None] | Known | SanlianError] = []
        for entry in entries:
            problem = (
                _problem(entry, known_nonces, used, open_leaves)
                or _known(entry, observed, self._database.log)
                or numbers.problem(entry.draft, is_taken=entry.nonce is not None)
            )
            if problem is not None:
                placed.append(problem)
                continue
            seq = frontier.size
            time_ms = now_ms if entry.time_ms is None else entry.time_ms
            common = {"v": 1, "log": self.origin, "seq": seq, "time_ms": time_ms}
            try:
                if entry.prepared is not None:
                    data = entry.prepared.encode(seq)
                else:
                    data = encode_record({**common, **entry.draft})
                columns = _index_columns(entry)
            except (ProtocolError, CryptoError) as error:
                placed.append(error)
                continue
            leaf = leaf_hash(data)
            event = entry.draft["event"]
            numbers.keep(entry.draft, seq)
            rows[store.records].append((seq, leaf, data, event, time_ms, *columns))
            for level, index, digest in frontier.append(leaf):
                edge[level, index] = digest
                rows[store.nodes].append((place, digest))
                place += 1
            if entry.nonce is not None:
                pair = (entry.nonce.key_id, entry.nonce.value)
                known_nonces.add(pair)
                rows[store.nonces].append((*pair, seq))
            if entry.once is not None:
                log = self._database.log
                observed[entry.once.key_id, entry.once.record] = entry.once.digest, seq, log
                rows[store.observations].append(
                    (entry.once.key_id, entry.once.record, entry.once.digest, seq, log)
                )
            if entry.envelope is not None:
                rows[store.kept].append((seq, entry.envelope))
            if entry.quota is not None:
                used[entry.quota.grant] = used.get(entry.quota.grant, 0) + 1
                touched.add(entry.quota.grant)
            if event == "intent":
                rows[store.open_intents].append((seq, leaf))
            elif event in _ENDS:
                open_leaves.pop(entry.draft["intent"])
                ended.append(entry.draft["intent"])
            placed.append((seq, data if entry.prepared is None else None))
        if frontier.size == tail.size:
            refused: list[Result] = [one for one in placed if not isinstance(one, tuple)]
            return _Flush(tail, refused[len(own) :])
        size, root = frontier.size, frontier.root()
        note = sign_checkpoint(Checkpoint(self.origin, size, root), self._key)
        rows[store.checkpoints].append((size, root, note))
        # In the order of their key, which is anything but that of the records.
        rows[store.observations].sort()
        for table, added in rows.items():
            statements.insert(connection, table, added)
        numbers.write()
        statements.end_intents(connection, ended)
        statements.set_quotas(connection, {grant: used[grant] for grant in touched})
        paths = InclusionPaths(lambda *place: edge[place], size)
        results: list[Result] = [
            _result(*one, paths.of(one[0]), note) if isinstance(one, tuple) else one
            for one in placed[len(own) :]
        ]
        return _Flush(Tail.from_edge(size, edge), results)

    def _interruptions(self, connection: Connection) -> list[Entry]:
        found = connection.execute(
            select(store.open_intents.c.seq, store.open_intents.c.leaf).order_by(
                store.open_intents.c.seq
            )
        )
        return [
            Entry({"event": "interrupted", "intent": seq, "intent_leaf": leaf.hex()})
            for seq, leaf in found
            if seq not in self._in_flight
        ]


def _result(seq: int, record: bytes | None, path: tuple[bytes, ...], note: str) -> Receipt | Placed:
    return Placed(seq, path, note) if record is None else Receipt(record, seq, path, note)


def _owners(batch: Sequence[Entry]) -> Iterator[bytes]:
    """Yield the keys and grants whose nonces, quotas and numbers a batch reads or changes."""
    for entry in batch:
        if entry.quota is not None:
            yield entry.quota.grant
        if entry.nonce is not None:
            yield entry.nonce.key_id
        if entry.once is not None:
            yield entry.once.key_id
        request = entry.draft.get("request")
        if request is not None:
            yield key_id_of(request)


def _problem(
    entry: Entry,
    known_nonces: set[tuple[bytes, bytes]],
    used: Mapping[bytes, int],
    open_leaves: Mapping[int, bytes],
) -> SanlianError | None:
    if entry.nonce is not None and (entry.nonce.key_id, entry.nonce.value) in known_nonces:
        return RequestRefused("NONCE_REPLAYED", "this key has used the nonce before")
    if entry.quota is not None and used.get(entry.quota.grant, 0) >= entry.quota.limit:
        return RequestRefused("QUOTA_EXCEEDED", "the grant's data requests are used up")
    if entry.draft.get("event") in _ENDS:
        leaf = open_leaves.get(entry.draft.get("intent", -1))
        if leaf is None or leaf.hex() != entry.draft.get("intent_leaf"):
            return LedgerError("INTENT_CLOSED", "the intent has ended already, or is another")
    return None


def _known(
    entry: Entry,
    observed: Mapping[tuple[bytes, str], tuple[bytes, int, str | None]],
    own: str | None,
) -> Known | SanlianError | None:
    found = observed.get((entry.once.key_id, entry.once.record)) if entry.once is not None else None
    if entry.once is None or found is None:
        return None
    digest, seq, log = found
    if digest != entry.once.digest:
        return RequestRefused(
            "OBSERVATION_DIFFERS", "another record of the same key and id was handed in before"
        )
    return Known(seq, None if log == own else log)


def _index_columns(entry: Entry) -> tuple[bytes | None, bytes | None, bytes | None, int | None]:
    """Return key id, nonce, grant and intent, which find a record again; its form was checked."""
    if entry.once is not None and entry.prepared is not None:
        return entry.once.key_id, None, entry.once.grant, None
    if entry.once is not None and "observation" in entry.draft:
        named = entry.draft["observation"]["grant"]
        return entry.once.key_id, None, None if named is None else bytes.fromhex(named), None
    request = entry.draft.get("request")
    intent = entry.draft["intent"] if entry.draft["event"] in _ENDS else None
    if request is None:
        return None, None, None, intent
    grant = bytes.fromhex(request["grant"])
    return key_id_of(request), bytes.fromhex(request["nonce"]), grant, intent
