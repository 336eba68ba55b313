"""SM2 certificates: chains of the openssl command and of our own builder, and what is refused."""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crypto import der
from crypto.certificates import (
    Certificate,
    RevocationList,
    parse_certificate,
    parse_certificates,
    parse_crl,
    verify_chain,
)
from crypto.certificates.certificate import MAX_CERTIFICATE_LENGTH, MAX_CERTIFICATES
from crypto.certificates.chain import MAX_CHAIN_LENGTH, MAX_CRLS
from crypto.certificates.revocation import MAX_CRL_LENGTH
from crypto.errors import SanlianError, VerificationError
from crypto.keyfile import dump_public_key, load_public_key
from crypto.pem import decode_pem, encode_pem
from crypto.sm2 import PrivateKey, PublicKey
from sanlian_client.dev_certificates import (
    KEY_ALGORITHM_EC,
    KEY_ALGORITHM_SM2,
    Extension,
    Name,
    authority_key_id,
    basic_constraints,
    build_certificate,
    build_crl,
    ca_extensions,
    encode_integer,
    encode_time,
    end_extensions,
    key_usage,
    subject_key_id,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DISTID = "distid:1234567812345678"


# --- made by our own builder --------------------------------------------------------------------


@dataclass
class Authority:
    """A CA of the tests, or an end."""

    name: str
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    serials: int = 0

    @property
    def name_der(self) -> bytes:
        return Name(self.name).to_der()

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def issue_der(self, subject: "Authority", /, **changes: Any) -> bytes:
        self.serials += 1
        is_ca = changes.pop("is_ca", False)
        path_length = changes.pop("path_length", None)
        extensions = (
            ca_extensions(subject.public_key, self.public_key, path_length=path_length)
            if is_ca
            else end_extensions(subject.public_key, self.public_key)
        )
        values: dict[str, Any] = {
            "issuer": self.name_der,
            "subject": subject.name_der,
            "key": subject.public_key,
            "serial": self.serials,
            "not_before": NOW - DAY,
            "not_after": NOW + DAY,
            "extensions": extensions,
        }
        return build_certificate(self.key, **values | changes)

    def issue(self, subject: "Authority", /, **changes: Any) -> Certificate:
        return parse_certificate(self.issue_der(subject, **changes))

    def crl_der(self, *revoked: int, **changes: Any) -> bytes:
        values: dict[str, Any] = {
            "issuer": self.name_der,
            "number": 1,
            "this_update": NOW - DAY,
            "next_update": NOW + DAY,
            "revoked": dict.fromkeys(revoked, NOW - DAY),
        }
        return build_crl(self.key, **values | changes)

    def crl(self, *revoked: int, **changes: Any) -> RevocationList:
        return parse_crl(self.crl_der(*revoked, **changes))


ROOT, SUB, END = Authority("root"), Authority("sub"), Authority("end")
ROOT_CERTIFICATE = ROOT.issue(ROOT, is_ca=True)
SUB_CERTIFICATE = ROOT.issue(SUB, is_ca=True, path_length=0)
END_DER = SUB.issue_der(END)
END_CERTIFICATE = parse_certificate(END_DER)


def chain(
    leaf: Certificate = END_CERTIFICATE,
    between: Iterable[Certificate] = (SUB_CERTIFICATE,),
    anchors: Iterable[Certificate] = (ROOT_CERTIFICATE,),
    *,
    at: datetime = NOW,
    crls: Iterable[RevocationList] = (),
) -> tuple[Certificate, ...]:
    return verify_chain(leaf, between, anchors, at=at, crls=crls)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(VerificationError) as caught:
        call()
    assert len(caught.value.message) < 200
    return caught.value.code


def test_chain_holds() -> None:
    assert chain() == (END_CERTIFICATE, SUB_CERTIFICATE, ROOT_CERTIFICATE)


def test_chain_holds_whatever_else_is_given_in_any_order() -> None:
    other = Authority("other")
    noise = [other.issue(other, is_ca=True), ROOT.issue(other, is_ca=True), ROOT_CERTIFICATE]
    assert chain(between=[*noise, SUB_CERTIFICATE])[1] == SUB_CERTIFICATE
    assert len(chain(between=[SUB_CERTIFICATE, *noise])) == 3


def test_intermediate_as_anchor_is_the_end_of_the_chain() -> None:
    assert chain(between=(), anchors=(SUB_CERTIFICATE,)) == (END_CERTIFICATE, SUB_CERTIFICATE)


def test_bounds_of_validity_belong_to_it() -> None:
    chain(at=NOW - DAY)
    chain(at=NOW + DAY)


def test_second_path_holds_where_the_first_does_not() -> None:
    expired = ROOT.issue(SUB, is_ca=True, not_after=NOW - DAY)
    assert chain(between=(expired, SUB_CERTIFICATE))[1] == SUB_CERTIFICATE
    assert code_of(lambda: chain(between=(expired,))) == "CERTIFICATE_EXPIRED"


def test_what_a_certificate_says() -> None:
    one = END_CERTIFICATE
    assert one.subject == "CN=end,O=开发测试 DEVELOPMENT ONLY,C=CN"
    assert one.issuer == SUB_CERTIFICATE.subject
    assert (one.not_before, one.not_after) == (NOW - DAY, NOW + DAY)
    assert one.public_key == END.public_key
    assert one.key_usage == {"digitalSignature", "nonRepudiation"}
    assert (one.is_ca, one.path_length, one.unsupported) == (False, None, ())
    assert (SUB_CERTIFICATE.is_ca, SUB_CERTIFICATE.path_length) == (True, 0)
    assert len(one.fingerprint) == 32
    assert one.der.hex() not in repr(one)


def test_der_and_pem_are_one() -> None:
    pem = encode_pem("CERTIFICATE", END_DER)
    assert parse_certificate(pem) == END_CERTIFICATE
    both = pem + encode_pem("CERTIFICATE", SUB_CERTIFICATE.der)
    assert parse_certificates(both) == (END_CERTIFICATE, SUB_CERTIFICATE)
    assert parse_certificates(END_DER) == (END_CERTIFICATE,)
    crl = SUB.crl_der()
    assert parse_crl(encode_pem("X509 CRL", crl)) == parse_crl(crl)


@pytest.mark.parametrize("null", [b"", b"\x05\x00"])
def test_key_algorithm_as_sm2_oid(null: bytes) -> None:
    oid = der.encode_oid("1.2.156.10197.1.301")
    algorithm = der.encode(der.SEQUENCE, oid, null)
    assert null or algorithm == KEY_ALGORITHM_SM2
    sub = ROOT.issue(SUB, is_ca=True, key_algorithm=algorithm)
    end = SUB.issue(END, key_algorithm=algorithm)
    assert end.public_key == END.public_key
    assert KEY_ALGORITHM_EC not in end.der
    chain(end, (sub,))


def test_long_validity_is_written_as_generalized_time() -> None:
    late = datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert SUB.issue(END, not_after=late).not_after == late
    assert encode_time(late)[2:] == b"20510102030405Z"
    assert encode_time(NOW)[2:] == b"260601120000Z"


def test_self_issued_ca_does_not_count_for_the_path_length() -> None:
    # Key rollover: the CA certifies its own next key under its own name.
    rolled = Authority("sub")
    bridge = SUB.issue(rolled, is_ca=True)
    end = rolled.issue(END)
    assert len(chain(end, (bridge, SUB_CERTIFICATE))) == 4


# --- what is refused: one fault each, named -----------------------------------------------------

STRANGER = Authority("stranger")
TWIN = Authority("sub")  # the intermediate's name with another key
ONLY_ENDS = b"\x30\x03\x81\x01\xff"  # an issuing distribution point
OFF_THE_CURVE = END.public_key.x.to_bytes(32, "big") + (END.public_key.y ^ 1).to_bytes(32, "big")
VERSION_3 = b"\xa0\x03\x02\x01\x02"
UNKNOWN_CRITICAL = Extension("1.2.156.10197.6.99", b"\x05\x00", critical=True)
NO_KEY_ID = [basic_constraints(is_ca=False), key_usage("digitalSignature")]


def altered_tbs() -> Certificate:
    return parse_certificate(END_DER.replace(b"\x0c\x03end", b"\x0c\x03eve"))


def altered_signature() -> Certificate:
    return parse_certificate(END_DER[:-1] + bytes((END_DER[-1] ^ 1,)))


def leaf_as_ca() -> tuple[Certificate, ...]:
    lower = Authority("lower")
    return chain(END.issue(lower), (END_CERTIFICATE, SUB_CERTIFICATE))


def path_length_exceeded() -> tuple[Certificate, ...]:
    lower = Authority("lower")
    return chain(lower.issue(END), (SUB.issue(lower, is_ca=True), SUB_CERTIFICATE))


def with_extensions(*extensions: Extension) -> Certificate:
    return SUB.issue(END, extensions=extensions)


def sub_with(*extensions: Extension, **changes: Any) -> tuple[Certificate, ...]:
    return chain(between=(ROOT.issue(SUB, extensions=extensions, **changes),))


def name_constraints() -> Extension:
    permitted = der.encode(0xA0, der.encode(0x30, der.encode(0x82, b"example.cn")))
    return Extension("2.5.29.30", der.encode(der.SEQUENCE, permitted))


def too_deep() -> tuple[Certificate, ...]:
    line = [Authority(f"ca{number}") for number in range(MAX_CHAIN_LENGTH)]
    between = [upper.issue(lower, is_ca=True) for upper, lower in pairwise(line)]
    anchor = line[0].issue(line[0], is_ca=True)
    # One less is accepted: the end, the CAs between, the anchor.
    assert len(chain(line[-2].issue(END), between[:-1], (anchor,))) == MAX_CHAIN_LENGTH
    return chain(line[-1].issue(END), between, (anchor,))


def same_names_without_end() -> tuple[Certificate, ...]:
    # Every CA has certified every other one: nothing leads to an anchor, many paths do not.
    ring = [Authority(f"ring{number}") for number in range(7)]
    between = [
        upper.issue(lower, is_ca=True) for upper in ring for lower in ring if upper is not lower
    ]
    return chain(ring[0].issue(END), between)


def self_loop() -> tuple[Certificate, ...]:
    alone = Authority("alone")
    return chain(alone.issue(alone), (alone.issue(alone, is_ca=True),))


def two_ca_loop() -> tuple[Certificate, ...]:
    one, two = Authority("one"), Authority("two")
    return chain(one.issue(END), (two.issue(one, is_ca=True), one.issue(two, is_ca=True)))


def serial_twice() -> tuple[Certificate, ...]:
    return chain(SUB.issue(END, serial=77), (SUB_CERTIFICATE, SUB.issue(STRANGER, serial=77)))


ROOT_CRL = ROOT.crl()

FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "expired": (lambda: chain(at=NOW + 2 * DAY), "CERTIFICATE_EXPIRED"),
    "expired_leaf": (
        lambda: chain(SUB.issue(END, not_after=NOW - timedelta(seconds=1))),
        "CERTIFICATE_EXPIRED",
    ),
    "expired_intermediate": (
        lambda: chain(between=(ROOT.issue(SUB, is_ca=True, not_after=NOW - DAY),)),
        "CERTIFICATE_EXPIRED",
    ),
    "expired_anchor": (
        lambda: chain(anchors=(ROOT.issue(ROOT, is_ca=True, not_after=NOW - DAY),)),
        "CERTIFICATE_EXPIRED",
    ),
    "not_yet_valid": (lambda: chain(at=NOW - 2 * DAY), "CERTIFICATE_NOT_YET_VALID"),
    "wrong_issuer": (lambda: chain(STRANGER.issue(END)), "CERTIFICATE_UNTRUSTED"),
    "issuer_of_the_same_name": (
        lambda: chain(TWIN.issue(END, extensions=NO_KEY_ID)),
        "CERTIFICATE_SIGNATURE",
    ),
    "other_authority_key_id": (lambda: chain(TWIN.issue(END)), "CERTIFICATE_UNTRUSTED"),
    "no_intermediate": (lambda: chain(between=()), "CERTIFICATE_UNTRUSTED"),
    "no_anchor": (lambda: chain(anchors=()), "CERTIFICATE_UNTRUSTED"),
    "root_not_an_anchor": (
        lambda: chain(between=(SUB_CERTIFICATE, ROOT_CERTIFICATE), anchors=()),
        "CERTIFICATE_UNTRUSTED",
    ),
    "altered_tbs": (lambda: chain(altered_tbs()), "CERTIFICATE_SIGNATURE"),
    "altered_signature": (lambda: chain(altered_signature()), "CERTIFICATE_SIGNATURE"),
    "empty_user_id": (lambda: chain(SUB.issue(END, user_id=b"")), "CERTIFICATE_SIGNATURE"),
    "other_user_id": (lambda: chain(SUB.issue(END, user_id=b"sub")), "CERTIFICATE_SIGNATURE"),
    "leaf_as_ca": (leaf_as_ca, "CERTIFICATE_USAGE"),
    "ca_as_leaf": (lambda: chain(SUB_CERTIFICATE, ()), "CERTIFICATE_USAGE"),
    "anchor_as_leaf": (lambda: chain(ROOT_CERTIFICATE, ()), "CERTIFICATE_UNTRUSTED"),
    "anchor_not_a_ca": (
        lambda: chain(anchors=(ROOT.issue(ROOT),)),
        "CERTIFICATE_USAGE",
    ),
    "path_length_exceeded": (path_length_exceeded, "CERTIFICATE_PATH_LENGTH"),
    "path_length_of_the_anchor": (
        lambda: chain(anchors=(ROOT.issue(ROOT, is_ca=True, path_length=0),)),
        "CERTIFICATE_PATH_LENGTH",
    ),
    "no_key_usage": (
        lambda: chain(with_extensions(basic_constraints(is_ca=False))),
        "CERTIFICATE_USAGE",
    ),
    "key_usage_of_an_encryption_key": (
        lambda: chain(with_extensions(key_usage("keyEncipherment", "dataEncipherment"))),
        "CERTIFICATE_USAGE",
    ),
    "ca_without_basic_constraints": (
        lambda: sub_with(key_usage("keyCertSign")),
        "CERTIFICATE_USAGE",
    ),
    "ca_without_key_usage": (
        lambda: sub_with(basic_constraints(is_ca=True)),
        "CERTIFICATE_USAGE",
    ),
    "ca_without_key_cert_sign": (
        lambda: sub_with(basic_constraints(is_ca=True), key_usage("cRLSign")),
        "CERTIFICATE_USAGE",
    ),
    "unknown_critical_extension": (
        lambda: chain(with_extensions(key_usage("digitalSignature"), UNKNOWN_CRITICAL)),
        "CERTIFICATE_EXTENSION_UNKNOWN",
    ),
    "unknown_critical_extension_of_a_ca": (
        lambda: sub_with(basic_constraints(is_ca=True), key_usage("keyCertSign"), UNKNOWN_CRITICAL),
        "CERTIFICATE_EXTENSION_UNKNOWN",
    ),
    "name_constraints_not_critical": (
        lambda: sub_with(
            basic_constraints(is_ca=True), key_usage("keyCertSign"), name_constraints()
        ),
        "CERTIFICATE_EXTENSION_UNKNOWN",
    ),
    "self_loop": (self_loop, "CERTIFICATE_UNTRUSTED"),
    "two_ca_loop": (two_ca_loop, "CERTIFICATE_UNTRUSTED"),
    "too_deep": (too_deep, "CERTIFICATE_LIMIT"),
    "same_names_without_end": (same_names_without_end, "CERTIFICATE_LIMIT"),
    "too_many_intermediates": (
        lambda: chain(between=[SUB_CERTIFICATE] * (MAX_CERTIFICATES + 1)),
        "CERTIFICATE_LIMIT",
    ),
    "too_many_crls": (lambda: chain(crls=[ROOT_CRL] * (MAX_CRLS + 1)), "CERTIFICATE_LIMIT"),
    "serial_twice": (serial_twice, "CERTIFICATE_SERIAL_REPEATED"),
    "revoked": (
        lambda: chain(crls=(ROOT_CRL, SUB.crl(5, END_CERTIFICATE.serial))),
        "CERTIFICATE_REVOKED",
    ),
    "revoked_intermediate": (
        lambda: chain(crls=(ROOT.crl(SUB_CERTIFICATE.serial), SUB.crl())),
        "CERTIFICATE_REVOKED",
    ),
    "revoked_in_the_newest_list": (
        lambda: chain(
            crls=(
                ROOT_CRL,
                SUB.crl(END_CERTIFICATE.serial, this_update=NOW - DAY / 2),
                SUB.crl(),
            )
        ),
        "CERTIFICATE_REVOKED",
    ),
    "revoked_in_one_of_two_lists_of_one_second": (
        lambda: chain(crls=(ROOT_CRL, SUB.crl(), SUB.crl(END_CERTIFICATE.serial))),
        "CERTIFICATE_REVOKED",
    ),
    "stale_crl": (
        lambda: chain(crls=(ROOT_CRL, SUB.crl(next_update=NOW - timedelta(seconds=1)))),
        "CRL_STALE",
    ),
    "crl_of_a_later_time": (
        lambda: chain(crls=(ROOT_CRL, SUB.crl(this_update=NOW + timedelta(seconds=1)))),
        "CRL_NOT_YET_VALID",
    ),
    "crl_of_another_issuer": (lambda: chain(crls=(ROOT_CRL, STRANGER.crl())), "CRL_MISSING"),
    "crl_of_the_leaf_only": (lambda: chain(crls=(SUB.crl(),)), "CRL_MISSING"),
    "crl_of_an_issuer_of_the_same_name": (
        lambda: chain(crls=(ROOT_CRL, TWIN.crl())),
        "CRL_SIGNATURE",
    ),
    "altered_crl": (
        lambda: chain(
            crls=(ROOT_CRL, parse_crl(SUB.crl_der(5).replace(b"\x02\x01\x05", b"\x02\x01\x06")))
        ),
        "CRL_SIGNATURE",
    ),
    "crl_issuer_without_crl_sign": (
        lambda: chain(
            between=(
                ROOT.issue(
                    SUB, extensions=[basic_constraints(is_ca=True), key_usage("keyCertSign")]
                ),
            ),
            crls=(ROOT_CRL, SUB.crl()),
        ),
        "CERTIFICATE_USAGE",
    ),
    "partial_crl": (
        lambda: SUB.crl(extensions=[Extension("2.5.29.28", ONLY_ENDS, critical=True)]),
        "CRL_UNSUPPORTED",
    ),
    "delta_crl": (
        lambda: SUB.crl(extensions=[Extension("2.5.29.27", encode_integer(1), critical=True)]),
        "CRL_UNSUPPORTED",
    ),
    "crl_ends_before_it_begins": (
        lambda: SUB.crl(next_update=NOW - 2 * DAY),
        "CRL_MALFORMED",
    ),
    "crl_too_large": (lambda: parse_crl(bytes(MAX_CRL_LENGTH + 1)), "CERTIFICATE_LIMIT"),
    "crl_pem_too_large": (lambda: parse_crl(bytes(2 * MAX_CRL_LENGTH + 1)), "CERTIFICATE_LIMIT"),
    "crl_is_a_certificate": (lambda: parse_crl(END_DER), "CRL_MALFORMED"),
    "certificate_is_a_crl": (lambda: parse_certificate(SUB.crl_der()), "CERTIFICATE_MALFORMED"),
    "crl_trailing_bytes": (lambda: parse_crl(SUB.crl_der() + b"\0"), "CRL_MALFORMED"),
    "trailing_bytes": (lambda: parse_certificate(END_DER + b"\0"), "CERTIFICATE_MALFORMED"),
    "empty": (lambda: parse_certificate(b""), "CERTIFICATE_MALFORMED"),
    "too_large": (
        lambda: parse_certificate(bytes(MAX_CERTIFICATE_LENGTH + 1)),
        "CERTIFICATE_LIMIT",
    ),
    "pem_too_large": (
        lambda: parse_certificate(b"-----BEGIN" + bytes(2 * MAX_CERTIFICATE_LENGTH)),
        "CERTIFICATE_LIMIT",
    ),
    "pem_with_another_label": (
        lambda: parse_certificate(encode_pem("PUBLIC KEY", END_DER)),
        "CERTIFICATE_MALFORMED",
    ),
    "pem_of_two": (
        lambda: parse_certificate(encode_pem("CERTIFICATE", END_DER) * 2),
        "CERTIFICATE_MALFORMED",
    ),
    "pem_bundle_of_too_many": (
        lambda: parse_certificates(encode_pem("CERTIFICATE", END_DER) * (MAX_CERTIFICATES + 1)),
        "CERTIFICATE_LIMIT",
    ),
    "pem_with_words_around": (
        lambda: parse_certificates(encode_pem("CERTIFICATE", END_DER) + b"and more"),
        "CERTIFICATE_MALFORMED",
    ),
    "serial_zero": (lambda: SUB.issue(END, serial=0), "CERTIFICATE_MALFORMED"),
    "serial_of_21_octets": (lambda: SUB.issue(END, serial=1 << 159), "CERTIFICATE_MALFORMED"),
    "ends_before_it_begins": (
        lambda: SUB.issue(END, not_after=NOW - 2 * DAY),
        "CERTIFICATE_MALFORMED",
    ),
    "empty_subject": (lambda: SUB.issue(END, subject=b"\x30\x00"), "CERTIFICATE_MALFORMED"),
    "extension_twice": (
        lambda: with_extensions(key_usage("digitalSignature"), key_usage("keyCertSign")),
        "CERTIFICATE_MALFORMED",
    ),
    "broken_extension": (
        lambda: with_extensions(Extension("2.5.29.19", b"\x30\x05", critical=True)),
        "CERTIFICATE_MALFORMED",
    ),
    "default_value_encoded": (
        lambda: with_extensions(Extension("2.5.29.19", b"\x30\x03\x01\x01\x00")),
        "CERTIFICATE_MALFORMED",
    ),
    "version_1": (
        lambda: parse_certificate(END_DER.replace(VERSION_3, VERSION_3[:-1] + b"\0", 1)),
        "CERTIFICATE_MALFORMED",
    ),
    "curve_p256": (
        lambda: SUB.issue(
            END,
            key_algorithm=der.encode(
                der.SEQUENCE,
                der.encode_oid("1.2.840.10045.2.1"),
                der.encode_oid("1.2.840.10045.3.1.7"),
            ),
        ),
        "CERTIFICATE_ALGORITHM",
    ),
    "inner_algorithm_differs": (
        lambda: parse_certificate(END_DER.replace(b"\x83\x75", b"\x83\x76", 1)),
        "CERTIFICATE_ALGORITHM",
    ),
    "point_off_the_curve": (
        lambda: parse_certificate(END_DER.replace(END.public_key.to_bytes(), OFF_THE_CURVE)),
        "CERTIFICATE_MALFORMED",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refused(fault: str) -> None:
    call, code = FAULTS[fault]
    assert code_of(call) == code


def test_time_without_zone_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="time zone"):
        chain(at=NOW.replace(tzinfo=None))


def test_revocation_holds_with_current_lists() -> None:
    stale = SUB.crl(END_CERTIFICATE.serial, this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY)
    crls = (stale, ROOT_CRL, SUB.crl(4711), TWIN.crl(END_CERTIFICATE.serial), STRANGER.crl())
    assert len(chain(crls=crls)) == 3


def test_parsing_never_fails_but_with_our_errors() -> None:
    # Truncated anywhere.
    crl = SUB.crl_der(1, 2, 3)
    pem = encode_pem("CERTIFICATE", END_DER)
    for parse, data in (
        (parse_certificate, END_DER),
        (parse_certificate, pem),
        (parse_crl, crl),
    ):
        whole = len(data) - (data is pem)  # without its last line feed a PEM is whole
        for length in range(whole):
            with pytest.raises(SanlianError):
                parse(data[:length])


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_byte_may_change(flip: int) -> None:
    for at in range(len(END_DER)):
        changed = bytearray(END_DER)
        changed[at] ^= flip
        with pytest.raises(SanlianError):
            chain(parse_certificate(bytes(changed)))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_byte_of_a_revocation_list_may_change(flip: int) -> None:
    crl = SUB.crl_der(1_000_001)
    chain(crls=(ROOT_CRL, parse_crl(crl)))
    for at in range(len(crl)):
        changed = bytearray(crl)
        changed[at] ^= flip
        with pytest.raises(SanlianError):
            chain(crls=(ROOT_CRL, parse_crl(bytes(changed))))


# --- the openssl command ------------------------------------------------------------------------


@dataclass(frozen=True)
class OpensslCity:
    """A root, a CA below it, an end, and revocation lists, all made by the openssl command."""

    program: str
    home: Path

    def run(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [self.program, *arguments], cwd=self.home, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def read(self, name: str) -> bytes:
        return (self.home / name).read_bytes()

    def certificate(self, name: str) -> Certificate:
        return parse_certificate(self.read(f"{name}.pem"))

    def request(self, name: str, *, key: Sequence[str] = ()) -> None:
        made = key or ("-newkey", "sm2")
        self.run(
            *("req", "-new", "-nodes", *made, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
            *("-subj", f"/C=CN/O=openssl/CN={name}", "-utf8", *(() if key else SIGN)),
        )

    def sign(self, issuer: str, name: str, section: str, *, options: Sequence[str] = ()) -> None:
        self.run(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem"),
            *("-CAkey", f"{issuer}.key", "-CAcreateserial", "-days", "365"),
            *("-extfile", "ca.cnf", "-extensions", section, "-out", f"{name}.pem"),
            *(options or (*SIGN, "-vfyopt", DISTID)),
        )

    def ca(self, *arguments: str) -> None:
        self.run("ca", "-config", "ca.cnf", "-batch", *arguments)


SIGN = ("-sm3", "-sigopt", DISTID)
CONFIG = """
[ca]
default_ca = sub
[sub]
new_certs_dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
certificate = sub.pem
private_key = sub.key
default_md = sm3
default_days = 100
default_crl_days = 10
policy = any
crl_extensions = crl
[any]
countryName = optional
organizationName = optional
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[between]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always,issuer
[end]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always,issuer
extendedKeyUsage = clientAuth,emailProtection
subjectAltName = DNS:example.cn
certificatePolicies = 1.2.156.112570.1
[crl]
authorityKeyIdentifier = keyid:always
[req]
distinguished_name = empty
[empty]
"""


@pytest.fixture(scope="module")
def city(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> OpensslCity:
    made = OpensslCity(openssl, tmp_path_factory.mktemp("openssl"))
    (made.home / "ca.cnf").write_text(CONFIG)
    for name, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
        (made.home / name).write_text(text)
    made.run("ecparam", "-name", "SM2", "-genkey", "-noout", "-out", "root.key")
    made.run(
        *("req", "-x509", "-new", "-key", "root.key", "-days", "3650", "-out", "root.pem"),
        *("-subj", "/C=CN/O=openssl/CN=root", "-config", "ca.cnf", "-extensions", "root", *SIGN),
    )
    made.request("sub")
    made.sign("root", "sub", "between")
    for name in ("end", "gone"):
        made.request(name)
        made.ca(
            *("-in", f"{name}.csr", "-out", f"{name}.pem", "-notext", "-extensions", "end"),
            *("-sigopt", DISTID, "-vfyopt", DISTID),
        )
    made.ca("-revoke", "gone.pem", "-crl_reason", "keyCompromise")
    made.ca("-gencrl", "-out", "sub.crl", "-sigopt", DISTID)
    made.ca(
        *("-gencrl", "-out", "root.crl", "-sigopt", DISTID),
        *("-cert", "root.pem", "-keyfile", "root.key"),
    )
    return made


def city_chain(city: OpensslCity, name: str, **changes: Any) -> tuple[Certificate, ...]:
    values: dict[str, Any] = {"at": datetime.now(UTC)}
    return verify_chain(
        city.certificate(name),
        [city.certificate("sub")],
        [city.certificate("root")],
        **values | changes,
    )


def test_openssls_chain_is_accepted(city: OpensslCity) -> None:
    found = city_chain(city, "end")
    assert [one.subject.split(",")[0] for one in found] == ["CN=end", "CN=sub", "CN=root"]
    pem = city.run("x509", "-in", "end.pem", "-noout", "-pubkey")
    assert found[0].public_key == load_public_key(pem)
    assert found[0].serial == 0x1000


def test_openssls_revocation_list_is_applied(city: OpensslCity) -> None:
    crls = [parse_crl(city.read("sub.crl")), parse_crl(city.read("root.crl"))]
    city_chain(city, "end", crls=crls)
    city_chain(city, "gone")
    assert code_of(lambda: city_chain(city, "gone", crls=crls)) == "CERTIFICATE_REVOKED"
    late = datetime.now(UTC) + 11 * DAY
    assert code_of(lambda: city_chain(city, "end", crls=crls, at=late)) == "CRL_STALE"


def test_openssls_chain_at_other_times(city: OpensslCity) -> None:
    now = datetime.now(UTC)
    for at, code in (
        (now + 101 * DAY, "CERTIFICATE_EXPIRED"),
        (now - DAY, "CERTIFICATE_NOT_YET_VALID"),
    ):
        assert code_of(partial(city_chain, city, "end", at=at)) == code


def test_openssl_with_its_default_empty_user_id_is_refused(city: OpensslCity) -> None:
    city.request("silent")
    city.sign("sub", "silent", "end", options=("-sm3", "-vfyopt", DISTID))
    assert code_of(lambda: city_chain(city, "silent")) == "CERTIFICATE_SIGNATURE"


def test_rsa_link_is_refused(city: OpensslCity) -> None:
    rsa = ("-newkey", "rsa:2048")
    city.request("rsa", key=rsa)
    city.sign("sub", "rsa", "between", options=SIGN)
    city.request("below")
    # An RSA key that an SM2 CA certified, and a certificate that it signed.
    city.sign("rsa", "below", "end", options=("-sha256", "-vfyopt", DISTID))
    for name in ("rsa", "below"):
        assert code_of(partial(city.certificate, name)) == "CERTIFICATE_ALGORITHM"


def verify_by_openssl(city: OpensslCity, leaf: bytes, anchor: bytes) -> bool:
    folder = city.home
    (folder / "leaf.pem").write_bytes(encode_pem("CERTIFICATE", leaf))
    (folder / "anchor.pem").write_bytes(encode_pem("CERTIFICATE", anchor))
    done = subprocess.run(
        [
            *(city.program, "verify", "-x509_strict", "-vfyopt", DISTID, "-partial_chain"),
            *("-attime", str(int(NOW.timestamp())), "-CAfile", "anchor.pem", "leaf.pem"),
        ],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_our_chain_is_accepted_by_openssl(city: OpensslCity) -> None:
    # The openssl command gives the user id to the first certificate only: one link at a time.
    for leaf, anchor in (
        (END_CERTIFICATE, SUB_CERTIFICATE),
        (SUB_CERTIFICATE, ROOT_CERTIFICATE),
    ):
        assert verify_by_openssl(city, leaf.der, anchor.der)
    text = city.run("x509", "-in", "leaf.pem", "-noout", "-text", "-nameopt", "utf8")
    assert "DEVELOPMENT ONLY" in text.decode()
    assert b"SM2-with-SM3" in text


def test_openssl_refuses_what_we_refuse(city: OpensslCity) -> None:
    anchor = SUB_CERTIFICATE.der
    for leaf in (
        altered_tbs(),
        altered_signature(),
        SUB.issue(END, user_id=b""),
        SUB.issue(END, not_after=NOW - timedelta(seconds=1)),
        with_extensions(*end_extensions(END.public_key, SUB.public_key), UNKNOWN_CRITICAL),
        TWIN.issue(END),
    ):
        assert not verify_by_openssl(city, leaf.der, anchor)


def test_our_revocation_list_is_read_and_verified_by_openssl(city: OpensslCity) -> None:
    crl = SUB.crl(0xABC)
    (city.home / "our.crl").write_bytes(encode_pem("X509 CRL", crl.der))
    text = city.run("crl", "-in", "our.crl", "-noout", "-text").decode()
    assert "Serial Number: 0ABC" in text
    # `openssl crl -CAfile` knows no user id, so the signature is verified by itself.
    (city.home / "our.tbs").write_bytes(crl.tbs)
    (city.home / "our.sig").write_bytes(crl.signature.to_der())
    (city.home / "our.pub").write_bytes(dump_public_key(SUB.public_key))
    city.run(
        *("dgst", "-sm3", "-verify", "our.pub", "-sigopt", DISTID),
        *("-signature", "our.sig", "our.tbs"),
    )


def test_key_usage_and_identifiers_as_openssl_encodes_them(city: OpensslCity) -> None:
    der_of_end = city.certificate("end").der
    subject, issuer = (city.certificate(name).public_key for name in ("end", "sub"))
    for extension in (
        key_usage("digitalSignature", "nonRepudiation"),
        subject_key_id(subject),
        authority_key_id(issuer),
    ):
        assert extension.to_der() in der_of_end
    constraints = basic_constraints(is_ca=True, path_length=0)
    assert constraints.to_der() in city.certificate("sub").der
    assert decode_pem(city.read("end.pem"), "CERTIFICATE") == (der_of_end,)
