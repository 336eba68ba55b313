"""Signatures of an act as one column: key id, r and s of each, 96 bytes."""

from collections.abc import Sequence

from crypto.sm2 import Signature
from protocol.acts import ActSignature

_SIZE = 96


def pack_signatures(signatures: Sequence[ActSignature]) -> bytes:
    """Return the column's value."""
    return b"".join(one.key_id + one.signature.to_bytes() for one in signatures)


def unpack_signatures(data: bytes) -> tuple[ActSignature, ...]:
    """Return the signatures of a column's value."""
    return tuple(
        ActSignature(data[at : at + 32], Signature.from_bytes(data[at + 32 : at + _SIZE]))
        for at in range(0, len(data), _SIZE)
    )
