"""HTTP message signatures with SM2 and SM3: one strict profile of RFC 9421 (docs/protocol.md, 7).

The profile fixes label, components, parameters and spelling, so that a signature has one form and
nothing needs to be negotiated: whatever is spelt otherwise is refused.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import PrivateKey, PublicKey, Signature, verify
from crypto.sm3 import sm3

LABEL = "sanlian"
DATA_TAG = "sanlian-data-request"
EVIDENCE_TAG = "sanlian-evidence"
FORWARD_TAG = "sanlian-forward"
PROVIDER_TAG = "sanlian-provider"
DATA_PATH = "/v1/data"
CONTENT_TYPE = "application/json"
NONE = "-"

Headers = Iterable[tuple[str, str]]

_FIELDS = ("grant", "person", "basis", "scenario", "case")
_REQUEST_COMPONENTS = (
    "@method",
    "@authority",
    "@path",
    "content-type",
    "content-digest",
    *(f"sanlian-{name}" for name in _FIELDS),
)
_FORWARD_COMPONENTS = (
    "@method",
    "@authority",
    "@path",
    "@query",
    "content-digest",
    "sanlian-intent",
)
_ANSWER_COMPONENTS = ("@status", "content-type", "content-digest", "sanlian-intent")

_HEADER_VALUE = re.compile(r"[!-~]{1,128}")
_AUTHORITY = re.compile(r"[a-z0-9.:\[\]_-]{1,255}")
# At most 15 digits: `created` is written into records, whose integers stay below 2^53.
_PARAMETERS = re.compile(
    r'(?P<list>\([^)]*\));created=(?P<created>0|[1-9][0-9]{0,14});keyid="(?P<keyid>[0-9a-f]{64})"'
    r'(?:;nonce="(?P<nonce>[0-9a-f]{32})")?;tag="(?P<tag>[a-z-]+)"'
)


def _refuse(code: str, message: str, **details: object) -> ProtocolError:
    return ProtocolError(code, message, **details)


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field of a body (RFC 9530, private algorithm name sm3)."""
    return _digest_field(sm3(body))


def _digest_field(digest: bytes) -> str:
    return f"sm3=:{base64.b64encode(digest).decode()}:"


def parse_content_digest(value: str) -> bytes:
    """Return the 32-byte SM3 that a Content-Digest field carries.

    Raises:
        ProtocolError: DIGEST_MALFORMED.
    """
    found = re.fullmatch(r"sm3=:([A-Za-z0-9+/=]{44}):", value)
    raw = _base64(found.group(1)) if found else None
    if raw is None or len(raw) != 32:
        raise _refuse("DIGEST_MALFORMED", "content-digest must be one sm3 value")
    return raw


def _base64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _single(headers: Headers, names: Iterable[str]) -> dict[str, str]:
    """Return each named header's one value; a repeated one is refused."""
    wanted = set(names)
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in wanted:
            if lower in found:
                raise _refuse("HEADER_REPEATED", f"{lower} stands twice", header=lower)
            found[lower] = value.strip(" \t")
    return found


def _need(found: Mapping[str, str], name: str) -> str:
    value = found.get(name)
    if value is None:
        raise _refuse("SIGNATURE_MISSING", f"header {name} is missing", header=name)
    return value


def _parameters(
    components: Iterable[str], *, created: int, key_id: bytes, nonce: str | None, tag: str
) -> str:
    names = " ".join(f'"{name}"' for name in components)
    nonce_part = f';nonce="{nonce}"' if nonce is not None else ""
    return f'({names});created={created};keyid="{key_id.hex()}"{nonce_part};tag="{tag}"'


def _base(values: Iterable[tuple[str, str]], parameters: str) -> bytes:
    lines = [f'"{name}": {value}' for name, value in values]
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("ascii")


def _parse_parameters(
    headers: Mapping[str, str], tag: str, *, with_nonce: bool
) -> tuple[str, int, bytes, str | None]:
    field = _need(headers, "signature-input")
    found = (
        _PARAMETERS.fullmatch(field.removeprefix(LABEL + "="))
        if field.startswith(LABEL + "=")
        else None
    )
    if found is None or (found["nonce"] is not None) != with_nonce:
        raise _refuse("SIGNATURE_MALFORMED", "signature-input does not have the form of protocol 7")
    if found["tag"] != tag:
        raise _refuse("SIGNATURE_MALFORMED", f"the signature's tag must be {tag}")
    return found["list"], int(found["created"]), bytes.fromhex(found["keyid"]), found["nonce"]


