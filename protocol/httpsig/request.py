"""A requester's signed call (docs/protocol.md, 7.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.sm2 import PublicKey, Signature, Signer
from crypto.sm3 import sm3
from protocol.httpsig.common import (
    CONTENT_TYPE,
    HEADER_VALUE,
    NONE,
    Headers,
    component_list,
    content_digest,
    digest_field,
    need,
    parse_content_digest,
    parse_key,
    parse_parameters,
    parse_signature,
    refuse,
    signature_base,
    signature_headers,
    signature_parameters,
    single_values,
    tag_of,
    verify_base,
)
from protocol.pseudonym import is_pseudonym
from protocol.stream import Stream

_FIELDS = ("grant", "person", "basis", "scenario", "case")
_REQUEST_COMPONENTS = (
    "@method",
    "@authority",
    "@path",
    "content-type",
    "content-digest",
    *(f"sanlian-{name}" for name in _FIELDS),
)
_STREAM_COMPONENTS = (*_REQUEST_COMPONENTS, "sanlian-stream")
_HEADERS = frozenset(
    {
        *(name for name in _STREAM_COMPONENTS if not name.startswith("@")),
        "signature-input",
        "signature",
        "sanlian-key",
    }
)
_GRANT = re.compile(r"[0-9a-f]{64}")
_TEXTS = tuple((name, f"sanlian-{name}") for name in _FIELDS if name != "grant")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a requester signed, enough to rebuild and check its signature base.

    Attributes:
        authority: host and port of the gateway, lower case.
        path: path of the call; it decides the tag.
        content_digest: 32-byte SM3 of the body.
        created: unix seconds.
        nonce: 16 random bytes in hex.
        public_key: the requester's key.
        grant: 32-byte id of the grant.
        person: pseudonym of the person behind the request.
        basis: code of the legal basis.
        scenario: code of the scenario.
        case: case number, percent-encoded, or "-".
        stream: "<stream id>;<sequence>", or None.
        signature: SM2 signature.
    """

    authority: str
    path: str
    content_digest: bytes
    created: int
    nonce: str
    public_key: PublicKey
    grant: bytes
    person: str
    basis: str
    scenario: str
    case: str
    stream: str | None
    signature: Signature

    def base(self) -> bytes:
        """Return the RFC 9421 signature base (section 2.5)."""
        components: tuple[str, ...] = _REQUEST_COMPONENTS
        values = [
            ("@method", "POST"),
            ("@authority", self.authority),
            ("@path", self.path),
            ("content-type", CONTENT_TYPE),
            ("content-digest", digest_field(self.content_digest)),
            ("sanlian-grant", self.grant.hex()),
            ("sanlian-person", self.person),
            ("sanlian-basis", self.basis),
            ("sanlian-scenario", self.scenario),
            ("sanlian-case", self.case),
        ]
        if self.stream is not None:
            components = _STREAM_COMPONENTS
            values.append(("sanlian-stream", self.stream))
        parameters = signature_parameters(
            components,
            created=self.created,
            key_id=self.public_key.key_id,
            nonce=self.nonce,
            tag=tag_of(self.path),
        )
        return signature_base(values, parameters)

    def verify(self) -> None:
        """Check the signature.

        Raises:
            VerificationError: SIGNATURE_INVALID.
        """
        verify_base(self.public_key, self.base(), self.signature)

    def to_record(self) -> dict[str, Any]:
        """Return the member ``request`` of a record."""
        return {
            "authority": self.authority,
            "path": self.path,
            "content_digest": self.content_digest.hex(),
            "created": self.created,
            "nonce": self.nonce,
            "public_key": self.public_key.to_bytes().hex(),
            "grant": self.grant.hex(),
            "person": self.person,
            "basis": self.basis,
            "scenario": self.scenario,
            "case": self.case,
            "stream": self.stream,
            "signature": self.signature.to_bytes().hex(),
        }

    @classmethod
    def from_record(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the member ``request`` of a record that parse_record accepted.

        Raises:
            CryptoError: key or signature is not valid.
        """
        return cls(
            authority=value["authority"],
            path=value["path"],
            content_digest=bytes.fromhex(value["content_digest"]),
            created=value["created"],
            nonce=value["nonce"],
            public_key=PublicKey.from_bytes(bytes.fromhex(value["public_key"])),
            grant=bytes.fromhex(value["grant"]),
            person=value["person"],
            basis=value["basis"],
            scenario=value["scenario"],
            case=value["case"],
            stream=value["stream"],
            signature=Signature.from_bytes(bytes.fromhex(value["signature"])),
        )


def sign_request(
    key: Signer,
    body: bytes,
    *,
    authority: str,
    path: str,
    created: int,
    nonce: str,
    grant: bytes,
    person: str = NONE,
    basis: str = NONE,
    scenario: str = NONE,
    case: str = NONE,
    stream: str | None = None,
) -> tuple[SignedRequest, dict[str, str]]:
    """Sign a data request (or another signed call) and return it with its headers.

    Args:
        key: the requester's key.
        body: exact bytes of the body.
        authority: host and port of the gateway, lower case, without a default port.
        path: path of the call.
        created: unix seconds.
        nonce: 16 fresh random bytes in hex.
        grant: 32-byte id of the grant; zeros for calls without one.
        person: pseudonym of the person behind the request.
        basis: code of the legal basis, as in the grant.
        scenario: code of the scenario, as in the grant.
        case: case number in printable ASCII, or "-".
        stream: "<stream id>;<sequence>", or None.

    Raises:
        ProtocolError: HEADER_MALFORMED, with the field; STREAM_MALFORMED.
    """
    texts = {"person": person, "basis": basis, "scenario": scenario, "case": case}
    if stream is not None:
        texts["stream"] = str(Stream.parse(stream))
    for name, value in texts.items():
        if not HEADER_VALUE.fullmatch(value):
            raise refuse("HEADER_MALFORMED", f"{name} must be 1 to 128 of ! to ~", field=name)
    _require_pseudonym(person)
    unsigned = SignedRequest(
        authority=authority,
        path=path,
        content_digest=sm3(body),
        created=created,
        nonce=nonce,
        public_key=key.public_key,
        grant=grant,
        person=person,
        basis=basis,
        scenario=scenario,
        case=case,
        stream=stream,
        signature=Signature(1, 1),
    )
    base = unsigned.base()
    signature = key.sign(base)
    values = {name: getattr(unsigned, name) for name in unsigned.__slots__}
    signed = SignedRequest(**{**values, "signature": signature})
    parameters = base.decode().rpartition('"@signature-params": ')[2]
    headers = {
        "content-type": CONTENT_TYPE,
        "content-digest": content_digest(body),
        "sanlian-grant": grant.hex(),
        **{f"sanlian-{name}": value for name, value in texts.items()},
        **signature_headers(parameters, signature, key.public_key),
    }
    return signed, headers


def parse_request(
    *, method: str, authority: str, path: str, headers: Headers, body: bytes
) -> SignedRequest:
    """Parse and verify a signed call, see read_request.

    Raises:
        ProtocolError: as read_request.
        VerificationError: SIGNATURE_INVALID.
    """
    request = read_request(
        method=method, authority=authority, path=path, headers=headers, body=body
    )
    request.verify()
    return request


def read_request(
    *, method: str, authority: str, path: str, headers: Headers, body: bytes
) -> SignedRequest:
    """Parse a signed call whose signature is still to be verified.

    Args:
        method: HTTP method.
        authority: canonical authority that the caller addressed.
        path: path of the call.
        headers: all header lines, names in any case.
        body: exact bytes of the body.

    Raises:
        ProtocolError: as read_head; DIGEST_MISMATCH.
    """
    request = read_head(method=method, authority=authority, path=path, headers=headers)
    if request.content_digest != sm3(body):
        raise refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    return request


def read_head(*, method: str, authority: str, path: str, headers: Headers) -> SignedRequest:
    """Parse the head of a signed call: all that is signed stands in it, of the body the digest.

    Neither signature nor body is looked at.

    Args:
        method: HTTP method.
        authority: canonical authority that the caller addressed.
        path: path of the call.
        headers: all header lines, names in any case.

    Raises:
        ProtocolError: HEADER_REPEATED, HEADER_MALFORMED, SIGNATURE_MISSING, SIGNATURE_MALFORMED,
            DIGEST_MALFORMED, STREAM_MALFORMED.
    """
    found = single_values(headers, _HEADERS)
    if method != "POST":
        raise refuse("SIGNATURE_MALFORMED", "signed calls are POST")
    listed, created, key_id, nonce = parse_parameters(found, tag_of(path), with_nonce=True)
    components = _STREAM_COMPONENTS if "sanlian-stream" in found else _REQUEST_COMPONENTS
    if listed != component_list(components) or nonce is None:
        raise refuse("SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7")
    if need(found, "content-type") != CONTENT_TYPE:
        raise refuse("HEADER_MALFORMED", f"content-type must be {CONTENT_TYPE}")
    digest = parse_content_digest(need(found, "content-digest"))
    if not _GRANT.fullmatch(need(found, "sanlian-grant")):
        raise refuse("HEADER_MALFORMED", "sanlian-grant must be 64 hex digits")
    texts = {name: need(found, header) for name, header in _TEXTS}
    stream = found.get("sanlian-stream")
    if stream is not None:
        Stream.parse(stream)
    for name, value in texts.items():
        if not HEADER_VALUE.fullmatch(value):
            raise refuse(
                "HEADER_MALFORMED", f"sanlian-{name} must be 1 to 128 of ! to ~", field=name
            )
    _require_pseudonym(texts["person"])
    return SignedRequest(
        authority=authority,
        path=path,
        content_digest=digest,
        created=created,
        nonce=nonce,
        public_key=parse_key(found, key_id),
        grant=bytes.fromhex(found["sanlian-grant"]),
        **texts,
        stream=stream,
        signature=parse_signature(found),
    )


def _require_pseudonym(person: str) -> None:
    """Refuse a person's number: it would stand in the log for ever."""
    if not is_pseudonym(person):
        raise refuse(
            "HEADER_MALFORMED",
            "person is a pseudonym, not a number of an identity card or a mobile telephone",
            field="person",
        )
