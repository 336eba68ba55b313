"""Makes an interface document of one operation of an OpenAPI file, with its items mapped.

Which member of the response is which item is proposed by names and said to the person who decides.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, ProtocolError
from protocol.documents import (
    MAX_DOCUMENT_SIZE,
    EntryDocument,
    EntryItem,
    parse_interface_document,
)
from protocol.documents.coverage import find_response_schema
from protocol.documents.pointer import join_pointer, split_pointer
from sanlian_client.openapi_file import Resolver, fault, find_operation, read_openapi

MAX_MEMBERS = 2000
_MAX_DEPTH = 16
_COMBINERS = ("allOf", "anyOf", "oneOf")

How = Literal["given", "code", "name", "description", "none"]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the response that holds a value.

    Attributes:
        pattern: its JSON Pointer pattern.
        name: its name.
        texts: its title and description.
    """

    pattern: str
    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was found for an item.

    Attributes:
        item: the item.
        patterns: JSON Pointer patterns, none if nothing was found.
        how: given by the caller, or by code, name or description; none.
    """

    item: EntryItem
    patterns: tuple[str, ...]
    how: How


@dataclass(frozen=True, slots=True)
class ImportedInterface:
    """An interface document with how it came about.

    Attributes:
        document: canonical bytes, None where no item is mapped.
        records: JSON Pointer of the list of records.
        mapped: the items.
        unmapped: members of the response that are no item.
    """

    document: bytes | None
    records: str
    mapped: Sequence[Mapped]
    unmapped: Sequence[str]


def import_interface(
    data: bytes,
    operation: str,
    entry: EntryDocument,
    *,
    given: Mapping[str, Sequence[str]] | None = None,
    records: str | None = None,
) -> ImportedInterface:
    """Make an interface document.

    Args:
        data: the OpenAPI file.
        operation: operationId, or method and path such as "GET /persons".
        entry: document of the entry that the interface serves.
        given: patterns by item code that the person decided; an empty list leaves an item out.
        records: JSON Pointer of the list of records; proposed when absent.

    Raises:
        ProtocolError: codes of read_openapi, find_operation and Resolver; OPERATION_UNFIT,
            ITEM_UNKNOWN, SCHEMA_NOT_COVERING, DOCUMENT_MALFORMED.
    """
    file = read_openapi(data)
    path, method, raw = find_operation(file, operation)
    resolver = Resolver(file)
    at = ("paths", path, method)
    schema = find_response_schema(_resolved_responses(resolver, raw, at))
    if not isinstance(schema, dict):
        raise fault("OPERATION_UNFIT", "the answer has no JSON schema", *at, "responses")
    members = list(_members(schema, ()))
    if len(members) > MAX_MEMBERS:
        raise fault("OPENAPI_TOO_LARGE", f"more than {MAX_MEMBERS} members", *at, "responses")
    where = _list_of_records(schema) if records is None else records
    mapped = _map(entry.items, members, given or {})
    taken = {pattern for one in mapped for pattern in one.patterns}
    unmapped = [one.pattern for one in members if one.pattern not in taken]
    items = {str(one.item.index): list(one.patterns) for one in mapped if one.patterns}
    if not items:
        return ImportedInterface(None, where, mapped, unmapped)
    made: dict[str, Any] = {
        "summary": _text(raw.get("summary")),
        "responses": {
            "200": {
                "description": "answer",
                "content": {"application/json": {"schema": schema}},
            }
        },
        "x-sanlian-records": where,
        "x-sanlian-items": items,
    }
    if method == "get":
        made["parameters"] = _parameters(resolver, raw, at)
    else:
        made["requestBody"] = _body(resolver, raw, at)
    document = _canonical(
        {
            "openapi": file["openapi"],
            "info": {"title": _title(file, raw, entry), "version": _version(file)},
            "paths": {path: {method: made}},
        }
    )
    parse_interface_document(document)
    return ImportedInterface(document, where, mapped, unmapped)


def _canonical(value: dict[str, Any]) -> bytes:
    try:
        data = canonical_json(value)
    except CryptoError as error:
        raise ProtocolError(
            "DOCUMENT_MALFORMED", "the operation is nested too deeply or holds unfit values"
        ) from error
    if len(data) > MAX_DOCUMENT_SIZE:
        raise ProtocolError(
            "DOCUMENT_MALFORMED", f"the operation is larger than {MAX_DOCUMENT_SIZE} bytes"
        )
    return data


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _title(file: Mapping[str, Any], raw: Mapping[str, Any], entry: EntryDocument) -> str:
    info = file.get("info")
    title = _text(info.get("title")) if isinstance(info, dict) else ""
    return _text(raw.get("summary")) or title or entry.name


def _version(file: Mapping[str, Any]) -> str:
    info = file.get("info")
    return (_text(info.get("version")) if isinstance(info, dict) else "") or "1"


def _resolved_responses(
    resolver: Resolver, raw: Mapping[str, Any], at: tuple[str, ...]
) -> dict[str, Any]:
    """Return the operation's successful responses without references."""
    responses = raw.get("responses")
    if not isinstance(responses, dict):
        raise fault("OPERATION_UNFIT", "the operation has no responses", *at, "responses")
    return {
        "responses": {
            status: resolver.resolve(responses[status], *at, "responses", status)
            for status in ("200", "2XX", "default")
            if status in responses
        }
    }


