"""SM3 against the standard's examples and gmssl's own implementation."""

from typing import Any

from gmssl import func
from gmssl import sm3 as gmssl_sm3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto.sm3 import hmac_sm3, sm3


def test_standard_vectors(vectors: dict[str, Any]) -> None:
    assert len(vectors["sm3"]) == 3
    for vector in vectors["sm3"]:
        assert sm3(bytes.fromhex(vector["message_hex"])).hex() == vector["digest_hex"]


@settings(max_examples=40)
@given(st.binary(max_size=200))
@example(b"\x00" * 55)
@example(b"\x00" * 56)
@example(b"\x00" * 64)
def test_agrees_with_gmssl(data: bytes) -> None:
    assert sm3(data).hex() == gmssl_sm3.sm3_hash(func.bytes_to_list(data))


@settings(max_examples=60)
@given(st.binary(max_size=150), st.binary(max_size=100))
def test_hmac_is_rfc_2104(key: bytes, data: bytes) -> None:
    block = (sm3(key) if len(key) > 64 else key).ljust(64, b"\x00")
    inner = sm3(bytes(b ^ 0x36 for b in block) + data)
    assert hmac_sm3(key, data) == sm3(bytes(b ^ 0x5C for b in block) + inner)


def test_digests_do_not_influence_each_other() -> None:
    assert sm3(b"abc") == sm3(b"abc")
    assert sm3(b"") != sm3(b"abc")
