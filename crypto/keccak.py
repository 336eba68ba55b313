"""Keccak-256 as the EVM uses it."""

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 digest (32 bytes) of data, with Keccak's padding, not SHA-3's.

    Standard: Ethereum Yellow Paper, section 3 (KEC).
    """
    digest: bytes = keccak.new(digest_bits=256, data=data).digest()
    return digest
