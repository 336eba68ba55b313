"""Reading an access log: records, proofs and checkpoints, from its database alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, literal_column, select

from crypto.errors import LedgerError
from crypto.merkle import Frontier, consistency_path, inclusion_path
from ledger.log import store
from ledger.log.database import open_reader_engine
from ledger.log.postgres import list_origins
from ledger.log.recovery import read_node
from ledger.log.tiles import read_tile
from protocol.receipt import Receipt
from protocol.records import parse_record
from protocol.tiles import Tile

#: Outcomes that one question looks at: more than the parts of a transfer.
_MAX_RELEASED = 50_000
_PAGE = 1000


class LogReader:
    """Reads one log; it takes no lock that a writer would wait for. Safe across threads.

    Args:
        engine: engine from open_reader_engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, origin: str = "") -> "LogReader":
        """Open a log for reading.

        Args:
            url: SQLAlchemy URL of the log's SQLite file, or of the PostgreSQL database it is in.
            origin: origin of the log; needed in PostgreSQL alone.

        Raises:
            LedgerError: LOG_MISSING, LOG_DATABASE_UNSUPPORTED, LOG_DATABASE_UNREACHABLE.
        """
        return cls(open_reader_engine(url, origin))

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    def origins(self) -> list[str]:
        """Return the origins of the logs in the same PostgreSQL database, this one's among them."""
        with self._engine.connect() as connection:
            return list_origins(connection)

    def size(self) -> int:
        """Return the number of records."""
        with self._engine.connect() as connection:
            return _size(connection)

    def get_record(self, seq: int) -> bytes:
        """Return a record's canonical bytes.

        Raises:
            LedgerError: LOG_RECORD_UNKNOWN.
        """
        table = store.records
        with self._engine.connect() as connection:
            found = connection.scalar(select(table.c.bytes).where(table.c.seq == seq))
        if found is None:
            raise LedgerError("LOG_RECORD_UNKNOWN", "the log has no record of this index", seq=seq)
        return bytes(found)

    def records(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of the records from start up to, not including, end."""
        table = store.records
        last = self.size() if end is None else end
        while start < last:
            with self._engine.connect() as connection:
                page = connection.execute(
                    select(table.c.seq, table.c.bytes)
                    .where(table.c.seq >= start, table.c.seq < min(last, start + _PAGE))
                    .order_by(table.c.seq)
                ).all()
            if not page:
                return
            for seq, data in page:
                yield seq, bytes(data)
            start = page[-1][0] + 1

    def records_of_event(self, event: str) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of the records of one event in order."""
        table, after = store.records, -1
        while True:
            with self._engine.connect() as connection:
                page = connection.execute(
                    select(table.c.seq, table.c.bytes)
                    .where(table.c.seq > after, table.c.event == event)
                    .order_by(table.c.seq)
                    .limit(_PAGE)
                ).all()
            if not page:
                return
            for seq, data in page:
                yield seq, bytes(data)
            after = page[-1][0]

    def find_envelope(self, seq: int) -> bytes | None:
        """Return the envelope that goes with a record, None where there is none."""
        table = store.kept
        with self._engine.connect() as connection:
            found = connection.scalar(select(table.c.bytes).where(table.c.seq == seq))
        return None if found is None else bytes(found)

    def find_end(self, intent_seq: int) -> int | None:
        """Return the index of the outcome or interruption of an intent, or None."""
        table = store.records
        with self._engine.connect() as connection:
            return connection.scalar(select(table.c.seq).where(table.c.intent_seq == intent_seq))

    def find_records(
        self, *, grant: bytes | None = None, key_id: bytes | None = None, limit: int = 200
    ) -> list[int]:
        """Return indices, newest first, of records of a grant and of a requester's key.

        Outcomes and interruptions carry neither: see find_end.
        """
        table = store.records
        query = select(table.c.seq).order_by(table.c.seq.desc()).limit(limit)
        if grant is not None:
            query = query.where(table.c.grant_id == grant)
        if key_id is not None:
            query = query.where(table.c.key_id == key_id)
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def offers(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (index, bytes) of the first records `offered` behind a record's index."""
        table = store.records
        query = (
            select(table.c.seq, table.c.bytes)
            .where(table.c.seq > after, table.c.event == literal_column("'offered'"))
            .order_by(table.c.seq)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [(seq, bytes(data)) for seq, data in connection.execute(query)]

    def released(self, grant: bytes, key_id: bytes, *, first: int, last: int) -> list[int]:
        """Return the indices of outcomes that released something to a key under a grant.

        Args:
            grant: 32-byte id of the grant.
            key_id: id of the key that signed the requests.
            first: least index of an outcome.
            last: greatest index of an outcome.
        """
        ends, intents = store.records.alias("ends"), store.records.alias("intents")
        query = (
            select(ends.c.seq, ends.c.bytes)
            .join(intents, intents.c.seq == ends.c.intent_seq)
            .where(
                intents.c.grant_id == grant,
                intents.c.key_id == key_id,
                intents.c.event == "intent",
                ends.c.event == "outcome",
                ends.c.seq.between(first, last),
            )
            .order_by(ends.c.seq)
            .limit(_MAX_RELEASED)
        )
        with self._engine.connect() as connection:
            return [
                seq
                for seq, data in connection.execute(query)
                if parse_record(bytes(data))["result"] == "released"
            ]

    def has_observation(self, key_id: bytes, record: str) -> bool:
        """Return whether something is kept that is written once for a key and this id."""
        table = store.observations
        query = select(table.c.seq).where(table.c.key_id == key_id, table.c.record == record)
        with self._engine.connect() as connection:
            return connection.scalar(query) is not None

    def restrictions(self, after: int = -1) -> Iterator[dict[str, Any]]:
        """Yield the records `restricted` behind this index, in order."""
        table = store.records
        query = select(table.c.bytes).where(
            table.c.event == literal_column("'restricted'"), table.c.seq > after
        )
        with self._engine.connect() as connection:
            for data in connection.scalars(query.order_by(table.c.seq)):
                yield parse_record(bytes(data))

    def disposals(self) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of the records that tell of a disposal, in order."""
        table = store.records
        query = select(table.c.seq, table.c.bytes).where(
            table.c.event.in_((literal_column("'disposed'"), literal_column("'kept_disposed'")))
        )
        with self._engine.connect() as connection:
            for seq, data in connection.execute(query.order_by(table.c.seq)):
                yield seq, bytes(data)

    def find_last_block(self) -> int | None:
        """Return the number of the block that the newest decision rests on, None without one."""
        table = store.records
        with self._engine.connect() as connection:
            data = connection.scalar(
                select(table.c.bytes)
                .where(table.c.key_id.is_not(None))
                .order_by(table.c.seq.desc())
                .limit(1)
            )
        if data is None:
            return None
        number: int = parse_record(bytes(data))["block"]["number"]
        return number

    def quota_used(self, grant: bytes) -> int:
        """Return how many uses of a grant are reserved."""
        table = store.quotas
        with self._engine.connect() as connection:
            return connection.scalar(select(table.c.used).where(table.c.grant_id == grant)) or 0

    def root(self, size: int | None = None) -> bytes:
        """Return the 32-byte root of the tree of this size, the whole log without one.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN.
        """
        with self._engine.connect() as connection:
            wanted = _size(connection) if size is None else _require_size(connection, size)
            return Frontier.from_nodes(wanted, lambda *place: read_node(connection, *place)).root()

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """Return the inclusion path of a record in the tree of this size.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN, LOG_RECORD_UNKNOWN.
        """
        with self._engine.connect() as connection:
            _require_size(connection, size)
            if not 0 <= seq < size:
                raise LedgerError(
                    "LOG_RECORD_UNKNOWN", "the record is not in a tree of this size", seq=seq
                )
            return inclusion_path(lambda *place: read_node(connection, *place), seq, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of size new only added to that of size old.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN.
        """
        with self._engine.connect() as connection:
            _require_size(connection, new)
            if not 0 <= old <= new:
                raise LedgerError("LOG_SIZE_UNKNOWN", "the earlier size is not below the later")
            return consistency_path(lambda *place: read_node(connection, *place), old, new)

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's hashes, one after the other.

        Raises:
            LedgerError: LOG_SIZE_UNKNOWN, LOG_DAMAGED.
        """
        with self._engine.connect() as connection:
            return read_tile(connection, tile)

    def find_checkpoint(self, size: int) -> str | None:
        """Return the signed note of exactly this size; only the ends of flushes were signed."""
        table = store.checkpoints
        with self._engine.connect() as connection:
            return connection.scalar(select(table.c.note).where(table.c.size == size))

    def get_checkpoint(self, size: int | None = None, lines: Sequence[str] = ()) -> str:
        """Return the signed note of this size, the newest one without a size.

        Args:
            size: size of a signed checkpoint.
            lines: witnesses' signature lines to add below the gateway's.

        Raises:
            LedgerError: LOG_CHECKPOINT_UNKNOWN.
        """
        table = store.checkpoints
        query = select(table.c.note).order_by(table.c.size.desc()).limit(1)
        if size is not None:
            query = query.where(table.c.size == size)
        with self._engine.connect() as connection:
            note = connection.scalar(query)
        if note is None:
            raise LedgerError("LOG_CHECKPOINT_UNKNOWN", "no checkpoint of this size was signed")
        return str(note) + "".join(line if line.endswith("\n") else line + "\n" for line in lines)

    def first_receipts(self, seqs: Sequence[int]) -> list[Receipt]:
        """Return receipts of records, each under the checkpoint of the flush that wrote it.

        Raises:
            LedgerError: LOG_RECORD_UNKNOWN.
        """
        records, checkpoints = store.records, store.checkpoints
        nodes: dict[tuple[int, int], bytes] = {}
        receipts: list[Receipt] = []
        with self._engine.connect() as connection:

            def get_node(level: int, index: int) -> bytes:
                if (level, index) not in nodes:
                    nodes[level, index] = read_node(connection, level, index)
                return nodes[level, index]

            for seq in seqs:
                data = connection.scalar(select(records.c.bytes).where(records.c.seq == seq))
                found = connection.execute(
                    select(checkpoints.c.size, checkpoints.c.note)
                    .where(checkpoints.c.size > seq)
                    .order_by(checkpoints.c.size)
                    .limit(1)
                ).first()
                if data is None or found is None:
                    raise LedgerError(
                        "LOG_RECORD_UNKNOWN", "the log has no record of this index", seq=seq
                    )
                size, note = found
                path = tuple(inclusion_path(get_node, seq, size))
                receipts.append(Receipt(bytes(data), seq, path, note))
        return receipts

    def receipt(self, seq: int) -> Receipt:
        """Return a receipt of a record under the newest checkpoint.

        Raises:
            LedgerError: LOG_RECORD_UNKNOWN.
        """
        record = self.get_record(seq)
        table = store.checkpoints
        with self._engine.connect() as connection:
            size, note = connection.execute(
                select(table.c.size, table.c.note).order_by(table.c.size.desc()).limit(1)
            ).one()
            path = inclusion_path(lambda *place: read_node(connection, *place), seq, size)
        return Receipt(record, seq, tuple(path), note)


def _size(connection: Connection) -> int:
    table = store.checkpoints
    found = connection.scalar(select(table.c.size).order_by(table.c.size.desc()).limit(1))
    return found or 0


def _require_size(connection: Connection, size: int) -> int:
    if not 0 <= size <= _size(connection):
        raise LedgerError("LOG_SIZE_UNKNOWN", "the log has not reached this size", size=size)
    return size
