"""Receipts in the hands of requesters and providers, against the logs of today."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from crypto.errors import ProtocolError, SanlianError
from crypto.sm2 import PublicKey
from ledger.audit.completeness import Finding
from protocol.checkpoint import parse_note
from protocol.held import MAX_HELD_SIZE, read_held
from protocol.receipt import Receipt, verify_receipt


class ReceiptedLog(Protocol):
    """What the comparison reads of a log."""

    def size(self) -> int:
        """Return the number of records."""

    def get_record(self, seq: int) -> bytes:
        """Return a record's bytes, or raise LOG_RECORD_UNKNOWN."""

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree of this size."""


def check_receipts(
    folder: Path, logs: Mapping[str, tuple[ReceiptedLog, PublicKey]]
) -> Iterator[Finding]:
    """Yield each receipt whose record a log does not hold as the receipt says.

    Args:
        folder: ``*.json`` files with receipts; those of another type are passed over.
        logs: each log with its gateway's key, by origin.
    """
    for path in sorted(folder.glob("*.json")):
        place = f"receipt {path.name}"
        try:
            with path.open("rb") as file:
                data = file.read(MAX_HELD_SIZE + 1)
            if len(data) > MAX_HELD_SIZE:
                raise ProtocolError("RECEIPT_MALFORMED", "the file of receipts is too large")
            held = read_held(data)
        except OSError:
            yield Finding(place, "the file cannot be read", "RECEIPT_MALFORMED")
            continue
        except SanlianError as error:
            yield Finding(place, error.message, error.code)
            continue
        for receipt in held:
            yield from _check(f"{place}, record {receipt.index}", receipt, logs)


def _check(
    place: str, receipt: Receipt, logs: Mapping[str, tuple[ReceiptedLog, PublicKey]]
) -> Iterator[Finding]:
    try:
        origin = parse_note(receipt.checkpoint)[0].origin
        if origin not in logs:
            yield Finding(place, f"the log {origin} was not given", "RECEIPT_LOG_UNKNOWN")
            return
        log, key = logs[origin]
        _, checkpoint = verify_receipt(receipt, origin=origin, public_key=key)
    except SanlianError as error:
        yield Finding(place, f"it does not hold by itself: {error.message}", "RECEIPT_INVALID")
        return
    size = log.size()
    if receipt.index >= size:
        message = f"the gateway signed it, and the log has {size} records"
        yield Finding(place, message, "RECEIPT_RECORD_MISSING")
        return
    try:
        record = log.get_record(receipt.index)
        forked = checkpoint.size > size or log.root(checkpoint.size) != checkpoint.root
    except SanlianError as error:
        yield Finding(place, f"the gateway signed it: {error.message}", "RECEIPT_RECORD_MISSING")
        return
    if record != receipt.record:
        message = "the gateway signed another record than the log has"
        yield Finding(place, message, "RECEIPT_RECORD_DIFFERS")
    elif forked:
        message = f"the log does not continue the receipt's checkpoint of size {checkpoint.size}"
        yield Finding(place, message, "RECEIPT_FORKED")
