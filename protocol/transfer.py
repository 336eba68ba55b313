"""Batches that a provider offers, and the ends of transfers in parts (docs/protocol.md, 7.11)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crypto.canonical import canonical_json, fast_canonical, parse_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.sm3 import sm3

#: How data are provided (Art 20): the way of a request that a batch may be offered under.
BATCH_WAY = 2
MAX_PARTS = 20_000
MAX_OFFER_PARTS = 1_000
MAX_NUMBER = 2**53 - 1
MAX_MANIFEST_SIZE = 256 * 1024
MANIFEST_TYPE = "sanlian/push/v1"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HEX = re.compile(r"[0-9a-f]{64}")


def check_offer(value: object) -> dict[str, Any]:
    """Return an offer whose form holds: ``manifest``, ``name``, ``parts``, ``rows``, ``salt``.

    Raises:
        ProtocolError: OFFER_MALFORMED, with the field.
    """
    members = {
        "manifest": _is_hex,
        "name": lambda one: isinstance(one, str) and NAME.fullmatch(one) is not None,
        "parts": _is_number(1, MAX_OFFER_PARTS),
        "rows": _is_number(0, MAX_NUMBER),
        "salt": _is_hex,
    }
    return _check(value, members, "OFFER_MALFORMED")


def check_closing(value: object) -> dict[str, Any]:
    """Return the end of a transfer whose form holds.

    Members: ``first`` and ``last`` (indices of its first and last outcome), ``manifest`` (SM3 of
    the requester's manifest, hex), ``offer`` (index of the offer, or null), ``parts``, ``rows``,
    ``salt``.

    Raises:
        ProtocolError: CLOSING_MALFORMED, with the field.
    """
    members = {
        "first": _is_number(0, MAX_NUMBER),
        "last": _is_number(0, MAX_NUMBER),
        "manifest": _is_hex,
        "offer": lambda one: one is None or _is_number(0, MAX_NUMBER)(one),
        "parts": _is_number(1, MAX_PARTS),
        "rows": _is_number(0, MAX_NUMBER),
        "salt": _is_hex,
    }
    value = _check(value, members, "CLOSING_MALFORMED")
    if value["last"] - value["first"] < value["parts"] - 1:
        raise ProtocolError("CLOSING_MALFORMED", "there are fewer records than parts", field="last")
    return value


def is_offer(value: object) -> bool:
    """Return whether a value is an offer."""
    return _holds(check_offer, value)


def is_closing(value: object) -> bool:
    """Return whether a value is the end of a transfer."""
    return _holds(check_closing, value)


def make_manifest(grant: bytes, name: str, salt: str, parts: Iterable[Any]) -> bytes:
    """Return the manifest of an offered batch in canonical JSON.

    Args:
        grant: 32-byte id of the grant.
        name: name of the batch.
        salt: 64 random hex digits: the digests hide the records.
        parts: of each part its list of records, as they are released.

    Raises:
        ProtocolError: OFFER_MALFORMED.
    """
    listed = [{"rows": len(part), "sm3": part_digest(salt, part).hex()} for part in parts]
    manifest = canonical_json(
        {"grant": grant.hex(), "name": name, "parts": listed, "salt": salt, "type": MANIFEST_TYPE}
    )
    parse_manifest(manifest)
    return manifest


def parse_manifest(data: bytes) -> dict[str, Any]:
    """Return the manifest of an offered batch.

    Raises:
        ProtocolError: OFFER_MALFORMED.
    """
    try:
        value: Any = parse_canonical(data, max_bytes=MAX_MANIFEST_SIZE)
    except CryptoError as error:
        raise ProtocolError("OFFER_MALFORMED", "the manifest is not canonical JSON") from error
    return check_manifest(value)


def check_manifest(value: object) -> dict[str, Any]:
    """Return a manifest whose form holds.

    Raises:
        ProtocolError: OFFER_MALFORMED, with the field.
    """
    members = {
        "grant": _is_hex,
        "name": lambda one: isinstance(one, str) and NAME.fullmatch(one) is not None,
        "parts": lambda one: (
            isinstance(one, list) and 1 <= len(one) <= MAX_OFFER_PARTS and all(map(_is_part, one))
        ),
        "salt": _is_hex,
        "type": lambda one: one == MANIFEST_TYPE,
    }
    return _check(value, members, "OFFER_MALFORMED")


def part_digest(salt: str, records: Any) -> bytes:
    """Return SM3(salt ‖ canonical JSON of a part's released records), 32 bytes."""
    return sm3(bytes.fromhex(salt) + canonical_json(records))


def encode_offer(value: Mapping[str, Any]) -> bytes:
    """Return the body that is signed.

    Raises:
        ProtocolError: OFFER_MALFORMED.
    """
    return fast_canonical(check_offer(dict(value)))


def encode_closing(value: Mapping[str, Any]) -> bytes:
    """Return the body that is signed.

    Raises:
        ProtocolError: CLOSING_MALFORMED.
    """
    return fast_canonical(check_closing(dict(value)))


def _check(value: object, members: Mapping[str, Any], code: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(members):
        raise ProtocolError(code, f"the members are {', '.join(sorted(members))}")
    for name, check in members.items():
        if not check(value[name]):
            raise ProtocolError(code, f"{name} is not valid", field=name)
    return value


def _holds(check: Any, value: object) -> bool:
    try:
        check(value)
    except ProtocolError:
        return False
    return True


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_number(least: int, most: int) -> Any:
    return lambda value: type(value) is int and least <= value <= most


def _is_part(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"rows", "sm3"}
        and _is_number(0, MAX_NUMBER)(value["rows"])
        and _is_hex(value["sm3"])
    )
