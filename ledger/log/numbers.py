"""Numbers of callers' streams in one flush: which are used, which were stated to be unsent."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from crypto.errors import RequestRefused
from crypto.sm2 import PublicKey
from ledger.log import store
from ledger.log.statements import find_numbers, find_stated, insert, run
from protocol.not_sent import Range
from protocol.stream import Stream

#: Keys whose ids are not computed again for each record that names them.
_KEYS_KEPT = 1024
_WITHIN = (
    "SELECT sequence FROM numbers WHERE key_id = ? AND stream = ? AND sequence BETWEEN ? AND ?"
    " ORDER BY sequence LIMIT 1"
)
_COVERING = (
    'SELECT "first", "last" FROM not_sent WHERE key_id = ? AND stream = ? AND "last" >= ?'
    ' ORDER BY "last" LIMIT 1'
)
_STATE = 'INSERT INTO not_sent (key_id, stream, "first", "last", seq) VALUES (?, ?, ?, ?, ?)'


class Numbers:
    """The numbers in a log's database, inside the transaction of one flush.

    What the flush's drafts need is read at once, and their numbers are written at once.

    Args:
        connection: connection in the writer's transaction.
        drafts: all drafts of the flush.
    """

    def __init__(self, connection: Connection, drafts: Iterable[Mapping[str, Any]]) -> None:
        self._connection = connection
        wanted = {
            (key_id_of(request), number.id, number.sequence)
            for request in map(_request_of, drafts)
            if request is not None and (number := _number_of(request)) is not None
        }
        self._taken = find_numbers(connection, list(wanted))
        self._stated = find_stated(connection, list({(key, stream) for key, stream, _ in wanted}))
        self._rows: list[tuple[bytes, str, int, int]] = []

    def write(self) -> None:
        """Write the numbers of the records that were kept."""
        insert(self._connection, store.numbers, self._rows)
        self._rows.clear()

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
        number = _number_of(request)
        if not is_taken or number is None:
            return None
        key_id = key_id_of(request)
        if (key_id, number.id, number.sequence) in self._taken:
            return RequestRefused("SEQUENCE_REPEATED", "this key has used the number before")
        if (key_id, number.id) not in self._stated:
            return None
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
            self._stated.add((key_id, statement["stream"]))
            return
        number = _number_of(request)
        if number is not None:
            place = (key_id_of(request), number.id, number.sequence)
            if place not in self._taken:
                self._taken.add(place)
                self._rows.append((*place, seq))

    def _statement_problem(
        self, key_id: bytes, statement: Mapping[str, Any]
    ) -> RequestRefused | None:
        self.write()  # a number of this very flush counts
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


def _request_of(draft: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return None if draft.get("event") == "not_sent" else draft.get("request")


def _number_of(request: Mapping[str, Any]) -> Stream | None:
    return None if request["stream"] is None else Stream.parse(request["stream"])


def key_id_of(request: Mapping[str, Any]) -> bytes:
    """Return the id of the key that signed a record's request."""
    return _key_id_of(request["public_key"])


@lru_cache(maxsize=_KEYS_KEPT)
def _key_id_of(public_key: str) -> bytes:
    return PublicKey.from_bytes(bytes.fromhex(public_key)).key_id
