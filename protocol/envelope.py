"""Sealed documents encrypted to their parties (docs/protocol.md, 5.2).

One fresh SM4 key encrypts the sealed document; each party's SM2 key encrypts that key. The
commitment and the parties are bound to the body: none can be exchanged for another.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from crypto import sm2_encryption, sm4
from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import PrivateKey, PublicKey

TYPE = "sanlian/envelope/v1"
MAX_PARTIES = 16
#: A sealed document of 16 MiB is hexadecimal in its own form, and again here.
MAX_ENVELOPE_SIZE = 72 * 1024 * 1024
_COMMITMENT_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted sealed document.

    Attributes:
        commitment: what the chain holds of it, 32 bytes.
        parties: by key id, the SM4 key encrypted to that key.
        body: the sealed document, encrypted.
    """

    commitment: bytes
    parties: Mapping[bytes, bytes]
    body: bytes

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        return canonical_json(
            {
                "type": TYPE,
                "commitment": self.commitment.hex(),
                "parties": {k.hex(): v.hex() for k, v in self.parties.items()},
                "body": self.body.hex(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode an envelope.

        Raises:
            ProtocolError: ENVELOPE_MALFORMED.
        """
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_ENVELOPE_SIZE)
            if not isinstance(value, dict) or value.get("type") != TYPE or len(value) != 4:
                raise _malformed()
            parties = {bytes.fromhex(k): bytes.fromhex(v) for k, v in value["parties"].items()}
            envelope = cls(
                bytes.fromhex(value["commitment"]), parties, bytes.fromhex(value["body"])
            )
        except (AttributeError, CryptoError, KeyError, TypeError, ValueError) as error:
            raise _malformed() from error
        if (
            len(envelope.commitment) != _COMMITMENT_LENGTH
            or not 1 <= len(parties) <= MAX_PARTIES
            or any(len(key_id) != _COMMITMENT_LENGTH for key_id in parties)
            # One encoding only: hexadecimal of another case is another file.
            or envelope.to_bytes() != data
        ):
            raise _malformed()
        return envelope

    def open(self, key: PrivateKey) -> bytes:
        """Return the sealed document's bytes; the caller checks its commitment.

        Raises:
            ProtocolError: NOT_A_PARTY.
            CryptoError: CIPHERTEXT_INVALID, SEALED_INVALID when something was altered.
        """
        wrapped = self.parties.get(key.public_key.key_id)
        if wrapped is None:
            raise ProtocolError("NOT_A_PARTY", "the envelope is not for this key")
        secret = sm2_encryption.decrypt(key, wrapped)
        if len(secret) != sm4.KEY_LENGTH:
            raise CryptoError("CIPHERTEXT_INVALID", "The ciphertext does not hold an SM4 key.")
        return sm4.open_(secret, self.body, _bound(self.commitment, self.parties))


def encrypt_to(parties: Sequence[PublicKey], commitment: bytes, sealed: bytes) -> Envelope:
    """Encrypt a sealed document to its parties.

    Args:
        parties: keys that may open it, 1 to 16, the own one too if it shall.
        commitment: the document's commitment, 32 bytes.
        sealed: the sealed document: salt and text.

    Raises:
        ProtocolError: ENVELOPE_MALFORMED when the number of parties is not right.
    """
    by_id = {key.key_id: key for key in parties}
    if not 1 <= len(by_id) <= MAX_PARTIES or len(commitment) != _COMMITMENT_LENGTH:
        raise _malformed()
    secret = secrets.token_bytes(sm4.KEY_LENGTH)
    wrapped = {key_id: sm2_encryption.encrypt(key, secret) for key_id, key in by_id.items()}
    return Envelope(commitment, wrapped, sm4.seal(secret, sealed, _bound(commitment, wrapped)))


def _bound(commitment: bytes, parties: Mapping[bytes, bytes]) -> bytes:
    wrapped = {k.hex(): v.hex() for k, v in parties.items()}
    return canonical_json({"type": TYPE, "commitment": commitment.hex(), "parties": wrapped})


def _malformed() -> ProtocolError:
    return ProtocolError("ENVELOPE_MALFORMED", "this is not an envelope of version 1")
