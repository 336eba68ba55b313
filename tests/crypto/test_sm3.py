"""SM3 against the standard's examples and gmssl's own implementation."""

import subprocess
from typing import Any

import pytest
from gmssl import func
from gmssl import sm3 as gmssl_sm3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto import sm3 as sm3_module
from crypto.errors import CryptoError
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


@pytest.mark.parametrize(
    ("key_hex", "data", "tag"),
    [
        (
            "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2,
            "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a",
        ),
        (
            "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425",
            b"\xcd" * 50,
            "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae",
        ),
        (
            "0b" * 32,
            b"Hi There",
            "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e",
        ),
        (
            b"Jefe".hex(),
            b"what do ya want for nothing?",
            "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882",
        ),
    ],
)
def test_hmac_of_the_standard(key_hex: str, data: bytes, tag: str) -> None:
    """GM/T 0042-2015 annex D.3."""
    assert hmac_sm3(bytes.fromhex(key_hex), data).hex() == tag


@pytest.mark.parametrize("key", [b"k", bytes(64), bytes(range(65)), b"\xff" * 200])
@pytest.mark.parametrize("data", [b"", b"abc", bytes(1000)])
def test_hmac_of_openssl(openssl: str, key: bytes, data: bytes) -> None:
    command = [openssl, "dgst", "-sm3", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}"]
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=30)
    assert done.stdout.decode().rpartition("= ")[2].strip() == hmac_sm3(key, data).hex()


def test_hmac_without_sm3_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise sm3_module.UnsupportedAlgorithm("no sm3")

    monkeypatch.setattr(sm3_module.hmac, "HMAC", refuse)
    with pytest.raises(CryptoError) as caught:
        hmac_sm3(b"k", b"")
    assert caught.value.code == "LIBCRYPTO_UNSUITABLE"


def test_digests_do_not_influence_each_other() -> None:
    assert sm3(b"abc") == sm3(b"abc")
    assert sm3(b"") != sm3(b"abc")
