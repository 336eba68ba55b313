"""The template of `observed` records gives the bytes that encoding each of them gives."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical import canonical_json, parse_canonical, parse_unchanged
from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import PrivateKey
from protocol.observation import sign_observation
from protocol.records import MAX_INT, ObservedEncoder, encode_record

KEY = PrivateKey.generate()
COMMON = {
    "v": 1,
    "log": "city/gateway-1",
    "time_ms": 1_800_000_000_000,
    "source": "127.0.0.1",
    "block": {"number": 7, "hash": "ab" * 32},
    "public_key": KEY.public_key.to_bytes().hex(),
    "department": "cd" * 32,
}
WORDS = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(record=WORDS, resource=WORDS, seq=st.integers(0, MAX_INT), is_granted=st.booleans())
def test_same_bytes(record: str, resource: str, seq: int, *, is_granted: bool) -> None:
    members = {
        "v": 1,
        "platform": "exchange-1",
        "record": record,
        "time_ms": 5,
        "requester": "housing",
        "requester_key": None,
        "person": "p-1",
        "grant": secrets.token_hex(32) if is_granted else None,
        "authorization": None if is_granted else '"seq":0,',
        "provider": "civil",
        "resource": resource,
        "items": ["ADDRESS", "NAME"],
        "result": "released",
        "code": "",
        "request_digest": "01" * 32,
        "response_digest": "02" * 32,
    }
    signed = sign_observation(KEY, members)
    expected = encode_record(
        {
            **COMMON,
            "event": "observed",
            "seq": seq,
            "observation": members,
            "signature": signed.signature.to_bytes().hex(),
        }
    )
    assert ObservedEncoder(COMMON).encode(signed.handed_in).encode(seq) == expected


def test_what_is_in_common_is_checked() -> None:
    with pytest.raises(ProtocolError) as caught:
        ObservedEncoder({**COMMON, "source": ""})
    assert caught.value.code == "RECORD_MALFORMED"


@given(JSON)
def test_unchanged_is_canonical_or_asked_again(value: object) -> None:
    try:
        data = canonical_json(value)
    except CryptoError:
        return
    found = parse_unchanged(data)
    # None sends the caller to the strict reader, which reads it.
    assert found is None or found == parse_canonical(data, max_bytes=len(data))


@pytest.mark.parametrize(
    "data",
    [b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a": 1}', b"01", b"\xff", b"", b"1.0e1", b"[1]\n"],
)
def test_changed_is_not_given(data: bytes) -> None:
    assert parse_unchanged(data) is None
