"""A body that is cut into its entries gives what parsing it whole gives, or is parsed whole."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.gateway import observed_bodies, observed_pieces
from api.gateway.observed_bodies import (
    NotOneValue,
    cut_batch,
    named_keys,
    parse_batch,
    read_entry,
    signature_of,
)
from api.gateway.observed_pieces import Observer, Piece, Refused, check_piece
from crypto.canonical import canonical_json
from crypto.errors import CryptoError, RequestRefused
from crypto.sm2 import PrivateKey
from ledger.log.entries import Once
from ledger.log.pipe import unpack_entries
from protocol.observation import HandedIn, Observation, encode_batch, sign_observation
from protocol.records import parse_record
from tests.protocol.test_usual_observation import ODD, USUAL

KEY, OTHER = PrivateKey.generate(), PrivateKey.generate()
SALT = "5a" * 32
NOW_MS = 1_800_000_000_000
COMMON = {
    "v": 1,
    "log": "city/gateway-1",
    "time_ms": NOW_MS,
    "source": "127.0.0.1",
    "block": {"number": 7, "hash": "ab" * 32},
}
VALUES = [
    sign_observation(key, {**USUAL, "record": f"r-{number}", **changes}).to_json()
    for number, (key, changes) in enumerate(
        [
            (KEY, {}),
            (KEY, {"record": 'with "quotes"'.replace(" ", "-")}),
            (KEY, {"record": 'in-a-text:},{"key_id":"'}),
            (OTHER, {"grant": "0" * 64, "authorization": None}),
            (KEY, {"result": "refused", "response_digest": None, "items": []}),
            (KEY, {"time_ms": NOW_MS * 2}),
            (KEY, {"items": ["A,B", "C"]}),
        ]
    )
]
BODY = canonical_json({"observations": VALUES, "salt": SALT})


def piece_of(entries: list[Any]) -> Piece:
    known = {key.public_key.key_id.hex(): key.public_key.to_bytes() for key in (KEY, OTHER)}
    observers = {
        key_id: Observer(known[key_id], bytes(32), "")
        if key_id in known
        else Observer(b"", bytes(32), "KEY_UNKNOWN")
        for key_id in named_keys(entries)
    }
    return Piece(entries, observers, COMMON, NOW_MS)


def _slow(body: bytes) -> Any:
    try:
        return _checked(parse_batch(body))
    except RequestRefused as error:
        return error.code


def _checked(entries: list[Any]) -> Any:
    """Return the verdicts, and what the log gets, which packs what is shared in its own way."""
    found = check_piece(piece_of(entries))
    if found is None:
        return None
    written = unpack_entries(found.records.data)
    assert len(written) == found.records.count
    return found.verdicts, written


def compare(body: bytes) -> bool:
    """Check a body in both ways; return whether the fast one took it."""
    slow = _slow(body)
    entries = cut_batch(body)
    fast = None if entries is None else _checked(entries)
    if fast is None:
        return False
    assert fast == slow
    assert entries is not None
    for entry, value in zip(entries, json.loads(body)["observations"], strict=True):
        assert read_entry(entry) == value
    return True


def test_the_usual_body_is_cut() -> None:
    assert compare(BODY)
    verdicts, written = _checked(cut_batch(BODY) or [])
    codes = [one.code if isinstance(one, Refused) else "" for one in verdicts]
    assert codes == ["", "", "", "", "", "OBSERVATION_LATER", ""]
    for entry, value in zip(written, VALUES[:5] + VALUES[6:], strict=True):
        record = parse_record(entry.prepared.encode(9))
        assert (record["observation"], record["signature"]) == (value["record"], value["signature"])
        assert (record["seq"], record["time_ms"], entry.time_ms) == (9, NOW_MS, NOW_MS)
        observation = Observation.from_json(value)
        grant = value["record"]["grant"]
        assert entry.once == Once(
            observation.key_id,
            observation.record,
            observation.digest,
            None if grant is None else bytes.fromhex(grant),
        )
    batch = encode_batch([sign_observation(KEY, USUAL)] * 1000, SALT)
    assert len(cut_batch(batch) or []) == 1000
    assert [signature_of(one) for one in cut_batch(BODY) or []] == [
        one["signature"] for one in VALUES
    ]


def test_the_usual_entry_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(_entry: object) -> None:
        raise AssertionError

    monkeypatch.setattr(observed_pieces, "read_entry", parsed)
    body = canonical_json({"observations": [VALUES[0], VALUES[3]], "salt": SALT})
    assert check_piece(piece_of(cut_batch(body) or [])) is not None


ENTRY = canonical_json(VALUES[0])
RECORD = canonical_json(VALUES[0]["record"])


def _body(*entries: bytes) -> bytes:
    return b'{"observations":[%b],"salt":"%b"}' % (b",".join(entries), SALT.encode())


def _deep(levels: int) -> bytes:
    return b'{"key_id":"x","record":' + b"[" * levels + b"]" * levels + b',"signature":"y"}'


#: UTF-16 sorts these names in another order than UTF-8.
NOT_PLAIN = canonical_json({"key_id": "", "\U0001f600": 1, "\ufb33": 2})

#: Bodies with what each of them is answered with as a whole, or None: each entry by itself.
STRANGE: dict[str, tuple[bytes, str | None]] = {
    "name twice": (_body(ENTRY.replace(b'"record":', b'"key_id":"","record":')), "BODY_MALFORMED"),
    "name twice within": (_body(ENTRY.replace(b'"v":1', b'"v":1,"v":1')), "BODY_MALFORMED"),
    "white space": (_body(ENTRY, b" " + ENTRY), "BODY_MALFORMED"),
    "white space within": (_body(ENTRY.replace(b'"v":1', b'"v": 1')), "BODY_MALFORMED"),
    "white space after": (BODY + b"\n", "BODY_MALFORMED"),
    "white space before": (b" " + BODY, "BODY_MALFORMED"),
    "another order": (
        _body(b'{"key_id":"a","signature":"","record":{}}'),
        "BODY_MALFORMED",
    ),
    "another order within": (
        _body(ENTRY.replace(b'"v":1}', b'"u":1}').replace(b'"time_ms"', b'"zime_ms"')),
        "BODY_MALFORMED",
    ),
    "escape": (_body(ENTRY, ENTRY.replace(b"housing", b"\\u0068ousing")), "BODY_MALFORMED"),
    "escaped solidus": (_body(ENTRY.replace(b"housing", b"ho\\/using")), "BODY_MALFORMED"),
    "number": (_body(ENTRY.replace(b'"v":1', b'"v":1.0')), None),
    "leading zero": (_body(ENTRY.replace(b'"v":1', b'"v":01')), "BODY_MALFORMED"),
    "negative zero": (_body(ENTRY.replace(b'"time_ms":5', b'"time_ms":-0')), "BODY_MALFORMED"),
    "no UTF-8": (_body(ENTRY.replace(b"housing", b"\xff")), "BODY_MALFORMED"),
    "another salt": (BODY.replace(SALT.encode(), b"5A" * 32), "BODY_MALFORMED"),
    "no salt": (b'{"observations":[' + ENTRY + b"]}", "BODY_MALFORMED"),
    "more members": (BODY[:-1] + b',"z":1}', "BODY_MALFORMED"),
    "a member between": (
        _body(b'{"key_id":"a"}],"other":[{"key_id":"b"}'),
        "BODY_MALFORMED",
    ),
    "the list twice": (
        _body(ENTRY + b'],"observations":[' + ENTRY),
        "BODY_MALFORMED",
    ),
    "an end within": (_body(ENTRY[:-1]), "BODY_MALFORMED"),
    "halves": (_body(b'{"key_id":"a","record":[{"a":1', ENTRY + b"]}"), "BODY_MALFORMED"),
    "empty": (_body(), "BODY_MALFORMED"),
    "no list": (b'{"observations":{},"salt":"%b"}' % SALT.encode(), "BODY_MALFORMED"),
    "trailing comma": (_body(ENTRY, b""), "BODY_MALFORMED"),
    "too many": (_body(*[ENTRY] * 1001), "BATCH_TOO_LARGE"),
    "too many small": (_body(*[b"{}"] * 200_000), "BATCH_TOO_LARGE"),
    "too many behind a good one": (_body(ENTRY, *[b"7"] * 200_000), "BATCH_TOO_LARGE"),
    "too many within the cut": (
        _body(*[b",".join([ENTRY, b"7", b"7"])] * 400),
        "BATCH_TOO_LARGE",
    ),
    "deep": (_body(ENTRY, _deep(100)), None),
    "too deep to be written": (_body(ENTRY, _deep(252)), "BODY_MALFORMED"),
    "as deep as can be": (_body(ENTRY, _deep(251)), None),
    "much too deep": (_body(ENTRY, _deep(5000)), "BODY_MALFORMED"),
    "deep and not plain": (_body(_deep(100), NOT_PLAIN), "BODY_MALFORMED"),
    "not plain": (_body(ENTRY, NOT_PLAIN), None),
    "a fraction": (_body(ENTRY, b'{"key_id":"","x":1e+30}'), None),
    "beyond the basic plane": (_body(ENTRY, '{"key_id":"\U0001f600"}'.encode()), None),
    "a noncharacter": (_body(ENTRY, '{"key_id":"\ufffe"}'.encode()), None),
    "no objects": (_body(b"7", ENTRY, b"[]", b'"text"', b"null"), None),
    "others between": (_body(ENTRY, b"7", ENTRY, b"{}", ENTRY), None),
    "an entry in a list": (_body(b'{"key_id":"a","record":[%b,%b]}' % (ENTRY, ENTRY)), None),
    "an entry as its record": (_body(ENTRY.replace(RECORD, ENTRY)), None),
    "a large one": (_body(ENTRY, b'{"key_id":"%b"}' % (b"a" * 20_000)), None),
    "the largest record": (_body(ENTRY.replace(b"housing", b"h" * 5000)), None),
    "s is zero": (_body(ENTRY[:-66] + b"0" * 64 + b'"}'), None),
    "r is out of range": (_body(ENTRY[:-130] + b"f" * 128 + b'"}'), None),
    "letters of a signature": (_body(ENTRY.replace(b'"signature":"', b'"signature":"A')), None),
}


#: Of those that are answered entry by entry, the ones that must be parsed for it.
PARSED = {
    "not plain",
    "no objects",
    "others between",
    "an entry in a list",
    "a large one",
}


@pytest.mark.parametrize(("body", "code"), STRANGE.values(), ids=STRANGE.keys())
def test_strange_bodies_are_answered_as_when_parsed(
    request: pytest.FixtureRequest, body: bytes, code: str | None
) -> None:
    found = _slow(body)
    assert (found if isinstance(found, str) else None) == code
    assert compare(body) == (code is None and request.node.callspec.id not in PARSED)


@pytest.mark.parametrize("at", range(0, len(BODY), 7))
def test_no_changed_byte_is_taken_wrongly(at: int) -> None:
    for byte in b'\x00 "\\,:{}[]019aZ\xff':
        compare(BODY[:at] + bytes([byte]) + BODY[at + 1 :])
    compare(BODY[:at] + BODY[at + 1 :])
    compare(BODY[:at])


PARTS = st.sampled_from(
    [
        ENTRY,
        RECORD,
        b'},{"key_id":"',
        b'{"observations":[',
        b'],"salt":"' + SALT.encode() + b'"}',
        b'{"key_id":"',
        b'","record":',
        b',"signature":"',
        b'"}',
        b"{}",
        b"[]",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b'"',
        b"\\",
        b'\\"',
        b" ",
        b"7",
        b"1e+30",
        b'"a":1,',
        "三链".encode(),
        b"\xff",
    ]
)


@settings(max_examples=400)
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 30), PARTS), max_size=3
    ),
    body=st.lists(PARTS, max_size=4).map(lambda parts: _body(*parts)) | st.just(BODY),
)
@example(edits=[], body=_body(ENTRY + b",7"))
def test_no_edited_body_is_taken_wrongly(
    edits: list[tuple[float, int, bytes]], body: bytes
) -> None:
    for where, removed, added in edits:
        at = int(where * len(body))
        body = body[:at] + added + body[at + removed :]
    compare(body)


@given(changes=st.dictionaries(st.sampled_from([*USUAL, "more"]), st.sampled_from(ODD)))
def test_an_entry_is_read_as_the_parser_reads_it(changes: dict[str, Any]) -> None:
    """With whatever members: what is accepted unparsed is what is accepted parsed."""
    value = {**VALUES[0], "record": {**VALUES[0]["record"], **changes}}
    try:
        entry = canonical_json(value)
    except CryptoError:
        return
    found = HandedIn.read(entry)
    if found is not None:
        assert found == Observation.from_json(value).handed_in


def test_hostile_bodies_cost_no_more_than_parsing_them() -> None:
    """The most that fits: what is cut is bounded before anything is read."""
    four = 4 * 1024 * 1024
    small = _body(*[b"{}"] * (four // 3 - 100))
    between = b'{"key_id":"' + b'},{"key_id":"' * (four // 14)
    for body in (small, _body(between), _body(b'{"key_id":"' + b"[" * four)):
        begun = time.process_time()
        assert cut_batch(body) is None
        assert time.process_time() - begun < 0.2


def _texts(body: bytes) -> Callable[[], object]:
    return lambda: [read_entry(one) for one in cut_batch(body) or []]


@pytest.mark.parametrize("name", ["halves", "others between", "an entry in a list"])
def test_what_is_no_value_is_told(name: str) -> None:
    with pytest.raises(NotOneValue):
        _texts(STRANGE[name][0])()
    assert observed_bodies.cut_batch(STRANGE[name][0]) is not None
