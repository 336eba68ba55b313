"""SM2 certificates and revocation lists as bytes, for development: a real CA is a licensed one.

Standard: GM/T 0015; RFC 5280 for the encodings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1, Hash

from crypto import der
from crypto.sm2 import DEFAULT_USER_ID, PrivateKey, PublicKey

#: Stands in the subject of every certificate made here (organizationName).
DEVELOPMENT_MARK: Final = "开发测试 DEVELOPMENT ONLY"

_BOOLEAN, _UTF8_STRING, _PRINTABLE_STRING, _UTC_TIME, _GENERALIZED_TIME, _SET = (
    0x01,
    0x0C,
    0x13,
    0x17,
    0x18,
    0x31,
)
_TRUE = der.encode(_BOOLEAN, b"\xff")
_SM2_CURVE = der.encode_oid("1.2.156.10197.1.301")
_EC_PUBLIC_KEY = der.encode_oid("1.2.840.10045.2.1")
SM2_WITH_SM3: Final = der.encode(der.SEQUENCE, der.encode_oid("1.2.156.10197.1.501"))
#: The two ways of naming an SM2 key's algorithm that are in use.
KEY_ALGORITHM_EC: Final = der.encode(der.SEQUENCE, _EC_PUBLIC_KEY, _SM2_CURVE)
KEY_ALGORITHM_SM2: Final = der.encode(der.SEQUENCE, _SM2_CURVE)

USAGES_OF_CA: Final = ("keyCertSign", "cRLSign")
USAGES_OF_END: Final = ("digitalSignature", "nonRepudiation")
_USAGE_BITS = {
    "digitalSignature": 0,
    "nonRepudiation": 1,
    "keyEncipherment": 2,
    "dataEncipherment": 3,
    "keyAgreement": 4,
    "keyCertSign": 5,
    "cRLSign": 6,
}


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name: C=CN, the development mark as O, a department as OU, and CN."""

    common_name: str
    unit: str | None = None
    organization: str = DEVELOPMENT_MARK

    def to_der(self) -> bytes:
        """Return the Name."""
        parts = [_attribute("2.5.4.6", _PRINTABLE_STRING, "CN")]
        parts.append(_attribute("2.5.4.10", _UTF8_STRING, self.organization))
        if self.unit is not None:
            parts.append(_attribute("2.5.4.11", _UTF8_STRING, self.unit))
        parts.append(_attribute("2.5.4.3", _UTF8_STRING, self.common_name))
        return der.encode(der.SEQUENCE, *parts)


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: its OID, its value in DER, and whether it must be understood."""

    oid: str
    value: bytes
    critical: bool = False

    def to_der(self) -> bytes:
        """Return the Extension."""
        return der.encode(
            der.SEQUENCE,
            der.encode_oid(self.oid),
            *([_TRUE] if self.critical else []),
            der.encode(der.OCTET_STRING, self.value),
        )


def basic_constraints(*, is_ca: bool, path_length: int | None = None) -> Extension:
    """Return basicConstraints."""
    parts = [_TRUE] if is_ca else []
    if path_length is not None:
        parts.append(encode_integer(path_length))
    return Extension("2.5.29.19", der.encode(der.SEQUENCE, *parts), critical=True)


def key_usage(*usages: str) -> Extension:
    """Return keyUsage with the names of RFC 5280."""
    bits = [_USAGE_BITS[usage] for usage in usages]
    value = sum(0x80 >> bit for bit in bits)
    # DER cuts the zero bits at the end of a named bit list.
    content = bytes((7 - max(bits), value)) if bits else b"\x00"
    return Extension("2.5.29.15", der.encode(der.BIT_STRING, content), critical=True)


def subject_key_id(key: PublicKey) -> Extension:
    """Return subjectKeyIdentifier."""
    return Extension("2.5.29.14", der.encode(der.OCTET_STRING, _key_id(key)))


def authority_key_id(key: PublicKey) -> Extension:
    """Return authorityKeyIdentifier."""
    return Extension("2.5.29.35", der.encode(der.SEQUENCE, der.encode(0x80, _key_id(key))))


def end_extensions(key: PublicKey, issuer: PublicKey) -> list[Extension]:
    """Return the extensions of a signing key's certificate."""
    return [
        basic_constraints(is_ca=False),
        key_usage(*USAGES_OF_END),
        subject_key_id(key),
        authority_key_id(issuer),
    ]


