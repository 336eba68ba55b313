"""Evidence holds whatever is disposed of: files made before a disposal and files made after it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from crypto.errors import LedgerError
from crypto.merkle import leaf_hash
from crypto.sm3 import sm3
from ledger.audit.audit import Audit, Finding
from ledger.audit.chain import ChainReader
from ledger.chain.deploy import deploy_contracts
from ledger.chain.rpc import Rpc
from ledger.log.disposal import dispose_period, search_parameter
from ledger.log.keeping import dispose_kept_period, dispose_kept_record, open_kept
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from protocol.disposals import disposal_values
from protocol.evidence import Evidence, Status, verify_evidence
from protocol.kept import Bound, seal_body
from protocol.parameters import parameter_member
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, ORIGIN, City, key
from tests.evidence.case import FOREVER, Case

SENDER = sm3(b"evidence tests: city of disposals")
PERIOD = "2020-01"
NUMBER = "44150019900101123X"


@pytest.fixture
def case(rpc: Rpc, tmp_path: Path) -> Iterator[Case]:
    """A city of its own, whose log is open."""
    deployed = deploy_contracts(
        rpc,
        SENDER,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
    )
    case = Case(City(rpc, deployed.contracts, Account.from_key(SENDER)), tmp_path / "log")
    case.found()
    yield case
    assert case.log is not None
    case.log.close()


def require_valid(case: Case, data: bytes) -> dict[str, Any]:
    """Verify an evidence file; return the facts, with the first record as text."""
    verdict = verify_evidence(data, case.trust)
    assert verdict.status is Status.VALID, verdict.reason
    return {"bytes": Evidence.from_bytes(data).records[0].record.decode(), **verdict.facts}


def tell(case: Case, reader: LogReader) -> list[bytes]:
    """File the acts of all disposals, as the gateway does; returns their records' leaf hashes."""
    records = [data for _, data in reader.disposals()]
    for data in records:
        log, words = case.city.ids["log"], disposal_values(data)
        case.city.do("ParametersDisposed", ("gateway",), log, **words)
    return [leaf_hash(data) for data in records]


def test_evidence_before_and_after_a_period_key_is_destroyed(case: Case, tmp_path: Path) -> None:
    assert case.log is not None
    keys = ParameterKeys(tmp_path / "parameter-keys")
    member = parameter_member(
        keys.get_or_make(PERIOD), PERIOD, ("/number",), {"number": NUMBER, "reason": "none"}
    )
    seq = case.released(case.intent(parameters=member))
    denied = case.append(
        {
            **case.denial("CLOCK_SKEW", case.request(created=1), case.city.ids["housing"]),
            "parameters": member,
        }
    )
    case.anchor()
    before = [case.evidence(one) for one in (seq, denied)]
    reader = LogReader.open(case.url)
    try:
        assert search_parameter(reader, keys, ("/number",), NUMBER) == ([seq, denied], [])
        assert dispose_period(case.log, reader, keys, period=PERIOD, cause="retention_over")
        assert keys.find(PERIOD) is None
        assert search_parameter(reader, keys, ("/number",), NUMBER) == ([], [PERIOD])
        (told,) = tell(case, reader)
    finally:
        reader.close()
    later = case.released(case.intent())
    case.anchor()
    after = [case.evidence(one) for one in (seq, denied)]
    for one, other in zip(before, after, strict=True):
        facts = require_valid(case, one)
        assert facts == require_valid(case, other)
        # The digest that nobody can compare any more is proven as it was.
        assert member["digests"][0]["digest"] in facts["bytes"]
        assert NUMBER.encode() not in one + other
    # What is decided after the act rests on it, and on the registration as it was.
    parts = Evidence.from_bytes(case.evidence(later)).blocks
    nodes = b"".join(node for one in parts for receipt in one.receipts for node in receipt.nodes)
    assert nodes.count(told) == 1
    require_valid(case, case.evidence(later))
    # The records are of today, and only a month that is over is disposed of.
    assert set(audit_of(case)) == {"PERIOD_MISMATCH"}


def test_evidence_before_and_after_envelopes_are_destroyed(case: Case, tmp_path: Path) -> None:
    assert case.log is not None
    keys = KeptKeys(tmp_path / "kept-keys")
    intents = []
    for _ in range(2):
        intent = case.intent()
        slot, secret = keys.take(PERIOD)
        sealed, member = seal_body(secret, slot, Bound.of_record({"log": ORIGIN, **intent}), b"{}")
        seq = case.log.append({**intent, "kept": member}, envelope=sealed).result(20).index
        case.append(case.outcome(seq))
        intents.append(seq)
    case.anchor()
    before = [case.evidence(seq) for seq in intents]
    reader = LogReader.open(case.url)
    try:
        assert [open_kept(reader, keys, seq) for seq in intents] == [b"{}", b"{}"]
        one, other = intents
        assert dispose_kept_record(case.log, reader, keys, seq=one, cause="erasure_demanded")
        assert open_kept(reader, keys, other) == b"{}"
        assert dispose_kept_period(case.log, reader, keys, period=PERIOD, cause="retention_over")
        for seq in intents:
            with pytest.raises(LedgerError) as caught:
                open_kept(reader, keys, seq)
            assert caught.value.code == "KEPT_KEY_MISSING"
        assert len(tell(case, reader)) == 2
    finally:
        reader.close()
    case.released(case.intent())
    case.anchor()
    for seq, early in zip(intents, before, strict=True):
        facts = require_valid(case, early)
        assert facts == require_valid(case, case.evidence(seq))
        # Which envelope it was stays proven.
        assert '"kept":{"digest":' in facts["bytes"]
    # The records are of today, and only a month that is over is disposed of.
    assert set(audit_of(case)) == {"PERIOD_MISMATCH"}


def test_audit_names_an_act_that_the_log_does_not_bear_out(case: Case, tmp_path: Path) -> None:
    assert case.log is not None
    keys = ParameterKeys(tmp_path / "parameter-keys")
    case.released()
    reader = LogReader.open(case.url)
    try:
        dispose_period(case.log, reader, keys, period=PERIOD, cause="retention_over")
        ((_, data),) = reader.disposals()
    finally:
        reader.close()
    log, words = case.city.ids["log"], disposal_values(data)
    case.city.do("ParametersDisposed", ("gateway",), log, **{**words, "period": 202_002})
    case.anchor()
    assert audit_of(case) == ["DISPOSAL_DIFFERS"]


def audit_of(case: Case) -> list[str]:
    """Return the codes of what the audit of chain and log finds."""
    reader = LogReader.open(case.url)
    try:
        audit = Audit(
            ChainReader(case.city.rpc, case.city.contracts),
            chain_id=CHAIN_ID,
            contracts=case.city.contracts,
            log=reader,
            origin=ORIGIN,
            head_max_age_s=FOREVER,  # the chain's clock is behind
        )
        return [step.code for step in audit.run() if isinstance(step, Finding)]
    finally:
        reader.close()
