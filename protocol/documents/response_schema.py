"""The response schema of an interface in a form that can be applied to every answer.

Whoever registers an interface writes its schema, and the gateway applies it to each answer, in the
process that serves everybody. So it is written anew here from known keywords alone. References are
replaced by what they point to within the document; where a schema contains itself, it describes
anything there, so that nothing is applied without end. What cannot be written so is refused.

Source: docs/protocol.md 5.1; JSON Schema 2020-12, and for OpenAPI 3.0 its own older dialect.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crypto.errors import ProtocolError
from protocol.documents.pointer import split_pointer

#: Keywords and listed values of one schema, references replaced by what they point to.
MAX_WEIGHT = 4096
MAX_NESTING = 64
MAX_PATTERNS = 64
MAX_PATTERN_LENGTH = 256
#: To compare with so many listed values takes as long as to apply a keyword.
LISTED = 8
#: To follow a text in one place of a pattern takes, for each byte, as long as so many keywords.
PLACE = 2
_REPEATED = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")

_VALUES = frozenset(
    {
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
        "required",
        "dependentRequired",
    }
)
_SCHEMAS = frozenset(
    {"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"}
)
#: Those that are applied to the value itself; the others are applied to what it consists of.
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
#: Where a schema that allows more may make an answer be refused.
_EXCLUDING = frozenset({"not", "if", "oneOf", "contains"})
_NARROWING = "!"
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})
#: Known to 2020-12, and refused: they refer to what is known only while a schema is applied.
_REFUSED = frozenset(
    {
        "$id",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$recursiveRef",
        "$schema",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ResponseSchema:
    """A response schema without references, of known keywords, in JSON Schema 2020-12.

    Attributes:
        contents: the schema.
        weight: number of keywords and listed values in it, at most MAX_WEIGHT.
        width: most that is applied to any one value of an answer, in keywords; LISTED listed values
            count as one, each place of a pattern as PLACE.
    """

    contents: Mapping[str, Any] | bool
    weight: int
    width: int


def make_response_schema(document: Mapping[str, Any], schema: object) -> ResponseSchema:
    """Return a response schema as it is applied to answers.

    Args:
        document: the whole OpenAPI description, in which `$ref` points.
        schema: the response schema in it.

    Raises:
        ProtocolError: SCHEMA_UNSUPPORTED, with the keyword.
    """
    writer = _Writer(document, is_old=str(document.get("openapi")).startswith("3.0."))
    contents = writer.write(schema, ())
    return ResponseSchema(contents, writer.weight, _width([contents]))


def unsupported(message: str, keyword: str) -> ProtocolError:
    """Return the refusal of a schema."""
    return ProtocolError("SCHEMA_UNSUPPORTED", message, keyword=keyword)


class _Writer:
    """Writes one schema anew, counting what it consists of."""

    def __init__(self, document: Mapping[str, Any], *, is_old: bool) -> None:
        self._document = document
        self._is_old = is_old
        self._patterns = 0
        self.weight = 0

    def write(self, schema: object, path: tuple[str, ...]) -> dict[str, Any] | bool:
        """Return a schema; path holds the references that led to it, and a mark per level."""
        self._count(1)
        if len(path) > MAX_NESTING:
            raise unsupported("the response schema is nested too deeply", "$ref")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise unsupported("a schema is an object, true or false", "schema")
        reference = schema.get("$ref")
        target = None if reference is None else self._resolve(reference, path)
        if target is not None and self._is_old:  # there, what stands beside a reference is ignored
            return target
        written: dict[str, Any] = {}
        for name, value in schema.items():
            if name in _REFUSED:
                raise unsupported(f"{name} cannot be applied to every answer", name)
            if name in _VALUES:
                written[name] = self._value(name, value)
            elif name in _SCHEMAS:
                written[name] = self.write(value, (*path, _NARROWING if name in _EXCLUDING else ""))
            elif name in _LISTS:
                written[name] = self._list(name, value, path)
            elif name in _MAPS:
                written[name] = self._map(name, value, path)
        if self._is_old:
            _modernise(schema, written)
        if target is None:
            return written
        return {"allOf": [target, written]}

    def _resolve(self, reference: object, path: tuple[str, ...]) -> dict[str, Any] | bool:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise unsupported("a $ref points within the document", "$ref")
        if reference in path:
            # Anything is allowed there, which is right only where allowing more allows more.
            if _NARROWING in path[path.index(reference) :]:
                raise unsupported("a schema contains itself where it excludes", "$ref")
            return True
        at: object = self._document
        for part in split_pointer(reference[1:]):
            at = at.get(part) if isinstance(at, dict) else None
        if at is None:
            raise unsupported("a $ref points to nothing", "$ref")
        return self.write(at, (*path, reference))

    def _list(self, name: str, value: object, path: tuple[str, ...]) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise unsupported(f"{name} is a list of schemas", name)
        mark = _NARROWING if name in _EXCLUDING else ""
        return [self.write(one, (*path, mark)) for one in value]

    def _map(self, name: str, value: object, path: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise unsupported(f"{name} is an object of schemas", name)
        if name == "patternProperties":
            for pattern in value:
                self._pattern(pattern)
        return {key: self.write(one, (*path, "")) for key, one in value.items()}

    def _value(self, name: str, value: object) -> object:
        if name == "pattern":
            self._pattern(value)
        self._count(_size(value))
        return value

    def _pattern(self, pattern: object) -> None:
        self._patterns += 1
        if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_LENGTH:
            raise unsupported(f"a pattern has at most {MAX_PATTERN_LENGTH} characters", "pattern")
        if self._patterns > MAX_PATTERNS:
            raise unsupported(f"a schema has at most {MAX_PATTERNS} patterns", "pattern")

    def _count(self, number: int) -> None:
        self.weight += number
        if self.weight > MAX_WEIGHT:
            raise unsupported("the response schema is too large to be applied", "schema")


def _size(value: object) -> int:
    """Return the number of values in a keyword's value, itself counted."""
    number, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        number += 1
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
    return number


