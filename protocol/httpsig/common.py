"""What every signed call and answer has in common: fields, parameters, base, signature."""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey, Signature, verify
from crypto.sm3 import sm3

LABEL = "sanlian"
DATA_TAG = "sanlian-data-request"
EVIDENCE_TAG = "sanlian-evidence"
TEST_TAG = "sanlian-interface-test"
SEALED_TAG = "sanlian-sealed"
OBSERVATIONS_TAG = "sanlian-observations"
NOT_SENT_TAG = "sanlian-not-sent"
RESTRICTION_TAG = "sanlian-restriction"
OFFER_TAG = "sanlian-offer"
OPEN_OFFERS_TAG = "sanlian-open-offers"
CLOSING_TAG = "sanlian-closing"
CONSULTATION_TAG = "sanlian-consultation"
FORWARD_TAG = "sanlian-forward"
PROVIDER_TAG = "sanlian-provider"
DATA_PATH = "/v1/data"
TEST_PATH = "/v1/interface-tests"
OBSERVATIONS_PATH = "/v1/observations"
NOT_SENT_PATH = "/v1/not-sent"
RESTRICTION_PATH = "/v1/restrictions"
OFFER_PATH = "/v1/offers"
OPEN_OFFERS_PATH = "/v1/open-offers"
CLOSING_PATH = "/v1/closings"
CONSULTATION_PATH = "/v1/consultations"
#: Calls about sealed texts, by what is done (docs/protocol.md 7.5).
SEALED_PATHS = {
    "keep": "/v1/sealed",
    "fetch": "/v1/sealed-fetches",
    "dispose": "/v1/sealed-disposals",
}
CONTENT_TYPE = "application/json"
NONE = "-"

Headers = Iterable[tuple[str, str]]


HEADER_VALUE = re.compile(r"[!-~]{1,128}")
_DIGEST = re.compile(r"sm3=:([A-Za-z0-9+/=]{44}):")
_SIGNATURE = re.compile(LABEL + r"=:([A-Za-z0-9+/=]{88}):")
_KEY = re.compile(r"[0-9a-f]{128}")
#: Public keys that are not made of their digits again at each call.
_KEYS_KEPT = 1024
_AUTHORITY = re.compile(r"[a-z0-9.:\[\]_-]{1,255}")
# At most 15 digits: `created` is written into records, whose integers stay below 2^53.
_PARAMETERS = re.compile(
    r'(?P<list>\([^)]*\));created=(?P<created>0|[1-9][0-9]{0,14});keyid="(?P<keyid>[0-9a-f]{64})"'
    r'(?:;nonce="(?P<nonce>[0-9a-f]{32})")?;tag="(?P<tag>[a-z-]+)"'
)


def tag_of(path: str) -> str:
    """Return the tag of a signed call's path: no signature for one path counts at another."""
    if path in SEALED_PATHS.values():
        return SEALED_TAG
    tags = {
        DATA_PATH: DATA_TAG,
        TEST_PATH: TEST_TAG,
        OBSERVATIONS_PATH: OBSERVATIONS_TAG,
        NOT_SENT_PATH: NOT_SENT_TAG,
        RESTRICTION_PATH: RESTRICTION_TAG,
        OFFER_PATH: OFFER_TAG,
        OPEN_OFFERS_PATH: OPEN_OFFERS_TAG,
        CLOSING_PATH: CLOSING_TAG,
        CONSULTATION_PATH: CONSULTATION_TAG,
    }
    return tags.get(path, EVIDENCE_TAG)


def refuse(code: str, message: str, **details: object) -> ProtocolError:
    return ProtocolError(code, message, **details)


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field of a body (RFC 9530, private algorithm name sm3)."""
    return digest_field(sm3(body))


def digest_field(digest: bytes) -> str:
    """Return the Content-Digest field of a body with this SM3."""
    return f"sm3=:{base64.b64encode(digest).decode()}:"


def parse_content_digest(value: str) -> bytes:
    """Return the 32-byte SM3 that a Content-Digest field carries.

    Raises:
        ProtocolError: DIGEST_MALFORMED.
    """
    found = _DIGEST.fullmatch(value)
    raw = read_base64(found.group(1)) if found else None
    if raw is None or len(raw) != 32:
        raise refuse("DIGEST_MALFORMED", "content-digest must be one sm3 value")
    return raw


def read_base64(text: str) -> bytes | None:
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    return raw if binascii.b2a_base64(raw, newline=False).decode() == text else None


def single_values(headers: Headers, names: Collection[str]) -> dict[str, str]:
    """Return each named header's one value; a repeated one is refused."""
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in names:
            if lower in found:
                raise refuse("HEADER_REPEATED", f"{lower} stands twice", header=lower)
            found[lower] = value.strip(" \t")
    return found


