"""A second opinion on SM2 signatures: gmssl, written by others in plain Python, beside libcrypto.

gmssl checks neither the encoding nor ranges nor the curve, so it is asked only about PublicKey and
Signature, which have; it is never given a private key (its nonces come from a weak source). It is
slow: tens of signatures a second.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gmssl import sm2 as gmssl_sm2

from crypto import sm2
from crypto.errors import CryptoError
from crypto.sm2 import DEFAULT_USER_ID, PublicKey, Signature, digest_e


def is_valid_for_gmssl(
    public_key: PublicKey,
    message: bytes,
    signature: Signature,
    *,
    user_id: bytes = DEFAULT_USER_ID,
) -> bool:
    """Return gmssl's opinion on a signature.

    Z_A and SM3 are gmssl's own for the default user id, the only one that it knows.

    Standard: GB/T 32918.2-2016 clause 7.1.
    """
    key_hex = public_key.to_bytes().hex()
    verifier = gmssl_sm2.CryptSM2(private_key="", public_key=key_hex)
    # The constructor strips zeros and fours from a key that begins with 04: set the key again.
    verifier.public_key = key_hex
    text = signature.to_bytes().hex()
    if user_id == DEFAULT_USER_ID:
        return bool(verifier.verify_with_sm3(text, message))
    return bool(verifier.verify(text, digest_e(public_key, message, user_id=user_id)))


@dataclass(slots=True)
class SecondOpinion:
    """What the two said: how many signatures were checked, and the digests on which they differ."""

    asked: int = 0
    differing: list[bytes] = field(default_factory=list)

    def require_agreement(self) -> None:
        """Check that both said the same each time.

        Raises:
            CryptoError: SECOND_OPINION_DIFFERS.
        """
        if self.differing:
            raise CryptoError(
                "SECOND_OPINION_DIFFERS",
                f"two implementations of SM2 differ on {len(self.differing)} of {self.asked} "
                "signatures: one of them is wrong, and nothing can be decided",
                digests=[digest.hex() for digest in self.differing],
            )


@contextmanager
def second_opinion() -> Iterator[SecondOpinion]:
    """Ask gmssl too about every signature that is checked inside; it decides nothing.

    A difference does not end what is inside, where it might be taken for an invalid signature: ask
    require_agreement afterwards.
    """
    opinion = SecondOpinion()
    lock = threading.Lock()

    def ask(
        public_key: PublicKey,
        message: bytes,
        signature: Signature,
        user_id: bytes,
        first: bool,  # noqa: FBT001 - as the observer is called
    ) -> None:
        second = is_valid_for_gmssl(public_key, message, signature, user_id=user_id)
        with lock:
            opinion.asked += 1
            if second != first:
                opinion.differing.append(digest_e(public_key, message, user_id=user_id))

    token = sm2.observer.set(ask)
    try:
        yield opinion
    finally:
        sm2.observer.reset(token)
