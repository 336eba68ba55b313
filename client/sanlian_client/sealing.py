"""Sealing: the chain gets a commitment; its salt and text come back to the caller, who keeps them.

Without the salt nothing can be proven later.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm3 import sm3

SEALED_TYPE = "sanlian/sealed/v1"
MAX_SEALED_SIZE = 16 * 1024 * 1024
#: Both in hexadecimal, with what stands around them.
MAX_SEALED_FILE_SIZE = 2 * MAX_SEALED_SIZE + 1024
SALT_SIZE = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed document: what the chain knows of it is the commitment alone.

    Attributes:
        salt: 32 random bytes.
        document: its bytes.
    """

    salt: bytes
    document: bytes

    @property
    def commitment(self) -> bytes:
        """SM3(salt ‖ document), 32 bytes."""
        return sm3(self.salt + self.document)

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON, to be kept privately."""
        return canonical_json(
            {
                "type": SEALED_TYPE,
                "commitment": self.commitment.hex(),
                "document": self.document.hex(),
                "salt": self.salt.hex(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode and check that the commitment fits.

        Raises:
            ProtocolError: SEALED_MALFORMED.
            VerificationError: COMMITMENT_MISMATCH.
        """
        bad = ProtocolError("SEALED_MALFORMED", "this is not a sealed document of version 1")
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_SEALED_FILE_SIZE)
            if not isinstance(value, dict) or value.get("type") != SEALED_TYPE:
                raise bad
            sealed = cls(bytes.fromhex(value["salt"]), bytes.fromhex(value["document"]))
            commitment = bytes.fromhex(value["commitment"])
        except (CryptoError, KeyError, TypeError, ValueError) as error:
            raise bad from error
        if len(value) != 4 or len(sealed.salt) != SALT_SIZE:
            raise bad
        if sealed.commitment != commitment:
            raise VerificationError(
                "COMMITMENT_MISMATCH", "salt and document give another commitment"
            )
        return sealed


def seal(document: bytes) -> Sealed:
    """Seal a document with a fresh salt.

    Args:
        document: 1 byte to 16 MiB.

    Raises:
        ProtocolError: SEALED_MALFORMED.
    """
    if not 1 <= len(document) <= MAX_SEALED_SIZE:
        raise ProtocolError("SEALED_MALFORMED", "a sealed document has 1 byte to 16 MiB")
    return Sealed(secrets.token_bytes(SALT_SIZE), document)
