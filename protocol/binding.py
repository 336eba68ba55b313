"""A key and its certificate: what the chain records of it, and the check against a file.

The chain holds digests and a serial number alone; no name of a person is needed to verify.
"""

from crypto.certificates import Certificate
from crypto.errors import VerificationError
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from protocol.acts import Value
from protocol.model import CertificateBinding


def binding_values(certificate: Certificate) -> dict[str, Value]:
    """Return the words of the act CertificateBound for a certificate."""
    return {
        "issuer": sm3(certificate.issuer_der),
        "serial": certificate.serial,
        "certificate": certificate.fingerprint,
        "not_after": int(certificate.not_after.timestamp()),
    }


def verify_certificate_key(certificate: Certificate, public_key: PublicKey) -> None:
    """Check that a certificate is of this key.

    Raises:
        VerificationError: CERTIFICATE_OTHER_KEY.
    """
    if certificate.public_key != public_key:
        raise VerificationError("CERTIFICATE_OTHER_KEY", "the certificate is of another key")


def verify_binding(
    certificate: Certificate, public_key: PublicKey, binding: CertificateBinding
) -> None:
    """Check that a certificate is the one that a key is bound to on the chain.

    Args:
        certificate: the certificate, whose own chain is verified elsewhere.
        public_key: the key on the chain.
        binding: what the chain records.

    Raises:
        VerificationError: CERTIFICATE_OTHER_KEY, CERTIFICATE_NOT_BOUND.
    """
    verify_certificate_key(certificate, public_key)
    told = {
        "issuer": binding.issuer,
        "serial": binding.serial,
        "certificate": binding.certificate,
        "not_after": binding.not_after,
    }
    if binding.key_id != public_key.key_id or told != binding_values(certificate):
        raise VerificationError(
            "CERTIFICATE_NOT_BOUND", "the chain binds the key to another certificate, or to none"
        )
