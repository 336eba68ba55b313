"""Signed access records of another exchange platform (docs/protocol.md, 6.6).

Such a record tells what another platform did. The gateway neither decided nor enforced it: it keeps
the record as *observed*, with the signature of the enrolled key that vouches for it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from crypto.canonical import fast_canonical, parse_canonical, plain_canonical
from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey, Signature, Signer, verified_digest, verify
from crypto.sm3 import sm3
from protocol.pseudonym import is_pseudonym

MAX_OBSERVATION_SIZE = 4 * 1024
#: Records of one batch, and the bytes of its body.
MAX_BATCH_RECORDS = 1000
MAX_BATCH_SIZE = 4 * 1024 * 1024
MAX_ITEMS = 64
_PREFIX = b"sanlian/observation/v1\n"
_MAX_INT = 2**53 - 1

_CODE = re.compile(r"[!-~]{1,64}")
_WORD = re.compile(r"[!-~]{1,128}")
_ID = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")

Check = Callable[[object], bool]


def _text(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_pseudonym(value: object) -> bool:
    return _text(_WORD)(value) and is_pseudonym(str(value))


def _is_items(value: object) -> bool:
    if not isinstance(value, list) or len(value) > MAX_ITEMS or not all(map(_text(_CODE), value)):
        return False
    return value == sorted(set(value))


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INT


_MEMBERS: dict[str, Check] = {
    "v": lambda value: isinstance(value, int) and not isinstance(value, bool) and value == 1,
    "platform": _text(_CODE),
    "record": _text(_WORD),
    "time_ms": _is_time,
    "requester": _text(_WORD),
    "requester_key": _or_null(_text(_WORD)),
    "person": _is_pseudonym,
    "grant": _or_null(_text(_ID)),
    "authorization": _or_null(_text(_WORD)),
    "provider": _text(_WORD),
    "resource": _text(_WORD),
    "items": _is_items,
    "result": lambda value: value in ("released", "refused", "failed"),
    "code": lambda value: value == "" or _text(_CODE)(value),
    "request_digest": _text(_ID),
    "response_digest": _or_null(_text(_ID)),
}


def check_observation(value: object) -> dict[str, Any]:
    """Return the members of a record, when they are exactly those of docs/protocol.md 6.6.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED, with the field.
    """
    if not isinstance(value, dict) or set(value) != set(_MEMBERS):
        raise ProtocolError("OBSERVATION_MALFORMED", "the access record has other members")
    for name, check in _MEMBERS.items():
        if not check(value[name]):
            raise ProtocolError("OBSERVATION_MALFORMED", f"{name} is not valid", field=name)
    if (value["grant"] is None) == (value["authorization"] is None):
        raise ProtocolError(
            "OBSERVATION_MALFORMED",
            "the access record names a grant, or another platform's authorization",
            field="authorization",
        )
    if (value["result"] == "released") != (value["response_digest"] is not None):
        raise ProtocolError(
            "OBSERVATION_MALFORMED",
            "a response's digest stands where data was released, and only there",
            field="response_digest",
        )
    return value


def observation_text(value: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: a prefix of their own and the record's canonical JSON.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED.
    """
    data = _usual_text(value)
    if data is None:
        # Every member's form is ASCII or a number in its bounds.
        data = plain_canonical(check_observation(dict(value)))
    if len(data) > MAX_OBSERVATION_SIZE:
        raise ProtocolError("OBSERVATION_MALFORMED", "an access record has at most 4 KiB")
    return _PREFIX + data


