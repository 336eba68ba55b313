"""What certificates and revocation lists share: SEQUENCE { TBS, algorithm, signature }."""

from dataclasses import dataclass

from cryptography import x509

from crypto import der
from crypto.der import DerReader
from crypto.errors import CryptoError, VerificationError
from crypto.sm2 import DEFAULT_USER_ID, PublicKey, Signature, is_valid

#: A trailing NULL is what some authorities write; RFC 8998 and GM/T 0015 leave it out.
SM2_WITH_SM3 = der.encode_oid("1.2.156.10197.1.501")
_ALGORITHMS = (SM2_WITH_SM3, SM2_WITH_SM3 + der.encode(der.NULL))

#: What cryptography raises for bytes that are not X.509; its texts may quote the input.
NOT_X509 = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a signed structure."""

    tbs: bytes
    fields: DerReader
    algorithm: bytes
    signature: Signature

    def check_algorithm(self, inner: bytes) -> None:
        """Check that the TBS names the same algorithm as stands beside its signature."""
        if inner != self.algorithm:
            raise VerificationError(
                "CERTIFICATE_ALGORITHM", "Two signature algorithms are named in one certificate."
            )


def read_signed(data: bytes) -> Signed:
    """Split a signed structure, strictly.

    Raises:
        DerError: it is not DER of such a structure.
        CryptoError: SIGNATURE_MALFORMED.
        VerificationError: CERTIFICATE_ALGORITHM when it is not signed with SM2-with-SM3.
    """
    outer = DerReader(data)
    parts = outer.read_sequence()
    outer.end()
    tbs, algorithm = parts.read(der.SEQUENCE), parts.read(der.SEQUENCE)
    if algorithm not in _ALGORITHMS:
        raise VerificationError("CERTIFICATE_ALGORITHM", "It is not signed with SM2-with-SM3.")
    signature = Signature.from_der(parts.read_bit_string())
    parts.end()
    # DER has one encoding per value: this is the very slice of data that was signed.
    return Signed(der.encode(der.SEQUENCE, tbs), DerReader(tbs), algorithm, signature)


def is_signed_by(tbs: bytes, signature: Signature, key: PublicKey) -> bool:
    """Return whether key signed the TBS under the default user id.

    Standard: GM/T 0015; GM/T 0009-2012 clause 10 for the user id.
    """
    return is_valid(key, tbs, signature, user_id=DEFAULT_USER_ID)


def name_text(name: x509.Name) -> str:
    """Return a name as RFC 4514 writes it, with what cannot be printed shown as an escape."""
    text = name.rfc4514_string()
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def reason_of(error: Exception) -> str:
    """Return the part of a reading error that may be shown."""
    return error.message if isinstance(error, CryptoError) else "its structure is not X.509"
