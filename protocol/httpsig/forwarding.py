"""The gateway's forwarded call and the provider's signed answer (docs/protocol.md, 7.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.sm2 import PublicKey, Signature, Signer
from crypto.sm3 import sm3
from protocol.httpsig.common import (
    CONTENT_TYPE,
    FORWARD_TAG,
    LABEL,
    PROVIDER_TAG,
    Headers,
    component_list,
    digest_field,
    need,
    parse_content_digest,
    parse_key,
    parse_parameters,
    parse_signature,
    refuse,
    signature_base,
    signature_parameters,
    single_values,
)
from protocol.httpsig.group import (
    GROUP_HEADER,
    Group,
    Unsigned,
    sign_all,
    verify_arrived,
    verify_message,
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
_ANSWER_HEADERS = frozenset(
    {
        "content-type",
        "content-digest",
        "sanlian-intent",
        "signature-input",
        "signature",
        "sanlian-key",
        GROUP_HEADER,
    }
)


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
        ("content-digest", digest_field(digest)),
        ("sanlian-intent", intent_leaf.hex()),
    ]


def sign_forward(
    key: Signer,
    *,
    method: str,
    authority: str,
    path: str,
    query: str,
    body: bytes,
    intent_leaf: bytes,
    created: int,
) -> dict[str, str]:
    """Return the signature headers of a forwarded call, signed by itself: see prepare_forward."""
    message = prepare_forward(
        key.public_key,
        method=method,
        authority=authority,
        path=path,
        query=query,
        body=body,
        intent_leaf=intent_leaf,
        created=created,
    )
    return sign_all(key, [message])[0]


def prepare_forward(
    public_key: PublicKey,
    *,
    method: str,
    authority: str,
    path: str,
    query: str,
    body: bytes,
    intent_leaf: bytes,
    created: int,
) -> Unsigned:
    """Return what a gateway signs of a forwarded call (protocol 7.3), without the receipt itself.

    Args:
        public_key: the gateway's key.
        method: GET or POST.
        authority: host and port of the provider.
        path: path of the operation.
        query: query string without the question mark, as sent.
        body: bytes of the body, empty for GET.
        intent_leaf: 32-byte leaf hash of the intent's record.
        created: unix seconds.
    """
    parameters = signature_parameters(
        _FORWARD_COMPONENTS,
        created=created,
        key_id=public_key.key_id,
        nonce=None,
        tag=FORWARD_TAG,
    )
    digest = sm3(body)
    values = _forward_values(method, authority, path, query, digest, intent_leaf)
    headers = {"content-digest": digest_field(digest), "sanlian-intent": intent_leaf.hex()}
    return Unsigned(signature_base(values, parameters), parameters, headers)


def parse_forward(
    *, method: str, authority: str, path: str, query: str, headers: Headers, body: bytes
) -> Forward:
    """Parse and verify a forwarded call's signature; the caller decides whether it trusts the key.

    Raises:
        ProtocolError: as parse_request.
        VerificationError: SIGNATURE_INVALID.
    """
    found = single_values(
        headers,
        (
            "content-digest",
            "sanlian-intent",
            "signature-input",
            "signature",
            "sanlian-key",
            GROUP_HEADER,
        ),
    )
    listed, created, key_id, _ = parse_parameters(found, FORWARD_TAG, with_nonce=False)
    if listed != component_list(_FORWARD_COMPONENTS):
        raise refuse("SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7")
    digest = parse_content_digest(need(found, "content-digest"))
    if digest != sm3(body):
        raise refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    intent = _intent_leaf(found)
    public_key = parse_key(found, key_id)
    parameters = need(found, "signature-input").removeprefix(LABEL + "=")
    base = signature_base(
        _forward_values(method, authority, path, query, digest, intent), parameters
    )
    verify_arrived(public_key, base, parse_signature(found), _group(found))
    return Forward(public_key, created, intent)


def _intent_leaf(found: Mapping[str, str]) -> bytes:
    text = need(found, "sanlian-intent")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise refuse("HEADER_MALFORMED", "sanlian-intent must be 64 hex digits")
    return bytes.fromhex(text)


def _group(found: Mapping[str, str]) -> Group | None:
    text = found.get(GROUP_HEADER)
    return None if text is None else Group.from_header(text)


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
        group: the answer's place in the group that was signed, None when it was signed alone.
    """

    public_key: PublicKey
    created: int
    status: int
    content_digest: bytes
    intent_leaf: bytes
    signature: Signature
    group: Group | None = None

    def parameters(self) -> str:
        """Return the signature parameters."""
        return signature_parameters(
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
            ("content-digest", digest_field(self.content_digest)),
            ("sanlian-intent", self.intent_leaf.hex()),
        ]
        return signature_base(values, self.parameters())

    def verify(self) -> None:
        """Check the signature.

        Raises:
            VerificationError: SIGNATURE_INVALID.
        """
        verify_message(self.public_key, self.base(), self.signature, self.group)

    def to_record(self) -> dict[str, Any]:
        """Return the member ``provider_response`` of a record."""
        return {
            "public_key": self.public_key.to_bytes().hex(),
            "created": self.created,
            "status": self.status,
            "content_digest": self.content_digest.hex(),
            "signature": self.signature.to_bytes().hex(),
            "group": None if self.group is None else self.group.to_record(),
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
            group=None if value["group"] is None else Group.from_record(value["group"]),
        )


