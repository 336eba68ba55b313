"""A key that was disposed of is disposed of; one that is missing without a record is a finding."""

from pathlib import Path
from typing import Any, cast

import pytest

from ledger.audit.audit import Audit, AuditedLog, _RecordAudit, audit_ledger
from ledger.audit.chain import ChainReader
from ledger.audit.run import compare_parameter_keys
from ledger.log.parameter_keys import ParameterKeys
from protocol.model import Log
from protocol.parameters import key_digest, parameter_member

PERIOD = "2020-01"
AT_MS = 1_578_000_000_000


@pytest.fixture
def keys(tmp_path: Path) -> ParameterKeys:
    return ParameterKeys(tmp_path / "keys")


def audit_of(*records: dict[str, Any]) -> tuple[Audit, list[str]]:
    """Return an audit that took note of these records, and the codes of what it found."""
    chain = cast("ChainReader", None)  # this part of the audit reads none
    audit = audit_ledger(chain, chain_id=1, contracts={}, log=None, origin="x")
    reader = _RecordAudit(audit, Log(bytes(32), bytes(32), "x", 1, 1))
    return audit, [
        found.code
        for seq, record in enumerate(records)
        for found in reader._parameters({"seq": seq, **record})
    ]


def intent(key: bytes, period: str = PERIOD, time_ms: int = AT_MS) -> dict[str, Any]:
    member = parameter_member(key, period, ("/number",), {"number": "1"})
    return {"event": "intent", "time_ms": time_ms, "parameters": member}


def disposed(key: bytes, time_ms: int = 2 * AT_MS) -> dict[str, Any]:
    digest = key_digest(key).hex()
    return {"event": "disposed", "time_ms": time_ms, "period": PERIOD, "key": digest}


def codes(audit: Audit, keys: ParameterKeys) -> list[str]:
    return [found.code for found in compare_parameter_keys(audit, keys)]


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


def test_logs_of_several_gateways_share_nonces_but_no_keys(tmp_path: Path) -> None:
    chain = cast("ChainReader", None)
    others = {"y": cast("AuditedLog", None)}
    audit = Audit(chain, chain_id=1, contracts={}, log=None, origin="x", others=others)
    first, second = (_RecordAudit(audit, Log(bytes(32), bytes(32), o, 1, 1)) for o in ("x", "y"))
    record = {"event": "intent", "seq": 3, "request": {"public_key": "aa", "nonce": "bb"}}
    assert not list(first._begin(record))
    # At the same place of another log it is another record, and the nonce is used again.
    assert list(second._begin(record)) == [
        ("record 3 of x has the same key and nonce", "NONCE_REPLAYED")
    ]
    keys, foreign = ParameterKeys(tmp_path / "x"), ParameterKeys(tmp_path / "y")
    for reader, own in ((first, keys), (second, foreign)):
        asked = {"seq": 4, **intent(own.get_or_make(PERIOD))}
        assert not list(reader._parameters(asked)), "each gateway has a key of its own"
    assert not codes(audit, keys)