# What almost every record looks like: texts without quotation marks and backslashes, so without
# escapes. One expression over the canonical text is many times faster than a parser and a check of
# each member. Whatever it matches is canonical JSON: names in order, each once, no white space, no
# escapes, numbers without leading zeros.
_USUAL_WORD = rb'"[!#-\[\]-~]{1,128}"'
_USUAL_CODE = rb'"[!#-\[\]-~]{1,64}"'
_USUAL_ID = rb'"[0-9a-f]{64}"'
_USUAL = re.compile(
    b"{%b}"
    % b",".join(
        b'"%b":%b' % member
        for member in (
            (b"authorization", b"(null|%b)" % _USUAL_WORD),
            (b"code", b'(?:""|%b)' % _USUAL_CODE),
            (b"grant", b"(null|%b)" % _USUAL_ID),
            (b"items", rb"\[((?:%b(?:,%b){0,63})?)\]" % (_USUAL_CODE, _USUAL_CODE)),
            (b"person", b"(%b)" % _USUAL_WORD),
            (b"platform", _USUAL_CODE),
            (b"provider", _USUAL_WORD),
            (b"record", b"(%b)" % _USUAL_WORD),
            (b"request_digest", _USUAL_ID),
            (b"requester", _USUAL_WORD),
            (b"requester_key", b"(?:null|%b)" % _USUAL_WORD),
            (b"resource", _USUAL_WORD),
            (b"response_digest", b"(null|%b)" % _USUAL_ID),
            (b"result", b'"(released|refused|failed)"'),
            (b"time_ms", b"(0|[1-9][0-9]{0,14})"),
            (b"v", b"1"),
        )
    )
)


class _Usual(NamedTuple):
    """What is needed of a record of the usual form.

    Attributes:
        record: the platform's id.
        time_ms: when access was given.
        grant: the grant, 64 hex, if it names one.
    """

    record: str
    time_ms: int
    grant: str | None


def _read_usual(data: bytes) -> _Usual | None:
    """Return what stands in a record of the usual form, None when it must be looked at closely.

    It accepts nothing but canonical JSON of members that check_observation accepts.
    """
    match = _USUAL.fullmatch(data)
    if match is None or len(data) > MAX_OBSERVATION_SIZE:
        return None
    authorization, grant, listed, person, record, response, result, time_ms = match.groups()
    # No text has a quotation mark in it, and ASCII sorts as the characters do.
    items = listed[1:-1].split(b'","')
    is_usual = (
        (grant == b"null") != (authorization == b"null")
        and (result == b"released") == (response != b"null")
        and is_pseudonym(person[1:-1].decode())
        and items == sorted(set(items))
    )
    if not is_usual:
        return None
    return _Usual(
        record[1:-1].decode(), int(time_ms), None if grant == b"null" else grant[1:-1].decode()
    )


def _usual_text(value: Mapping[str, Any]) -> bytes | None:
    """Return the canonical JSON of members of the usual form, None when each must be looked at."""
    try:
        data = plain_canonical(value)
    except CryptoError:
        return None
    return None if _read_usual(data) is None else data


