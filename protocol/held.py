"""Receipts as their holders keep them: files of requesters, providers and platforms."""

from typing import Any

from crypto.canonical import parse_canonical
from crypto.errors import CryptoError, ProtocolError
from protocol.receipt import TYPE as RECEIPT_TYPE
from protocol.receipt import Receipt, parse_path

KEPT_TYPE = "sanlian/kept-receipt/v1"
BATCH_TYPE = "sanlian/observed-batch/v1"
MAX_HELD_SIZE = 32 * 1024 * 1024


def read_held(data: bytes) -> list[Receipt]:
    """Return the receipts in a file, none of a file of another type or of an unanswered request.

    Args:
        data: a receipt (6.4), what the client keeps of a data request, or of a batch of access
            records; at most 32 MiB.

    Raises:
        ProtocolError: RECEIPT_MALFORMED.
    """
    bad = ProtocolError("RECEIPT_MALFORMED", "the file of receipts cannot be read")
    try:
        value: Any = parse_canonical(data, max_bytes=MAX_HELD_SIZE)
    except CryptoError as error:
        raise bad from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise bad
    try:
        if value["type"] == RECEIPT_TYPE:
            return [Receipt.from_bytes(data)]
        if value["type"] == KEPT_TYPE:
            kept = value["receipt"]
            return [] if kept is None else [Receipt.from_bytes(kept.encode())]
        if value["type"] == BATCH_TYPE:
            return [
                Receipt(
                    one["record"].encode(),
                    _index(one["index"]),
                    parse_path(one["path"], bad),
                    _text(value["checkpoints"][_index(one["checkpoint"])]),
                )
                for one in value["results"]
                if "code" not in one
            ]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise bad from error
    return []


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("an index")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value
