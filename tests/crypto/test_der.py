"""DER: what is written reads back, and every other form of a value is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import der
from crypto.der import DerError, DerReader


def refused(call: Callable[[], object]) -> bool:
    with pytest.raises(DerError) as caught:
        call()
    return caught.value.code == "DER_MALFORMED"


@given(st.binary(max_size=400), st.sampled_from([der.OCTET_STRING, der.SEQUENCE, der.BIT_STRING]))
def test_round_trip(content: bytes, tag: int) -> None:
    reader = DerReader(der.encode(tag, content) + b"more")
    assert reader.peek_tag() == tag
    assert reader.read(tag) == content
    assert refused(reader.end)


@pytest.mark.parametrize("length", [0, 127, 128, 255, 256, 65_535, 65_536])
def test_length_octets(length: int) -> None:
    data = der.encode(der.OCTET_STRING, bytes(length))
    heads = {0: 2, 127: 2, 128: 3, 255: 3, 256: 4, 65_535: 4, 65_536: 5}
    assert len(data) == heads[length] + length
    reader = DerReader(data)
    assert len(reader.read(der.OCTET_STRING)) == length
    reader.end()
    assert refused(lambda: DerReader(data[:-1]).read(der.OCTET_STRING))


@pytest.mark.parametrize(
    "head",
    [
        b"\x04\x81",
        b"\x04\x81\x05",  # below 128 in the long form
        b"\x04\x82\x00\x80",  # leading zero
        b"\x04\x80",  # indefinite
        b"\x04\x84\x00\x00\x00\x01",
        b"\x04\xff",
        b"\x04\x06",  # longer than what follows
        b"\x30\x05",  # another tag
    ],
    ids=bytes.hex,
)
def test_heads_that_are_not_der(head: bytes) -> None:
    assert refused(lambda: DerReader(head + b"12345").read(der.OCTET_STRING))
    for length in range(2):
        assert refused(lambda: DerReader(head[:length]).read(der.OCTET_STRING))  # noqa: B023 - called at once


@pytest.mark.parametrize(
    ("content", "value"), [(b"\0", 0), (b"\x7f", 127), (b"\0\x80", 128), (b"\1\0", 256)]
)
def test_unsigned(content: bytes, value: int) -> None:
    assert DerReader(der.encode(der.INTEGER, content)).read_unsigned() == value


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff\xff", b"\0\0", b"\0\x7f"], ids=bytes.hex)
def test_unsigned_that_is_not(content: bytes) -> None:
    assert refused(DerReader(der.encode(der.INTEGER, content)).read_unsigned)


def test_bit_string_has_whole_octets() -> None:
    assert DerReader(der.encode(der.BIT_STRING, b"\0ab")).read_bit_string() == b"ab"
    for content in (b"", b"\x01a", b"\x07"):
        assert refused(DerReader(der.encode(der.BIT_STRING, content)).read_bit_string)


def test_null() -> None:
    reader = DerReader(b"\x05\x00")
    reader.skip_null()
    reader.skip_null()
    reader.end()
    assert refused(DerReader(b"\x05\x01\x00").skip_null)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("1.2.156.10197.1.301", "06082a811ccf5501822d"),
        ("1.2.840.10045.2.1", "06072a8648ce3d0201"),
        ("2.16.840.1.101.3.4.1.42", "060960864801650304012a"),
    ],
)
def test_object_identifiers(name: str, encoded: str) -> None:
    # As openssl asn1parse shows them.
    assert der.encode_oid(name).hex() == encoded
