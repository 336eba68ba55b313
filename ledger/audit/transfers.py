"""What an audit knows of offered batches and of the parts that closings name."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

_CODE = "CLOSING_WRONG"


class Transfers:
    """Follows one log's offers, released outcomes and closings, in their order."""

    def __init__(self) -> None:
        # Indices of released outcomes by requester's key and grant: eight bytes each.
        self._released: dict[tuple[str, str], array[int]] = {}
        self._offers: dict[int, str] = {}
        self._names: set[tuple[str, str]] = set()

    def release(self, intent: dict[str, Any], outcome: dict[str, Any]) -> None:
        """Take an outcome that ended its intent."""
        if outcome["event"] == "outcome" and outcome["result"] == "released":
            asked = intent["request"]
            pair = asked["public_key"], asked["grant"]
            self._released.setdefault(pair, array("Q")).append(outcome["seq"])

    def offer(self, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Take an offer; yield message and code of what is wrong with it."""
        grant = record["request"]["grant"]
        name = grant, record["statement"]["name"]
        if name in self._names:
            yield "a batch of this name was offered before", "OFFER_DIFFERS"
        self._names.add(name)
        self._offers[record["seq"]] = grant

    def close(self, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Take a closing; yield message and code of what is wrong with it."""
        told, asked = record["statement"], record["request"]
        grant = asked["grant"]
        if told["offer"] is not None and self._offers.pop(told["offer"], None) != grant:
            yield "it closes no open offer under its grant", _CODE
        seqs = self._released.get((asked["public_key"], grant), array("Q"))
        begin, end = bisect_left(seqs, told["first"]), bisect_right(seqs, told["last"])
        parts = seqs[begin:end]
        if len(parts) < told["parts"] or (told["first"], told["last"]) != (parts[0], parts[-1]):
            yield "the log does not hold the parts that it closes", _CODE