def sign_answer(
    key: Signer, *, status: int, body: bytes, intent_leaf: bytes, created: int
) -> dict[str, str]:
    """Return all headers of a provider's answer, signed by itself: see prepare_answer."""
    message = prepare_answer(
        key.public_key, status=status, body=body, intent_leaf=intent_leaf, created=created
    )
    return sign_all(key, [message])[0]


def prepare_answer(
    public_key: PublicKey, *, status: int, body: bytes, intent_leaf: bytes, created: int
) -> Unsigned:
    """Return what a provider signs of its answer, with the answer's other headers (protocol 7.3).

    Args:
        public_key: the provider's key.
        status: HTTP status.
        body: bytes of the body.
        intent_leaf: 32-byte leaf hash of the intent's record.
        created: unix seconds.
    """
    unsigned = ProviderAnswer(
        public_key=public_key,
        created=created,
        status=status,
        content_digest=sm3(body),
        intent_leaf=intent_leaf,
        signature=Signature(1, 1),
    )
    headers = {
        "content-type": CONTENT_TYPE,
        "content-digest": digest_field(unsigned.content_digest),
        "sanlian-intent": intent_leaf.hex(),
    }
    return Unsigned(unsigned.base(), unsigned.parameters(), headers)


def parse_answer(
    *, status: int, headers: Headers, body: bytes, intent_leaf: bytes
) -> ProviderAnswer:
    """Parse and verify a provider's signed answer to the forwarded intent.

    Raises:
        ProtocolError: as parse_request, and INTENT_MISMATCH.
        VerificationError: SIGNATURE_INVALID.
    """
    found = single_values(headers, _ANSWER_HEADERS)
    listed, created, key_id, _ = parse_parameters(found, PROVIDER_TAG, with_nonce=False)
    if listed != component_list(_ANSWER_COMPONENTS):
        raise refuse("SIGNATURE_MALFORMED", "the signature must cover the components of protocol 7")
    if need(found, "content-type") != CONTENT_TYPE:
        raise refuse("HEADER_MALFORMED", f"content-type must be {CONTENT_TYPE}")
    digest = parse_content_digest(need(found, "content-digest"))
    if digest != sm3(body):
        raise refuse("DIGEST_MISMATCH", "the body is not the one that content-digest names")
    if _intent_leaf(found) != intent_leaf:
        raise refuse("INTENT_MISMATCH", "the answer is to another call")
    answer = ProviderAnswer(
        public_key=parse_key(found, key_id),
        created=created,
        status=status,
        content_digest=digest,
        intent_leaf=intent_leaf,
        signature=parse_signature(found),
        group=_group(found),
    )
    verify_arrived(answer.public_key, answer.base(), answer.signature, answer.group)
    return answer
