"""SM3 digest and HMAC-SM3."""

from functools import cache

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac

from crypto.errors import CryptoError
from crypto.libcrypto import REMEDY

DIGEST_LENGTH = 32

_ALGORITHM = hashes.SM3()


def sm3(data: bytes) -> bytes:
    """Return the SM3 digest (32 bytes) of data.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE when the library has no SM3.

    Standard: GB/T 32905-2016.
    """
    context = _fresh().copy()
    context.update(data)
    return context.finalize()


class Sm3:
    """SM3 of data that comes in pieces.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE when the library has no SM3.

    Standard: GB/T 32905-2016.
    """

    def __init__(self) -> None:
        self._context = _fresh().copy()

    def update(self, data: bytes) -> None:
        """Take the next piece."""
        self._context.update(data)

    def digest(self) -> bytes:
        """Return the SM3 digest (32 bytes) of all pieces so far."""
        return self._context.copy().finalize()


@cache
def _fresh() -> hashes.Hash:
    # Copying an initialised context is a third faster than setting up a new one for every digest.
    try:
        return hashes.Hash(_ALGORITHM)
    except (InternalError, UnsupportedAlgorithm):
        raise _without_sm3() from None


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SM3 (32 bytes) of data under a key of any length.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE when the library has no SM3.

    Standard: GB/T 15852.2-2012 (HMAC) with GB/T 32905-2016.
    """
    try:
        context = hmac.HMAC(key, _ALGORITHM)
    except (InternalError, UnsupportedAlgorithm):
        raise _without_sm3() from None
    context.update(data)
    return context.finalize()


def _without_sm3() -> CryptoError:
    reason = "The OpenSSL of the package cryptography has no SM3"
    return CryptoError("LIBCRYPTO_UNSUITABLE", f"{reason}; {REMEDY}.", reason=reason)
