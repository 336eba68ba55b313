"""A caller's signed statement of numbers that carry no record (docs/protocol.md, 7.7)."""

import re
from collections.abc import Sequence
from typing import Any

from crypto.canonical import fast_canonical
from crypto.errors import ProtocolError
from protocol.stream import MAX_SEQUENCE, STREAM_ID

MAX_RANGES = 128
MAX_NUMBERS = 100_000
#: Why: never sent; sent and refused without a receipt; sent, and no answer came.
REASONS = ("not_sent", "refused", "unanswered")
_SALT = re.compile(r"[0-9a-f]{64}")

Range = tuple[int, int]


def check_statement(value: object) -> dict[str, Any]:
    """Return a statement whose form holds: ``reason``, ``salt``, ``sequences``, ``stream``.

    ``sequences`` is a list of at most 128 pairs [first, last], rising and apart from each other, of
    at most 100,000 numbers in all.

    Raises:
        ProtocolError: NOT_SENT_MALFORMED, with the field.
    """
    if not isinstance(value, dict) or set(value) != {"reason", "salt", "sequences", "stream"}:
        raise _bad("a statement has reason, salt, sequences and stream", "statement")
    if value["reason"] not in REASONS:
        raise _bad("the reason is not_sent, refused or unanswered", "reason")
    if not isinstance(value["salt"], str) or not _SALT.fullmatch(value["salt"]):
        raise _bad("the salt must be 64 hex digits", "salt")
    if not isinstance(value["stream"], str) or not STREAM_ID.fullmatch(value["stream"]):
        raise _bad("the stream is 1 to 64 of A-Z a-z 0-9 . _ -", "stream")
    ranges = value["sequences"]
    if not isinstance(ranges, list) or not 1 <= len(ranges) <= MAX_RANGES:
        raise _bad(f"1 to {MAX_RANGES} ranges", "sequences")
    total, before = 0, -1
    for one in ranges:
        if not isinstance(one, list) or len(one) != 2 or not all(type(end) is int for end in one):
            raise _bad("a range is [first, last]", "sequences")
        first, last = one
        if not 1 <= first <= last <= MAX_SEQUENCE or first <= before + 1:
            raise _bad("ranges rise from 1 and do not touch each other", "sequences")
        total, before = total + last - first + 1, last
    if total > MAX_NUMBERS:
        raise _bad(f"a statement has at most {MAX_NUMBERS} numbers", "sequences")
    return value


def encode_statement(reason: str, stream: str, ranges: Sequence[Range], salt: str) -> bytes:
    """Return the body that is signed: the statement's canonical JSON.

    Raises:
        ProtocolError: NOT_SENT_MALFORMED.
    """
    value = {
        "reason": reason,
        "salt": salt,
        "sequences": [list(one) for one in ranges],
        "stream": stream,
    }
    return fast_canonical(check_statement(value))


def ranges_of(numbers: Sequence[int]) -> list[Range]:
    """Return numbers as rising ranges that do not touch each other."""
    ranges: list[Range] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def is_statement(value: object) -> bool:
    """Return whether a value is a statement."""
    try:
        check_statement(value)
    except ProtocolError:
        return False
    return True


def _bad(message: str, field: str) -> ProtocolError:
    return ProtocolError("NOT_SENT_MALFORMED", message, field=field)
