"""A key that was disposed of is disposed of; one that is missing without a record is a finding."""

from pathlib import Path
from typing import Any

import pytest

from ledger.audit.keys import LogKeys
from ledger.log.parameter_keys import ParameterKeys
from protocol.acts import make_act
from protocol.disposals import disposal_values
from protocol.parameters import key_digest, parameter_member
from protocol.records import encode_record, parse_record

PERIOD = "2020-01"
AT_MS = 1_578_000_000_000


@pytest.fixture
def keys(tmp_path: Path) -> ParameterKeys:
    return ParameterKeys(tmp_path / "keys")


def audit_of(*records: dict[str, Any]) -> tuple[LogKeys, list[str]]:
    """Return what was noted of these records, and the codes of what was found."""
    named = LogKeys()
    return named, [
        found.code
        for seq, record in enumerate(records)
        for found in named.add({"seq": seq, **record})
    ]


def intent(key: bytes, period: str = PERIOD, time_ms: int = AT_MS) -> dict[str, Any]:
    member = parameter_member(key, period, ("/number",), {"number": "1"})
    return {"event": "intent", "time_ms": time_ms, "parameters": member}


def disposed(key: bytes, time_ms: int = 2 * AT_MS) -> dict[str, Any]:
    digest = key_digest(key).hex()
    return {"event": "disposed", "time_ms": time_ms, "period": PERIOD, "key": digest}


def codes(named: LogKeys, keys: ParameterKeys) -> list[str]:
    return [found.code for found in named.compare_parameters(keys)]


def test_key_that_is_there_and_key_that_is_not(keys: ParameterKeys, tmp_path: Path) -> None:
    audit, found = audit_of(intent(keys.get_or_make(PERIOD)))
    assert not found
    assert not codes(audit, keys)
    assert codes(audit, ParameterKeys(tmp_path / "none")) == ["PARAMETER_KEY_MISSING"]
    other = ParameterKeys(tmp_path / "other")
    other.get_or_make(PERIOD)
    assert codes(audit, other) == ["PARAMETER_KEY_DIFFERS"]
    (tmp_path / "keys" / f"{PERIOD}.key").write_bytes(b"short")
    assert codes(audit, keys) == ["PARAMETER_KEY_UNREADABLE"]


def test_disposed_key_is_not_missing(keys: ParameterKeys) -> None:
    key = keys.get_or_make(PERIOD)
    audit, found = audit_of(intent(key), disposed(key))
    assert not found
    assert codes(audit, keys) == ["PARAMETER_KEY_DISPOSED"], "recorded, and not done"
    keys.dispose(PERIOD)
    assert not codes(audit, keys)


def test_key_destroyed_without_a_record_is_missing(keys: ParameterKeys) -> None:
    audit, _ = audit_of(intent(keys.get_or_make(PERIOD)))
    keys.dispose(PERIOD)
    assert codes(audit, keys) == ["PARAMETER_KEY_MISSING"]


def test_records_that_do_not_agree() -> None:
    one, two = b"1" * 32, b"2" * 32
    assert audit_of(intent(one), intent(two))[1] == ["PARAMETER_KEY_DIFFERS"]
    assert audit_of(intent(one, "2020-02"))[1] == ["PERIOD_MISMATCH"]
    assert audit_of(disposed(one), intent(one))[1] == ["PARAMETER_KEY_DISPOSED"]
    assert audit_of(intent(one), disposed(two))[1] == ["PARAMETER_KEY_DIFFERS"]
    assert audit_of(disposed(one, AT_MS))[1] == ["PERIOD_RUNNING"]


def test_acts_tell_what_the_log_tells() -> None:
    hour = 3_600_000
    drafts = (
        {"event": "disposed", "period": PERIOD, "key": None, "cause": "retention_over"},
        {"event": "heartbeat"},
        {"event": "kept_disposed", "period": PERIOD, "record": None, "cause": "retention_over"},
    )

    def found(changes: dict[int, dict[str, Any]], *, end: int = 9, late: int = 0) -> list[str]:
        """Return what is found when these acts were filed, with changed words."""
        named, acts = LogKeys(), []
        for seq, draft in enumerate((*drafts, {"event": "heartbeat"}), start=1):
            time_ms = 2 * AT_MS + (late if seq == len(drafts) + 1 else 0)
            data = encode_record({"v": 1, "log": "x", "seq": seq, "time_ms": time_ms, **draft})
            named.add_disposal(parse_record(data), data)
            if seq in changes:
                words = {**disposal_values(data), **changes[seq]}
                act = make_act(
                    "ParametersDisposed",
                    chain_id=1,
                    contract=bytes(20),
                    key_id=bytes(32),
                    nonce=0,
                    expires_at=0,
                    values=words,
                    target=b"\1" * 32,
                    revision=len(acts) + 1,
                )
                acts.append(act)
        return [f"{one.place} {one.code}" for one in named.compare_acts(acts, end)]

    assert found({1: {}, 3: {}}) == []
    assert found({1: {}}, late=hour) == [], "the gateway has an hour"
    assert found({1: {}}, late=hour + 1) == ["record 3 DISPOSAL_NOT_FILED"]
    assert found({3: {}}, late=hour + 1) == [
        "disposals DISPOSAL_DIFFERS",
        "record 3 DISPOSAL_NOT_FILED",
    ]
    for wrong in ({"period": 202_002}, {"disposed_kind": 2}, {"record_leaf": b"\2" * 32}):
        assert found({1: wrong, 3: {}}) == ["disposals DISPOSAL_DIFFERS"]
    assert found({1: {}, 3: {"record": 4}}) == ["disposals DISPOSAL_DIFFERS"]
    # What was filed about records that came while the audit ran is for the next one.
    assert found({1: {}, 3: {"record": 9}}, end=9) == []
