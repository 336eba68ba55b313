"""The answer to a batch: receipts without what their holder has (docs/protocol.md, 7.6).

Whoever handed records in has them and their signatures. The other members are the same for all
records of a batch, and the paths of records that were written together differ in their lowest nodes
alone: each of these stands once, and a receipt is made of places.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from crypto.canonical import fast_canonical, parse_canonical, plain_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import Signature
from protocol.observation import Observation
from protocol.receipt import Receipt
from protocol.records import MAX_RECORD_SIZE, ObservedEncoder, parse_record

MEMBERS = frozenset({"checkpoints", "common", "nodes", "results"})
MAX_PATH = 63
#: Members of a record that the answer does not repeat: its number is the receipt's index.
_LEFT_OUT = frozenset({"observation", "seq", "signature"})
_NODE = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


class Kept(NamedTuple):
    """What the answer tells of a record that is in a log.

    Attributes:
        common: canonical JSON of the record's members but observation, seq and signature.
        seq: its number, which is its index in the log.
        path: inclusion path, 32-byte hashes from the leaf upwards.
        checkpoint: signed note whose size is the tree size of the path.
        signature: hex; the record's own where it was handed in before with this one, since the same
            record may be signed anew.
    """

    common: bytes
    seq: int
    path: tuple[bytes, ...]
    checkpoint: str
    signature: str | None = None

    @classmethod
    def before(cls, receipt: Receipt, signature: str) -> "Kept":
        """Return what is told of a record that was handed in before.

        Args:
            receipt: of the first time.
            signature: hex; with which it is handed in now.

        Raises:
            ProtocolError: RECORD_MALFORMED when it is no `observed` record.
        """
        record = parse_record(receipt.record)
        if record["event"] != "observed":
            raise ProtocolError("RECORD_MALFORMED", "this is no access record")
        common = {name: one for name, one in record.items() if name not in _LEFT_OUT}
        return cls(
            fast_canonical(common),
            receipt.index,
            receipt.path,
            receipt.checkpoint,
            None if record["signature"] == signature else record["signature"],
        )


def encode_batch_answer(results: Sequence[Kept | str]) -> bytes:
    """Return the answer as canonical JSON.

    Args:
        results: of each record in order what is told of it, or the code why it was refused.
    """
    notes: dict[str, int] = {}
    commons: dict[bytes, int] = {}
    nodes: dict[bytes, int] = {}
    told: list[dict[str, Any]] = []
    for one in results:
        if isinstance(one, str):
            told.append({"code": one})
            continue
        common, seq, path, note, signature = one
        result = {
            "checkpoint": notes.setdefault(note, len(notes)),
            "common": commons.setdefault(common, len(commons)),
            "index": seq,
            "path": [nodes.setdefault(node, len(nodes)) for node in path],
        }
        if signature is not None:
            result["signature"] = signature
        told.append(result)
    # Notes and members of records are texts that were encoded before.
    return plain_canonical(
        {
            "checkpoints": list(notes),
            "common": [parse_canonical(one, max_bytes=MAX_RECORD_SIZE) for one in commons],
            "nodes": [node.hex() for node in nodes],
            "results": told,
        }
    )


def batch_receipts(
    answer: Mapping[str, Any], handed_in: Sequence[Observation]
) -> list[Receipt | str]:
    """Return of each record its receipt, which is still to be verified, or its code.

    A receipt's record is made of the answer and of what was handed in: where the answer lies, no
    path leads from it to the checkpoint.

    Args:
        answer: the answer's value; other members than the four are not looked at.
        handed_in: the batch.

    Raises:
        ProtocolError: RECEIPT_MALFORMED.
    """
    try:
        notes = [_text(note) for note in answer["checkpoints"]]
        nodes = [_node(node) for node in answer["nodes"]]
        encoders = [ObservedEncoder(_common(common)) for common in answer["common"]]
        return [
            _text(one["code"])
            if "code" in one
            else Receipt(
                encoders[_index(one["common"])]
                .encode(_as_signed_first(observation, one).handed_in)
                .encode(_index(one["index"])),
                one["index"],
                tuple(nodes[_index(place)] for place in _path(one["path"])),
                notes[_index(one["checkpoint"])],
            )
            for observation, one in zip(handed_in, answer["results"], strict=True)
        ]
    except (
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        CryptoError,
        ProtocolError,
    ) as error:
        raise ProtocolError("RECEIPT_MALFORMED", "these are no receipts of a batch") from error


def _common(value: Any) -> dict[str, Any]:
    if value["event"] != "observed" or not _LEFT_OUT.isdisjoint(value):
        raise ValueError("members in common")
    return dict(value)


def _as_signed_first(observation: Observation, result: Mapping[str, Any]) -> Observation:
    if "signature" not in result:
        return observation
    signature = _text(result["signature"])
    if not _SIGNATURE.fullmatch(signature):
        raise ValueError("a signature")
    return replace(observation, signature=Signature.from_bytes(bytes.fromhex(signature)))


def _path(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_PATH:
        raise TypeError("a path")
    return value


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("an index")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _node(value: object) -> bytes:
    if not isinstance(value, str) or not _NODE.fullmatch(value):
        raise TypeError("a node")
    return bytes.fromhex(value)
