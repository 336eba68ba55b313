"""Pages of a list: keyset cursors that stay right while rows are added."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crypto.errors import RequestRefused

MAX_LIMIT = 200
#: Form of a cursor: base64url of 8 bytes, whose first bit is not set, and of a key's 32.
CURSOR_PATTERN = "^[A-Za-f][A-Za-z0-9_-]{52}[AQgw]$"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        items: rows as JSON objects.
        next_cursor: cursor of the next page, None at the end.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None


def require_limit(limit: int) -> int:
    """Return the limit.

    Raises:
        RequestRefused: LIMIT_INVALID.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise RequestRefused("LIMIT_INVALID", f"limit is 1 to {MAX_LIMIT}", limit=MAX_LIMIT)
    return limit


def encode_cursor(number: int, key: bytes) -> str:
    """Return the cursor that continues behind a row."""
    return base64.urlsafe_b64encode(number.to_bytes(8, "big") + key).decode().rstrip("=")


def decode_cursor(cursor: str, *, key_size: int = 32) -> tuple[int, bytes]:
    """Return the place that a cursor names.

    Raises:
        RequestRefused: CURSOR_INVALID.
    """
    bad = RequestRefused("CURSOR_INVALID", "this cursor was not given out here")
    if len(cursor) > 128 or not cursor.isascii():
        raise bad
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError) as error:
        raise bad from error
    if len(raw) != 8 + key_size or encode_cursor(int.from_bytes(raw[:8], "big"), raw[8:]) != cursor:
        raise bad
    number = int.from_bytes(raw[:8], "big")
    if number >= 1 << 63:
        raise bad
    return number, raw[8:]


def cut_page(rows: Sequence[tuple[int, bytes, dict[str, Any]]], limit: int) -> Page:
    """Make a page of rows that were read with one more than the limit."""
    kept = rows[:limit]
    more = len(rows) > limit
    return Page([item for _, _, item in kept], encode_cursor(*kept[-1][:2]) if more else None)
