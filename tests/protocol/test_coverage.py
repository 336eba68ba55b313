"""An interface's response schema describes everything that its items name."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError
from protocol.documents import parse_interface_document
from protocol.documents.pointer import join_pointer, split_pointer

TEXT = {"type": "string"}


def document(schema: Any, *patterns: str, records: str = "", **others: Any) -> bytes:
    responses = {"200": {"content": {"application/json": {"schema": schema}}}}
    operation = {
        "responses": responses,
        "x-sanlian-items": {str(n): [pattern] for n, pattern in enumerate(patterns)},
        "x-sanlian-records": records,
    }
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": "t"},
            "paths": {"/p": {"get": operation}},
            **others,
        }
    )


def rows(**properties: Any) -> dict[str, Any]:
    return {"properties": {"rows": {"items": {"properties": properties}}}}


PERSON = {"components": {"schemas": {"Person": {"properties": {"name": TEXT}}}}}
COVERING: dict[str, bytes] = {
    "members of rows": document(rows(name=TEXT), "/rows/*/name", records="/rows"),
    "a row by its number": document(rows(name=TEXT), "/rows/0/name"),
    "any member": document(rows(name=TEXT), "/rows/*/*"),
    "all of it": document(rows(name=TEXT), "/rows"),
    "a reference": document(
        rows(who={"$ref": "#/components/schemas/Person"}), "/rows/*/who/name", **PERSON
    ),
    "allOf": document({"allOf": [rows(a=TEXT), rows(name=TEXT)]}, "/rows/*/name"),
    "oneOf": document({"oneOf": [rows(a=TEXT), rows(name=TEXT)]}, "/rows/*/name"),
    "a map": document({"additionalProperties": {"properties": {"name": TEXT}}}, "/*/name"),
    "a tuple": document({"prefixItems": [TEXT, {"properties": {"name": TEXT}}]}, "/1/name"),
}


@pytest.mark.parametrize("name", COVERING)
def test_covering(name: str) -> None:
    assert parse_interface_document(COVERING[name]).mask


NOT_COVERING: dict[str, bytes] = {
    "another member": document(rows(name=TEXT), "/rows/*/phone"),
    "deeper than described": document(rows(name=TEXT), "/rows/*/name/first"),
    "no such list of records": document(rows(name=TEXT), "/rows/*/name", records="/records"),
    "free-form object": document({"additionalProperties": True}, "/name"),
    "map by a fixed name": document({"additionalProperties": TEXT}, "/name"),
    "schema false": document({"properties": {"name": False}}, "/name"),
    "schema true above": document({"properties": {"who": True}}, "/who/name"),
    "empty schema": document({}, "/name"),
    "no schema": document(None, "/name"),
    "second item not described": document(rows(a=TEXT), "/rows/*/a", "/rows/*/b"),
    "tuple too short": document({"prefixItems": [TEXT]}, "/1"),
}


@pytest.mark.parametrize("name", NOT_COVERING)
def test_not_covering(name: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_interface_document(NOT_COVERING[name])
    assert refused.value.code == "SCHEMA_NOT_COVERING"
    assert set(refused.value.details) == {"pattern", "item"}


LOOP = {"$ref": "#/components/schemas/A"}
ENTANGLED: dict[str, bytes] = {
    "reference to itself": document(LOOP, "/a", components={"schemas": {"A": LOOP}}),
    "references that multiply": document(
        LOOP, "/a", components={"schemas": {"A": {"allOf": [LOOP] * 50}}}
    ),
    "reference elsewhere": document({"$ref": "https://example.org/a.json"}, "/a"),
    "reference to nothing": document({"$ref": "#/components/schemas/B"}, "/a"),
    "reference that is a number": document({"$ref": 1}, "/a"),
}


@pytest.mark.parametrize("name", ENTANGLED)
def test_entangled(name: str) -> None:
    with pytest.raises(ProtocolError, match="DOCUMENT_MALFORMED"):
        parse_interface_document(ENTANGLED[name])


def test_a_schema_may_contain_itself() -> None:
    tree = {"properties": {"name": TEXT, "children": {"items": LOOP}}}
    data = document(
        LOOP, "/children/*/children/*/children/*/name", components={"schemas": {"A": tree}}
    )
    assert parse_interface_document(data).mask == 1


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=5))
def test_pointers_round_trip(parts: list[str]) -> None:
    assert split_pointer(join_pointer(tuple(parts))) == tuple(parts)


schemas = st.recursive(
    st.booleans() | st.none() | st.just(TEXT),
    lambda inner: st.dictionaries(
        st.sampled_from(["properties", "items", "allOf", "oneOf", "prefixItems", "$ref", "a"]),
        inner
        | st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner)
        | st.just("#/components/schemas/A"),
        max_size=3,
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(schemas, schemas, st.sampled_from(["/a", "/a/b", "/*/a", "/0", "/a/*/b"]))
def test_no_schema_breaks_the_walk(schema: Any, other: Any, pattern: str) -> None:
    data = document(schema, pattern, components={"schemas": {"A": other}})
    code = ""
    try:
        parse_interface_document(data)
    except ProtocolError as error:
        code = error.code
    assert code in ("", "SCHEMA_NOT_COVERING", "DOCUMENT_MALFORMED", "SCHEMA_UNSUPPORTED")
