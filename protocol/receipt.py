"""Receipts: a record, its index, its inclusion path and the checkpoint (docs/protocol.md, 6.4)."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import parse_canonical, plain_canonical
from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.sm2 import PublicKey
from protocol.checkpoint import Checkpoint, verify_checkpoint
from protocol.records import parse_record

TYPE = "sanlian/receipt/v1"
MAX_RECEIPT_SIZE = 48 * 1024


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof in the holder's hands that a record is in a log.

    Attributes:
        record: canonical bytes of the record.
        index: its index in the log.
        path: inclusion path, 32-byte hashes from the leaf upwards.
        checkpoint: signed note whose size is the tree size of the path.
    """

    record: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        # Record and note are texts that were encoded, or decoded, before.
        return plain_canonical(
            {
                "type": TYPE,
                "index": self.index,
                "record": self.record.decode(),
                "path": [node.hex() for node in self.path],
                "checkpoint": self.checkpoint,
            }
        )

    def to_header(self) -> str:
        """Encode for the header ``sanlian-receipt``: base64 of the bytes."""
        return base64.b64encode(self.to_bytes()).decode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode strictly.

        Raises:
            ProtocolError: RECEIPT_MALFORMED.
        """
        bad = ProtocolError("RECEIPT_MALFORMED", "this is not a receipt of version 1")
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_RECEIPT_SIZE)
        except CryptoError as error:
            raise bad from error
        if not isinstance(value, dict) or set(value) != {
            "type",
            "index",
            "record",
            "path",
            "checkpoint",
        }:
            raise bad
        index, path = value["index"], value["path"]
        if (
            value["type"] != TYPE
            or not isinstance(index, int)
            or isinstance(index, bool)
            or index < 0
            or not isinstance(value["record"], str)
            or not isinstance(value["checkpoint"], str)
        ):
            raise bad
        return cls(
            record=value["record"].encode(),
            index=index,
            path=parse_path(path, bad),
            checkpoint=value["checkpoint"],
        )

    @classmethod
    def from_header(cls, text: str) -> Self:
        """Decode the header ``sanlian-receipt``.

        Raises:
            ProtocolError: RECEIPT_MALFORMED.
        """
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProtocolError("RECEIPT_MALFORMED", "the receipt is not base64") from error
        if base64.b64encode(raw).decode() != text:
            raise ProtocolError("RECEIPT_MALFORMED", "the receipt is not base64")
        return cls.from_bytes(raw)


def parse_path(value: object, bad: ProtocolError) -> tuple[bytes, ...]:
    """Decode a list of at most 63 hex hashes, or raise the given error."""
    if not isinstance(value, list) or len(value) > 63:
        raise bad
    nodes: list[bytes] = []
    for item in value:
        if not isinstance(item, str) or not re.fullmatch(r"[0-9a-f]{64}", item):
            raise bad
        nodes.append(bytes.fromhex(item))
    return tuple(nodes)


def verify_receipt(
    receipt: Receipt, *, origin: str, public_key: PublicKey
) -> tuple[dict[str, Any], Checkpoint]:
    """Check that a receipt's record is in the log and return record and checkpoint.

    Args:
        receipt: the receipt.
        origin: origin of the log.
        public_key: key of the log's gateway.

    Raises:
        ProtocolError: record or checkpoint is malformed.
        VerificationError: the record is not what and where the checkpoint says.
    """
    checkpoint = verify_checkpoint(receipt.checkpoint, origin=origin, public_key=public_key)
    verify_inclusion(
        leaf_hash(receipt.record), receipt.index, checkpoint.size, receipt.path, checkpoint.root
    )
    record = parse_record(receipt.record)
    if record["seq"] != receipt.index or record["log"] != origin:
        raise VerificationError("RECEIPT_INVALID", "the record names another place in the log")
    return record, checkpoint