def need(found: Mapping[str, str], name: str) -> str:
    value = found.get(name)
    if value is None:
        raise refuse("SIGNATURE_MISSING", f"header {name} is missing", header=name)
    return value


def signature_parameters(
    components: Iterable[str], *, created: int, key_id: bytes, nonce: str | None, tag: str
) -> str:
    names = component_list(tuple(components))
    nonce_part = f';nonce="{nonce}"' if nonce is not None else ""
    return f'{names};created={created};keyid="{key_id.hex()}"{nonce_part};tag="{tag}"'


@lru_cache(maxsize=64)
def component_list(components: tuple[str, ...]) -> str:
    """Return the list of covered components as signature parameters begin with it."""
    return "(" + " ".join(f'"{name}"' for name in components) + ")"


def signature_base(values: Iterable[tuple[str, str]], parameters: str) -> bytes:
    lines = [f'"{name}": {value}' for name, value in values]
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("ascii")


def parse_parameters(
    headers: Mapping[str, str], tag: str, *, with_nonce: bool
) -> tuple[str, int, bytes, str | None]:
    field = need(headers, "signature-input")
    found = (
        _PARAMETERS.fullmatch(field.removeprefix(LABEL + "="))
        if field.startswith(LABEL + "=")
        else None
    )
    if found is None or (found["nonce"] is not None) != with_nonce:
        raise refuse("SIGNATURE_MALFORMED", "signature-input does not have the form of protocol 7")
    if found["tag"] != tag:
        raise refuse("SIGNATURE_MALFORMED", f"the signature's tag must be {tag}")
    return found["list"], int(found["created"]), bytes.fromhex(found["keyid"]), found["nonce"]


def parse_signature(headers: Mapping[str, str]) -> Signature:
    found = _SIGNATURE.fullmatch(need(headers, "signature"))
    raw = read_base64(found.group(1)) if found else None
    if raw is None or len(raw) != 64:
        raise refuse("SIGNATURE_MALFORMED", "signature must be one value of 64 bytes")
    try:
        return Signature.from_bytes(raw)
    except CryptoError as error:
        raise refuse("SIGNATURE_MALFORMED", "r or s of the signature is out of range") from error


def parse_key(headers: Mapping[str, str], key_id: bytes) -> PublicKey:
    text = need(headers, "sanlian-key")
    if not _KEY.fullmatch(text):
        raise refuse("SIGNATURE_MALFORMED", "sanlian-key must be a public key in 128 hex digits")
    try:
        key = _key_of(text)
    except CryptoError as error:
        raise refuse("SIGNATURE_MALFORMED", "sanlian-key is not a point of the curve") from error
    if key.key_id != key_id:
        raise refuse("SIGNATURE_MALFORMED", "keyid is not the id of sanlian-key")
    return key


@lru_cache(maxsize=_KEYS_KEPT)
def _key_of(text: str) -> PublicKey:
    """What is no point of the curve raises, and so is not remembered."""
    return PublicKey.from_bytes(bytes.fromhex(text))


def signature_headers(parameters: str, signature: Signature, key: PublicKey) -> dict[str, str]:
    return {
        "signature-input": f"{LABEL}={parameters}",
        "signature": f"{LABEL}=:{base64.b64encode(signature.to_bytes()).decode()}:",
        "sanlian-key": key.to_bytes().hex(),
    }


def verify_base(public_key: PublicKey, base: bytes, signature: Signature) -> None:
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
        raise refuse("AUTHORITY_MALFORMED", "the Host header is not valid")
    return authority
