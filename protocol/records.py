"""Records of the access log: canonical JSON of fixed members (docs/protocol.md, 6.3)."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from crypto.canonical import fast_canonical, parse_canonical, plain_canonical
from crypto.errors import CryptoError, ProtocolError
from protocol.checkpoint import ORIGIN_PATTERN
from protocol.kept import is_kept_member
from protocol.networks import parse_networks
from protocol.not_sent import is_statement
from protocol.observation import HandedIn, check_observation
from protocol.parameters import CAUSES, PERIOD_PATTERN, is_parameter_member, is_periods
from protocol.stream import is_stream
from protocol.transfer import is_closing, is_offer

MAX_RECORD_SIZE = 16 * 1024
MAX_INT = 2**53 - 1

Check = Callable[[object], bool]

_HEADER_VALUE = re.compile(r"[!-~]{1,128}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INT


def _is_hex(length: int) -> Check:
    pattern = re.compile(f"[0-9a-f]{{{2 * length}}}")
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_object(members: Mapping[str, Check]) -> Check:
    names, checks = members.keys(), tuple(members.items())

    def is_object(value: object) -> bool:
        if not isinstance(value, dict) or value.keys() != names:
            return False
        # A loop is a third faster than all() of a generator.
        for name, check in checks:  # noqa: SIM110 - for that
            if not check(value[name]):
                return False
        return True

    return is_object


def _is_observation(value: object) -> bool:
    try:
        check_observation(value)
    except ProtocolError:
        return False
    return True


def _is_networks(value: object) -> bool:
    try:
        parse_networks(value)
    except ProtocolError:
        return False
    return True


def _is_one_of(*words: str) -> Check:
    return lambda value: value in words


_ID = _is_hex(32)
_CODE_OR_EMPTY: Check = lambda value: value == "" or _matches(_CODE)(value)  # noqa: E731 - a table entry

#: What a data request signs; from these alone its signature base is rebuilt.
REQUEST_MEMBERS: dict[str, Check] = {
    "authority": _matches(re.compile(r"[a-z0-9.:\[\]_-]{1,255}")),
    "path": _matches(re.compile(r"/[a-z0-9/._-]{0,127}")),
    "content_digest": _ID,
    "created": _is_int,
    "nonce": _is_hex(16),
    "public_key": _is_hex(64),
    "grant": _ID,
    "person": _matches(_HEADER_VALUE),
    "basis": _matches(_HEADER_VALUE),
    "scenario": _matches(_HEADER_VALUE),
    "case": _matches(_HEADER_VALUE),
    "stream": _or_null(is_stream),
    "signature": _is_hex(64),
}


def _is_path(value: object) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 10 and all(map(_ID, value))


def _is_group(value: object) -> bool:
    return (
        _GROUP(value)
        and isinstance(value, dict)
        and 2 <= value["size"] <= 1024
        and value["index"] < value["size"]
    )


_GROUP = _is_object({"index": _is_int, "size": _is_int, "path": _is_path})

_PROVIDER_RESPONSE = _is_object(
    {
        "public_key": _is_hex(64),
        "created": _is_int,
        "status": _is_int,
        "content_digest": _ID,
        "signature": _is_hex(64),
        "group": _or_null(_is_group),
    }
)

_REQUEST_PART: dict[str, Check] = {
    "request": _is_object(REQUEST_MEMBERS),
    "department": _ID,
    "source": _matches(re.compile(r"[0-9a-fA-F.:%a-z]{1,64}")),
    "block": _is_object({"number": _is_int, "hash": _ID}),
}

EVENTS: dict[str, dict[str, Check]] = {
    "opened": {"log_id": _ID, "gateway_key": _ID},
    "intent": {
        **_REQUEST_PART,
        "grant_revision": _is_int,
        "provider": _ID,
        "entry": _ID,
        "entry_version": _is_int,
        "interface": _ID,
        "interface_version": _is_int,
        "items": _ID,
    },
    "outcome": {
        "intent": _is_int,
        "intent_leaf": _ID,
        "result": _is_one_of("released", "failed"),
        "code": _CODE_OR_EMPTY,
        "items": _ID,
        "rows": _is_int,
        "bytes": _is_int,
        "latency_ms": _is_int,
        "response_digest": _or_null(_ID),
        "provider_response": _or_null(_PROVIDER_RESPONSE),
    },
    "denied": {**_REQUEST_PART, "code": _matches(_CODE)},
    "interrupted": {"intent": _is_int, "intent_leaf": _ID},
    "inspected": {
        **_REQUEST_PART,
        "subject_log": _matches(ORIGIN_PATTERN),
        "subject_seq": _is_int,
    },
    "sealed": {
        **_REQUEST_PART,
        "operation": _is_one_of("keep", "fetch", "dispose"),
        "act": _ID,
        "word": _matches(re.compile(r"[a-z_]{1,32}")),
        "envelope": _or_null(_ID),
    },
    "restricted": {
        **_REQUEST_PART,
        "side": _is_one_of("provider", "requester"),
        "networks": _is_networks,
        "salt": _ID,
    },
    "consulted": {
        **_REQUEST_PART,
        "operation": _is_one_of("search", "open"),
        "periods": is_periods,
        "record": _or_null(_is_int),
        "salt": _ID,
    },
    "rejected": {
        "source": _matches(re.compile(r"[0-9a-fA-F.:%a-z]{1,64}")),
        "code": _matches(_CODE),
        "minute": _is_int,
        "count": _is_int,
    },
    "test": {**_REQUEST_PART, "provider": _ID, "interface": _ID, "document": _ID},
    "tested": {
        "test": _is_int,
        "test_leaf": _ID,
        "result": _is_one_of("passed", "failed"),
        "code": _CODE_OR_EMPTY,
        "report": _ID,
        "latency_ms": _is_int,
        "provider_response": _or_null(_PROVIDER_RESPONSE),
    },
    "observed": {
        "observation": _is_observation,
        "public_key": _is_hex(64),
        "signature": _is_hex(64),
        "department": _ID,
        "source": _matches(re.compile(r"[0-9a-fA-F.:%a-z]{1,64}")),
        "block": _is_object({"number": _is_int, "hash": _ID}),
    },
    "not_sent": {**_REQUEST_PART, "statement": is_statement},
    "offered": {**_REQUEST_PART, "statement": is_offer},
    "closed": {**_REQUEST_PART, "statement": is_closing},
    "disposed": {
        "period": _matches(PERIOD_PATTERN),
        "key": _or_null(_ID),
        "cause": _is_one_of(*CAUSES),
    },
    "kept_disposed": {
        "period": _matches(PERIOD_PATTERN),
        "record": _or_null(_is_int),
        "cause": _is_one_of(*CAUSES),
    },
    "heartbeat": {},
}

#: Members that a record may have or not; without a value they are left out, never null.
OPTIONAL: dict[str, dict[str, Check]] = {
    "intent": {"parameters": is_parameter_member, "kept": is_kept_member},
    "denied": {"parameters": is_parameter_member},
}

_COMMON: dict[str, Check] = {
    "v": lambda value: _is_int(value) and value == 1,
    "log": _matches(ORIGIN_PATTERN),
    "seq": _is_int,
    "time_ms": _is_int,
}

_COMMON_NAMES = frozenset({*_COMMON, "event"})
_COMMON_CHECKS = tuple(_COMMON.items())


def _check(record: object) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ProtocolError("RECORD_MALFORMED", "a record is an object")
    event = record.get("event")
    members = EVENTS.get(event) if isinstance(event, str) else None
    if members is None:
        raise ProtocolError("RECORD_MALFORMED", "the record's event is not known")
    optional = OPTIONAL.get(str(event))
    if optional is not None:
        members = {**members, **{name: optional[name] for name in optional if name in record}}
    names = _COMMON_NAMES | members.keys()
    if record.keys() != names:
        raise ProtocolError(
            "RECORD_MALFORMED",
            f"a record of event {event} has other members",
            fields=sorted(set(map(str, record)) ^ names),
        )
    for name, check in (*_COMMON_CHECKS, *members.items()):
        if not check(record[name]):
            raise ProtocolError("RECORD_MALFORMED", f"{name} is not valid", field=name)
    return record


def encode_record(record: Mapping[str, Any]) -> bytes:
    """Encode a record as canonical JSON.

    Args:
        record: members as docs/protocol.md 6.3 lists them for its event.

    Raises:
        ProtocolError: RECORD_MALFORMED, with the field.
    """
    data = fast_canonical(_check(dict(record)))
    if len(data) > MAX_RECORD_SIZE:
        raise ProtocolError("RECORD_MALFORMED", "a record is at most 16 KiB")
    return data


class Prepared(NamedTuple):
    """An `observed` record whose number is not known yet, checked and encoded in parts.

    Attributes:
        frame: canonical bytes before the observation, before the number, before the signature and
            behind it; one object for all records that have them in common.
        observation: canonical JSON of the observation.
        signature: its signature as 128 hex.
    """

    frame: tuple[bytes, bytes, bytes, bytes]
    observation: bytes
    signature: bytes

    def encode(self, seq: int) -> bytes:
        """Return the canonical bytes of the record with this number."""
        head, middle, behind, tail = self.frame
        return b"%b%b%b%d%b%b%b" % (
            head,
            self.observation,
            middle,
            seq,
            behind,
            self.signature,
            tail,
        )


#: In the place of what differs between records that have the rest in common: a valid observation,
#: and forms of the length of what comes there.
_OBSERVATION_HERE: dict[str, Any] = {
    "v": 1,
    "platform": "-",
    "record": "-",
    "time_ms": 0,
    "requester": "-",
    "requester_key": None,
    "person": "-",
    "grant": None,
    "authorization": "-",
    "provider": "-",
    "resource": "-",
    "items": [],
    "result": "refused",
    "code": "",
    "request_digest": "00" * 32,
    "response_digest": None,
}
_SIGNATURE_HERE = "5e" * 64


class ObservedEncoder:
    """Encodes `observed` records that have all but observation, signature and number in common.

    Args:
        common: the members in common.

    Raises:
        ProtocolError: RECORD_MALFORMED, with the field.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        record = {
            **common,
            "event": "observed",
            "observation": _OBSERVATION_HERE,
            "signature": _SIGNATURE_HERE,
            "seq": MAX_INT,
        }
        data = encode_record(record)
        marks = (plain_canonical(_OBSERVATION_HERE), b'"seq":%d,' % MAX_INT, _SIGNATURE_HERE)
        self._size = len(data) - len(marks[0])
        parts = []
        for mark in marks:
            part, _, data = data.partition(mark if isinstance(mark, bytes) else mark.encode())
            parts.append(part)
        self._frame = (parts[0], parts[1] + b'"seq":', b"," + parts[2], data)

    def encode(self, observation: HandedIn) -> Prepared:
        """Return the record of what was handed in.

        Raises:
            ProtocolError: RECORD_MALFORMED when the record would be too large.
        """
        encoded = observation.encoded
        if self._size + len(encoded) > MAX_RECORD_SIZE:
            raise ProtocolError("RECORD_MALFORMED", "a record is at most 16 KiB")
        return Prepared(self._frame, encoded, observation.signature_text)


def parse_record(data: bytes) -> dict[str, Any]:
    """Decode a record strictly.

    Raises:
        ProtocolError: RECORD_MALFORMED.
    """
    try:
        value = parse_canonical(data, max_bytes=MAX_RECORD_SIZE)
    except CryptoError as error:
        raise ProtocolError("RECORD_MALFORMED", "a record is canonical JSON") from error
    return _check(value)
