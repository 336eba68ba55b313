"""SM4 and its GCM mode: the standards' examples, gmssl's block cipher, altered ciphertexts."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl.sm4 import SM4_ENCRYPT, CryptSM4
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import CryptoError
from crypto.sm4 import KEY_LENGTH, NONCE_LENGTH, OVERHEAD_LENGTH, open_, seal

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")


def block_of_gmssl(key: bytes, block: bytes) -> bytes:
    cipher = CryptSM4()
    cipher.set_key(key, SM4_ENCRYPT)
    encrypted: bytes = cipher.crypt_ecb(block)
    # The first block; gmssl adds one of padding.
    return encrypted[:16]


def gcm_by_hand(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """GB/T 36624-2018 clause 11 over gmssl's block cipher."""

    def multiply(a: int, b: int) -> int:
        product = 0
        for bit in range(127, -1, -1):
            if b >> bit & 1:
                product ^= a
            a = a >> 1 ^ (0xE1 << 120 if a & 1 else 0)
        return product

    h = int.from_bytes(block_of_gmssl(key, bytes(16)), "big")
    stream = b"".join(
        block_of_gmssl(key, nonce + counter.to_bytes(4, "big"))
        for counter in range(2, 3 + len(plaintext) // 16)
    )
    ciphertext = bytes(a ^ b for a, b in zip(plaintext, stream, strict=False))
    lengths = (len(aad) * 8).to_bytes(8, "big") + (len(ciphertext) * 8).to_bytes(8, "big")
    total = 0
    for part in (aad, ciphertext, lengths):
        for at in range(0, len(part), 16):
            block = int.from_bytes(part[at : at + 16].ljust(16, b"\0"), "big")
            total = multiply(total ^ block, h)
    mask = int.from_bytes(block_of_gmssl(key, nonce + b"\0\0\0\1"), "big")
    return ciphertext, (total ^ mask).to_bytes(16, "big")


def test_block_of_the_standard() -> None:
    # GB/T 32907-2016 annex A.1: key and plaintext are the same.
    encryptor = Cipher(algorithms.SM4(KEY), modes.ECB()).encryptor()  # noqa: S305 - one block
    expected = "681edf34d206965e86b3e94f536e4246"
    assert encryptor.update(KEY).hex() == expected == block_of_gmssl(KEY, KEY).hex()


def test_gcm_of_rfc_8998() -> None:
    # RFC 8998 appendix A.1.
    sealed = bytes.fromhex(
        "00001234567800000000abcd"
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    plaintext = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert open_(KEY, sealed, aad) == plaintext


@settings(max_examples=15)
@given(st.binary(min_size=16, max_size=16), st.binary(max_size=70), st.binary(max_size=40))
def test_sealed_as_by_hand(key: bytes, plaintext: bytes, aad: bytes) -> None:
    sealed = seal(key, plaintext, aad)
    assert len(sealed) == len(plaintext) + OVERHEAD_LENGTH
    assert open_(key, sealed, aad) == plaintext
    ciphertext, tag = gcm_by_hand(key, sealed[:NONCE_LENGTH], plaintext, aad)
    assert sealed[NONCE_LENGTH:] == ciphertext + tag


def test_nonces_are_fresh() -> None:
    assert len({seal(KEY, b"x", b"")[:NONCE_LENGTH] for _ in range(50)}) == 50


def test_every_altered_byte_is_refused() -> None:
    sealed = seal(KEY, b"a scenario", b"case 1")
    wrong = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    wrong += [sealed[:-1], sealed + b"\0", b"", sealed[: OVERHEAD_LENGTH - 1], sealed[1:]]
    for value in wrong:
        with pytest.raises(CryptoError, match="SEALED_INVALID"):
            open_(KEY, value, b"case 1")
    for key, aad in ((KEY[::-1], b"case 1"), (KEY, b"case 2"), (KEY, b"")):
        with pytest.raises(CryptoError, match="SEALED_INVALID"):
            open_(key, sealed, aad)


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_key_length(length: int) -> None:
    assert length != KEY_LENGTH
    with pytest.raises(CryptoError, match="KEY_INVALID"):
        seal(bytes(length), b"", b"")
    with pytest.raises(CryptoError, match="KEY_INVALID"):
        open_(bytes(length), bytes(40), b"")
