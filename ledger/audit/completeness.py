"""What is missing or twofold among the numbers of callers' streams, over all logs of a city.

The numbers are kept in a temporary file of SQLite's own, so that memory stays flat however many
there are.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from crypto.errors import SanlianError
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.records import parse_record
from protocol.stream import Stream

_SCHEMA = """
CREATE TABLE numbers (
    key BLOB NOT NULL, stream TEXT NOT NULL, sequence INTEGER NOT NULL,
    log TEXT NOT NULL, seq INTEGER NOT NULL, request BLOB NOT NULL, taken INTEGER NOT NULL,
    PRIMARY KEY (key, stream, sequence, log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE stated (
    key BLOB NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    log TEXT NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (key, stream, first, last, log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE known (key BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
_STREAMS = (
    "SELECT key, stream FROM numbers WHERE key IN known"
    " UNION SELECT key, stream FROM stated WHERE key IN known ORDER BY key, stream"
)
_NUMBERS = (
    "SELECT sequence, log, seq, request, taken FROM numbers WHERE key = ? AND stream = ?"
    " ORDER BY sequence, taken DESC, log, seq"
)
_CONTRADICTED = (
    "SELECT n.sequence, n.log, n.seq, s.log, s.seq, s.reason FROM numbers n JOIN stated s"
    " ON s.key = n.key AND s.stream = n.stream AND n.sequence BETWEEN s.first AND s.last"
    " WHERE n.key = ? AND n.stream = ? ORDER BY n.sequence, n.log, n.seq"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold.

    Attributes:
        place: where, such as ``block 7``, ``record 7`` or ``log``.
        message: what.
        code: error code.
    """

    place: str
    message: str
    code: str

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class Explained:
    """A gap that the caller's own signed statement explains.

    Attributes:
        place: key, stream and numbers.
        message: which record holds the statement, and its reason.
    """

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class EndedLog(Protocol):
    """What tells whether an intent has an end."""

    def find_end(self, intent_seq: int) -> int | None:
        """Return the index of the outcome or interruption of an intent, or None."""

    def get_record(self, seq: int) -> bytes:
        """Return a record's bytes."""


def has_end_behind(log: EndedLog, intent: int, size: int) -> bool:
    """Return whether an intent's end was written behind the records that are audited.

    The database's index says where; only the record itself counts, as nothing signed covers the
    index.
    """
    seq = log.find_end(intent)
    if seq is None or seq < size:
        return False
    try:
        record = parse_record(log.get_record(seq))
    except SanlianError:
        return False
    return record["event"] in ("outcome", "interrupted") and record["intent"] == intent


class Completeness:
    """Collects the numbers of requests and statements, then tells what does not add up.

    Streams of keys that no record attributes to a department are left out: anybody can make keys.
    """

    def __init__(self) -> None:
        # An empty name: a private file that SQLite deletes, held in memory while it is small.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode=OFF;" + _SCHEMA)

    def close(self) -> None:
        """Delete what was collected."""
        self._connection.close()

    def add(self, record: Mapping[str, Any]) -> None:
        """Take a record; its request's signature was verified."""
        request = record.get("request")
        if request is None:
            return
        stream = request["stream"]
        if stream is None and record["event"] != "not_sent":
            return
        key = PublicKey.from_bytes(bytes.fromhex(request["public_key"])).key_id
        if record["department"] != ZERO_ID.hex():
            self._connection.execute("INSERT OR IGNORE INTO known VALUES (?)", (key,))
        place = (record["log"], record["seq"])
        if stream is not None:
            number = Stream.parse(stream)
            # One key signs one nonce once: these two name the signed request.
            told = sm3(f"{request['nonce']}{request['content_digest']}".encode())
            taken = record["event"] != "denied"
            self._connection.execute(
                "INSERT OR IGNORE INTO numbers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, number.id, number.sequence, *place, told, taken),
            )
        if record["event"] == "not_sent":
            statement = record["statement"]
            for first, last in statement["sequences"]:
                self._connection.execute(
                    "INSERT OR IGNORE INTO stated VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (key, statement["stream"], first, last, *place, statement["reason"]),
                )

    def finish(self) -> Iterator[Finding | Explained]:
        """Yield what does not add up, and what a statement explains, by key and stream."""
        for key, stream in self._connection.execute(_STREAMS).fetchall():
            yield from self._repeats(key, stream)
            yield from self._contradicted(key, stream)
            yield from self._gaps(key, stream)

    def _repeats(self, key: bytes, stream: str) -> Iterator[Finding]:
        """Name further records of one number; the same request refused again is none."""
        number, first = 0, ("", 0, b"", 0)
        for sequence, log, seq, request, taken in self._connection.execute(_NUMBERS, (key, stream)):
            if sequence != number:
                number, first = sequence, (log, seq, request, taken)
                continue
            before = f"record {first[1]} of {first[0]}"
            place = _place(key, stream, sequence, sequence)
            if request != first[2]:
                message = f"record {seq} of {log} is another request with the number of {before}"
                yield Finding(place, message, "SEQUENCE_CONTRADICTED")
            elif taken and first[3]:
                message = f"record {seq} of {log} repeats {before}"
                yield Finding(place, message, "SEQUENCE_REPEATED")

    def _contradicted(self, key: bytes, stream: str) -> Iterator[Finding]:
        for sequence, log, seq, stated_log, stated_seq, reason in self._connection.execute(
            _CONTRADICTED, (key, stream)
        ):
            yield Finding(
                _place(key, stream, sequence, sequence),
                f"record {seq} of {log} has the number that record {stated_seq} of {stated_log}"
                f" states to be {reason}",
                "NOT_SENT_CONTRADICTED",
            )

    def _gaps(self, key: bytes, stream: str) -> Iterator[Finding | Explained]:
        """Name each run of numbers, from 1 to the last one known, without a record."""
        numbers = self._connection.execute(
            "SELECT DISTINCT sequence FROM numbers WHERE key = ? AND stream = ? ORDER BY sequence",
            (key, stream),
        )
        next_ = 1
        for (sequence,) in numbers:
            if sequence > next_:
                yield from self._explain(key, stream, next_, sequence - 1)
            next_ = sequence + 1
        (top,) = self._connection.execute(
            "SELECT max(last) FROM stated WHERE key = ? AND stream = ?", (key, stream)
        ).fetchone()
        if top is not None and top >= next_:
            yield from self._explain(key, stream, next_, top)

    def _explain(
        self, key: bytes, stream: str, first: int, last: int
    ) -> Iterator[Finding | Explained]:
        """Divide a gap into what statements explain and what they do not."""
        stated = self._connection.execute(
            "SELECT first, last, log, seq, reason FROM stated WHERE key = ? AND stream = ?"
            " AND first <= ? AND last >= ? ORDER BY first, last, log, seq",
            (key, stream, last, first),
        )
        next_ = first
        for begin, end, log, seq, reason in stated:
            if begin > next_:
                yield _gap(key, stream, next_, begin - 1)
            top = min(end, last)
            if top >= next_:
                place = _place(key, stream, max(begin, next_), top)
                yield Explained(place, f"{reason}, says record {seq} of {log}")
                next_ = top + 1
        if next_ <= last:
            yield _gap(key, stream, next_, last)


def _gap(key: bytes, stream: str, first: int, last: int) -> Finding:
    return Finding(_place(key, stream, first, last), "no record, and no statement", "SEQUENCE_GAP")


def _place(key: bytes, stream: str, first: int, last: int) -> str:
    numbers = f"sequence {first}" if first == last else f"sequences {first} to {last}"
    return f"key {key.hex()}, stream {stream}, {numbers}"
