"""Acts: every departure from the one spelling is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolError
from crypto.sm2 import is_valid
from protocol.acts import (
    MAX_ACT_SIZE,
    MAX_SIGNATURES,
    Act,
    Value,
    act_digest,
    act_id,
    make_act,
    sign_act,
)
from protocol.description import ACT_TYPES, BY_NAME, ActType, Field
from protocol.example_keys import example_key

KEY = example_key("01/head")


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ProtocolError) as caught:
        call()
    return caught.value.code


def strategy_of(field: Field) -> st.SearchStrategy[Value]:
    if field.kind == "uint":
        return st.integers(0, (1 << 8 * field.size) - 1)
    if field.kind == "bytes":
        return st.binary(min_size=field.size, max_size=field.size)
    if field.kind == "ascii":
        return st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=field.size)
    return st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=field.size // 4)


@st.composite
def acts(draw: st.DrawFn) -> Act:
    act_type: ActType = draw(st.sampled_from(ACT_TYPES))
    u64 = st.integers(0, 2**64 - 1)
    return Act(
        type=act_type,
        chain_id=draw(u64),
        contract=draw(st.binary(min_size=20, max_size=20)),
        key_id=draw(st.binary(min_size=32, max_size=32)),
        nonce=draw(u64),
        expires_at=draw(u64),
        target=draw(st.binary(min_size=32, max_size=32)),
        revision=draw(u64),
        values={f.name: draw(strategy_of(f)) for word in act_type.words for f in word},
    )


@given(acts())
def test_round_trip(act: Act) -> None:
    data = act.to_bytes()
    assert len(data) == 128 + 32 * act.type.word_count <= MAX_ACT_SIZE
    assert Act.from_bytes(data) == act


@given(acts(), st.data())
def test_a_changed_byte_is_refused_or_another_act(act: Act, data: st.DataObject) -> None:
    raw = bytearray(act.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = Act.from_bytes(bytes(raw))
    except ProtocolError as error:
        if error.code not in {"ACT_MALFORMED", "ACT_TYPE_UNKNOWN"}:
            raise
    else:
        assert other != act
        assert other.to_bytes() == raw


@given(st.binary(max_size=700))
def test_any_bytes(data: bytes) -> None:
    try:
        act = Act.from_bytes(data)
    except ProtocolError as error:
        if error.code not in {"ACT_MALFORMED", "ACT_TYPE_UNKNOWN"}:
            raise
    else:
        assert act.to_bytes() == data


def department(**values: Value) -> Act:
    given: dict[str, Value] = {
        "level": 3,
        "kind": 1,
        "region": 330100,
        "parent": bytes(32),
        "uscc": "11330100MB0000001X",
        "uscc_override": 0,
        "name": "示范市公安局",
        "key_x": 1,
        "key_y": 2,
        "valid_until": 0,
    }
    return make_act(
        "DepartmentRegistered",
        chain_id=1,
        contract=bytes(20),
        key_id=KEY.public_key.key_id,
        nonce=0,
        expires_at=1,
        values={**given, **values},
    )


WRONG_VALUES: list[dict[str, Any]] = [
    {"level": 256},
    {"level": -1},
    {"level": True},
    {"level": "3"},
    {"key_x": 1 << 256},
    {"parent": bytes(31)},
    {"parent": bytes(33)},
    {"parent": "00" * 32},
    {"uscc": "1" * 19},
    {"uscc": "é"},
    {"uscc": b"1"},
    {"name": "局" * 22},
    {"name": "a\nb"},
    {"name": "a\0"},
    {"name": "a\x7f"},
    {"name": "\ud800"},
    {"extra": 1},
]


@pytest.mark.parametrize("values", WRONG_VALUES, ids=repr)
def test_values_that_do_not_fit(values: dict[str, Any]) -> None:
    assert department().type.name == "DepartmentRegistered"
    assert code_of(lambda: department(**values)) == "ACT_MALFORMED"


def changed(at: int, value: bytes) -> bytes:
    data = department().to_bytes()
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "ACT_MALFORMED"),
        (department().to_bytes()[:-1], "ACT_MALFORMED"),
        (department().to_bytes()[:-32], "ACT_MALFORMED"),
        (department().to_bytes() + bytes(32), "ACT_MALFORMED"),
        (department().to_bytes() + b"\0", "ACT_MALFORMED"),
        (department().to_bytes().ljust(MAX_ACT_SIZE + 32, b"\0"), "ACT_MALFORMED"),
        (changed(7, b"\2"), "ACT_MALFORMED"),
        (changed(0, b"S"), "ACT_MALFORMED"),
        (changed(52, b"\0\0\0\0"), "ACT_TYPE_UNKNOWN"),
        (changed(52, b"\xff\xff\xff\xff"), "ACT_TYPE_UNKNOWN"),
        (changed(128 + 6, b"\1"), "ACT_MALFORMED"),  # behind level, kind and region
        (changed(128 + 64 + 31, b"\1"), "ACT_MALFORMED"),  # behind uscc_override
        (changed(128 + 64, b"\0"), "ACT_MALFORMED"),  # zero inside text
        (changed(128 + 96, b"\xff"), "ACT_MALFORMED"),  # not UTF-8
        (changed(128 + 96, b"\x1b"), "ACT_MALFORMED"),  # control character
        (changed(128 + 96 + 63, b"\xe5"), "ACT_MALFORMED"),
    ],
)
def test_bytes_that_are_no_act(data: bytes, code: str) -> None:
    assert code_of(lambda: Act.from_bytes(data)) == code


def test_numbers_out_of_range() -> None:
    for name in ("chain_id", "nonce", "expires_at"):
        for number in (-1, 1 << 64):
            arguments: dict[str, Any] = {"chain_id": 1, "nonce": 0, "expires_at": 1, name: number}
            call = lambda a=arguments: make_act(  # noqa: E731 - bound per loop
                "InterfaceResumed", contract=bytes(20), key_id=bytes(32), values={}, **a
            )
            assert code_of(call) == "ACT_MALFORMED"
    assert code_of(
        lambda: make_act(
            "Nothing",
            chain_id=1,
            contract=bytes(20),
            key_id=bytes(32),
            nonce=0,
            expires_at=1,
            values={},
        )
    ) == ("ACT_TYPE_UNKNOWN")


def test_signing() -> None:
    act, second = department(), example_key("01/operator")
    signed = sign_act(act, [KEY, second])
    assert signed.act_id == act_id(act) == act_digest(KEY.public_key, act.to_bytes())
    assert [s.key_id for s in signed.signatures] == [k.public_key.key_id for k in (KEY, second)]
    for key, signature in zip((KEY, second), signed.signatures, strict=True):
        assert is_valid(key.public_key, signed.data, signature.signature)
    assert code_of(lambda: sign_act(act, [])) == "ACT_MALFORMED"
    assert code_of(lambda: sign_act(act, [second, KEY])) == "ACT_MALFORMED"
    assert code_of(lambda: sign_act(act, [KEY] * (MAX_SIGNATURES + 1))) == "ACT_MALFORMED"


def test_the_table_is_sound() -> None:
    assert len({a.code for a in ACT_TYPES}) == len(ACT_TYPES) == len(BY_NAME)
    for act_type in ACT_TYPES:
        names = [f.name for word in act_type.words for f in word]
        assert len(set(names)) == len(names)
        assert act_type.word_count <= 16
