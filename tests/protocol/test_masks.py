"""Masks of interface documents: nothing that a rule hides is released."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError
from protocol.documents import InterfaceDocument, filter_items, parse_interface_document
from protocol.documents.masks import Mask


def document(masks: Any, items: dict[str, list[str]] | None = None) -> InterfaceDocument:
    """Return an interface document with these masks."""
    person = {
        "properties": {
            "name": {"type": "string"},
            "id": {"type": "string"},
            "age": {"type": "integer"},
            "more": {"properties": {"phone": {}, "list": {"items": {}}}},
        }
    }
    schema = {"properties": {"records": {"type": "array", "items": person}}}
    operation: dict[str, Any] = {
        "x-sanlian-records": "/records",
        "x-sanlian-items": items
        or {
            "0": ["/records/*/name"],
            "1": ["/records/*/id", "/records/*/age"],
            "2": ["/records/*/more"],
        },
        "responses": {
            "200": {"description": "", "content": {"application/json": {"schema": schema}}}
        },
    }
    if masks is not None:
        operation["x-sanlian-masks"] = masks
    return parse_interface_document(
        canonical_json(
            {
                "openapi": "3.1.0",
                "info": {"title": "t", "version": "1"},
                "paths": {"/p": {"get": operation}},
            }
        )
    )


PERSON = {
    "name": "name-of-one",
    "id": "330102199001011234",
    "age": 36,
    "more": {"phone": "13900001111", "list": ["a", 1, None, {"b": "long text"}]},
}


def test_example() -> None:
    made = document({"1": {"first": 6, "last": 4}, "2": {"first": 0, "last": 0}})
    data = {"records": [PERSON, {"id": "1234567890", "age": None, "name": "x"}]}
    before = json.dumps(data)
    released, rows = filter_items(made, data, 0b111)
    assert released == {
        "records": [
            {
                "name": "name-of-one",
                "id": "330102********1234",
                "age": None,
                "more": {
                    "phone": "***********",
                    "list": ["*", None, None, {"b": "*********"}],
                },
            },
            {"id": "**********", "age": None, "name": "x"},
        ]
    }
    assert rows == 2
    assert json.dumps(data) == before
    assert filter_items(document(None), data, 0b111)[0] == data


def test_no_other_item_shows_what_a_rule_hides() -> None:
    items = {"0": ["/records"], "1": ["/records/*/id"], "2": ["/records/0/id"]}
    made = document({"1": {"first": 0, "last": 0}}, items)
    for mask in range(1, 8):
        released, _ = filter_items(made, {"records": [PERSON, PERSON]}, mask)
        assert PERSON["id"] not in json.dumps(released)


def test_two_rules_hide_what_either_hides() -> None:
    items = {"0": ["/records/*/id"], "1": ["/records/*/id"]}
    made = document({"0": {"first": 4, "last": 0}, "1": {"first": 2, "last": 2}}, items)
    released, _ = filter_items(made, {"records": [{"id": "abcdefgh"}]}, 0b01)
    assert released == {"records": [{"id": "ab******"}]}


@given(st.text(max_size=40), st.integers(0, 10), st.integers(0, 10))
def test_what_stays_of_a_text(text: str, first: int, last: int) -> None:
    hidden = Mask(first, last).hide(text)
    assert isinstance(hidden, str)
    assert len(hidden) == len(text)
    is_short = len(text) <= first + last
    for at, (before, after) in enumerate(zip(text, hidden, strict=True)):
        is_shown = not is_short and (at < first or at >= len(text) - last)
        assert after == (before if is_shown else "*")


@pytest.mark.parametrize(
    "masks",
    [
        [],
        {"7": {"first": 1, "last": 1}},
        {"01": {"first": 1, "last": 1}},
        {"1": {"first": 1}},
        {"1": {"first": 1, "last": 1, "more": 1}},
        {"1": {"first": -1, "last": 1}},
        {"1": {"first": 33, "last": 1}},
        {"1": {"first": True, "last": 1}},
        {"1": {"first": 1.5, "last": 1}},
        {"1": "hide"},
    ],
)
def test_masks_that_are_none(masks: Any) -> None:
    with pytest.raises(ProtocolError, match="mask"):
        document(masks)
