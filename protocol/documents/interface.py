"""Interface documents: an OpenAPI 3 description of one operation, and the items it returns.

Source: docs/protocol.md 5.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from protocol.documents.common import load_object, malformed
from protocol.documents.coverage import find_response_schema, verify_coverage
from protocol.documents.masks import Mask, parse_masks
from protocol.documents.pointer import split_pointer
from protocol.documents.response_schema import ResponseSchema, make_response_schema

MAX_PATTERNS = 1024
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class InterfaceDocument:
    """What the gateway needs of an interface's OpenAPI description.

    Attributes:
        title: title of the description.
        method: "GET" or "POST".
        path: path of the operation, without parameters.
        parameters: names of the parameters it takes.
        required: those that must be given.
        records_pointer: JSON Pointer of the list of records in the response.
        items: JSON Pointer patterns (split into parts) by item index.
        masks: how values of items are masked, by item index.
        schema: the response schema, as it is applied to each answer; None: answers are not
            compared with one.
    """

    title: str
    method: str
    path: str
    parameters: frozenset[str]
    required: frozenset[str]
    records_pointer: tuple[str, ...]
    items: Mapping[int, tuple[tuple[str, ...], ...]]
    masks: Mapping[int, Mask]
    schema: ResponseSchema | None = None

    @property
    def mask(self) -> int:
        """Mask of the items that the description maps."""
        return sum(1 << index for index in self.items)


def parse_interface_document(data: bytes) -> InterfaceDocument:
    """Parse an interface document strictly.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED; SCHEMA_NOT_COVERING when the response schema does not
            describe what the items' patterns name, SCHEMA_UNSUPPORTED when it cannot be applied to
            every answer.
    """
    value = load_object(data, "an interface document")
    version, info, paths = value.get("openapi"), value.get("info"), value.get("paths")
    if not isinstance(version, str) or not re.fullmatch(r"3\.[01]\.\d{1,3}", version):
        raise malformed("openapi must be 3.0 or 3.1", field="openapi")
    if not isinstance(info, dict) or not isinstance(info.get("title"), str):
        raise malformed("info.title is missing", field="info")
    if not isinstance(paths, dict) or len(paths) != 1:
        raise malformed("an interface has exactly one path", field="paths")
    path, path_item = next(iter(paths.items()))
    if not re.fullmatch(r"/[A-Za-z0-9/._-]{0,255}", path) or ".." in path or "//" in path:
        raise malformed("the path has parameters or characters that are not allowed", field="paths")
    if not isinstance(path_item, dict):
        raise malformed("the path must hold one operation", field="paths")
    methods = [name for name in path_item if name in _METHODS]
    if len(methods) != 1 or methods[0] not in ("get", "post"):
        raise malformed("an interface has exactly one operation, GET or POST", field="paths")
    operation = path_item[methods[0]]
    if not isinstance(operation, dict):
        raise malformed("the operation must be an object", field="paths")
    if methods[0] == "get":
        names, required = _query_parameters(operation)
    else:
        names, required = _body_parameters(operation)
    items = _item_patterns(operation.get("x-sanlian-items"))
    document = InterfaceDocument(
        title=info["title"],
        method=methods[0].upper(),
        path=path,
        parameters=names,
        required=required,
        records_pointer=split_pointer(operation.get("x-sanlian-records", "")),
        items=items,
        masks=parse_masks(operation.get("x-sanlian-masks"), items),
    )
    verify_coverage(value, operation, document.records_pointer, document.items)
    return replace(document, schema=make_response_schema(value, find_response_schema(operation)))


def _query_parameters(operation: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    listed = operation.get("parameters", [])
    names: set[str] = set()
    required: set[str] = set()
    if not isinstance(listed, list) or len(listed) > 100:
        raise malformed("parameters must be a list", field="parameters")
    for parameter in listed:
        if (
            not isinstance(parameter, dict)
            or parameter.get("in") != "query"
            or not isinstance(parameter.get("name"), str)
        ):
            raise malformed("parameters of a GET operation stand in the query", field="parameters")
        names.add(parameter["name"])
        if parameter.get("required") is True:
            required.add(parameter["name"])
    return frozenset(names), frozenset(required)


def _body_parameters(operation: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    schema: Any = operation
    for step in ("requestBody", "content", "application/json", "schema"):
        schema = schema.get(step) if isinstance(schema, dict) else None
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict):
        raise malformed(
            "a POST operation describes its JSON body's properties", field="requestBody"
        )
    required = schema.get("required", [])
    if (
        not isinstance(required, list)
        or not all(isinstance(name, str) for name in required)
        or not set(required) <= set(properties)
    ):
        raise malformed("required must list properties", field="requestBody")
    return frozenset(properties), frozenset(required)


def _item_patterns(raw: object) -> dict[int, tuple[tuple[str, ...], ...]]:
    if not isinstance(raw, dict) or not raw:
        raise malformed(
            "x-sanlian-items must map item indices to patterns", field="x-sanlian-items"
        )
    items: dict[int, tuple[tuple[str, ...], ...]] = {}
    count = 0
    for key, patterns in raw.items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", key) or int(key) > 255:
            raise malformed("an item index is 0 to 255", field="x-sanlian-items")
        if not isinstance(patterns, list) or not patterns:
            raise malformed("every item has at least one pattern", field="x-sanlian-items")
        items[int(key)] = tuple(split_pointer(pattern) for pattern in patterns)
        count += len(patterns)
    if count > MAX_PATTERNS or any(not pattern for ps in items.values() for pattern in ps):
        raise malformed(
            "patterns must not be empty, and are at most 1,024", field="x-sanlian-items"
        )
    return dict(sorted(items.items()))
