"""Numbers of a caller's requests, given out once and in order, and what became of them.

One file for each key and stream; every change is on disk before the call returns, and processes
wait for each other at a lock. A number is *given*, then *sent* just before its call leaves; with a
receipt it is forgotten. What is left tells which numbers never left, which were refused without a
receipt, and which nobody answered: those a statement names (docs/protocol.md, 7.7).
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, LedgerError, ProtocolError, RequestRefused
from crypto.sm2 import Signer
from protocol.httpsig import NOT_SENT_PATH
from protocol.not_sent import MAX_RANGES, Range, encode_statement, ranges_of
from protocol.receipt import Receipt
from protocol.stream import MAX_SEQUENCE, STREAM_ID, Stream
from sanlian_client.data import Gateway
from sanlian_client.files import read_limited, replace_file
from sanlian_client.statements import post_statement

TYPE = "sanlian/sequence/v1"
MAX_OPEN = 10_000
#: A request in work has its answer by then, and no gateway takes its signature any more.
SETTLED_AFTER_S = 600
_MAX_FILE_SIZE = 4 * 1024 * 1024
#: given and sent while in work; then why no receipt came; stated while a statement is on its way.
_STATES = ("given", "sent", "not_sent", "refused")


@dataclass(slots=True)
class _Book:
    """Content of one file: the next number, and [state, unix seconds] of the open ones."""

    next: int
    open: dict[int, tuple[str, int]]


class Sequences:
    """The numbers of one key in one stream.

    A file that was lost or restored from a copy must not go on: its numbers were used. Begin
    another stream then; the gateway refuses a number that its log holds.

    Args:
        directory: made if missing; on a local disk.
        key_id: 32-byte id of the key.
        stream: stream id.
        clock: unix time in seconds.

    Raises:
        ProtocolError: STREAM_MALFORMED.
    """

    def __init__(
        self,
        directory: Path,
        key_id: bytes,
        stream: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not STREAM_ID.fullmatch(stream):
            raise ProtocolError(
                "STREAM_MALFORMED", "a stream's id is 1 to 64 of A-Z a-z 0-9 . _ -", field="stream"
            )
        self.stream = stream
        self._key_id = key_id
        self._clock = clock
        self._path = directory / f"{key_id.hex()}-{stream}.json"

    def give(self) -> Stream:
        """Give out the next number, once for ever.

        Raises:
            LedgerError: SEQUENCE_FILE_DAMAGED, SEQUENCE_BACKLOG, SEQUENCE_END, FILE_NOT_WRITTEN.
        """
        with self._book() as book:
            if len(book.open) >= MAX_OPEN:
                raise LedgerError(
                    "SEQUENCE_BACKLOG", "too many numbers have no receipt; file what was not sent"
                )
            if book.next > MAX_SEQUENCE:
                raise LedgerError("SEQUENCE_END", "the stream has no number left")
            number = book.next
            book.next += 1
            book.open[number] = ("given", int(self._clock()))
        return Stream(self.stream, number)

    def mark_sent(self, number: int) -> None:
        """Note, before the call leaves, that it leaves.

        Raises:
            LedgerError: SEQUENCE_GIVEN_UP when a statement has named the number meanwhile.
        """
        with self._book() as book:
            if book.open.get(number, ("", 0))[0] != "given":
                raise LedgerError("SEQUENCE_GIVEN_UP", "the number was stated to be unsent")
            book.open[number] = ("sent", int(self._clock()))

    def settle(self, number: int) -> None:
        """Forget a number whose receipt is kept, or that a statement named."""
        with self._book() as book:
            book.open.pop(number, None)

    def mark(self, number: int, reason: str) -> None:
        """Note why no receipt came.

        Args:
            number: the number.
            reason: ``not_sent`` or ``refused``.
        """
        with self._book() as book:
            if number in book.open:
                book.open[number] = (reason, int(self._clock()))

    def take_unsettled(self, *, unanswered: bool = False) -> dict[str, list[int]]:
        """Return the numbers that a statement can name, by reason; they are never sent from now on.

        A number in work is left out until SETTLED_AFTER_S have passed.

        Args:
            unanswered: also those that were sent and got no answer.
        """
        old = int(self._clock()) - SETTLED_AFTER_S
        found: dict[str, list[int]] = {}
        with self._book() as book:
            for number, (state, since) in sorted(book.open.items()):
                if state == "given" and since <= old:
                    book.open[number] = ("not_sent", since)
                    found.setdefault("not_sent", []).append(number)
                elif state in ("not_sent", "refused"):
                    found.setdefault(state, []).append(number)
                elif state == "sent" and since <= old and unanswered:
                    found.setdefault("unanswered", []).append(number)
        return found

    @contextmanager
    def _book(self) -> Iterator[_Book]:
        """Hold the file alone; what was changed is on disk at the end."""
        lock = self._path.with_suffix(".lock")
        try:
            lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError("FILE_NOT_WRITTEN", "the numbers cannot be locked") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            book = self._read()
            before = self._encode(book)
            yield book
            after = self._encode(book)
            if after != before:
                replace_file(self._path, after)
        finally:
            os.close(descriptor)

    def _encode(self, book: _Book) -> bytes:
        return canonical_json(
            {
                "type": TYPE,
                "key_id": self._key_id.hex(),
                "stream": self.stream,
                "next": book.next,
                "open": [[number, *state] for number, state in sorted(book.open.items())],
            }
        )

    def _read(self) -> _Book:
        if not self._path.exists():
            return _Book(1, {})
        try:
            data = read_limited(self._path, max_bytes=_MAX_FILE_SIZE)
            value: Any = parse_canonical(data, max_bytes=_MAX_FILE_SIZE)
            names = (value["type"], value["key_id"], value["stream"])
            book = _Book(value["next"], {n: (state, since) for n, state, since in value["open"]})
            if names != (TYPE, self._key_id.hex(), self.stream) or type(book.next) is not int:
                raise ValueError
            for number, (state, since) in book.open.items():
                if not 1 <= number < book.next or state not in _STATES or type(since) is not int:
                    raise ValueError
        except (CryptoError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(
                "SEQUENCE_FILE_DAMAGED", "the file of numbers cannot be read; begin another stream"
            ) from error
        return book


def state_not_sent(
    gateway: Gateway,
    key: Signer,
    *,
    stream: str,
    ranges: list[Range],
    reason: str,
    clock: Callable[[], float] = time.time,
) -> Receipt:
    """State that numbers carry no record, and return the verified receipt of the statement.

    Raises:
        RequestRefused: SEQUENCE_RECORDED with the number in its details, …
        OutcomeUnknown: the answer was lost; stating the same again is harmless.
        ProtocolError: NOT_SENT_MALFORMED.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID.
    """
    body = encode_statement(reason, stream, ranges, secrets.token_hex(32))
    return post_statement(gateway, key, NOT_SENT_PATH, body, event="not_sent", clock=clock)


def file_unsettled(
    sequences: Sequences, gateway: Gateway, key: Signer, *, unanswered: bool = False
) -> Iterator[tuple[str, list[Range], Receipt]]:
    """State all numbers of a file that a statement can name; yield each statement's receipt.

    A number of an unanswered request whose record the log holds after all is forgotten.

    Raises:
        RequestRefused, OutcomeUnknown, VerificationError: as state_not_sent.
    """
    for reason, numbers in sequences.take_unsettled(unanswered=unanswered).items():
        left = list(numbers)
        while left:
            ranges = ranges_of(left)[:MAX_RANGES]
            try:
                receipt = state_not_sent(
                    gateway, key, stream=sequences.stream, ranges=ranges, reason=reason
                )
            except RequestRefused as error:
                details = error.details.get("details")
                recorded = details.get("sequence") if isinstance(details, dict) else None
                if (error.code, reason) != ("SEQUENCE_RECORDED", "unanswered") or (
                    recorded not in left
                ):
                    raise
                sequences.settle(recorded)
                left.remove(recorded)
                continue
            named = {number for first, last in ranges for number in range(first, last + 1)}
            for number in named:
                sequences.settle(number)
            left = [number for number in left if number not in named]
            yield reason, ranges, receipt
