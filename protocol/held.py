"""Receipts as their holders keep them: files of requesters, providers and platforms."""

from typing import Any

from crypto.canonical import parse_canonical
from crypto.errors import CryptoError, ProtocolError
from protocol.batch_receipts import batch_receipts
from protocol.observation import Observation
from protocol.receipt import TYPE as RECEIPT_TYPE
from protocol.receipt import Receipt

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
            handed_in = [Observation.from_json(one) for one in value["observations"]]
            return [one for one in batch_receipts(value, handed_in) if isinstance(one, Receipt)]
    except (KeyError, AttributeError, TypeError, ProtocolError) as error:
        raise bad from error
    return []
