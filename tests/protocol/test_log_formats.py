"""Records, checkpoints, receipts, trust roots, acknowledgements: what is refused."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError, SanlianError, VerificationError
from crypto.merkle import leaf_hash
from crypto.sm2 import PublicKey
from protocol.acknowledgement import sign_acknowledgement, verify_acknowledgement
from protocol.checkpoint import (
    Checkpoint,
    cosign_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignature,
)
from protocol.description import CONTRACTS
from protocol.example_keys import example_key
from protocol.receipt import Receipt, verify_receipt
from protocol.records import encode_record, parse_record
from protocol.trust import TrustRoot

KEY, OTHER = example_key("00/gateway"), example_key("01/witness")
ORIGIN = "gateway.city.example/log1"


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(SanlianError) as caught:
        call()
    assert isinstance(caught.value, ProtocolError | VerificationError)
    return caught.value.code


# --- records ------------------------------------------------------------------------------------

REMOVE = object()
RECORD_FAULTS: list[tuple[int, str, Any]] = [
    (0, "v", 2),
    (0, "v", True),
    (0, "log", "Upper"),
    (0, "log", "x" * 31),
    (0, "seq", -1),
    (0, "seq", 1.5),
    (0, "seq", "0"),
    (0, "time_ms", None),
    (0, "event", "unknown"),
    (0, "event", None),
    (0, "extra", 1),
    (0, "log_id", "00"),
    (0, "log_id", "A" * 64),
    (0, "gateway_key", REMOVE),
    (1, "request", None),
    (1, "source", "host name"),
    (1, "block", {"number": 1}),
    (1, "items", 11),
    (1, "grant_revision", REMOVE),
    (2, "result", "maybe"),
    (2, "result", ["released"]),
    (2, "code", "lower"),
    (2, "rows", False),
    (2, "response_digest", ""),
    (2, "provider_response", {}),
    (2, "intent_leaf", None),
    (3, "code", ""),
    (5, "subject_log", ""),
    (6, "count", -1),
    (7, "code", "X"),
]


@pytest.mark.parametrize(("at", "name", "value"), RECORD_FAULTS)
def test_record_faults(log: dict[str, Any], at: int, name: str, value: Any) -> None:
    record = json.loads(log["records"][at]["record"])
    encode_record(record)
    if value is REMOVE:
        del record[name]
    else:
        record[name] = value
    assert code_of(lambda: encode_record(record)) == "RECORD_MALFORMED"
    assert code_of(lambda: parse_record(canonical_json(record))) == "RECORD_MALFORMED"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authority", "Gateway"),
        ("authority", ""),
        ("path", "v1/data"),
        ("content_digest", ""),
        ("created", 2**53),
        ("nonce", "00"),
        ("public_key", "04" + "00" * 64),
        ("person", ""),
        ("person", "two words"),
        ("case", "x" * 129),
        ("basis", "中"),
        ("stream", ""),
        ("stream", "s"),
        ("stream", "s;0"),
        ("stream", f"s;{2**53}"),
        ("stream", 1),
        ("signature", None),
        ("other", 1),
    ],
)
def test_request_faults(log: dict[str, Any], name: str, value: Any) -> None:
    record = json.loads(log["records"][1]["record"])
    record["request"][name] = value
    assert code_of(lambda: encode_record(record)) == "RECORD_MALFORMED"


def test_record_spelling(log: dict[str, Any]) -> None:
    text = log["records"][7]["record"]
    for wrong in (text + "\n", " " + text, text.replace(":", ": ", 1), "[]", "1", "", "{}"):
        assert code_of(lambda w=wrong: parse_record(w.encode())) == "RECORD_MALFORMED"  # type: ignore[misc]
    assert code_of(lambda: parse_record(b" " * 20_000)) == "RECORD_MALFORMED"


# --- checkpoints --------------------------------------------------------------------------------


@pytest.fixture
def note() -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, 8, leaf_hash(b"root")), KEY)


NOTE_FAULTS: dict[str, Callable[[str], str]] = {
    "no final line break": lambda n: n[:-1],
    "two final line breaks": lambda n: n + "\n",
    "no signature": lambda n: n.partition("\n\n")[0] + "\n\n",
    "no empty line": lambda n: n.replace("\n\n", "\n"),
    "carriage returns": lambda n: n.replace("\n", "\r\n"),
    "leading zero": lambda n: n.replace("\n8\n", "\n08\n"),
    "plus": lambda n: n.replace("\n8\n", "\n+8\n"),
    "negative": lambda n: n.replace("\n8\n", "\n-1\n"),
    "other digits": lambda n: n.replace("\n8\n", "\n８\n"),
    "too large": lambda n: n.replace("\n8\n", f"\n{2**63}\n"),
    "extension line": lambda n: n.replace("\n\n", "\nmore\n\n"),
    "hyphen for dash": lambda n: n.replace("— ", "- "),
    "origin in upper case": lambda n: n.replace(ORIGIN, ORIGIN.upper(), 1),
    "root unpadded": lambda n: n.replace("=\n\n", "\n\n"),
    "space": lambda n: n.replace("\n8\n", "\n8 \n"),
    "huge": lambda n: n + "— a AAAAAAAA\n" * 1000,
    "empty": lambda _: "",
}


@pytest.mark.parametrize("name", NOTE_FAULTS)
def test_note_faults(note: str, name: str) -> None:
    parse_note(note)
    wrong = NOTE_FAULTS[name](note)
    assert wrong != note
    assert code_of(lambda: parse_note(wrong)) == "CHECKPOINT_MALFORMED"


def test_base64_has_one_spelling(note: str) -> None:
    root = note.split("\n")[2]
    # 32 bytes leave two unused bits in the last character before the padding.
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = root[:-2] + digits[digits.index(root[-2]) ^ 1] + "="
    assert base64.b64decode(other) == base64.b64decode(root)
    assert code_of(lambda: parse_note(note.replace(root, other))) == "CHECKPOINT_MALFORMED"


def test_checkpoint_of_another(note: str) -> None:
    verify_checkpoint(note, origin=ORIGIN, public_key=KEY.public_key)
    forged = sign_checkpoint(Checkpoint(ORIGIN, 9, leaf_hash(b"root")), OTHER)
    borrowed = note.replace("\n8\n", "\n9\n")
    for text, origin, key in (
        (note, "another", KEY),
        (note, ORIGIN, OTHER),
        (forged, ORIGIN, KEY),
        (borrowed, ORIGIN, KEY),
        (note + note.split("\n\n")[1], ORIGIN, KEY),
    ):
        assert code_of(
            lambda t=text, o=origin, k=key: verify_checkpoint(t, origin=o, public_key=k.public_key)  # type: ignore[misc]
        ) == ("CHECKPOINT_INVALID")


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a b", 1, bytes(32)),
        Checkpoint("x" * 31, 1, bytes(32)),
        Checkpoint("a\n", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 2**63, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
    ],
)
def test_checkpoints_without_text(checkpoint: Checkpoint) -> None:
    code = code_of(lambda: sign_checkpoint(checkpoint, KEY))
    assert code in {"ORIGIN_MALFORMED", "CHECKPOINT_MALFORMED"}


def test_cosignatures(note: str) -> None:
    line = cosign_checkpoint(note, name="w.example", key=OTHER, time=1_800_000_000)
    cosigned = note + line
    assert verify_cosignature(cosigned, name="w.example", public_key=OTHER.public_key) == (
        1_800_000_000
    )
    verify_checkpoint(cosigned, origin=ORIGIN, public_key=KEY.public_key)
    moved = sign_checkpoint(Checkpoint(ORIGIN, 9, leaf_hash(b"root")), KEY) + line
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    raw[11] ^= 1  # the time
    later = f"{note}— w.example {base64.b64encode(raw).decode()}\n"
    for text, name, key in (
        (note, "w.example", OTHER),
        (cosigned, "v.example", OTHER),
        (cosigned, "w.example", KEY),
        (moved, "w.example", OTHER),
        (later, "w.example", OTHER),
        # The gateway's own line is not a cosignature.
        (note, ORIGIN, KEY),
    ):
        assert code_of(
            lambda t=text, n=name, k=key: verify_cosignature(t, name=n, public_key=k.public_key)  # type: ignore[misc]
        ) == ("CHECKPOINT_INVALID")
    for name in ("a b", "a+b", "", "名", "x" * 65):
        assert code_of(
            lambda n=name: cosign_checkpoint(note, name=n, key=OTHER, time=1)  # type: ignore[misc]
        ) == ("NAME_MALFORMED")


# --- receipts -----------------------------------------------------------------------------------


def receipt_members(log: dict[str, Any], at: int = 1) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(base64.b64decode(log["receipts"][at]))
    return members


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "sanlian/receipt/v2"),
        ("index", -1),
        ("index", True),
        ("index", "1"),
        ("record", {}),
        ("path", None),
        ("path", ["A" * 64]),
        ("path", ["0" * 62]),
        ("path", [" " + "0" * 63]),
        ("path", [1]),
        ("path", ["0" * 64] * 64),
        ("checkpoint", 1),
        ("extra", 1),
    ],
)
def test_receipt_faults(log: dict[str, Any], name: str, value: Any) -> None:
    members = {**receipt_members(log), name: value}
    assert code_of(lambda: Receipt.from_bytes(canonical_json(members))) == "RECEIPT_MALFORMED"


def test_receipt_spelling(log: dict[str, Any]) -> None:
    header = log["receipts"][0]
    for wrong in (header + "\n", " " + header, header + "A", "", "!", header.rstrip("=") + "é"):
        assert code_of(lambda w=wrong: Receipt.from_header(w)) == "RECEIPT_MALFORMED"  # type: ignore[misc]
    data = base64.b64decode(header)
    for broken in (data + b"\n", data[:-1], b"{}", b"[]", b"x" * 50_000):
        assert code_of(lambda b=broken: Receipt.from_bytes(b)) == "RECEIPT_MALFORMED"  # type: ignore[misc]


def test_receipts_of_another_record(log: dict[str, Any]) -> None:
    key = PublicKey.from_bytes(bytes.fromhex(log["gateway_key"]))

    def check(members: dict[str, Any], public_key: PublicKey = key) -> None:
        verify_receipt(
            Receipt.from_bytes(canonical_json(members)), origin=ORIGIN, public_key=public_key
        )

    good = receipt_members(log)
    check(good)
    assert code_of(lambda: check(good, OTHER.public_key)) == "CHECKPOINT_INVALID"
    other = receipt_members(log, 2)
    for name in ("record", "path", "index"):
        mixed = {**good, name: other[name]}
        assert code_of(lambda m=mixed: check(m)) == "PROOF_INVALID"  # type: ignore[misc]


def test_a_record_that_names_another_place(log: dict[str, Any]) -> None:
    # A gateway that logs a record under another index: inclusion holds, the record lies.
    record = log["records"][7]["record"].encode()
    for data, origin in ((record, ORIGIN), (record.replace(b'"seq":7', b'"seq":0'), "another")):
        note = sign_checkpoint(Checkpoint(origin, 1, leaf_hash(data)), KEY)
        receipt = Receipt(data, 0, (), note)
        assert code_of(
            lambda r=receipt, o=origin: verify_receipt(r, origin=o, public_key=KEY.public_key)  # type: ignore[misc]
        ) == ("RECEIPT_INVALID")


# --- trust roots --------------------------------------------------------------------------------


def trust_members() -> dict[str, Any]:
    root = TrustRoot(
        chain_id=7,
        contracts={name: bytes([i + 1] * 20) for i, name in enumerate(CONTRACTS)},
        witnesses=(KEY.public_key, OTHER.public_key),
        witness_threshold=2,
    )
    assert TrustRoot.from_bytes(root.to_bytes()) == root
    members: dict[str, Any] = json.loads(root.to_bytes())
    return members


KEY_HEX = KEY.public_key.to_bytes().hex()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "sanlian/trust/v2"),
        ("chain_id", "7"),
        ("chain_id", True),
        ("chain_id", 0),
        ("contracts", {}),
        ("contracts", []),
        ("contracts", dict.fromkeys(CONTRACTS, "0x" + "A" * 40)),
        ("contracts", dict.fromkeys(CONTRACTS, "0" * 42)),
        ("contracts", dict.fromkeys([*CONTRACTS, "More"], "0x" + "0" * 40)),
        ("witnesses", KEY_HEX),
        ("witnesses", [KEY_HEX, KEY_HEX]),
        ("witnesses", [KEY_HEX.upper(), OTHER.public_key.to_bytes().hex()]),
        ("witnesses", [KEY_HEX[:64] + " " + KEY_HEX[64:], OTHER.public_key.to_bytes().hex()]),
        ("witnesses", ["00" * 64, KEY_HEX]),
        ("witnesses", [KEY_HEX]),  # below the threshold
        ("witnesses", [1, 2]),
        ("witness_threshold", 0),
        ("witness_threshold", 3),
        ("witness_threshold", True),
        ("extra", 1),
    ],
)
def test_trust_faults(name: str, value: Any) -> None:
    members = {**trust_members(), name: value}
    assert code_of(lambda: TrustRoot.from_bytes(canonical_json(members))) == "TRUST_MALFORMED"


def test_trust_that_is_no_json() -> None:
    text = json.dumps(trust_members())
    twice = text[:-1] + ',"chain_id":8}'
    for data in (b"", b"[]", b"null", text.encode()[:-1], twice.encode(), b" " * 70_000):
        assert code_of(lambda d=data: TrustRoot.from_bytes(d)) == "TRUST_MALFORMED"  # type: ignore[misc]


# --- acknowledgements ---------------------------------------------------------------------------


def test_acknowledgement_binds_all_it_says() -> None:
    said: dict[str, Any] = {
        "chain_id": 7,
        "act_id": leaf_hash(b"act"),
        "received_at": 1_800_000_000,
    }
    signature = sign_acknowledgement(KEY, **said)
    verify_acknowledgement(KEY.public_key, signature, **said)
    others: list[dict[str, Any]] = [
        {"chain_id": 8},
        {"act_id": leaf_hash(b"other")},
        {"received_at": 1_800_000_001},
    ]
    for other in others:
        assert code_of(
            lambda o=other: verify_acknowledgement(KEY.public_key, signature, **{**said, **o})  # type: ignore[misc]
        ) == ("ACKNOWLEDGEMENT_INVALID")
    assert code_of(lambda: verify_acknowledgement(OTHER.public_key, signature, **said)) == (
        "ACKNOWLEDGEMENT_INVALID"
    )
