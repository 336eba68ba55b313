"""SM2 certificates and revocation lists (GM/T 0015), read strictly and verified as chains.

The structure is read by ``cryptography`` and by crypto.der, both strict DER; signatures are
verified by crypto.sm2 with the default user id. What is accepted: docs/certificates.md.
"""

from crypto.certificates.certificate import Certificate, parse_certificate, parse_certificates
from crypto.certificates.chain import verify_chain
from crypto.certificates.revocation import RevocationList, parse_crl

__all__ = [
    "Certificate",
    "RevocationList",
    "parse_certificate",
    "parse_certificates",
    "parse_crl",
    "verify_chain",
]