@dataclass(frozen=True, slots=True)
class Observation:
    """An access record of another platform as it is handed in.

    Attributes:
        members: what it tells.
        key_id: 32-byte id of the key that signed it.
        signature: SM2 signature over text.
        text: the bytes that are signed, see observation_text.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED.
    """

    members: Mapping[str, Any]
    key_id: bytes
    signature: Signature
    text: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", observation_text(self.members))

    @property
    def record(self) -> str:
        """The platform's own id of the record: with the key id it names the record."""
        text: str = self.members["record"]
        return text

    @property
    def time_ms(self) -> int:
        """When access was given, by the platform's clock."""
        told: int = self.members["time_ms"]
        return told

    @property
    def digest(self) -> bytes:
        """SM3 of key id and text, 32 bytes: what is signed, e of GB/T 32918.2 (6.1).

        Of one key's records it tells apart what the texts themselves do, since the key id stands
        before each.
        """
        return sm3(self.key_id + self.text)

    @property
    def handed_in(self) -> "HandedIn":
        """The bytes that a log keeps of it."""
        return HandedIn(
            self.key_id.hex(),
            self.record,
            self.time_ms,
            self.members["grant"],
            self.text[len(_PREFIX) :],
            self.signature,
            self.signature.to_bytes().hex().encode(),
        )

    def verify(self, public_key: PublicKey) -> None:
        """Check the signature.

        Raises:
            VerificationError: OBSERVATION_SIGNATURE_INVALID.
        """
        try:
            if public_key.key_id != self.key_id:
                raise VerificationError("OBSERVATION_SIGNATURE_INVALID", "this is another key")
            verify(public_key, self.text, self.signature)
        except CryptoError as error:
            raise VerificationError(
                "OBSERVATION_SIGNATURE_INVALID", "the access record's signature does not hold"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Return the value that stands in a batch."""
        return {
            "key_id": self.key_id.hex(),
            "record": dict(self.members),
            "signature": self.signature.to_bytes().hex(),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Decode one value of a batch strictly.

        Raises:
            ProtocolError: OBSERVATION_MALFORMED.
        """
        bad = ProtocolError("OBSERVATION_MALFORMED", "this is not a signed access record")
        if not isinstance(value, dict) or set(value) != {"key_id", "record", "signature"}:
            raise bad
        key_id, signature = value["key_id"], value["signature"]
        if not _text(_ID)(key_id) or not _text(_SIGNATURE)(signature):
            raise bad
        if not isinstance(value["record"], dict):
            raise bad
        try:
            parsed = Signature.from_bytes(bytes.fromhex(signature))
        except CryptoError as error:
            raise bad from error
        return cls(value["record"], bytes.fromhex(key_id), parsed)


class HandedIn(NamedTuple):
    """A signed access record whose members were checked, as the bytes that a log keeps.

    Attributes:
        key_id: id of the key that signed it, 64 hex.
        record: the platform's own id of the record.
        time_ms: when access was given.
        grant: grant that it names, 64 hex, if it names one.
        encoded: canonical JSON of the members.
        signature: SM2 signature over the bytes that are signed.
        signature_text: the same as 128 hex.
    """

    key_id: str
    record: str
    time_ms: int
    grant: str | None
    encoded: bytes
    signature: Signature
    signature_text: bytes

    @classmethod
    def read(cls, entry: bytes) -> "HandedIn | None":
        """Return what stands in an entry of a batch of the usual form, without parsing it.

        Args:
            entry: anything. Only canonical JSON is accepted, and nothing else than what
                Observation.from_json makes of it; None where that is to be asked.
        """
        match = _ENTRY.fullmatch(entry)
        usual = _read_usual(match[2]) if match is not None else None
        if match is None or usual is None:
            return None
        key_id, encoded, signature = match.groups()
        try:
            parsed = Signature(int(signature[:64], 16), int(signature[64:], 16))
        except CryptoError:
            return None
        return cls(key_id.decode(), *usual, encoded, parsed, signature)

    def verified_digest(self, public_key: PublicKey) -> bytes | None:
        """Return Observation.digest when the signature is that of the key, else None."""
        return verified_digest(public_key, _PREFIX + self.encoded, self.signature)


_ENTRY = re.compile(
    rb'\{"key_id":"([0-9a-f]{64})","record":(\{.*\}),"signature":"([0-9a-f]{128})"\}'
)


def sign_observation(key: Signer, members: Mapping[str, Any]) -> Observation:
    """Sign an access record.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED.
    """
    return Observation(dict(members), key.public_key.key_id, key.sign(observation_text(members)))


def encode_batch(observations: list[Observation], salt: str) -> bytes:
    """Return the body that hands in a batch.

    Args:
        observations: 1 to MAX_BATCH_RECORDS records.
        salt: 64 random hex digits.

    Raises:
        ProtocolError: BATCH_TOO_LARGE.
    """
    value = {"observations": [one.to_json() for one in observations], "salt": salt}
    body = fast_canonical(value)
    if not 1 <= len(observations) <= MAX_BATCH_RECORDS or len(body) > MAX_BATCH_SIZE:
        raise ProtocolError("BATCH_TOO_LARGE", "a batch has 1 to 1,000 records in at most 4 MiB")
    return body


def parse_observation(data: bytes) -> dict[str, Any]:
    """Decode the canonical JSON of a record's members strictly.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED.
    """
    try:
        value = parse_canonical(data, max_bytes=MAX_OBSERVATION_SIZE)
    except CryptoError as error:
        raise ProtocolError(
            "OBSERVATION_MALFORMED", "an access record is canonical JSON of at most 4 KiB"
        ) from error
    return check_observation(value)