# --- parameters ----------------------------------------------------------------------------------


def _parameters(
    resolver: Resolver, raw: Mapping[str, Any], at: tuple[str, ...]
) -> list[dict[str, Any]]:
    listed = raw.get("parameters", [])
    if not isinstance(listed, list):
        raise fault("OPERATION_UNFIT", "parameters is a list", *at, "parameters")
    kept: list[dict[str, Any]] = []
    for place, one in enumerate(listed):
        here = (*at, "parameters", str(place))
        parameter = resolver.resolve(one, *here)
        if not isinstance(parameter, dict) or not isinstance(parameter.get("name"), str):
            raise fault("OPERATION_UNFIT", "a parameter has a name", *here)
        needed = parameter.get("required") is True
        if parameter.get("in") != "query":
            if needed:
                raise fault(
                    "OPERATION_UNFIT", "only query parameters are passed on, and this is needed",
                    *here,
                )  # fmt: skip
            continue  # the gateway sends no headers or cookies of the requester
        kept.append(
            {
                "name": parameter["name"],
                "in": "query",
                "required": needed,
                "schema": parameter.get("schema", {}),
                "description": _text(parameter.get("description")),
            }
        )
    return kept


def _body(resolver: Resolver, raw: Mapping[str, Any], at: tuple[str, ...]) -> dict[str, Any]:
    body = resolver.resolve(raw.get("requestBody"), *at, "requestBody")
    schema: Any = body
    for step in ("content", "application/json", "schema"):
        schema = schema.get(step) if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise fault(
            "OPERATION_UNFIT", "a POST operation takes a JSON object with named properties",
            *at, "requestBody",
        )  # fmt: skip
    return {"content": {"application/json": {"schema": schema}}}


# --- items ---------------------------------------------------------------------------------------


def _schemas(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those that it is combined of."""
    if isinstance(schema, dict):
        yield schema
        for name in _COMBINERS:
            parts = schema.get(name)
            for part in parts if isinstance(parts, list) else ():
                yield from _schemas(part)


def _members(schema: object, path: tuple[str, ...]) -> Iterator[Member]:
    """Yield the members that hold values, not those that only lead to others."""
    if len(path) > _MAX_DEPTH:
        return
    seen: set[str] = set()
    for one in _schemas(schema):
        properties = one.get("properties")
        for name, below in properties.items() if isinstance(properties, dict) else ():
            if name not in seen:
                seen.add(name)
                yield from _member(below, (*path, name), name)
        for name in ("items", "additionalProperties"):
            below = one.get(name)
            if isinstance(below, dict):
                yield from _member(below, (*path, "*"), path[-1] if path else "")


def _member(schema: object, path: tuple[str, ...], name: str) -> Iterator[Member]:
    below = list(_members(schema, path))
    if below:
        yield from below
        return
    texts = [
        one[key]
        for one in _schemas(schema)
        for key in ("title", "description")
        if _text(one.get(key))
    ]
    yield Member(join_pointer(path), name, tuple(texts))


def _list_of_records(schema: Mapping[str, Any]) -> str:
    """Return the pointer of the only list among the answer's members, else ""."""
    found = []
    for one in _schemas(schema):
        properties = one.get("properties")
        for name, below in properties.items() if isinstance(properties, dict) else ():
            if any("items" in part for part in _schemas(below)):
                found.append(join_pointer((name,)))
    return found[0] if len(found) == 1 else ""


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s_\-.]", "", plain)


def _map(
    items: Sequence[EntryItem], members: Sequence[Member], given: Mapping[str, Sequence[str]]
) -> list[Mapped]:
    unknown = set(given) - {item.code for item in items}
    if unknown:
        raise ProtocolError(
            "ITEM_UNKNOWN", "the entry has no item of this code", items=sorted(unknown)
        )
    for patterns in given.values():
        for pattern in patterns:
            split_pointer(pattern)
    taken: set[str] = {pattern for patterns in given.values() for pattern in patterns}
    found: dict[int, Mapped] = {
        item.index: Mapped(item, tuple(given[item.code]), "given" if given[item.code] else "none")
        for item in items
        if item.code in given
    }
    for how in ("code", "name", "description"):
        for item in items:
            if item.index in found:
                continue
            fitting = [one for one in members if one.pattern not in taken and _fits(item, one, how)]
            if len(fitting) == 1:  # two that fit are the person's to decide
                taken.add(fitting[0].pattern)
                found[item.index] = Mapped(item, (fitting[0].pattern,), how)
    return [found.get(item.index, Mapped(item, (), "none")) for item in items]


def _fits(item: EntryItem, member: Member, how: str) -> bool:
    names = {_key(text) for text in (item.name, item.name_en) if text}
    if how == "code":
        return _key(member.name) == _key(item.code)
    if how == "name":
        return _key(member.name) in names
    return any(_key(text) in names for text in member.texts)
