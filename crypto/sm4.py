"""Authenticated encryption with SM4 in GCM mode."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from crypto.errors import CryptoError

KEY_LENGTH = 16
NONCE_LENGTH = 12
TAG_LENGTH = 16
OVERHEAD_LENGTH = NONCE_LENGTH + TAG_LENGTH


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return nonce (12 fresh random bytes) || ciphertext || tag (16 bytes).

    Args:
        key: 16 bytes. Random nonces allow 2^32 messages under one key
            (NIST SP 800-38D clause 8.3).
        plaintext: what to encrypt.
        aad: bound to the result without being in it; open_ needs the same.

    Raises:
        CryptoError: KEY_INVALID when the key is not 16 bytes.

    Standard: GB/T 32907-2016, GB/T 36624-2018 clause 11 (GCM).
    """
    _require_key(key)
    nonce = secrets.token_bytes(NONCE_LENGTH)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return nonce + ciphertext + encryptor.tag


def open_(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return the plaintext of what seal made under the same key and aad.

    Raises:
        CryptoError: KEY_INVALID when the key is not 16 bytes; SEALED_INVALID when key, aad or
            sealed bytes are not those of the sealing.
    """
    _require_key(key)
    if len(sealed) < OVERHEAD_LENGTH:
        raise _sealed_invalid()
    nonce, tag = sealed[:NONCE_LENGTH], sealed[-TAG_LENGTH:]
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(aad)
    plaintext = decryptor.update(sealed[NONCE_LENGTH:-TAG_LENGTH])
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag:
        raise _sealed_invalid() from None


def _require_key(key: bytes) -> None:
    if len(key) != KEY_LENGTH:
        raise CryptoError("KEY_INVALID", "An SM4 key is 16 bytes.")


def _sealed_invalid() -> CryptoError:
    return CryptoError("SEALED_INVALID", "The sealed bytes do not open with this key.")
