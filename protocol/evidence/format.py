"""The form of an evidence file: canonical JSON, closed, in one order (docs/protocol.md, 9)."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from crypto.canonical import MAX_INTEGER, canonical_json, parse_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.keccak import keccak256
from crypto.sm2 import Signature

TYPE = "sanlian/evidence/v1"
MAX_EVIDENCE_SIZE = 64 * 1024 * 1024
MAX_BLOCKS = 65_536
MAX_COSIGNATURES = 262_144
MAX_RECORDS = 2
MAX_PATH = 63
MAX_NODES = 64

_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RecordProof:
    """A record and its inclusion path in the evidence's checkpoint."""

    index: int
    record: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """The proof of one transaction's receipt: RLP nodes from the root."""

    index: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BlockProof:
    """A block's header, and proofs of receipts in it.

    The file states the header's hash too: without it, another number in the header of a block that
    stands only by its child would leave the file undecided, not invalid.
    """

    header: bytes
    receipts: tuple[ReceiptProof, ...]


@dataclass(frozen=True, slots=True)
class BlockCosignature:
    """A witness's signature on a block (docs/protocol.md, 8)."""

    number: int
    time: int
    key_id: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence file, decoded.

    Attributes:
        chain_id: chain id.
        log: id of the access log.
        checkpoint: note with the gateway's signature line alone.
        records: an intent and its end, or a denial, by index.
        blocks: headers by number, with receipts.
        cosignatures: witnesses on blocks, by number and key id.
    """

    chain_id: int
    log: bytes
    checkpoint: str
    records: tuple[RecordProof, ...]
    blocks: tuple[BlockProof, ...]
    cosignatures: tuple[BlockCosignature, ...]

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        return canonical_json(
            {
                "type": TYPE,
                "chain_id": self.chain_id,
                "log": self.log.hex(),
                "checkpoint": self.checkpoint,
                "records": [
                    {
                        "index": proof.index,
                        "record": proof.record.decode(),
                        "path": [node.hex() for node in proof.path],
                    }
                    for proof in self.records
                ],
                "blocks": [
                    {
                        "hash": keccak256(block.header).hex(),
                        "header": block.header.hex(),
                        "receipts": [
                            {"index": one.index, "nodes": [node.hex() for node in one.nodes]}
                            for one in block.receipts
                        ],
                    }
                    for block in self.blocks
                ],
                "cosignatures": [
                    {
                        "number": one.number,
                        "time": one.time,
                        "key_id": one.key_id.hex(),
                        "signature": one.signature.to_bytes().hex(),
                    }
                    for one in self.cosignatures
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode strictly.

        Raises:
            ProtocolError: EVIDENCE_MALFORMED.
        """
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_EVIDENCE_SIZE)
            members = _object(
                value, "type", "chain_id", "log", "checkpoint", "records", "blocks", "cosignatures"
            )
            if members["type"] != TYPE:
                raise _bad("its type is another")
            return cls(
                chain_id=_number(members["chain_id"]),
                log=_hex(members["log"], 32),
                checkpoint=_text(members["checkpoint"]),
                records=_list(members["records"], MAX_RECORDS, _record),
                blocks=_list(members["blocks"], MAX_BLOCKS, _block),
                cosignatures=_list(members["cosignatures"], MAX_COSIGNATURES, _cosignature),
            )
        except CryptoError as error:
            raise _bad(error.message) from error


def _bad(reason: str) -> ProtocolError:
    return ProtocolError("EVIDENCE_MALFORMED", f"This is not an evidence file: {reason}.")


def _object(value: object, *names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise _bad("an object has other members")
    return value


def _list(value: object, most: int, read: Callable[[object], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise _bad("a list is missing or too long")
    return tuple(read(item) for item in value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise _bad("a number is missing or out of range")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _bad("a text is missing")
    return value


def _hex(value: object, size: int | None = None) -> bytes:
    # bytes.fromhex alone would accept capitals and blanks: a second form of the same bytes.
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _bad("a value is not lower-case hex")
    data = bytes.fromhex(value)
    if size is not None and len(data) != size:
        raise _bad("a value has another length")
    return data


def _hashes(value: object) -> bytes:
    return _hex(value, 32)


def _record(value: object) -> RecordProof:
    members = _object(value, "index", "record", "path")
    return RecordProof(
        _number(members["index"]),
        _text(members["record"]).encode(),
        _list(members["path"], MAX_PATH, _hashes),
    )


def _receipt(value: object) -> ReceiptProof:
    members = _object(value, "index", "nodes")
    return ReceiptProof(_number(members["index"]), _list(members["nodes"], MAX_NODES, _hex))


def _block(value: object) -> BlockProof:
    members = _object(value, "hash", "header", "receipts")
    header = _hex(members["header"])
    if keccak256(header) != _hashes(members["hash"]):
        raise _bad("a block's hash is not that of its header")
    return BlockProof(header, _list(members["receipts"], MAX_BLOCKS, _receipt))


def _cosignature(value: object) -> BlockCosignature:
    members = _object(value, "number", "time", "key_id", "signature")
    return BlockCosignature(
        _number(members["number"]),
        _number(members["time"]),
        _hex(members["key_id"], 32),
        Signature.from_bytes(_hex(members["signature"], 64)),
    )


def is_ascending(keys: Sequence[Any]) -> bool:
    """Return whether each key is above the one before."""
    return all(low < high for low, high in itertools.pairwise(keys))
