"""Certificate revocation lists: X.509 version 2, whole and direct, signed with SM2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from cryptography import x509

from crypto import der
from crypto.certificates.signed import NOT_X509, name_text, read_signed, reason_of
from crypto.der import DerError
from crypto.errors import CryptoError, VerificationError
from crypto.pem import PemError, decode_pem
from crypto.sm2 import Signature

MAX_CRL_LENGTH = 4 * 1024 * 1024  # bytes of DER; some 100,000 entries
_VERSION_2 = 1


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What a revocation list says; its signature is verified by verify_chain.

    ``revoked`` maps serial numbers to when they were revoked.
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    signature: Signature = field(repr=False)
    issuer: str
    issuer_der: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime
    revoked: Mapping[int, datetime] = field(repr=False)


def parse_crl(data: bytes) -> RevocationList:
    """Read a revocation list, DER or PEM, without verifying it.

    Args:
        data: at most 4 MiB of DER, or one PEM block of it.

    Raises:
        VerificationError: CRL_MALFORMED; CERTIFICATE_LIMIT when it is too large;
            CERTIFICATE_ALGORITHM when it is not signed with SM2-with-SM3; CRL_UNSUPPORTED when it
            is partial, indirect or a delta, or has an unknown critical extension.

    Standard: GM/T 0015; RFC 5280 clause 5.
    """
    if len(data) > 2 * MAX_CRL_LENGTH:
        raise _too_large()
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            blocks = decode_pem(data, "X509 CRL")
            if len(blocks) != 1:
                raise _malformed("it is not one revocation list")
            data = blocks[0]
        if len(data) > MAX_CRL_LENGTH:
            raise _too_large()
        return _read(data)
    except PemError as error:
        raise _malformed(error.reason) from None
    except (CryptoError, *NOT_X509) as error:
        raise _malformed(reason_of(error)) from None


def _read(data: bytes) -> RevocationList:
    signed = read_signed(data)
    fields = signed.fields
    if fields.read_unsigned() != _VERSION_2:
        raise DerError
    signed.check_algorithm(fields.read(der.SEQUENCE))
    issuer_der = der.encode(der.SEQUENCE, fields.read(der.SEQUENCE))
    parsed = x509.load_der_x509_crl(data)
    if parsed.next_update_utc is None:
        raise _malformed("it does not say when the next one comes")
    if parsed.next_update_utc < parsed.last_update_utc:
        raise _malformed("its next update is before its own")
    # Issuing distribution point and delta indicator change what a list is about; both are critical.
    if any(extension.critical for extension in parsed.extensions):
        raise _unsupported()
    revoked: dict[int, datetime] = {}
    for entry in parsed:
        if any(extension.critical for extension in entry.extensions):
            raise _unsupported()
        if entry.serial_number in revoked:
            raise _malformed("a serial number stands in it twice")
        revoked[entry.serial_number] = entry.revocation_date_utc
    return RevocationList(
        der=data,
        tbs=signed.tbs,
        signature=signed.signature,
        issuer=name_text(parsed.issuer),
        issuer_der=issuer_der,
        this_update=parsed.last_update_utc,
        next_update=parsed.next_update_utc,
        revoked=MappingProxyType(revoked),
    )


def _unsupported() -> VerificationError:
    return VerificationError(
        "CRL_UNSUPPORTED", "The revocation list has a critical extension that is not known here."
    )


def _too_large() -> VerificationError:
    return VerificationError(
        "CERTIFICATE_LIMIT",
        f"The revocation list is larger than {MAX_CRL_LENGTH} bytes.",
        limit=MAX_CRL_LENGTH,
    )


def _malformed(reason: str) -> VerificationError:
    return VerificationError(
        "CRL_MALFORMED", f"The revocation list cannot be used: {reason.rstrip('.')}."
    )
