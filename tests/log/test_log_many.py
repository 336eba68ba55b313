"""Records that are handed in together: in one flush, in order, each once."""

from collections.abc import Sequence
from typing import Any

import pytest

from crypto.errors import LedgerError, RequestRefused
from crypto.sm2 import PrivateKey, Signature
from ledger.log.entries import MAX_BATCH, Known, Once, Packed, Placed
from ledger.log.pipe import pack_prepared
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.observation import Observation, sign_observation
from protocol.receipt import Receipt, verify_receipt
from protocol.records import ObservedEncoder
from tests.log.conftest import LOG_ID, ORIGIN

KEY = PrivateKey.generate()


def draft(record: str, person: str = "p-1") -> tuple[dict[str, Any], Once]:
    members = {
        "v": 1,
        "platform": "exchange-1",
        "record": record,
        "time_ms": 1_800_000_000_000,
        "requester": "housing",
        "requester_key": None,
        "person": person,
        "grant": None,
        "authorization": "AUTH-7",
        "provider": "civil",
        "resource": "PERSON-01",
        "items": [],
        "result": "failed",
        "code": "",
        "request_digest": "ab" * 32,
        "response_digest": None,
    }
    signed = sign_observation(KEY, members)
    value = {
        "event": "observed",
        "observation": members,
        "public_key": KEY.public_key.to_bytes().hex(),
        "signature": signed.signature.to_bytes().hex(),
        "department": "cd" * 32,
        "source": "127.0.0.1",
        "block": {"number": 1, "hash": "ef" * 32},
    }
    return value, Once(KEY.public_key.key_id, record, signed.digest)


def prepared(names: Sequence[str], time_ms: int = 7) -> Packed:
    """Return the same records as draft's, as they come from whoever has checked them."""
    pairs = [draft(name) for name in names]
    common = {"v": 1, "log": ORIGIN, "time_ms": time_ms, **pairs[0][0]}
    encoder = ObservedEncoder(
        {name: one for name, one in common.items() if name not in {"observation", "signature"}}
    )
    records = []
    for value, once in pairs:
        signature = Signature.from_bytes(bytes.fromhex(value["signature"]))
        signed = Observation(value["observation"], once.key_id, signature)
        records.append((encoder.encode(signed.handed_in), once))
    return pack_prepared(records, time_ms)


def open_log(url: str) -> LogWriter:
    return LogWriter(url, origin=ORIGIN, log_id=LOG_ID, key=KEY)


def test_many_stay_together_and_in_order(url: str) -> None:
    log = open_log(url)
    # Other records wait before and between; no flush divides what belongs together.
    singles = [log.append({"event": "heartbeat"}) for _ in range(MAX_BATCH - 3)]
    futures = [
        log.append_many([draft(f"{turn}/{n}") for n in range(50)], time_ms=7) for turn in range(3)
    ]
    for future in futures:
        results = future.result(20)
        receipts = [one for one in results if isinstance(one, Receipt)]
        assert len(receipts) == 50
        assert len({one.checkpoint for one in receipts}) == 1
        first = receipts[0].index
        assert [one.index for one in receipts] == list(range(first, first + 50))
        for receipt in receipts:
            record, _ = verify_receipt(receipt, origin=ORIGIN, public_key=KEY.public_key)
            assert record["time_ms"] == 7
    assert all(one.result(20) for one in singles)
    log.close()


def test_each_is_written_once_also_after_a_restart(url: str) -> None:
    log = open_log(url)
    twice = log.append_many([draft("a"), draft("a"), draft("a", "p-2")], time_ms=7).result(20)
    first, again, other = twice
    assert isinstance(first, Receipt)
    assert again == Known(first.index)
    assert isinstance(other, RequestRefused)
    assert other.code == "OBSERVATION_DIFFERS"
    log.close()
    log = open_log(url)
    size = log.size
    assert log.append_many([draft("a")], time_ms=8).result(20) == [Known(first.index)]
    log.append_many([draft("b")], time_ms=8).result(20)
    assert log.size == size + 1
    log.close()
    reader = LogReader.open(url, ORIGIN)
    assert reader.first_receipts([first.index]) == [first]
    with pytest.raises(LedgerError, match="LOG_RECORD_UNKNOWN"):
        reader.first_receipts([99])
    reader.close()


def test_what_cannot_be_written_is_told_for_each(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(url)
    bad = draft("a")
    results = log.append_many([({**bad[0], "source": ""}, bad[1]), draft("b")], time_ms=7)
    refused, kept = results.result(20)
    assert getattr(refused, "code", "") == "RECORD_MALFORMED"
    assert isinstance(kept, Receipt)

    def fail(*_: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("ledger.log.statements.insert", fail)
        lost = log.append_many([draft("c"), draft("d")], time_ms=7).result(20)
    assert [getattr(one, "code", "") for one in lost] == ["LOG_WRITE_FAILED"] * 2
    # Nothing of it was kept: sent again, it is new.
    assert isinstance(log.append_many([draft("c")], time_ms=7).result(20)[0], Receipt)
    log.close()


def test_bounds(url: str) -> None:
    log = open_log(url)
    with pytest.raises(ValueError, match="1 to"):
        log.append_many([], time_ms=7)
    with pytest.raises(ValueError, match="1 to"):
        log.append_many([draft("a")] * (MAX_BATCH + 1), time_ms=7)
    log.close()
    with pytest.raises(LedgerError, match="LOG_CLOSED"):
        log.append_many([draft("a")], time_ms=7)


def test_prepared_records_are_drafts_that_were_encoded_before(url: str) -> None:
    log = open_log(url)
    parts = [prepared(["a", "b"]), prepared(["c"])]
    found = log.append_prepared(parts).result(20)
    assert [one.seq for one in found if isinstance(one, Placed)] == [1, 2, 3]
    assert log.append_prepared([prepared(["b", "d"])]).result(20)[0] == Known(2)
    # As a draft or prepared, it is the same record.
    assert log.append_many([draft("c")], time_ms=7).result(20) == [Known(3)]
    (differs,) = log.append_many([draft("c", "p-2")], time_ms=7).result(20)
    assert isinstance(differs, RequestRefused)
    for bad in ([], [prepared(["x"] * MAX_BATCH), prepared(["y"])]):
        with pytest.raises(ValueError, match="1 to 1000"):
            log.append_prepared(bad)
    log.close()
    reader = LogReader.open(url, ORIGIN)
    for one in found:
        assert isinstance(one, Placed)
        receipt = Receipt(reader.get_record(one.seq), one.seq, one.path, one.checkpoint)
        record, _ = verify_receipt(receipt, origin=ORIGIN, public_key=KEY.public_key)
        assert (record["seq"], record["time_ms"]) == (one.seq, 7)
    reader.close()
