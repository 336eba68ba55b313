"""Recursive length prefix: Ethereum's encoding of nested byte strings, read strictly.

Standard: Ethereum Yellow Paper, appendix B.
"""

from typing import TypeAlias

from crypto.errors import ProtocolError

Item: TypeAlias = "bytes | list[Item]"

MAX_DEPTH = 16
_SHORT = 55


def malformed(reason: str) -> ProtocolError:
    """Return the error for bytes that are not Ethereum's."""
    return ProtocolError("ETHEREUM_MALFORMED", f"This is not what a chain writes: {reason}.")


def _prefix(length: int, short: int) -> bytes:
    if length <= _SHORT:
        return bytes((short + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((short + _SHORT + len(size),)) + size


def encode(item: Item) -> bytes:
    """Encode a byte string or a nested list of them."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    body = b"".join(encode(member) for member in item)
    return _prefix(len(body), 0xC0) + body


def encode_int(number: int) -> bytes:
    """Return the shortest big-endian bytes of a number, none for zero: an RLP scalar."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """Decode exactly one item in its only encoding.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    item, end = _decode(data, 0, len(data), MAX_DEPTH)
    if end != len(data):
        raise malformed("bytes follow the RLP item")
    return item


def _decode(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    if start >= limit:
        raise malformed("the RLP is truncated")
    first = data[start]
    if first < 0x80:
        return data[start : start + 1], start + 1
    short = 0x80 if first < 0xC0 else 0xC0
    body, length = start + 1, first - short
    if length > _SHORT:
        width = length - _SHORT
        raw = data[body : body + width]
        length = int.from_bytes(raw, "big")
        body += width
        if body > limit or raw[0] == 0 or length <= _SHORT:
            raise malformed("an RLP length is not in its shortest form")
    end = body + length
    if end > limit:
        raise malformed("the RLP is truncated")
    if short == 0x80:
        if length == 1 and data[body] < 0x80:
            raise malformed("a single RLP byte is not in its shortest form")
        return data[body:end], end
    if depth == 0:
        raise malformed("the RLP is nested too deeply")
    members: list[Item] = []
    while body < end:
        member, body = _decode(data, body, end, depth - 1)
        members.append(member)
    return members, end


def as_list(item: Item, *lengths: int) -> list[Item]:
    """Return a list item of one of these lengths, or of any where none is given.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    if not isinstance(item, list) or (lengths and len(item) not in lengths):
        raise malformed("a list has another form")
    return item


def as_bytes(item: Item, *lengths: int) -> bytes:
    """Return a byte string of one of these lengths, or of any where none is given.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    if not isinstance(item, bytes) or (lengths and len(item) not in lengths):
        raise malformed("a value has another length")
    return item


def as_int(item: Item, max_bytes: int = 8) -> int:
    """Return a scalar in its shortest form.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    raw = as_bytes(item)
    if len(raw) > max_bytes or raw[:1] == b"\0":
        raise malformed("a number is not in its shortest form")
    return int.from_bytes(raw, "big")
