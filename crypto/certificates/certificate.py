"""One SM2 certificate: X.509 version 3 in strict DER, or as PEM."""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from crypto import der
from crypto.certificates.signed import NOT_X509, name_text, read_signed, reason_of
from crypto.der import DerError, DerReader
from crypto.errors import CryptoError, VerificationError
from crypto.pem import PemError, decode_pem
from crypto.sm2 import PublicKey, Signature
from crypto.sm3 import sm3

MAX_CERTIFICATE_LENGTH = 16 * 1024  # bytes of DER
MAX_CERTIFICATES = 64  # in one PEM file
_MAX_PEM_LENGTH = 2 * MAX_CERTIFICATE_LENGTH
_MAX_SERIAL_BITS = 159  # 20 octets with the sign; RFC 5280 clause 4.1.2.2

_VERSION_3 = der.encode(der.INTEGER, b"\x02")
_EC_PUBLIC_KEY = der.encode_oid("1.2.840.10045.2.1")
_SM2_CURVE = der.encode_oid("1.2.156.10197.1.301")
_KEY_ALGORITHMS = (
    _EC_PUBLIC_KEY + _SM2_CURVE,
    _SM2_CURVE,
    _SM2_CURVE + der.encode(der.NULL),
)
_KEY_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
#: Extensions whose rules verify_chain applies; a critical one outside them refuses the chain.
_APPLIED = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
#: They limit what a chain may say; ignoring them would be wrong even where not marked critical.
_NEVER_IGNORED = {ExtensionOID.NAME_CONSTRAINTS}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; nothing of it is verified before verify_chain has accepted it.

    ``key_usage`` holds the names of RFC 5280; None where the extension is absent.
    ``unsupported`` holds the extensions, as dotted OIDs, that no chain may rely on here.
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    signature: Signature = field(repr=False)
    serial: int
    issuer: str
    subject: str
    issuer_der: bytes = field(repr=False)
    subject_der: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    public_key: PublicKey
    is_ca: bool
    path_length: int | None
    key_usage: frozenset[str] | None
    unsupported: tuple[str, ...]
    subject_key_id: bytes | None = field(repr=False)
    authority_key_id: bytes | None = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """SM3 of the whole certificate, 32 bytes."""
        return sm3(self.der)

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject are one name."""
        return self.issuer_der == self.subject_der


def parse_certificate(data: bytes) -> Certificate:
    """Read one certificate, DER or PEM, without verifying it.

    Args:
        data: at most 16 KiB of DER, or one PEM block of it.

    Raises:
        VerificationError: CERTIFICATE_MALFORMED; CERTIFICATE_LIMIT when it is too large;
            CERTIFICATE_ALGORITHM when its key or its signature is not SM2.

    Standard: GM/T 0015; RFC 5280 clause 4.
    """
    if not data.lstrip().startswith(b"-----BEGIN"):
        return _parse(data)
    _limit(len(data), _MAX_PEM_LENGTH)
    blocks = _decode_blocks(data)
    if len(blocks) != 1:
        raise _malformed("it is not one certificate")
    return _parse(blocks[0])


def parse_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """Read a PEM file of 1 to 64 certificates, or one certificate in DER.

    Raises:
        VerificationError: as parse_certificate.
    """
    if not pem.lstrip().startswith(b"-----BEGIN"):
        return (_parse(pem),)
    _limit(len(pem), MAX_CERTIFICATES * _MAX_PEM_LENGTH)
    blocks = _decode_blocks(pem)
    _limit(len(blocks), MAX_CERTIFICATES)
    return tuple(_parse(block) for block in blocks)


def _decode_blocks(pem: bytes) -> tuple[bytes, ...]:
    try:
        return decode_pem(pem, "CERTIFICATE")
    except PemError as error:
        raise _malformed(error.reason) from None


def _parse(data: bytes) -> Certificate:
    _limit(len(data), MAX_CERTIFICATE_LENGTH)
    try:
        return _read(data)
    except (CryptoError, *NOT_X509) as error:
        raise _malformed(reason_of(error)) from None


def _read(data: bytes) -> Certificate:
    signed = read_signed(data)
    fields = signed.fields
    if fields.read(0xA0) != _VERSION_3:
        raise DerError
    serial = fields.read_unsigned()
    if serial == 0 or serial.bit_length() > _MAX_SERIAL_BITS:
        raise _malformed("its serial number is out of range")
    signed.check_algorithm(fields.read(der.SEQUENCE))
    issuer_der = der.encode(der.SEQUENCE, fields.read(der.SEQUENCE))
    fields.read(der.SEQUENCE)
    subject_der = der.encode(der.SEQUENCE, fields.read(der.SEQUENCE))
    public_key = _read_public_key(fields.read_sequence())
    parsed = x509.load_der_x509_certificate(data)
    not_before, not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    if not_before > not_after:
        raise _malformed("its validity ends before it begins")
    if not parsed.issuer.rdns or not parsed.subject.rdns:
        raise _malformed("it names no issuer or no subject")
    is_ca, path_length, key_usage = False, None, None
    subject_key_id = authority_key_id = None
    unsupported = []
    for extension in parsed.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            is_ca, path_length = value.ca, value.path_length
        elif isinstance(value, x509.KeyUsage):
            key_usage = _read_key_usage(value)
        elif isinstance(value, x509.SubjectKeyIdentifier):
            subject_key_id = value.digest
        elif isinstance(value, x509.AuthorityKeyIdentifier):
            authority_key_id = value.key_identifier
        if extension.oid in _NEVER_IGNORED or (
            extension.critical and extension.oid not in _APPLIED
        ):
            unsupported.append(extension.oid.dotted_string)
    return Certificate(
        der=data,
        tbs=signed.tbs,
        signature=signed.signature,
        serial=serial,
        issuer=name_text(parsed.issuer),
        subject=name_text(parsed.subject),
        issuer_der=issuer_der,
        subject_der=subject_der,
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        is_ca=is_ca,
        path_length=path_length,
        key_usage=key_usage,
        unsupported=tuple(unsupported),
        subject_key_id=subject_key_id,
        authority_key_id=authority_key_id,
    )


def _read_public_key(info: DerReader) -> PublicKey:
    if info.read(der.SEQUENCE) not in _KEY_ALGORITHMS:
        raise VerificationError("CERTIFICATE_ALGORITHM", "The certified key is not an SM2 key.")
    point = info.read_bit_string()
    info.end()
    if len(point) != 65 or point[0] != 4:
        raise _malformed("its public key is not an uncompressed point")
    return PublicKey.from_bytes(point[1:])


def _read_key_usage(usage: x509.KeyUsage) -> frozenset[str]:
    names = [name for attribute, name in _KEY_USAGES.items() if getattr(usage, attribute)]
    if usage.key_agreement:
        names += ["encipherOnly"] * usage.encipher_only + ["decipherOnly"] * usage.decipher_only
    return frozenset(names)


def _limit(value: int, limit: int) -> None:
    if value > limit:
        raise VerificationError(
            "CERTIFICATE_LIMIT", f"A certificate or their number is above {limit}.", limit=limit
        )


def _malformed(reason: str) -> VerificationError:
    return VerificationError(
        "CERTIFICATE_MALFORMED", f"The certificate cannot be used: {reason.rstrip('.')}."
    )
