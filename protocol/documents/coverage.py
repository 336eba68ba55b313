"""The rule that an interface's response schema covers the items that it claims.

Source: docs/protocol.md 5.1. Whoever reads the description must find in it everything that a grant
can release; a mapping to members that the schema does not describe would promise what nobody wrote
down.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from crypto.errors import ProtocolError
from protocol.documents.common import malformed
from protocol.documents.pointer import join_pointer, split_pointer

#: Schemas looked at for one document: `$ref` and `allOf` could multiply without end.
MAX_STEPS = 100_000
_MAX_NESTING = 64
_ANYTHING = "*"
_COMBINERS = ("allOf", "anyOf", "oneOf")

Schema = Mapping[str, Any]


def find_response_schema(operation: Mapping[str, Any]) -> object:
    """Return the JSON schema of the operation's successful answer, None where there is none."""
    responses = operation.get("responses")
    if not isinstance(responses, dict):
        return None
    for status in ("200", "2XX", "default"):
        at: object = responses.get(status)
        if at is not None:
            for step in ("content", "application/json", "schema"):
                at = at.get(step) if isinstance(at, dict) else None
            return at
    return None


def verify_coverage(
    document: Mapping[str, Any],
    operation: Mapping[str, Any],
    records_pointer: tuple[str, ...],
    items: Mapping[int, tuple[tuple[str, ...], ...]],
) -> None:
    """Check that every pattern and the records pointer lead to something that the schema names.

    Args:
        document: the whole description, in which `$ref` points.
        operation: its operation.
        records_pointer: parts of x-sanlian-records.
        items: patterns by item, as parts.

    Raises:
        ProtocolError: SCHEMA_NOT_COVERING with item and pattern; DOCUMENT_MALFORMED when the schema
            is too entangled to be read.
    """
    schema = find_response_schema(operation)
    walk = _Walk(document)
    if schema is None:
        raise _not_covering("the operation has no JSON response schema", "", None)
    if not walk.leads(schema, records_pointer):
        raise _not_covering(
            "the response schema has no such list of records", join_pointer(records_pointer), None
        )
    for index, patterns in items.items():
        for pattern in patterns:
            if not walk.leads(schema, pattern):
                at = join_pointer(pattern)
                raise _not_covering(
                    f"the response schema does not describe item {index} at {at}", at, index
                )


def _not_covering(message: str, pattern: str, item: int | None) -> ProtocolError:
    return ProtocolError("SCHEMA_NOT_COVERING", message, pattern=pattern, item=item)


class _Walk:
    """Follows patterns through a schema, a bounded number of steps for one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._steps = 0

    def leads(self, schema: object, parts: tuple[str, ...]) -> bool:
        """Return whether the parts lead to something that the schema describes."""
        if not parts:
            return isinstance(schema, dict | bool) and schema is not False
        return any(
            self.leads(below, parts[1:])
            for one in self._alternatives(schema, 0)
            for below in _below(one, parts[0])
        )

    def _alternatives(self, schema: object, nesting: int) -> Iterator[Schema]:
        """Yield the schema and those that it is combined of or refers to."""
        self._steps += 1
        if self._steps > MAX_STEPS or nesting > _MAX_NESTING:
            raise malformed("the response schema is too entangled", field="responses")
        if not isinstance(schema, dict):
            return
        yield schema
        reference = schema.get("$ref")
        if reference is not None:
            yield from self._alternatives(self._resolve(reference), nesting + 1)
        for name in _COMBINERS:
            parts = schema.get(name)
            if isinstance(parts, list):
                for part in parts:
                    yield from self._alternatives(part, nesting + 1)

    def _resolve(self, reference: object) -> object:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise malformed("a $ref points within the document", field="$ref")
        at: object = self._document
        for part in split_pointer(reference[1:]):
            at = at.get(part) if isinstance(at, dict) else None
        if at is None:
            raise malformed("a $ref points to nothing", field="$ref")
        return at


def _below(schema: Schema, part: str) -> Iterator[object]:
    """Yield what the schema itself says of a member or an element."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if part in properties:
            yield properties[part]
        if part == _ANYTHING:
            yield from properties.values()
    if part == _ANYTHING and isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]
    first = schema.get("prefixItems")
    if isinstance(first, list):
        if part == _ANYTHING:
            yield from first
        elif part.isascii() and part.isdigit() and int(part) < len(first):
            yield first[int(part)]
    if (part == _ANYTHING or (part.isascii() and part.isdigit())) and "items" in schema:
        yield schema["items"]
