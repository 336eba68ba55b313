"""Entry and interface documents, and the filter that releases exactly the granted items.

Source: docs/protocol.md 5.1; an entry's fields are those of 《政务信息资源目录编制指南（试行）》
(发改高技〔2017〕1272号) and Order 809 Art 13.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crypto.canonical import parse_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.sm3 import sm3

MAX_DOCUMENT_SIZE = 65536
ENTRY_TYPE = "sanlian/entry/v1"
ITEM_TYPES = "CNYDTLMGBIF"
MAX_PATTERNS = 1024
_MAX_DEPTH = 32
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_ENTRY_TEXTS = {  # member: longest number of characters
    "name": 50,
    "code": 64,
    "summary": 256,
    "provider": 64,
    "format": 64,
    "conditions": 2000,
    "citation": 2000,
    "duty": 2000,
    "grading": 64,
    "source_department": 64,
}


def document_digest(data: bytes) -> bytes:
    """Return the 32-byte SM3 that names a document."""
    return sm3(data)


def _load(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = parse_canonical(data, max_bytes=MAX_DOCUMENT_SIZE)
    except CryptoError as error:
        raise ProtocolError(
            "DOCUMENT_MALFORMED", f"{what} must be canonical JSON of at most 64 KiB"
        ) from error
    if not isinstance(value, dict):
        raise ProtocolError("DOCUMENT_MALFORMED", f"{what} must be an object")
    return value


def _bad(message: str, **details: object) -> ProtocolError:
    return ProtocolError("DOCUMENT_MALFORMED", message, **details)


@dataclass(frozen=True, slots=True)
class EntryItem:
    """One data item (信息项) of an entry."""

    index: int
    name: str
    code: str
    type: str
    length: int
    sensitive: bool


@dataclass(frozen=True, slots=True)
class EntryDocument:
    """The text of a catalogue entry."""

    texts: Mapping[str, str]
    items: tuple[EntryItem, ...]
    related: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the entry (名称)."""
        return self.texts["name"]

    @property
    def mask(self) -> int:
        """Mask of the items."""
        return sum(1 << item.index for item in self.items)

    @property
    def sensitive_mask(self) -> int:
        """Mask of the sensitive items."""
        return sum(1 << item.index for item in self.items if item.sensitive)


def parse_entry_document(data: bytes) -> EntryDocument:
    """Parse an entry's text strictly.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED, with the field.
    """
    value = _load(data, "an entry document")
    if set(value) != {"type", "items", "related", *_ENTRY_TEXTS} or value["type"] != ENTRY_TYPE:
        odd = sorted({"type", "items", "related", *_ENTRY_TEXTS} ^ set(value))
        raise _bad("an entry document has other members", fields=odd)
    for name, limit in _ENTRY_TEXTS.items():
        text = value[name]
        if not isinstance(text, str) or len(text) > limit:
            raise _bad(f"{name} must be text of at most {limit} characters", field=name)
    for name in ("name", "provider", "duty"):
        if not value[name].strip():
            raise _bad(f"{name} must not be empty", field=name)
    related = value["related"]
    if (
        not isinstance(related, list)
        or len(related) > 100
        or not all(isinstance(code, str) and len(code) <= 64 for code in related)
    ):
        raise _bad("related must be a list of at most 100 codes", field="related")
    raw_items = value["items"]
    if not isinstance(raw_items, list) or not 1 <= len(raw_items) <= 256:
        raise _bad("an entry has 1 to 256 items", field="items")
    items = tuple(_parse_item(raw) for raw in raw_items)
    indices = [item.index for item in items]
    if indices != sorted(set(indices)):
        raise _bad("items stand in order of their index, each once", field="items")
    if len({item.code for item in items}) != len(items):
        raise _bad("an item code stands twice", field="items")
    return EntryDocument({name: value[name] for name in _ENTRY_TEXTS}, items, tuple(related))


