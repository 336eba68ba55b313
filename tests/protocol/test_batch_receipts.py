"""The answer to a batch: receipts made of it and of what was handed in, and no lie that holds."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from crypto.canonical import canonical_json, fast_canonical
from crypto.errors import ProtocolError, VerificationError
from crypto.merkle import Frontier, leaf_hash
from crypto.sm2 import PrivateKey
from protocol.batch_receipts import MEMBERS, Kept, batch_receipts, encode_batch_answer
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.observation import Observation, sign_observation
from protocol.receipt import Receipt, verify_receipt
from protocol.records import encode_record
from tests.protocol.test_observed_encoder import COMMON
from tests.protocol.test_observed_encoder import KEY as PLATFORM
from tests.protocol.test_usual_observation import USUAL

ORIGIN = "city/gateway-1"
GATEWAY = PrivateKey.generate()


def signed(name: str = "r-1") -> Observation:
    return sign_observation(PLATFORM, {**USUAL, "record": name})


def hex_of(observation: Observation) -> str:
    return observation.signature.to_bytes().hex()


def receipt_of(observation: Observation, **changes: Any) -> Receipt:
    """Return the receipt of a record that is the second one of two."""
    record = encode_record(
        {
            **COMMON,
            "event": "observed",
            "seq": 1,
            "observation": dict(observation.members),
            "signature": observation.signature.to_bytes().hex(),
            **changes,
        }
    )
    first = leaf_hash(b"first")
    root = _root(first, leaf_hash(record))
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, root), GATEWAY)
    return Receipt(record, 1, (first,), note)


def _root(left: bytes, right: bytes) -> bytes:
    frontier = Frontier()
    frontier.append(left)
    frontier.append(right)
    return frontier.root()


def _kept(receipt: Receipt) -> Kept:
    common = fast_canonical({**COMMON, "event": "observed"})
    return Kept(common, receipt.index, receipt.path, receipt.checkpoint)


def _read(answer: dict[str, Any], *handed_in: Observation) -> list[Receipt | str]:
    found = batch_receipts(answer, handed_in)
    for one in found:
        if isinstance(one, Receipt):
            verify_receipt(one, origin=ORIGIN, public_key=GATEWAY.public_key)
    return found


def test_the_record_is_made_of_both_parts() -> None:
    observation = signed()
    receipt = receipt_of(observation)
    data = encode_batch_answer([_kept(receipt), "KEY_UNKNOWN", _kept(receipt)])
    answer = json.loads(data)
    assert canonical_json(answer) == data
    assert set(answer) == MEMBERS
    assert answer["results"][0] == {"checkpoint": 0, "common": 0, "index": 1, "path": [0]}
    assert [len(answer[name]) for name in sorted(MEMBERS)] == [1, 1, 1, 3]
    assert receipt.record not in data
    assert _read(answer, observation, signed("r-2"), observation) == [
        receipt,
        "KEY_UNKNOWN",
        receipt,
    ]


def test_one_that_was_handed_in_before_has_its_first_signature() -> None:
    first, again = signed(), signed()
    assert first.signature != again.signature
    receipt = receipt_of(first, time_ms=9)
    answer = json.loads(encode_batch_answer([Kept.before(receipt, hex_of(again))]))
    assert answer["results"][0]["signature"] == first.signature.to_bytes().hex()
    assert answer["common"][0]["time_ms"] == 9
    assert _read(answer, again) == [receipt]
    assert Kept.before(receipt, hex_of(first)).signature is None
    del answer["results"][0]["signature"]
    with pytest.raises(VerificationError):
        _read(answer, again)


def test_only_access_records_are_told_of() -> None:
    record = {"v": 1, "log": ORIGIN, "seq": 1, "time_ms": 1, "event": "heartbeat"}
    with pytest.raises(ProtocolError, match="RECORD_MALFORMED"):
        Kept.before(Receipt(encode_record(record), 1, (), ""), "")


@pytest.mark.parametrize(
    "lie",
    [
        {"time_ms": 7},
        {"source": "127.0.0.2"},
        {"department": "00" * 32},
        {"log": "city/gateway-2"},
        {"block": {"number": 8, "hash": "ab" * 32}},
        {"public_key": GATEWAY.public_key.to_bytes().hex()},
        # What stands for the signature while the record's frame is made.
        {"public_key": "5e" * 64},
    ],
)
def test_a_lie_in_common_makes_no_receipt(lie: dict[str, Any]) -> None:
    observation = signed()
    answer = json.loads(encode_batch_answer([_kept(receipt_of(observation))]))
    answer["common"][0].update(lie)
    with pytest.raises(VerificationError):
        _read(answer, observation)


def test_a_receipt_of_another_record_is_none() -> None:
    answer = json.loads(encode_batch_answer([_kept(receipt_of(signed()))]))
    for other in (signed("r-2"), signed()):  # another id; another signature
        with pytest.raises(VerificationError):
            _read(answer, other)


def _set(*place: Any) -> Callable[[dict[str, Any]], None]:
    *names, last, value = place

    def change(answer: dict[str, Any]) -> None:
        inner: Any = answer
        for name in names:
            inner = inner[name]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("common", ...),
        _set("common", []),
        _set("common", 7),
        _set("common", {}),
        _set("common", 0, None),
        _set("common", 0, {}),
        _set("common", 0, "event", "intent"),
        _set("common", 0, "event", ...),
        _set("common", 0, "source", ...),
        _set("common", 0, "source", 7),
        _set("common", 0, "seq", 1),
        _set("common", 0, "signature", "00" * 64),
        _set("common", 0, "observation", USUAL),
        _set("common", 0, "more", 1),
        _set("results", 0, "common", 1),
        _set("results", 0, "common", -1),
        _set("results", 0, "common", 0.0),
        _set("results", 0, "common", ...),
        _set("results", 0, "index", -1),
        _set("results", 0, "index", "1"),
        _set("results", 0, "path", [0] * 64),
        _set("results", 0, "path", [-1]),
        _set("results", 0, "checkpoint", 1),
        _set("results", 0, "signature", None),
        _set("results", 0, "signature", "00" * 64),
        _set("results", 0, "signature", "AB" * 64),
        _set("results", 0, "signature", "ab" * 63),
        _set("results", 0, 7),
        _set("results", []),
        _set("results", [{"code": "A"}, {"code": "B"}]),
        _set("results", 0, {"code": 7}),
        _set("nodes", 0, "AB" * 32),
        _set("nodes", 0, None),
        _set("checkpoints", 0, 7),
    ],
)
def test_malformed(change: Callable[[dict[str, Any]], None]) -> None:
    observation = signed()
    answer = json.loads(encode_batch_answer([_kept(receipt_of(observation))]))
    change(answer)
    with pytest.raises(ProtocolError, match="RECEIPT_MALFORMED"):
        batch_receipts(answer, [observation])


def test_a_record_beyond_its_size_is_no_receipt() -> None:
    """An index that no record has room for does not get past the verifier either."""
    observation = signed(secrets.token_hex(8))
    answer = json.loads(encode_batch_answer([_kept(receipt_of(observation))]))
    answer["results"][0]["index"] = 10**4000
    with pytest.raises((VerificationError, ProtocolError)):
        _read(answer, observation)
