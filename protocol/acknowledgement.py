"""The platform's signed acknowledgement of an act (docs/protocol.md, 3.6)."""

from crypto.errors import CryptoError, VerificationError
from crypto.sm2 import PublicKey, Signature, Signer, verify


def acknowledgement_text(*, chain_id: int, act_id: bytes, received_at: int) -> bytes:
    """Return the bytes that the platform signs: the act is durable here since received_at."""
    return f"sanlian/acknowledgement/v1\n{chain_id}\n{act_id.hex()}\n{received_at}\n".encode()


def sign_acknowledgement(
    key: Signer, *, chain_id: int, act_id: bytes, received_at: int
) -> Signature:
    """Sign an acknowledgement with the platform's key."""
    return key.sign(acknowledgement_text(chain_id=chain_id, act_id=act_id, received_at=received_at))


def verify_acknowledgement(
    public_key: PublicKey,
    signature: Signature,
    *,
    chain_id: int,
    act_id: bytes,
    received_at: int,
) -> None:
    """Check an acknowledgement.

    Raises:
        VerificationError: ACKNOWLEDGEMENT_INVALID.
    """
    text = acknowledgement_text(chain_id=chain_id, act_id=act_id, received_at=received_at)
    try:
        verify(public_key, text, signature)
    except CryptoError as error:
        raise VerificationError(
            "ACKNOWLEDGEMENT_INVALID", "the platform's acknowledgement does not hold"
        ) from error
