"""A stranger's response schema is written anew: bounded, and with nothing to look up."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from crypto.errors import ProtocolError
from protocol.documents.response_schema import (
    MAX_WEIGHT,
    count_places,
    make_response_schema,
)

TEXT = {"type": "string"}


def written(schema: Any, version: str = "3.1.0", **schemas: Any) -> Any:
    """Return the contents that a schema is written as."""
    document = {"openapi": version, "components": {"schemas": schemas}}
    return make_response_schema(document, schema).contents


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_references_are_replaced_and_words_without_force_dropped() -> None:
    schema = {"title": "x", "properties": {"a": {**ref("A"), "maxLength": 3}}, "format": "date"}
    assert written(schema, A={**TEXT, "example": "y"}) == {
        "properties": {"a": {"allOf": [TEXT, {"maxLength": 3}]}}
    }


def test_openapi_3_0_is_written_in_the_newer_dialect() -> None:
    schema = {
        "properties": {
            "a": {**ref("A"), "maxLength": 3},
            "b": {"type": "number", "minimum": 1, "exclusiveMinimum": True, "nullable": True},
            "c": {"type": "number", "maximum": 1, "exclusiveMaximum": False},
        }
    }
    assert written(schema, "3.0.3", A=TEXT) == {
        "properties": {
            "a": TEXT,
            "b": {"type": ["number", "null"], "exclusiveMinimum": 1},
            "c": {"type": "number", "maximum": 1},
        }
    }


def test_a_schema_that_contains_itself_ends() -> None:
    tree = {"properties": {"name": TEXT, "below": {"items": ref("A")}}}
    assert written(ref("A"), A=tree) == {
        "allOf": [{"properties": {"name": TEXT, "below": {"items": {"allOf": [True, {}]}}}}, {}]
    }


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


REFUSED: dict[str, tuple[Any, dict[str, Any]]] = {
    "reference outside": ({"$ref": "https://example.org/a.json"}, {}),
    "reference to a file": ({"$ref": "file:///etc/passwd"}, {}),
    "reference to nothing": (ref("B"), {}),
    "reference that is a number": ({"$ref": 1}, {}),
    "another base": ({"$id": "https://example.org/"}, {}),
    "reference found when applied": ({"$dynamicRef": "#a"}, {}),
    "unevaluated": ({"unevaluatedProperties": False}, {}),
    "contains itself where it excludes": (ref("A"), {"A": {"not": ref("A")}}),
    "contains itself in one of": (ref("A"), {"A": {"items": {"oneOf": [ref("A"), TEXT]}}}),
    "references that multiply": (
        ref("A"),
        {
            "A": {"allOf": [ref("B")] * 20},
            "B": {"allOf": [ref("C")] * 20},
            "C": {"allOf": [TEXT] * 20},
        },
    ),
    "too many values": ({"enum": list(range(MAX_WEIGHT))}, {}),
    "too deep": (deep(100), {}),
    "too many patterns": ({"allOf": [{"pattern": "a"}] * 65}, {}),
    "pattern too long": ({"pattern": "a" * 257}, {}),
    "pattern that is a number": ({"pattern": 1}, {}),
    "not a schema": ({"items": 7}, {}),
    "list that is none": ({"allOf": {}}, {}),
    "object that is none": ({"properties": []}, {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    schema, schemas = REFUSED[name]
    with pytest.raises(ProtocolError, match="SCHEMA_UNSUPPORTED"):
        written(schema, **schemas)


def width(schema: Any) -> int:
    return make_response_schema({"openapi": "3.1.0"}, schema).width


def test_width_is_what_one_value_has_to_bear() -> None:
    record = {"type": "object", "properties": {f"p{i}": TEXT for i in range(500)}}
    assert width(record) < 10
    assert width({"allOf": [record] * 2}) > width(record)
    assert width({"anyOf": [{"properties": {"a": TEXT}}] * 100}) >= 100
    assert width({"items": {"enum": list(range(800))}}) >= 100
    patterns = {str(i): {} for i in range(50)}
    assert width({"properties": {"a": {}}, "patternProperties": patterns}) > 50
    assert width({"pattern": "a[ab]{200}c"}) >= 2 * 200
    assert width({"patternProperties": {"a[ab]{200}c": {}}}) >= 2 * 200
    assert width({"pattern": "^[0-9]{17}[0-9X]$"}) < 50


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("", 0),
        ("abc", 3),
        ("甲", 3),
        ("a|bc", 4),
        (r"\d\p{Han}\x{4e00}\.", 4),
        ("[a-z]", 1),
        (r"[]a\]x][^]b][a[bc]&&[^d]]", 3),
        ("a{5}", 6),
        ("a{2,5}", 6),
        ("a{5,}", 7),
        ("a{,5}", 6),
        ("a{0}", 2),
        ("a{x}", 4),
        ("(ab){5}", 16),
        ("((a{3}){3}){3}", 52),
        ("a{3}{3}", 11),
        ("((a", 1),
        ("a))", 3),
        ("[a", 1),
        ("a\\", 2),
        (r"\p{L", 3),
    ],
)
def test_places_of_a_pattern(pattern: str, places: int) -> None:
    found = count_places(pattern)
    assert places <= found <= places + 4, found


WORDS = {
    "type": st.sampled_from(["string", "integer", "object", "array", "null"]),
    "enum": st.lists(st.sampled_from([1, "a", None]), min_size=1, max_size=2, unique=True),
    "minimum": st.integers(0, 3),
    "maxLength": st.integers(0, 2),
    "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
    "minItems": st.integers(0, 2),
}


def _more(inner: Any) -> Any:
    some = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner),
            "items": inner,
            "additionalProperties": inner,
            "allOf": some,
            "anyOf": some,
            "oneOf": some,
            "not": inner,
            **WORDS,
        },
    )


schemas = st.recursive(
    st.fixed_dictionaries({}, optional=WORDS) | st.just(ref("A")), _more, max_leaves=8
)
values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "bcd"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(schemas, values, st.sampled_from(["3.0.3", "3.1.0"]))
def test_what_is_written_allows_what_the_schema_allows(
    schema: dict[str, Any], data: Any, version: str
) -> None:
    """Compared with another implementation, which follows the references itself."""
    target = {"type": ["string", "object"]}
    new = written(schema, version, A=target)
    whole = {**json.loads(json.dumps(schema)), "components": {"schemas": {"A": target}}}
    if "$ref" in schema:
        whole = {"allOf": [schema], "components": {"schemas": {"A": target}}}
    theirs = (Draft4Validator if version == "3.0.3" else Draft202012Validator)(whole)
    assert Draft202012Validator(new).is_valid(data) == theirs.is_valid(data)
