"""Keyed digests of request parameters (docs/protocol.md, 6.3): who asked about this value?

Pure functions: the key of a period is kept, and one day destroyed, by ledger/log/parameter_keys.py.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, ProtocolError
from crypto.sm3 import hmac_sm3, sm3

KEY_LENGTH = 32
MAX_POINTERS = 16
#: Months that one search names: ten years.
MAX_PERIODS = 120
#: RFC 6901, of names that can stand in a record: no wider than the canonical JSON of a request.
POINTER_PATTERN = re.compile(r"(/([A-Za-z0-9_.-]|~[01])+){1,8}")
MAX_POINTER_LENGTH = 128
PERIOD_PATTERN = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
CAUSES = ("retention_over", "purpose_ended", "erasure_demanded", "key_compromised")

_SHANGHAI = timezone(timedelta(hours=8))
_NOTHING = object()


def period_at(time_ms: int) -> str:
    """Return the period of a time: its calendar month in Asia/Shanghai, such as ``2026-11``.

    Args:
        time_ms: milliseconds since 1970 (UTC).
    """
    return datetime.fromtimestamp(time_ms / 1000, _SHANGHAI).strftime("%Y-%m")


def key_digest(key: bytes) -> bytes:
    """Return the digest that names a period's key: 32 bytes, of a secret of 256 random bits."""
    return sm3(b"sanlian/parameter-key/v1\n" + key)


def parameter_digest(key: bytes, period: str, pointer: str, value: object) -> bytes:
    """Return the keyed digest (32 bytes) of one parameter's value.

    Args:
        key: the period's key, 32 bytes.
        period: the period.
        pointer: RFC 6901 pointer of the value within ``parameters``.
        value: the JSON value; exactly as it was sent, nothing is normalised.

    Raises:
        ProtocolError: PARAMETER_INVALID when the value or the pointer cannot stand in a request.
    """
    if not is_pointer(pointer):
        raise ProtocolError("PARAMETER_INVALID", "this is not a pointer of a parameter")
    try:
        data = canonical_json(value)
    except CryptoError as error:
        raise ProtocolError("PARAMETER_INVALID", "the value is not JSON of a request") from error
    return hmac_sm3(key, f"sanlian/parameter/v1\n{period}\n{pointer}\n".encode() + data)


def parameter_member(
    key: bytes, period: str, pointers: Sequence[str], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the member `parameters` of a record: a digest of each pointer that has a value."""
    digests = []
    for pointer in pointers:
        value = _find(parameters, pointer)
        if value is not _NOTHING:
            digest = parameter_digest(key, period, pointer, value)
            digests.append({"pointer": pointer, "digest": digest.hex()})
    return {"period": period, "key": key_digest(key).hex(), "digests": digests}


def is_pointer(text: object) -> bool:
    """Return whether this is a pointer that a record can name."""
    return (
        isinstance(text, str)
        and len(text) <= MAX_POINTER_LENGTH
        and POINTER_PATTERN.fullmatch(text) is not None
    )


def is_periods(value: object) -> bool:
    """Return whether this is a list of months, sorted, each once, at most MAX_PERIODS."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_PERIODS
        and all(isinstance(one, str) and PERIOD_PATTERN.fullmatch(one) for one in value)
        and value == sorted(set(value))
    )


def is_parameter_member(value: object) -> bool:
    """Return whether this is the member `parameters` of a record."""
    if not isinstance(value, dict) or set(value) != {"period", "key", "digests"}:
        return False
    period, digests = value["period"], value["digests"]
    if not isinstance(period, str) or PERIOD_PATTERN.fullmatch(period) is None:
        return False
    if not isinstance(digests, list) or len(digests) > MAX_POINTERS:
        return False
    pointers = [one.get("pointer") for one in digests if isinstance(one, dict)]
    return (
        _is_digest(value["key"])
        and len(pointers) == len(digests)
        and all(map(is_pointer, pointers))
        and len(set(pointers)) == len(pointers)
        and all(set(one) == {"pointer", "digest"} and _is_digest(one["digest"]) for one in digests)
    )


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _find(value: object, pointer: str) -> object:
    """Objects only: a list has no place that the same parameter keeps from call to call."""
    for step in pointer[1:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, Mapping) or name not in value:
            return _NOTHING
        value = value[name]
    return value
