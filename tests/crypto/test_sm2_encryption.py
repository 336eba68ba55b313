"""SM2 encryption: the standard's example, a second implementation, and what does not open."""

import pytest
from gmssl import sm2 as gmssl_sm2
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import CryptoError
from crypto.sm2 import PrivateKey
from crypto.sm2_encryption import MAX_PLAINTEXT_LENGTH, decrypt, encrypt

# GB/T 32918.5-2017 annex C.
EXAMPLE_KEY = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
EXAMPLE_X = 0x04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73
EXAMPLE_Y = 0xE858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0
EXAMPLE_C2 = "21886ca989ca9c7d58087307ca93092d651efa"
EXAMPLE_C3 = "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
KEY = PrivateKey.from_int(0x1234567)


def integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((2, len(content))) + content


def cipher(x: int, y: int, c3: bytes, c2: bytes) -> bytes:
    """Return SM2Cipher, GM/T 0009-2012 clause 7.2; the text is short."""
    body = integer(x) + integer(y) + bytes((4, len(c3))) + c3 + bytes((4, len(c2))) + c2
    assert len(body) < 128 + 128
    head = bytes((0x30, len(body))) if len(body) < 128 else bytes((0x30, 0x81, len(body)))
    return head + body


def code_of(ciphertext: bytes, key: PrivateKey = KEY) -> str:
    with pytest.raises(CryptoError) as caught:
        decrypt(key, ciphertext)
    return caught.value.code


def test_the_standards_example_opens() -> None:
    data = cipher(EXAMPLE_X, EXAMPLE_Y, bytes.fromhex(EXAMPLE_C3), bytes.fromhex(EXAMPLE_C2))
    assert decrypt(PrivateKey.from_int(EXAMPLE_KEY), data) == b"encryption standard"


@settings(max_examples=20, deadline=None)
@given(plaintext=st.binary(min_size=1, max_size=MAX_PLAINTEXT_LENGTH))
def test_what_is_encrypted_opens_again(plaintext: bytes) -> None:
    sealed = encrypt(KEY.public_key, plaintext)
    assert plaintext not in sealed or len(plaintext) < 4
    assert decrypt(KEY, sealed) == plaintext
    assert encrypt(KEY.public_key, plaintext) != sealed


def test_gmssl_encrypts_and_we_open() -> None:
    public = KEY.public_key.to_bytes().hex()
    other = gmssl_sm2.CryptSM2(private_key="", public_key=public, mode=1)
    # The constructor strips zeros and fours from a key that begins with 04: set the key again.
    other.public_key = public
    raw = other.encrypt(b"a key of sixteen")
    x, y = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    assert decrypt(KEY, cipher(x, y, raw[64:96], raw[96:])) == b"a key of sixteen"


@pytest.mark.parametrize("length", [0, MAX_PLAINTEXT_LENGTH + 1])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(CryptoError) as caught:
        encrypt(KEY.public_key, bytes(length))
    assert caught.value.code == "PLAINTEXT_INVALID"


def test_altered_ciphertexts_do_not_open() -> None:
    sealed = encrypt(KEY.public_key, b"a key of sixteen")
    for at in range(len(sealed)):
        bent = bytearray(sealed)
        bent[at] ^= 1
        assert code_of(bytes(bent)) == "CIPHERTEXT_INVALID"
    for other in (b"", b"\x30", sealed[:-1], b"\0" * 5000):
        assert code_of(other) == "CIPHERTEXT_INVALID"
    assert code_of(sealed, PrivateKey.from_int(7)) == "CIPHERTEXT_INVALID"