def _parse_signature(headers: Mapping[str, str]) -> Signature:
    found = re.fullmatch(LABEL + r"=:([A-Za-z0-9+/=]{88}):", _need(headers, "signature"))
    raw = _base64(found.group(1)) if found else None
    if raw is None or len(raw) != 64:
        raise _refuse("SIGNATURE_MALFORMED", "signature must be one value of 64 bytes")
    try:
        return Signature.from_bytes(raw)
    except CryptoError as error:
        raise _refuse("SIGNATURE_MALFORMED", "r or s of the signature is out of range") from error


def _parse_key(headers: Mapping[str, str], key_id: bytes) -> PublicKey:
    text = _need(headers, "sanlian-key")
    if not re.fullmatch(r"[0-9a-f]{128}", text):
        raise _refuse("SIGNATURE_MALFORMED", "sanlian-key must be a public key in 128 hex digits")
    try:
        key = PublicKey.from_bytes(bytes.fromhex(text))
    except CryptoError as error:
        raise _refuse("SIGNATURE_MALFORMED", "sanlian-key is not a point of the curve") from error
    if key.key_id != key_id:
        raise _refuse("SIGNATURE_MALFORMED", "keyid is not the id of sanlian-key")
    return key


def _signature_headers(parameters: str, signature: Signature, key: PublicKey) -> dict[str, str]:
    return {
        "signature-input": f"{LABEL}={parameters}",
        "signature": f"{LABEL}=:{base64.b64encode(signature.to_bytes()).decode()}:",
        "sanlian-key": key.to_bytes().hex(),
    }


def _verify(public_key: PublicKey, base: bytes, signature: Signature) -> None:
    try:
        verify(public_key, base, signature)
    except CryptoError as error:
        raise VerificationError(
            "SIGNATURE_INVALID", "the request's signature does not hold"
        ) from error


def canonical_authority(host: str, *, default_port: int) -> str:
    """Return a Host header in the form that is signed: lower case, without the default port.

    Raises:
        ProtocolError: AUTHORITY_MALFORMED.
    """
    authority = host.lower().removesuffix(f":{default_port}")
    if not _AUTHORITY.fullmatch(authority):
        raise _refuse("AUTHORITY_MALFORMED", "the Host header is not valid")
    return authority


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
            ("content-digest", _digest_field(self.content_digest)),
            ("sanlian-grant", self.grant.hex()),
            ("sanlian-person", self.person),
            ("sanlian-basis", self.basis),
            ("sanlian-scenario", self.scenario),
            ("sanlian-case", self.case),
        ]
        if self.stream is not None:
            components = (*components, "sanlian-stream")
            values.append(("sanlian-stream", self.stream))
        parameters = _parameters(
            components,
            created=self.created,
            key_id=self.public_key.key_id,
            nonce=self.nonce,
            tag=DATA_TAG if self.path == DATA_PATH else EVIDENCE_TAG,
        )
        return _base(values, parameters)

    def verify(self) -> None:
        """Check the signature.

        Raises:
            VerificationError: SIGNATURE_INVALID.
        """
        _verify(self.public_key, self.base(), self.signature)

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
    key: PrivateKey,
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
        ProtocolError: HEADER_MALFORMED, with the field.
    """
    texts = {"person": person, "basis": basis, "scenario": scenario, "case": case}
    if stream is not None:
        texts["stream"] = stream
    for name, value in texts.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise _refuse("HEADER_MALFORMED", f"{name} must be 1 to 128 of ! to ~", field=name)
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
        **_signature_headers(parameters, signature, key.public_key),
    }
    return signed, headers


def parse_request(
    *, method: str, authority: str, path: str, headers: Headers, body: bytes
) -> SignedRequest:
    """Parse and verify a signed call.

    Args:
        method: HTTP method.
        authority: canonical authority that the caller addressed.
        path: path of the call.
        headers: all header lines, names in any case.
        body: exact bytes of the body.

    Raises:
        ProtocolError: HEADER_REPEATED, HEADER_MALFORMED, SIGNATURE_MISSING, SIGNATURE_MALFORMED,
            DIGEST_MALFORMED, DIGEST_MISMATCH.
        VerificationError: SIGNATURE_INVALID.
    """
    names = {
        *(name for name in _REQUEST_COMPONENTS if not name.startswith("@")),
        "sanlian-stream",
        "signature-input",
        "signature",
        "sanlian-key",
    }
    found = _single(headers, names)
    if method != "POST":
        raise _refuse("SIGNATURE_MALFORMED", "signed calls are POST")
    tag = DATA_TAG if path == DATA_PATH else EVIDENCE_TAG
    listed, created, key_id, nonce = _parse_parameters(found, tag, with_nonce=True)
    components = _REQUEST_COMPONENTS
    if "sanlian-stream" in found:
        components = (*components, "sanlian-stream")
    if listed != "(" + " ".join(f'"{name}"' for name in components) + ")" or nonce is None:
        raise _refuse(
            "SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7"
        )
    if _need(found, "content-type") != CONTENT_TYPE:
        raise _refuse("HEADER_MALFORMED", f"content-type must be {CONTENT_TYPE}")
    digest = parse_content_digest(_need(found, "content-digest"))
    if digest != sm3(body):
        raise _refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    if not re.fullmatch(r"[0-9a-f]{64}", _need(found, "sanlian-grant")):
        raise _refuse("HEADER_MALFORMED", "sanlian-grant must be 64 hex digits")
    texts = {name: _need(found, f"sanlian-{name}") for name in _FIELDS if name != "grant"}
    stream = found.get("sanlian-stream")
    for name, value in {**texts, **({"stream": stream} if stream is not None else {})}.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise _refuse(
                "HEADER_MALFORMED", f"sanlian-{name} must be 1 to 128 of ! to ~", field=name
            )
    request = SignedRequest(
        authority=authority,
        path=path,
        content_digest=digest,
        created=created,
        nonce=nonce,
        public_key=_parse_key(found, key_id),
        grant=bytes.fromhex(found["sanlian-grant"]),
        **texts,
        stream=stream,
        signature=_parse_signature(found),
    )
    request.verify()
    return request


@dataclass(frozen=True, slots=True)
class Forward:
    """The gateway's signature on a forwarded call."""

    public_key: PublicKey
    created: int
    intent_leaf: bytes


