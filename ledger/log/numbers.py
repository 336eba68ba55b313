"""Numbers of callers' streams in one flush: which are used, which were stated to be unsent."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from crypto.errors import RequestRefused
from crypto.sm2 import PublicKey
from ledger.log.statements import run
from protocol.not_sent import Range
from protocol.stream import Stream

_FIND = "SELECT seq FROM numbers WHERE key_id = ? AND stream = ? AND sequence = ?"
_WITHIN = (
    "SELECT sequence FROM numbers WHERE key_id = ? AND stream = ? AND sequence BETWEEN ? AND ?"
    " ORDER BY sequence LIMIT 1"
)
_COVERING = (
    'SELECT "first", "last" FROM not_sent WHERE key_id = ? AND stream = ? AND "last" >= ?'
    ' ORDER BY "last" LIMIT 1'
)
_ADD = "INSERT INTO numbers (key_id, stream, sequence, seq) VALUES (?, ?, ?, ?)"
_STATE = 'INSERT INTO not_sent (key_id, stream, "first", "last", seq) VALUES (?, ?, ?, ?, ?)'


class Numbers:
    """The numbers in a log's file, inside the transaction of one flush.

    Args:
        connection: connection in the writer's transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def problem(self, draft: Mapping[str, Any], *, is_taken: bool) -> RequestRefused | None:
        """Return why a draft's number, or its statement, cannot be written.

        Args:
            draft: a record's draft.
            is_taken: whether the request is let pass; refusals are written whatever their number.
        """
        request = draft.get("request")
        if request is None:
            return None
        if draft.get("event") == "not_sent":
            return self._statement_problem(key_id_of(request), draft["statement"])
        if not is_taken or request["stream"] is None:
            return None
        number = Stream.parse(request["stream"])
        key_id = key_id_of(request)
        if self._find(key_id, number) is not None:
            return RequestRefused("SEQUENCE_REPEATED", "this key has used the number before")
        stated = self._covering(key_id, number.id, number.sequence)
        if stated is not None and stated[0] <= number.sequence:
            return RequestRefused(
                "SEQUENCE_STATED", "this key has stated that the number was not sent"
            )
        return None

    def keep(self, draft: Mapping[str, Any], seq: int) -> None:
        """Keep the numbers of a record that is written at this index; the first one counts."""
        request = draft.get("request")
        if request is None:
            return
        if draft["event"] == "not_sent":
            statement, key_id = draft["statement"], key_id_of(request)
            for first, last in statement["sequences"]:
                for begin, end in self._uncovered(key_id, statement["stream"], first, last):
                    row = (key_id, statement["stream"], begin, end, seq)
                    run(self._connection, _STATE, row)
        elif request["stream"] is not None:
            number, key_id = Stream.parse(request["stream"]), key_id_of(request)
            if self._find(key_id, number) is None:
                added = (key_id, number.id, number.sequence, seq)
                run(self._connection, _ADD, added)

    def _find(self, key_id: bytes, number: Stream) -> int | None:
        place = (key_id, number.id, number.sequence)
        found: int | None = run(self._connection, _FIND, place).scalar()
        return found

    def _statement_problem(
        self, key_id: bytes, statement: Mapping[str, Any]
    ) -> RequestRefused | None:
        for first, last in statement["sequences"]:
            place = (key_id, statement["stream"], first, last)
            found = run(self._connection, _WITHIN, place).scalar()
            if found is not None:
                return RequestRefused(
                    "SEQUENCE_RECORDED", "the log holds a record of the number", sequence=found
                )
        return None

    def _covering(self, key_id: bytes, stream: str, sequence: int) -> Range | None:
        """Return the stated range that ends first at or behind a number; ranges are apart."""
        found = run(self._connection, _COVERING, (key_id, stream, sequence)).first()
        return None if found is None else (found[0], found[1])

    def _uncovered(self, key_id: bytes, stream: str, first: int, last: int) -> Iterable[Range]:
        """Return the parts of a range that no statement covers yet."""
        parts: list[Range] = []
        while first <= last:
            stated = self._covering(key_id, stream, first)
            if stated is None or stated[0] > last:
                parts.append((first, last))
                break
            if stated[0] > first:
                parts.append((first, stated[0] - 1))
            first = stated[1] + 1
        return parts


def key_id_of(request: Mapping[str, Any]) -> bytes:
    """Return the id of the key that signed a record's request."""
    return PublicKey.from_bytes(bytes.fromhex(request["public_key"])).key_id
