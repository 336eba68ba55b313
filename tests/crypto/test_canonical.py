"""Canonical JSON: the bytes of RFC 8785, and text that some reader would understand otherwise."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    canonical_json,
    fast_canonical,
    parse_canonical,
    parse_json,
)
from crypto.errors import CryptoError

LIMIT = 100_000
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(0xFDD0, 0xFDF0))]),
    max_size=8,
).filter(lambda t: not any(ord(c) & 0xFFFE == 0xFFFE for c in t))
doubles = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda f: not MAX_INTEGER < abs(f) < 1e21
)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
values = st.recursive(
    st.none() | st.booleans() | integers | doubles | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(CryptoError) as caught:
        call()
    return caught.value.code


@given(values)
def test_round_trip_and_agreement(value: Any) -> None:
    data = canonical_json(value)
    assert data == rfc8785.dumps(value) == fast_canonical(value)
    again = parse_canonical(data, max_bytes=LIMIT)
    assert canonical_json(again) == data
    assert canonical_json(parse_json(data, max_bytes=LIMIT)) == data
    assert json.loads(data) == again


def test_example_of_the_standard() -> None:
    # RFC 8785 clause 3.2.2, with its double of 2^53 + ... replaced by ones in range.
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical_json(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_as_utf_16() -> None:
    # U+1F600 is D83D DE00 in UTF-16 and stands before U+FB33, after it in UTF-8.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    for write in (canonical_json, fast_canonical):
        assert list(json.loads(write(dict.fromkeys(names, 0)))) == order


@settings(max_examples=200)
@given(st.binary(min_size=8, max_size=8))
def test_any_double_is_written_so_that_it_reads_back(raw: bytes) -> None:
    (number,) = struct.unpack(">d", raw)
    try:
        data = canonical_json([number])
    except CryptoError as error:
        if error.code != "NOT_CANONICAL":
            raise
        return
    assert parse_json(data, max_bytes=LIMIT) == [number]


NOT_JSON = {
    "repeated name": b'{"a":1,"a":1}',
    "repeated name, escaped": b'{"a":1,"\\u0061":2}',
    "byte order mark": b"\xef\xbb\xbf1",
    "not UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "UTF-8 surrogate": b'"\xed\xa0\x80"',
    "escaped lone surrogate": b'"\\ud800"',
    "noncharacter": '"\uffff"'.encode(),
    "noncharacter, escaped": b'"\\ufdd0"',
    "name with a lone surrogate": b'{"\\udc00":1}',
    "NaN": b"NaN",
    "infinity": b"[Infinity]",
    "number too large": b"1e400",
    "exponent too large": b"1e-99999999999999999999",
    "exponent of zero too large": b"[0e99999999999999999999]",
    "integer beyond 2^53": b"9007199254740992",
    "negative integer beyond 2^53": b"-9007199254740992",
    "very long integer": b"1" * 5000,
    "more exact than a double": b"0.1000000000000000055511151231257827",
    "trailing comma": b"[1,]",
    "comment": b"[1]//",
    "two values": b"1 2",
    "nothing": b"",
    "single quotes": b"'a'",
    "leading zero": b"01",
    "plus": b"+1",
    "control character": b'"\n"',
    "too deep": b"[" * 33 + b"]" * 33,
    "extremely deep": b"[" * 40_000 + b"]" * 40_000,
    "too large": b'"' + b"a" * LIMIT + b'"',
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_not_acceptable(name: str) -> None:
    data = NOT_JSON[name]
    assert code_of(lambda: parse_json(data, max_bytes=LIMIT)) == "JSON_MALFORMED"
    assert code_of(lambda: parse_canonical(data, max_bytes=LIMIT)) == "NOT_CANONICAL"


NOT_CANONICAL = {
    "space": b'{"a": 1}',
    "order": b'{"b":1,"a":2}',
    "line break": b"[1]\n",
    "needless escape": b'"\\u0061"',
    "escaped solidus": b'"\\/"',
    "upper-case escape": b'"\\u000F"',
    "exponent": b"1e2",
    "fraction of zero": b"1.0",
    "minus zero": b"-0",
    "minus zero as a double": b"-0.0",
    "trailing zero": b"0.10",
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_other_spellings(name: str) -> None:
    data = NOT_CANONICAL[name]
    parse_json(data, max_bytes=LIMIT)
    assert code_of(lambda: parse_canonical(data, max_bytes=LIMIT)) == "NOT_CANONICAL"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        1e16,
        "\ud800",
        "\ufffe",
        {"\udfff": 1},
        {1: 2},
        b"bytes",
        {1, 2},
        pytest.param(object(), id="object"),
    ],
    ids=repr,
)
def test_values_without_a_form(value: Any) -> None:
    for write in (canonical_json, fast_canonical):
        assert code_of(lambda write=write: write(value)) == "NOT_CANONICAL"  # type: ignore[misc]
        assert code_of(lambda write=write: write([{"a": value}])) == "NOT_CANONICAL"  # type: ignore[misc]


@pytest.mark.parametrize(
    "point",
    [
        "7F",
        "80",
        "7FF",
        "800",
        "D7FF",
        "D800",
        "DFFF",
        "E000",
        "FDCF",
        "FDD0",
        "FDEF",
        "FDF0",
        "FEFF",
        "FF0C",
        "FFFD",
        "FFFE",
        "FFFF",
        "10000",
        "1FFFD",
        "1FFFE",
        "10FFFD",
        "10FFFF",
    ],
)
def test_the_fast_writer_and_reader_agree_at_every_border(point: str) -> None:
    """Two names of which one has the character: their order depends on it beyond the plane."""
    text = chr(int(point, 16))
    value = {f"a{text}": 1, "a\uffe5": f"x{text}", "a\U0001f600": 2}
    for one in (value, {"b": value["a\uffe5"]}, text):
        try:
            slow = canonical_json(one)
        except CryptoError:
            assert code_of(lambda one=one: fast_canonical(one)) == "NOT_CANONICAL"
            data = json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass")
            assert code_of(lambda data=data: parse_json(data, max_bytes=LIMIT)) == "JSON_MALFORMED"
        else:
            assert fast_canonical(one) == slow
            assert parse_canonical(slow, max_bytes=LIMIT) == one


def test_depth_limit() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    for write in (canonical_json, fast_canonical):
        data = write(value)
        assert parse_canonical(data, max_bytes=LIMIT) == value
        assert code_of(lambda write=write: write([value])) == "NOT_CANONICAL"  # type: ignore[misc]
    endless: list[Any] = []
    endless.append(endless)
    assert code_of(lambda: canonical_json(endless)) == "NOT_CANONICAL"
    assert code_of(lambda: fast_canonical(endless)) == "NOT_CANONICAL"


@given(st.binary(max_size=30))
def test_any_bytes_are_refused_or_are_their_own_form(data: bytes) -> None:
    try:
        value = parse_canonical(data, max_bytes=LIMIT)
    except CryptoError as error:
        if error.code != "NOT_CANONICAL":
            raise
    else:
        assert canonical_json(value) == data