def _forward_values(
    method: str, authority: str, path: str, query: str, digest: bytes, intent_leaf: bytes
) -> list[tuple[str, str]]:
    return [
        ("@method", method),
        ("@authority", authority),
        ("@path", path),
        ("@query", "?" + query),
        ("content-digest", _digest_field(digest)),
        ("sanlian-intent", intent_leaf.hex()),
    ]


def sign_forward(
    key: PrivateKey,
    *,
    method: str,
    authority: str,
    path: str,
    query: str,
    body: bytes,
    intent_leaf: bytes,
    created: int,
) -> dict[str, str]:
    """Return the signature headers of a forwarded call (protocol 7.3), without the receipt itself.

    Args:
        key: the gateway's key.
        method: GET or POST.
        authority: host and port of the provider.
        path: path of the operation.
        query: query string without the question mark, as sent.
        body: bytes of the body, empty for GET.
        intent_leaf: 32-byte leaf hash of the intent's record.
        created: unix seconds.
    """
    parameters = _parameters(
        _FORWARD_COMPONENTS,
        created=created,
        key_id=key.public_key.key_id,
        nonce=None,
        tag=FORWARD_TAG,
    )
    values = _forward_values(method, authority, path, query, sm3(body), intent_leaf)
    base = _base(values, parameters)
    return {
        "content-digest": content_digest(body),
        "sanlian-intent": intent_leaf.hex(),
        **_signature_headers(parameters, key.sign(base), key.public_key),
    }


def parse_forward(
    *, method: str, authority: str, path: str, query: str, headers: Headers, body: bytes
) -> Forward:
    """Parse and verify a forwarded call's signature; the caller decides whether it trusts the key.

    Raises:
        ProtocolError: as parse_request.
        VerificationError: SIGNATURE_INVALID.
    """
    found = _single(
        headers, ("content-digest", "sanlian-intent", "signature-input", "signature", "sanlian-key")
    )
    listed, created, key_id, _ = _parse_parameters(found, FORWARD_TAG, with_nonce=False)
    if listed != "(" + " ".join(f'"{name}"' for name in _FORWARD_COMPONENTS) + ")":
        raise _refuse(
            "SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7"
        )
    digest = parse_content_digest(_need(found, "content-digest"))
    if digest != sm3(body):
        raise _refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    intent = _intent_leaf(found)
    public_key = _parse_key(found, key_id)
    parameters = _need(found, "signature-input").removeprefix(LABEL + "=")
    base = _base(_forward_values(method, authority, path, query, digest, intent), parameters)
    _verify(public_key, base, _parse_signature(found))
    return Forward(public_key, created, intent)


