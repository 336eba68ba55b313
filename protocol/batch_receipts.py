"""The answer to a batch of access records: receipts that share notes and nodes (protocol.md, 7.6).

The paths of records that were written together differ in their lowest nodes alone, so each node
stands once, and a path is a list of places.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from crypto.canonical import plain_canonical
from crypto.errors import ProtocolError
from protocol.receipt import Receipt

MEMBERS = frozenset({"checkpoints", "nodes", "results"})
MAX_PATH = 63
_NODE = re.compile(r"[0-9a-f]{64}")


def encode_batch_answer(results: Sequence[Receipt | str]) -> bytes:
    """Return the answer as canonical JSON.

    Args:
        results: of each record in order its receipt, or the code why it was refused.
    """
    notes: dict[str, int] = {}
    nodes: dict[bytes, int] = {}
    told: list[dict[str, Any]] = []
    for one in results:
        if isinstance(one, str):
            told.append({"code": one})
            continue
        told.append(
            {
                "checkpoint": notes.setdefault(one.checkpoint, len(notes)),
                "index": one.index,
                "path": [nodes.setdefault(node, len(nodes)) for node in one.path],
                "record": one.record.decode(),
            }
        )
    # Records and notes are texts that were encoded before.
    return plain_canonical(
        {"checkpoints": list(notes), "nodes": [node.hex() for node in nodes], "results": told}
    )


def batch_receipts(answer: Mapping[str, Any]) -> list[Receipt | str]:
    """Return of each record its receipt, which is still to be verified, or its code.

    Args:
        answer: the answer's value; other members than the three are not looked at.

    Raises:
        ProtocolError: RECEIPT_MALFORMED.
    """
    try:
        notes = [_text(note) for note in answer["checkpoints"]]
        nodes = [_node(node) for node in answer["nodes"]]
        return [
            _text(one["code"])
            if "code" in one
            else Receipt(
                _text(one["record"]).encode(),
                _index(one["index"]),
                tuple(nodes[_index(place)] for place in _path(one["path"])),
                notes[_index(one["checkpoint"])],
            )
            for one in answer["results"]
        ]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ProtocolError("RECEIPT_MALFORMED", "these are no receipts of a batch") from error


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
