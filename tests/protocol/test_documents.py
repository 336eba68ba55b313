"""Interface documents, and a filter that never lets out what was not granted."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError
from protocol.documents import (
    InterfaceDocument,
    filter_items,
    make_entry_document,
    parse_entry_document,
    parse_interface_document,
)


def refused(call: Callable[[], object]) -> bool:
    with pytest.raises(ProtocolError) as caught:
        call()
    return caught.value.code == "DOCUMENT_MALFORMED"


NODE = {"$ref": "#/components/schemas/Node"}
NAMES = ("a", "b", "c", "d", "x", "records", "total", "name", "id", "a/b", "~1")
#: A schema that describes every member that these tests use, at any depth.
ANYTHING = {
    "Node": {
        "properties": dict.fromkeys(NAMES, NODE),
        "additionalProperties": NODE,
        "items": NODE,
    }
}


RESPONSES = {
    "200": {"description": "rows", "content": {"application/json": {"schema": NODE}}},
}


def interface(operation: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "人口查询"},
        "paths": {
            "/people": {
                "get": {
                    "parameters": [
                        {"in": "query", "name": "id", "required": True},
                        {"in": "query", "name": "year"},
                    ],
                    "responses": RESPONSES,
                    "x-sanlian-records": "/records",
                    "x-sanlian-items": {"0": ["/records/*/name"], "1": ["/records/*/id"]},
                    **(operation or {}),
                }
            }
        },
        "components": {"schemas": ANYTHING},
        **others,
    }


def post(schema: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    operation = {
        "requestBody": {"content": content},
        "responses": RESPONSES,
        "x-sanlian-items": {"0": ["/a"]},
    }
    return interface(paths={"/people": {"post": operation}})


def test_interface() -> None:
    document = parse_interface_document(canonical_json(interface()))
    assert (document.method, document.path, document.mask) == ("GET", "/people", 3)
    assert (document.parameters, document.required) == ({"id", "year"}, {"id"})
    schema = {"properties": {"id": {}, "x": {}}, "required": ["x"]}
    posted = parse_interface_document(canonical_json(post(schema)))
    assert (posted.method, posted.parameters, posted.required) == ("POST", {"id", "x"}, {"x"})


GET = {"responses": RESPONSES, "x-sanlian-items": {"0": ["/a"]}}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        interface(openapi="2.0"),
        interface(openapi=3),
        interface(info={}),
        interface(paths={}),
        interface(paths={"/a": {"get": GET}, "/b": {"get": GET}}),
        interface(paths={"/a/{id}": {"get": GET}}),
        interface(paths={"/a/../b": {"get": GET}}),
        interface(paths={"//evil.example": {"get": GET}}),
        interface(paths={"/a?b": {"get": GET}}),
        interface(paths={"a": {"get": GET}}),
        interface(paths={"/a": {"get": GET, "post": GET}}),
        interface(paths={"/a": {"delete": GET}}),
        interface(paths={"/a": {"get": []}}),
        interface(paths={"/a": []}),
        interface({"parameters": {}}),
        interface({"parameters": [{"in": "header", "name": "id"}]}),
        interface({"parameters": [{"in": "query"}]}),
        interface({"parameters": [1]}),
        interface({"x-sanlian-records": "records"}),
        interface({"x-sanlian-records": 1}),
        interface({"x-sanlian-items": {}}),
        interface({"x-sanlian-items": []}),
        interface({"x-sanlian-items": {"256": ["/a"]}}),
        interface({"x-sanlian-items": {"01": ["/a"]}}),
        interface({"x-sanlian-items": {"-1": ["/a"]}}),
        interface({"x-sanlian-items": {"0": []}}),
        interface({"x-sanlian-items": {"0": "/a"}}),
        interface({"x-sanlian-items": {"0": [""]}}),
        interface({"x-sanlian-items": {"0": ["a"]}}),
        interface({"x-sanlian-items": {"0": ["/a~2"]}}),
        interface({"x-sanlian-items": {"0": [1]}}),
        interface({"x-sanlian-items": {"0": ["/a" * 33]}}),
        interface({"x-sanlian-items": {"0": ["/a"] * 1025}}),
        post(None),
        post({"properties": []}),
        post({"properties": {"a": {}}, "required": ["b"]}),
        post({"properties": {"a": {}}, "required": [["a"]]}),
        post({"properties": {"a": {}}, "required": "a"}),
    ],
    ids=lambda d: str(d)[:60],
)
def test_interfaces_that_are_none(document: Any) -> None:
    assert refused(lambda: parse_interface_document(canonical_json(document)))


def test_documents_are_canonical_and_small() -> None:
    entry = make_entry_document(
        name="人口", code="1010010001/1", provider="公安局", duty="户籍",
        items=[{"name": "姓名", "code": "name", "type": "C"}],
    )  # fmt: skip
    wholes = (
        (parse_entry_document, entry),
        (parse_interface_document, canonical_json(interface())),
    )
    for parse, data in wholes:
        parse(data)  # type: ignore[operator]
        wrong = (data + b"\n", data.replace(b":", b": ", 1), b"", b"\xff", b" " * 70_000)
        for broken in wrong:
            assert refused(lambda p=parse, b=broken: p(b))  # type: ignore[misc]


# --- the filter ---------------------------------------------------------------------------------


def document_of(items: dict[int, list[str]], records: str = "") -> InterfaceDocument:
    mapped = {str(index): patterns for index, patterns in items.items()}
    value = interface({"x-sanlian-items": mapped, "x-sanlian-records": records})
    return parse_interface_document(canonical_json(value))


def test_filter_example() -> None:
    document = document_of(
        {0: ["/records/*/name"], 1: ["/records/*/id"], 2: ["/total"]}, "/records"
    )
    data = {
        "records": [{"name": "a", "id": 1, "secret": 2}, {"id": 3}, "stray"],
        "total": 2,
        "debug": {"id": 9},
    }
    before = copy.deepcopy(data)
    assert filter_items(document, data, 0b001) == ({"records": [{"name": "a"}]}, 3)
    assert filter_items(document, data, 0b010) == ({"records": [{"id": 1}, {"id": 3}]}, 3)
    assert filter_items(document, data, 0b100) == ({"total": 2}, 3)
    assert filter_items(document, data, 0) == ({}, 3)
    assert filter_items(document, data, 1 << 200) == ({}, 3)
    assert filter_items(document, "text", 0b111) == ({}, 0)
    assert data == before


def test_rows_are_counted_in_objects_too() -> None:
    """Whoever limits rows means records, in whichever form they come."""
    through = document_of({0: ["/records/*/name"]}, "/records")
    named = document_of({0: ["/records/name"]}, "/records")
    people = {"records": {"a": {"name": "x"}, "b": {"name": "y"}, "c": {}}}
    assert filter_items(through, people, 1)[1] == 3
    assert filter_items(named, people, 1)[1] == 1
    assert filter_items(through, {"records": "text"}, 1)[1] == 1
    assert filter_items(document_of({0: ["/*/name"]}), people["records"], 1)[1] == 3


def test_filter_of_names_with_signs() -> None:
    document = document_of({0: ["/a~1b"], 1: ["/~01"], 2: ["/*/x"]})
    data = {"a/b": 1, "~1": 2, "*": {"x": 3, "y": 4}, "z": [{"x": 5, "y": 6}]}
    assert filter_items(document, data, 0b001)[0] == {"a/b": 1}
    assert filter_items(document, data, 0b010)[0] == {"~1": 2}
    # A list stays as a container where a pattern leads through it.
    assert filter_items(document, data, 0b100)[0] == {"*": {"x": 3}, "z": []}


parts = st.sampled_from(["a", "b", "c", "*", "0", "1"])
patterns = st.lists(parts, min_size=1, max_size=4).map(lambda p: "/" + "/".join(p))
maps = st.dictionaries(
    st.integers(0, 7), st.lists(patterns, min_size=1, max_size=3), min_size=1, max_size=5
)


class Counter:
    """Gives each scalar of a response a value of its own."""

    def __init__(self) -> None:
        self.next = 0

    def label(self, shape: Any) -> Any:
        if isinstance(shape, dict):
            return {name: self.label(member) for name, member in shape.items()}
        if isinstance(shape, list):
            return [self.label(member) for member in shape]
        self.next += 1
        return self.next


shapes = st.recursive(
    st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "d", "0", "*"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def scalars(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from scalars(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from scalars(member, (*path, str(index)))
    else:
        yield path, value


def names(pattern: str, path: tuple[str, ...]) -> bool:
    """Return whether a pattern names the value at path, or something above it."""
    wanted = pattern.split("/")[1:]
    return len(wanted) <= len(path) and all(
        p in {"*", at} for p, at in zip(wanted, path, strict=False)
    )


@settings(max_examples=400)
@given(maps, shapes, st.integers(0, 255))
def test_exactly_the_granted_values_are_released(
    items: dict[int, list[str]], shape: Any, mask: int
) -> None:
    data = Counter().label(shape)
    if not isinstance(data, dict | list):
        data = {"a": data}
    granted = [p for index, ps in items.items() if mask >> index & 1 for p in ps]
    expected = {v for path, v in scalars(data) if any(names(p, path) for p in granted)}
    before = copy.deepcopy(data)
    kept, _ = filter_items(document_of(items), data, mask)
    assert {value for _, value in scalars(kept)} == expected
    assert data == before
    # Names of members that lead to nothing granted are not released either.
    assert members(kept) <= {
        name for path, v in scalars(data) if v in expected for name in path
    } | empty_containers(data, granted)


def members(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {n for member in value.values() for n in members(member)}
    if isinstance(value, list):
        return {n for member in value for n in members(member)}
    return set()


def empty_containers(data: Any, granted: list[str]) -> set[str]:
    """Names on the way to lists, which stay as containers, and to empty objects as a whole."""

    def walk(value: Any, path: tuple[str, ...]) -> Iterator[str]:
        leads = any(
            all(p in {"*", at} for p, at in zip(pattern.split("/")[1:], path, strict=False))
            for pattern in granted
        )
        if leads and isinstance(value, dict | list):
            yield from path
        inner = (
            value.items()
            if isinstance(value, dict)
            else ((str(i), v) for i, v in enumerate(value))
            if isinstance(value, list)
            else ()
        )
        for name, member in inner:
            yield from walk(member, (*path, name))

    return set(walk(data, ()))