def _intent_leaf(found: Mapping[str, str]) -> bytes:
    text = _need(found, "sanlian-intent")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise _refuse("HEADER_MALFORMED", "sanlian-intent must be 64 hex digits")
    return bytes.fromhex(text)


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A provider's signature on its answer, enough to rebuild and check its signature base.

    Attributes:
        public_key: the provider's key.
        created: unix seconds.
        status: HTTP status.
        content_digest: 32-byte SM3 of the answer's body.
        intent_leaf: 32-byte leaf hash of the intent's record.
        signature: SM2 signature.
    """

    public_key: PublicKey
    created: int
    status: int
    content_digest: bytes
    intent_leaf: bytes
    signature: Signature

    def parameters(self) -> str:
        """Return the signature parameters."""
        return _parameters(
            _ANSWER_COMPONENTS,
            created=self.created,
            key_id=self.public_key.key_id,
            nonce=None,
            tag=PROVIDER_TAG,
        )

    def base(self) -> bytes:
        """Return the RFC 9421 signature base."""
        values = [
            ("@status", str(self.status)),
            ("content-type", CONTENT_TYPE),
            ("content-digest", _digest_field(self.content_digest)),
            ("sanlian-intent", self.intent_leaf.hex()),
        ]
        return _base(values, self.parameters())

    def verify(self) -> None:
        """Check the signature.

        Raises:
            VerificationError: SIGNATURE_INVALID.
        """
        _verify(self.public_key, self.base(), self.signature)

    def to_record(self) -> dict[str, Any]:
        """Return the member ``provider_response`` of a record."""
        return {
            "public_key": self.public_key.to_bytes().hex(),
            "created": self.created,
            "status": self.status,
            "content_digest": self.content_digest.hex(),
            "signature": self.signature.to_bytes().hex(),
        }

    @classmethod
    def from_record(cls, value: Mapping[str, Any], *, intent_leaf: bytes) -> Self:
        """Rebuild from a record; the intent's leaf hash stands beside it.

        Raises:
            CryptoError: key or signature is not valid.
        """
        return cls(
            public_key=PublicKey.from_bytes(bytes.fromhex(value["public_key"])),
            created=value["created"],
            status=value["status"],
            content_digest=bytes.fromhex(value["content_digest"]),
            intent_leaf=intent_leaf,
            signature=Signature.from_bytes(bytes.fromhex(value["signature"])),
        )


def sign_answer(
    key: PrivateKey, *, status: int, body: bytes, intent_leaf: bytes, created: int
) -> dict[str, str]:
    """Return all headers of a provider's signed answer (protocol 7.3)."""
    unsigned = ProviderAnswer(
        public_key=key.public_key,
        created=created,
        status=status,
        content_digest=sm3(body),
        intent_leaf=intent_leaf,
        signature=Signature(1, 1),
    )
    return {
        "content-type": CONTENT_TYPE,
        "content-digest": content_digest(body),
        "sanlian-intent": intent_leaf.hex(),
        **_signature_headers(unsigned.parameters(), key.sign(unsigned.base()), key.public_key),
    }


def parse_answer(
    *, status: int, headers: Headers, body: bytes, intent_leaf: bytes
) -> ProviderAnswer:
    """Parse and verify a provider's signed answer to the forwarded intent.

    Raises:
        ProtocolError: as parse_request, and INTENT_MISMATCH.
        VerificationError: SIGNATURE_INVALID.
    """
    found = _single(
        headers,
        (
            "content-type",
            "content-digest",
            "sanlian-intent",
            "signature-input",
            "signature",
            "sanlian-key",
        ),
    )
    listed, created, key_id, _ = _parse_parameters(found, PROVIDER_TAG, with_nonce=False)
    if listed != "(" + " ".join(f'"{name}"' for name in _ANSWER_COMPONENTS) + ")":
        raise _refuse(
            "SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7"
        )
    if _need(found, "content-type") != CONTENT_TYPE:
        raise _refuse("HEADER_MALFORMED", f"content-type must be {CONTENT_TYPE}")
    digest = parse_content_digest(_need(found, "content-digest"))
    if digest != sm3(body):
        raise _refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    if _intent_leaf(found) != intent_leaf:
        raise _refuse("INTENT_MISMATCH", "the answer is to another call")
    answer = ProviderAnswer(
        public_key=_parse_key(found, key_id),
        created=created,
        status=status,
        content_digest=digest,
        intent_leaf=intent_leaf,
        signature=_parse_signature(found),
    )
    answer.verify()
    return answer