def _modernise(schema: Mapping[str, Any], written: dict[str, Any]) -> None:
    """Write the keywords of OpenAPI 3.0 that 2020-12 has in another form."""
    if schema.get("nullable") is True and isinstance(written.get("type"), str):
        written["type"] = [written["type"], "null"]
        if isinstance(written.get("enum"), list):
            written["enum"] = [*written["enum"], None]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(written.get(exclusive), bool):
            is_exclusive = written.pop(exclusive)
            if is_exclusive and bound in written:
                written[exclusive] = written.pop(bound)


def _width(schemas: list[Any]) -> int:
    """Return how much is applied to one value at most, where all these are applied to a value."""
    own, waiting = 0, list(schemas)
    named: dict[str, list[Any]] = {}
    unnamed: list[Any] = []
    while waiting:
        schema = waiting.pop()
        own += 1
        if not isinstance(schema, dict):
            continue
        for name in _VALUES & schema.keys():
            own += 1 + _size(schema[name]) // LISTED
        patterns = [*schema.get("patternProperties", ()), schema.get("pattern", "")]
        own += PLACE * sum(map(count_places, patterns))
        waiting += [schema[name] for name in _IN_PLACE if name in schema]
        for name in _IN_PLACE_LISTS:
            waiting += schema.get(name, ())
        waiting += schema.get("dependentSchemas", {}).values()
        for member, one in schema.get("properties", {}).items():
            named.setdefault(member, []).append(one)
        for name in ("items", "additionalProperties", "contains", "propertyNames"):
            unnamed += [schema[name]] if name in schema else []
        unnamed += schema.get("prefixItems", ())
        unnamed += schema.get("patternProperties", {}).values()
    below = max((_width(group) for group in named.values()), default=0)
    return max(own, below + (_width(unnamed) if unnamed else 0))


def count_places(pattern: str) -> int:
    """Return in how many places of a pattern a text can be at a time, at most.

    An engine without going back follows a text in all of them at once, in the worst case: its time
    grows with the text times these. What is repeated a number of times is there as often.

    Args:
        pattern: a regular expression; what is none has any number.
    """
    groups: list[int] = []
    total = last = at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "(":
            groups.append(total)
            total = last = 0
            at += 1
        elif sign == ")":
            last = total + 1
            total = last + (groups.pop() if groups else 0)
            at += 1
        elif sign == "{" and (times := _REPEATED.match(pattern, at)) is not None:
            numbers = [int(one) for one in (times[1], times[3]) if one]
            most = max(numbers, default=1) + (1 if times[2] and not times[3] else 0)
            total += last * max(0, most - 1) + 1
            last *= max(1, most)
            at = times.end()
        else:
            end = _end_of_one(pattern, at)
            last = max(1, len(pattern[at].encode(errors="replace")))
            total += last
            at = end
    return total + sum(groups)


def _end_of_one(pattern: str, at: int) -> int:
    """Return where a literal, an escape or a class that begins here ends."""
    if pattern[at] == "\\":
        named = pattern[at + 1 : at + 3] in {"p{", "P{", "x{", "u{", "U{"}
        end = pattern.find("}", at) if named else -1
        return at + 2 if end < 0 else end + 1
    if pattern[at] != "[":
        return at + 1
    depth, at = 1, at + 1
    at += pattern[at : at + 1] == "^"
    at += pattern[at : at + 1] == "]"  # the first one is a literal
    while at < len(pattern) and depth:
        if pattern[at] == "\\":
            at += 1
        else:
            depth += {"[": 1, "]": -1}.get(pattern[at], 0)
        at += 1
    return at