def _parse_item(raw: object) -> EntryItem:
    if not isinstance(raw, dict) or set(raw) != {
        "index",
        "name",
        "code",
        "type",
        "length",
        "sensitive",
    }:
        raise _bad("an item has index, name, code, type, length and sensitive", field="items")
    index, length = raw["index"], raw["length"]
    if not _is_int(index) or not 0 <= index <= 255:
        raise _bad("an item's index is 0 to 255", field="items")
    if not _is_int(length) or not 0 <= length <= 1_000_000:
        raise _bad("an item's length is 0 to 1,000,000", field="items")
    for name, limit in (("name", 50), ("code", 64)):
        if not isinstance(raw[name], str) or not 1 <= len(raw[name]) <= limit:
            raise _bad(f"an item's {name} has 1 to {limit} characters", field="items")
    if not isinstance(raw["type"], str) or len(raw["type"]) != 1 or raw["type"] not in ITEM_TYPES:
        raise _bad(f"an item's type is one of {ITEM_TYPES}", field="items")
    if not isinstance(raw["sensitive"], bool):
        raise _bad("an item's sensitive flag is true or false", field="items")
    return EntryItem(index, raw["name"], raw["code"], raw["type"], length, raw["sensitive"])


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
    """

    title: str
    method: str
    path: str
    parameters: frozenset[str]
    required: frozenset[str]
    records_pointer: tuple[str, ...]
    items: Mapping[int, tuple[tuple[str, ...], ...]]

    @property
    def mask(self) -> int:
        """Mask of the items that the description maps."""
        return sum(1 << index for index in self.items)


def _pointer(text: object) -> tuple[str, ...]:
    """Split a JSON Pointer (RFC 6901) or pattern into its unescaped parts."""
    if not isinstance(text, str) or (text and not text.startswith("/")) or len(text) > 512:
        raise _bad("a JSON Pointer is empty or starts with a slash")
    parts = text.split("/")[1:] if text else []
    if len(parts) > _MAX_DEPTH or any(re.search(r"~(?![01])", part) for part in parts):
        raise _bad("a JSON Pointer is not valid")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def parse_interface_document(data: bytes) -> InterfaceDocument:
    """Parse an interface document strictly.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED.
    """
    value = _load(data, "an interface document")
    version, info, paths = value.get("openapi"), value.get("info"), value.get("paths")
    if not isinstance(version, str) or not re.fullmatch(r"3\.[01]\.\d{1,3}", version):
        raise _bad("openapi must be 3.0 or 3.1", field="openapi")
    if not isinstance(info, dict) or not isinstance(info.get("title"), str):
        raise _bad("info.title is missing", field="info")
    if not isinstance(paths, dict) or len(paths) != 1:
        raise _bad("an interface has exactly one path", field="paths")
    path, path_item = next(iter(paths.items()))
    if not re.fullmatch(r"/[A-Za-z0-9/._-]{0,255}", path) or ".." in path or "//" in path:
        raise _bad("the path has parameters or characters that are not allowed", field="paths")
    if not isinstance(path_item, dict):
        raise _bad("the path must hold one operation", field="paths")
    methods = [name for name in path_item if name in _METHODS]
    if len(methods) != 1 or methods[0] not in ("get", "post"):
        raise _bad("an interface has exactly one operation, GET or POST", field="paths")
    operation = path_item[methods[0]]
    if not isinstance(operation, dict):
        raise _bad("the operation must be an object", field="paths")
    if methods[0] == "get":
        names, required = _query_parameters(operation)
    else:
        names, required = _body_parameters(operation)
    return InterfaceDocument(
        title=info["title"],
        method=methods[0].upper(),
        path=path,
        parameters=names,
        required=required,
        records_pointer=_pointer(operation.get("x-sanlian-records", "")),
        items=_item_patterns(operation.get("x-sanlian-items")),
    )


def _query_parameters(operation: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    listed = operation.get("parameters", [])
    names: set[str] = set()
    required: set[str] = set()
    if not isinstance(listed, list) or len(listed) > 100:
        raise _bad("parameters must be a list", field="parameters")
    for parameter in listed:
        if (
            not isinstance(parameter, dict)
            or parameter.get("in") != "query"
            or not isinstance(parameter.get("name"), str)
        ):
            raise _bad("parameters of a GET operation stand in the query", field="parameters")
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
        raise _bad("a POST operation describes its JSON body's properties", field="requestBody")
    required = schema.get("required", [])
    if (
        not isinstance(required, list)
        or not all(isinstance(name, str) for name in required)
        or not set(required) <= set(properties)
    ):
        raise _bad("required must list properties", field="requestBody")
    return frozenset(properties), frozenset(required)


def _item_patterns(raw: object) -> dict[int, tuple[tuple[str, ...], ...]]:
    if not isinstance(raw, dict) or not raw:
        raise _bad("x-sanlian-items must map item indices to patterns", field="x-sanlian-items")
    items: dict[int, tuple[tuple[str, ...], ...]] = {}
    count = 0
    for key, patterns in raw.items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", key) or int(key) > 255:
            raise _bad("an item index is 0 to 255", field="x-sanlian-items")
        if not isinstance(patterns, list) or not patterns:
            raise _bad("every item has at least one pattern", field="x-sanlian-items")
        items[int(key)] = tuple(_pointer(pattern) for pattern in patterns)
        count += len(patterns)
    if count > MAX_PATTERNS or any(not pattern for ps in items.values() for pattern in ps):
        raise _bad("patterns must not be empty, and are at most 1,024", field="x-sanlian-items")
    return dict(sorted(items.items()))


#: Tree of patterns: part -> subtree; None marks that everything below is released.
_Tree = dict[str, "_Tree | None"]


def _tree(patterns: list[tuple[str, ...]]) -> _Tree:
    root: _Tree = {}
    for pattern in patterns:
        node = root
        for part in pattern[:-1]:
            below = node.setdefault(part, {})
            if below is None:  # a shorter pattern releases all of it already
                break
            node = below
        else:
            node[pattern[-1]] = None
    return root


_ABSENT = object()


def _filter(value: object, *trees: _Tree) -> object:
    """Keep what some pattern names; objects and lists stay as containers of what is kept."""
    if isinstance(value, dict):
        kept: dict[str, object] = {}
        for name, member in value.items():
            result = _descend(
                member,
                [
                    tree.get(part, _ABSENT)
                    for tree in trees
                    for part in ((name, "*") if name != "*" else ("*",))
                ],
            )
            if result is not _ABSENT:
                kept[name] = result
        return kept if kept else _ABSENT
    if isinstance(value, list):
        elements = []
        for index, member in enumerate(value):
            result = _descend(
                member, [tree.get(part, _ABSENT) for tree in trees for part in (str(index), "*")]
            )
            if result is not _ABSENT:
                elements.append(result)
        return elements
    return _ABSENT


def _descend(member: object, found: list[object]) -> object:
    if any(subtree is None for subtree in found):
        return member
    below = [subtree for subtree in found if isinstance(subtree, dict)]
    return _filter(member, *below) if below else _ABSENT


def filter_items(document: InterfaceDocument, data: object, mask: int) -> tuple[object, int]:
    """Return the part of a provider's response that the mask's items name, and its row count.

    Args:
        document: the interface's description.
        data: the response as JSON values.
        mask: effective items; bit i is item i.

    Returns:
        What may be released (an empty object where nothing matches), and the number of records
        at records_pointer in the response (1 where that is not a list, 0 where it is absent).
    """
    patterns = [p for index, ps in document.items.items() if mask >> index & 1 for p in ps]
    kept = _filter(data, _tree(patterns))
    at: object = data
    for part in document.records_pointer:
        at = at.get(part, _ABSENT) if isinstance(at, dict) else _ABSENT
    rows = len(at) if isinstance(at, list) else int(at is not _ABSENT)
    return ({} if kept is _ABSENT else kept), rows
