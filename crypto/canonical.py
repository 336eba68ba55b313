"""JSON that has one byte form: RFC 8785 writing, strict I-JSON reading.

Values are those of JSON with the limits of RFC 7493: whole numbers within plus or minus 2^53 - 1,
text without lone surrogates and noncharacters, member names that occur once, at most 32 levels.
Everything that canonical_json writes, parse_canonical reads.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import orjson
import rfc8785

from crypto.errors import CryptoError

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1

_MAX_NUMBER_LENGTH = 40
_FAST_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_PLAIN_TYPES = frozenset({str, int, bool, type(None)})
# First bytes of characters beyond the basic plane: without them UTF-8 and UTF-16 sort alike.
_ASTRAL = bytes(range(0xF0, 0x100))
# What the noncharacters of the basic plane, U+FDD0 to U+FDEF, U+FFFE and U+FFFF, begin with.
_NONCHARACTERS = (b"\xef\xb7", b"\xef\xbf\xbe", b"\xef\xbf\xbf")
# RFC 7493 clause 2.1: surrogates and noncharacters.
_FORBIDDEN = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(
        f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17)
    )
    + "]"
)


class _UnfitError(Exception):
    """The value is outside I-JSON; its text says how."""


def canonical_json(value: Any) -> bytes:
    """Return the one canonical JSON form of value.

    Args:
        value: dict, list, tuple, str, int, float, bool and None, at most 32 levels.

    Raises:
        CryptoError: NOT_CANONICAL when value has no such form.

    Standard: RFC 8785 clause 3.2.
    """
    try:
        _require_fit(value, MAX_DEPTH)
        return rfc8785.dumps(value)
    except _UnfitError as error:
        raise _not_canonical(str(error)) from None
    except ValueError:
        raise _not_canonical("the value cannot be written") from None


def fast_canonical(value: Any) -> bytes:
    """Return the same bytes as canonical_json, many times faster for plain records.

    Plain means: no float, no character beyond the basic plane, and no noncharacter. Any other value
    takes the slow way.

    Raises:
        CryptoError: NOT_CANONICAL.
    """
    if _is_plain(value, MAX_DEPTH):
        try:
            data = orjson.dumps(value, option=_FAST_OPTIONS)
        except TypeError:
            # A name that is no text, a number that is too large, a lone surrogate.
            return canonical_json(value)
        if _is_plain_text(data):
            return data
    return canonical_json(value)


def plain_canonical(value: Any) -> bytes:
    """Return the same bytes as canonical_json for a value whose every part was checked already.

    Args:
        value: names in ASCII, texts without forbidden code points, whole numbers up to 2^53 - 1, no
            fraction, few levels.

    Raises:
        CryptoError: NOT_CANONICAL for a type or a number outside JSON.
    """
    try:
        return orjson.dumps(value, option=_FAST_OPTIONS)
    except TypeError:
        raise _not_canonical("a number or text is outside I-JSON") from None


def parse_json(data: bytes, *, max_bytes: int) -> Any:
    """Return the value of JSON text that every reader understands in the same way.

    Args:
        data: UTF-8, without byte order mark.
        max_bytes: the most that is read.

    Raises:
        CryptoError: JSON_MALFORMED for invalid UTF-8 or syntax, repeated names, numbers that a
            double does not hold as they are written, forbidden code points, too many levels,
            or more than max_bytes.

    Standard: RFC 8259, RFC 7493.
    """
    is_plain, value = _parse_plain(data, max_bytes)
    if is_plain:
        return value
    try:
        return _parse(data, max_bytes)
    except _UnfitError as error:
        raise CryptoError("JSON_MALFORMED", f"The JSON is not acceptable: {error}.") from None


def parse_canonical(data: bytes, *, max_bytes: int) -> Any:
    """Return the value of JSON text that is in its canonical form.

    Args:
        data: RFC 8785 canonical JSON.
        max_bytes: the most that is read.

    Raises:
        CryptoError: NOT_CANONICAL when parse_json would refuse it, or when writing the value
            again gives other bytes.

    Standard: RFC 8785.
    """
    is_plain, value = _parse_plain(data, max_bytes)
    if is_plain:
        return value
    try:
        value = _parse(data, max_bytes)
    except _UnfitError as error:
        raise _not_canonical(str(error)) from None
    if fast_canonical(value) != data:
        raise _not_canonical("the bytes are not the canonical form of the value")
    return value


def parse_unchanged(data: bytes) -> Any:
    """Return the value of JSON text that its fast writer gives back unchanged, else None.

    Names occur once and stand in order then, and the text is UTF-8. Names beyond ASCII, fractions,
    levels and forbidden code points are not looked at: this is for a caller who accepts each
    member by its name and its form, and asks parse_canonical where this gives None.

    Args:
        data: at most as much as the caller allows.
    """
    try:
        value = orjson.loads(data)
        unchanged = orjson.dumps(value, option=_FAST_OPTIONS) == data
    except (orjson.JSONDecodeError, TypeError):
        return None
    return value if unchanged else None


def _not_canonical(reason: str) -> CryptoError:
    return CryptoError("NOT_CANONICAL", f"This is not canonical JSON: {reason}.")


def _parse_plain(data: bytes, max_bytes: int) -> tuple[bool, Any]:
    """Read plain JSON that is canonical already; return whether it is, and its value.

    What its fast writer gives back unchanged has each name once and in order, in UTF-8.
    """
    if len(data) > max_bytes or not _is_plain_text(data):
        return False, None
    value = parse_unchanged(data)
    return (False, None) if value is None or not _is_plain(value, MAX_DEPTH) else (True, value)


def _parse(data: bytes, max_bytes: int) -> Any:
    if len(data) > max_bytes:
        raise _UnfitError(f"it is larger than {max_bytes} bytes")
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _UnfitError("it is not UTF-8") from None
    except json.JSONDecodeError:
        raise _UnfitError("its syntax is wrong") from None
    except RecursionError:
        raise _UnfitError(f"it has more than {MAX_DEPTH} levels") from None
    _require_fit(value, MAX_DEPTH)
    return value


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _UnfitError("a name occurs twice in one object")
    return members


def _parse_int(text: str) -> int:
    # Python refuses to convert very long texts with an error of its own.
    if len(text) > _MAX_NUMBER_LENGTH:
        raise _UnfitError("a whole number is beyond 2^53 - 1")
    return int(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if len(text) > _MAX_NUMBER_LENGTH or not math.isfinite(value):
        raise _UnfitError("a number is too long or too large")
    try:
        is_exact = Decimal(text) == Decimal(repr(value))
    except InvalidOperation:
        raise _UnfitError("a number's exponent is too large") from None
    if not is_exact:
        raise _UnfitError("a number is more exact than a double")
    return value


def _parse_constant(_text: str) -> NoReturn:
    raise _UnfitError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_parse_object,
    parse_int=_parse_int,
    parse_float=_parse_float,
    parse_constant=_parse_constant,
)


def _require_fit(value: Any, levels: int) -> None:
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, bool) or value is None:
        pass
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _UnfitError("a whole number is beyond 2^53 - 1")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _UnfitError("NaN and Infinity are not JSON")
        # RFC 8785 writes these as bare digits, which read back as a whole number out of range.
        if MAX_INTEGER < abs(value) < 1e21:
            raise _UnfitError("a whole number is beyond 2^53 - 1")
    elif levels == 0:
        raise _UnfitError(f"it has more than {MAX_DEPTH} levels")
    elif isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise _UnfitError("a name is not text")
            _require_text(name)
            _require_fit(member, levels - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_fit(item, levels - 1)
    else:
        raise _UnfitError(f"{type(value).__name__} is not a JSON type")


def _require_text(text: str) -> None:
    if not text.isascii() and _FORBIDDEN.search(text):
        raise _UnfitError("text holds a lone surrogate or a noncharacter")


def _is_plain(value: Any, levels: int) -> bool:
    """Tell whether a value consists of JSON's types but floats; texts are not looked at."""
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return True
    if levels == 0:
        return False
    if kind is dict:
        members = value.values()
    elif kind is list:
        members = value
    else:
        return False
    for member in members:  # twice as fast as all() of a generator
        if type(member) not in _PLAIN_TYPES and not _is_plain(member, levels - 1):
            return False
    return True


def _is_plain_text(data: bytes) -> bool:
    """Tell whether UTF-8 has no character beyond the basic plane and no noncharacter."""
    if data.isascii():
        return True
    # Deleting bytes and comparing lengths is five times faster than a regular expression.
    if len(data.translate(None, _ASTRAL)) != len(data):
        return False
    return not any(mark in data for mark in _NONCHARACTERS)