def ca_extensions(
    key: PublicKey, issuer: PublicKey, *, path_length: int | None = None
) -> list[Extension]:
    """Return the extensions of a CA's certificate."""
    return [
        basic_constraints(is_ca=True, path_length=path_length),
        key_usage(*USAGES_OF_CA),
        subject_key_id(key),
        authority_key_id(issuer),
    ]


def build_certificate(
    issuer_key: PrivateKey,
    *,
    issuer: bytes,
    subject: bytes,
    key: PublicKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    extensions: Iterable[Extension],
    key_algorithm: bytes = KEY_ALGORITHM_EC,
    user_id: bytes = DEFAULT_USER_ID,
) -> bytes:
    """Return a signed certificate in DER.

    Args:
        issuer_key: signs it.
        issuer: the issuer's Name in DER.
        subject: the subject's Name in DER.
        key: the certified key.
        serial: 1 to 2^159 - 1.
        not_before: first moment of validity, in whole seconds.
        not_after: last moment of validity.
        extensions: in their order.
        key_algorithm: KEY_ALGORITHM_EC or KEY_ALGORITHM_SM2.
        user_id: for tests of what is refused; certificates use the default one.
    """
    tbs = der.encode(
        der.SEQUENCE,
        der.encode(0xA0, encode_integer(2)),
        encode_integer(serial),
        SM2_WITH_SM3,
        issuer,
        der.encode(der.SEQUENCE, encode_time(not_before), encode_time(not_after)),
        subject,
        der.encode(
            der.SEQUENCE, key_algorithm, der.encode(der.BIT_STRING, b"\x00\x04", key.to_bytes())
        ),
        der.encode(0xA3, _sequence_of(extension.to_der() for extension in extensions)),
    )
    return sign_tbs(issuer_key, tbs, user_id=user_id)


def build_crl(
    issuer_key: PrivateKey,
    *,
    issuer: bytes,
    number: int,
    this_update: datetime,
    next_update: datetime,
    revoked: Mapping[int, datetime],
    extensions: Iterable[Extension] = (),
) -> bytes:
    """Return a signed revocation list in DER.

    Args:
        issuer_key: signs it.
        issuer: the issuer's Name in DER.
        number: counts the issuer's lists.
        this_update: when it is made.
        next_update: when the next one is due.
        revoked: serial numbers with the time of each revocation.
        extensions: further ones than number and authority key.
    """
    entries = [
        der.encode(der.SEQUENCE, encode_integer(serial), encode_time(when))
        for serial, when in sorted(revoked.items())
    ]
    own = [
        authority_key_id(issuer_key.public_key),
        Extension("2.5.29.20", encode_integer(number)),
        *extensions,
    ]
    tbs = der.encode(
        der.SEQUENCE,
        encode_integer(1),
        SM2_WITH_SM3,
        issuer,
        encode_time(this_update),
        encode_time(next_update),
        *([_sequence_of(entries)] if entries else []),
        der.encode(0xA0, _sequence_of(extension.to_der() for extension in own)),
    )
    return sign_tbs(issuer_key, tbs)


def sign_tbs(key: PrivateKey, tbs: bytes, *, user_id: bytes = DEFAULT_USER_ID) -> bytes:
    """Return SEQUENCE { TBS, SM2-with-SM3, signature }."""
    signature = key.sign(tbs, user_id=user_id).to_der()
    return der.encode(
        der.SEQUENCE, tbs, SM2_WITH_SM3, der.encode(der.BIT_STRING, b"\x00", signature)
    )


def encode_integer(value: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return der.encode(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_time(moment: datetime) -> bytes:
    """Return UTCTime until 2049 and GeneralizedTime from 2050.

    Standard: RFC 5280 clause 4.1.2.5.
    """
    utc = moment.astimezone(UTC)
    if 1950 <= utc.year < 2050:
        return der.encode(_UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").encode())
    return der.encode(_GENERALIZED_TIME, f"{utc.year:04}{utc:%m%d%H%M%S}Z".encode())


def _sequence_of(elements: Iterable[bytes]) -> bytes:
    return der.encode(der.SEQUENCE, *elements)


def _attribute(oid: str, tag: int, text: str) -> bytes:
    pair = der.encode(der.SEQUENCE, der.encode_oid(oid), der.encode(tag, text.encode()))
    return der.encode(_SET, pair)


def _key_id(key: PublicKey) -> bytes:
    # RFC 5280 clause 4.2.1.2, method 1; a name for the key, not a protection.
    digest = Hash(SHA1())  # noqa: S303 - see above
    digest.update(b"\x04" + key.to_bytes())
    return digest.finalize()
