"""Masking of sensitive items: what is released shows only some characters (docs/protocol.md, 5.1).

A rule belongs to an item. It holds for everything that the item's patterns name, also where another
item names the same value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from protocol.documents.common import malformed

MAX_KEPT = 32
_FIELD = "x-sanlian-masks"


@dataclass(frozen=True, slots=True)
class Mask:
    """How many characters of a text stay readable, from its start and from its end."""

    first: int
    last: int

    def hide(self, value: object) -> object:
        """Return a value with what must not be seen replaced.

        Each hidden character of a text becomes one asterisk; a text that has no more characters
        than the rule would show is hidden whole. Numbers become null, as do truth values. In
        objects and lists the rule holds for everything.
        """
        if isinstance(value, str):
            if len(value) <= self.first + self.last:
                return "*" * len(value)
            end = len(value) - self.last
            return value[: self.first] + "*" * (end - self.first) + value[end:]
        if isinstance(value, dict):
            return {name: self.hide(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.hide(member) for member in value]
        return None


def parse_masks(raw: object, items: Mapping[int, tuple[tuple[str, ...], ...]]) -> dict[int, Mask]:
    """Parse the extension ``x-sanlian-masks`` of an operation.

    Args:
        raw: its value, None where it does not stand.
        items: the patterns of the items that the description maps.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise malformed("x-sanlian-masks must map item indices to rules", field=_FIELD)
    masks: dict[int, Mask] = {}
    for key, rule in raw.items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", key) or int(key) not in items:
            raise malformed("a mask is for an item that the description maps", field=_FIELD)
        if not isinstance(rule, dict) or set(rule) != {"first", "last"}:
            raise malformed("a mask has the members first and last", field=_FIELD)
        first, last = rule["first"], rule["last"]
        for count in (first, last):
            if type(count) is not int or not 0 <= count <= MAX_KEPT:
                raise malformed("a mask shows 0 to 32 characters on a side", field=_FIELD)
        masks[int(key)] = Mask(first, last)
    return dict(sorted(masks.items()))


def apply_masks(value: object, rules: list[tuple[tuple[str, ...], Mask]]) -> object:
    """Return a response with the values that the rules' patterns name masked.

    Where several rules name a value, each is applied: what one hides stays hidden.

    Args:
        value: the response as JSON values; it is not changed.
        rules: patterns, split into parts, with their masks.
    """
    for pattern, mask in rules:
        if not pattern:
            value = mask.hide(value)
    below = [(pattern, mask) for pattern, mask in rules if pattern]
    if not below:
        return value
    if isinstance(value, dict):
        return {name: apply_masks(member, _rest(below, name)) for name, member in value.items()}
    if isinstance(value, list):
        return [apply_masks(member, _rest(below, str(i))) for i, member in enumerate(value)]
    return value


def _rest(
    rules: list[tuple[tuple[str, ...], Mask]], name: str
) -> list[tuple[tuple[str, ...], Mask]]:
    return [(pattern[1:], mask) for pattern, mask in rules if pattern[0] in {name, "*"}]
