"""SM2 public-key encryption of short secrets, through libcrypto.

It is for keys of other ciphers: what is longer goes through protocol.envelope.
"""

import ctypes

from crypto.errors import CryptoError
from crypto.libcrypto import Handle, failed, get_library
from crypto.sm2 import PrivateKey, PublicKey, make_context

#: More is not a key any more.
MAX_PLAINTEXT_LENGTH = 1024
_MAX_CIPHERTEXT_LENGTH = MAX_PLAINTEXT_LENGTH + 128


def encrypt(public_key: PublicKey, plaintext: bytes) -> bytes:
    """Return the DER SM2Cipher of a short secret.

    Args:
        public_key: the recipient's key.
        plaintext: 1 to 1024 bytes.

    Raises:
        CryptoError: PLAINTEXT_INVALID; LIBCRYPTO_FAILED when the library fails.

    Standard: GB/T 32918.4-2016 clause 6.1; GM/T 0009-2012 clause 7.2.
    """
    if not 1 <= len(plaintext) <= MAX_PLAINTEXT_LENGTH:
        raise CryptoError(
            "PLAINTEXT_INVALID", f"SM2 encrypts 1 to {MAX_PLAINTEXT_LENGTH} bytes at a time."
        )
    context = make_context(public_key, "EVP_PKEY_encrypt_init")
    return _run("EVP_PKEY_encrypt", context, plaintext)


def decrypt(private_key: PrivateKey, ciphertext: bytes) -> bytes:
    """Return the secret that was encrypted to this key.

    Args:
        private_key: the recipient's key.
        ciphertext: DER SM2Cipher.

    Raises:
        CryptoError: CIPHERTEXT_INVALID when it is malformed, altered or for another key;
            LIBCRYPTO_FAILED when the library fails.

    Standard: GB/T 32918.4-2016 clause 7.1; GM/T 0009-2012 clause 7.2.
    """
    if not 1 <= len(ciphertext) <= _MAX_CIPHERTEXT_LENGTH:
        raise _invalid()
    context = make_context(private_key, "EVP_PKEY_decrypt_init")
    try:
        return _run("EVP_PKEY_decrypt", context, ciphertext)
    except CryptoError as error:
        raise _invalid() from error


def _run(function: str, context: Handle, data: bytes) -> bytes:
    call = getattr(get_library(), function)
    out = ctypes.create_string_buffer(_MAX_CIPHERTEXT_LENGTH + len(data))
    length = ctypes.c_size_t(len(out))
    if call(context.pointer, out, ctypes.byref(length), data, len(data)) != 1:
        raise failed("encrypt or decrypt")
    return out.raw[: length.value]


def _invalid() -> CryptoError:
    return CryptoError("CIPHERTEXT_INVALID", "The ciphertext does not open with this key.")
