"""The body of a batch of access records: its entries, without parsing the usual ones.

The usual body is cut where one entry ends and the next begins, and each piece of text is read by
itself, in whichever process. It is canonical JSON as a whole when each of these texts is the
canonical JSON of one value: head and tail are compared byte by byte, and a comma stands between.
Any other body is parsed whole; nobody but the parser says then what is wrong with it.
"""

import re
from collections.abc import Sequence
from typing import Any

from api.gateway.gatekeeper import is_signed_body, parse_body
from crypto.canonical import parse_unchanged
from crypto.errors import RequestRefused
from protocol.observation import MAX_BATCH_RECORDS

_HEAD = b'{"observations":['
_TAIL = re.compile(rb'\],"salt":"[0-9a-f]{64}"\}')
_TAIL_SIZE = 76
_FIRST = b'{"key_id":"'
#: Where an entry ends and the next one begins. In a text the quotation marks would be escaped;
#: within an entry it leaves pieces that are no values.
_BETWEEN = b"}," + _FIRST
#: No access record is larger, with its key id and signature.
_MAX_ENTRY_SIZE = 16 * 1024
_MEMBERS = ("observations", "salt")
_KEY_ID = re.compile("[0-9a-f]{64}")

#: An entry of a batch: its text where it was cut out, its value where the body was parsed.
Entry = bytes | Any


def cut_batch(body: bytes) -> list[Entry] | None:
    """Return the texts between which a usual body was cut, None when it must be parsed.

    They are still to be read: one of them for which read_entry says NotOneValue means that the
    body must be parsed.
    """
    end = len(body) - _TAIL_SIZE
    if (
        not body.startswith(_HEAD + _FIRST)
        or _TAIL.fullmatch(body, max(end, 0)) is None
        or body.count(_BETWEEN) >= MAX_BATCH_RECORDS
    ):
        return None
    entries: list[Entry] = []
    start = len(_HEAD)
    while start < end:
        stop = body.find(_BETWEEN, start, end) + 1 or end
        if stop - start > _MAX_ENTRY_SIZE:
            return None
        entries.append(body[start:stop])
        start = stop + 1
    return entries


def parse_batch(body: bytes) -> list[Entry]:
    """Return the values of a body.

    Raises:
        RequestRefused: BODY_MALFORMED, BATCH_TOO_LARGE.
    """
    value = parse_unchanged(body)
    # Each entry's members are checked by name and form; the body's own are two.
    if not is_signed_body(value, _MEMBERS):
        value = parse_body(body, _MEMBERS)
    found = value["observations"]
    if not isinstance(found, list) or not found:
        raise RequestRefused("BODY_MALFORMED", "observations must be a list", field="observations")
    if len(found) > MAX_BATCH_RECORDS:
        raise RequestRefused("BATCH_TOO_LARGE", "a batch has at most 1,000 records")
    return found


class NotOneValue(Exception):
    """A text that was cut out is not the canonical JSON of one value."""


def read_entry(entry: Entry) -> Any:
    """Return the value of an entry.

    Raises:
        NotOneValue: see there.
    """
    if not isinstance(entry, bytes):
        return entry
    # In a body of its own: what ends the list within the text, or nests too deep, is seen as there.
    value = parse_unchanged(b'%b%b],"salt":""}' % (_HEAD, entry))
    if not isinstance(value, dict) or set(value) != set(_MEMBERS) or value["salt"] != "":
        raise NotOneValue
    found = value["observations"]
    # It was written again as head, these values and tail, so that their text is the entry's.
    if not isinstance(found, list) or len(found) != 1:
        raise NotOneValue
    return found[0]


def named_keys(entries: Sequence[Entry]) -> set[str]:
    """Return the key ids that entries name, 64 hex; no others can have signed them."""
    named = {_key_id(entry) for entry in entries}
    return {one for one in named if isinstance(one, str) and _KEY_ID.fullmatch(one)}


def _key_id(entry: Entry) -> object:
    if isinstance(entry, bytes):
        return entry[len(_FIRST) : len(_FIRST) + 64].decode("latin-1")
    found = entry.get("key_id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def signature_of(entry: Entry) -> str:
    """Return the signature of an entry that was found to be a signed access record, 128 hex."""
    value: dict[str, str] = read_entry(entry)
    return value["signature"]
