"""The audit names every fault in chain and log, and finds nothing where there is none."""

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from crypto.sm3 import sm3
from ledger.audit.audit import Audit, Finding, Progress
from ledger.audit.chain import ChainReader
from ledger.audit.offline import check_logs
from ledger.audit.receipts import check_receipts
from ledger.chain.deploy import deploy_contracts
from ledger.chain.rpc import Rpc
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.description import Role
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, ORIGIN, City, key
from tests.evidence.case import FOREVER, Case
from tests.evidence.conftest import Told

SECOND_SENDER = sm3(b"evidence tests: second city's sender")


def _audit(case: Case, url: str, **options: Any) -> list[Finding]:
    reader = LogReader.open(url)
    try:
        audit = Audit(
            ChainReader(case.city.rpc, case.city.contracts),
            chain_id=CHAIN_ID,
            contracts=case.city.contracts,
            log=reader,
            origin=ORIGIN,
            **{"head_max_age_s": FOREVER, **options},
        )
        steps = list(audit.run())
    finally:
        reader.close()
    assert any(isinstance(step, Progress) for step in steps)
    findings = [step for step in steps if isinstance(step, Finding)]
    assert audit.exit_code == (1 if findings else 0)
    return findings


@pytest.fixture(scope="module")
def honest(rpc: Rpc, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A second city on the same chain, whose gateway tells the truth; its log is closed."""
    deployed = deploy_contracts(
        rpc,
        SECOND_SENDER,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
    )
    city = City(rpc, deployed.contracts, Account.from_key(SECOND_SENDER))
    case = Case(city, tmp_path_factory.mktemp("honest"))
    case.found()
    case.released()
    housing = city.ids["housing"]
    case.append(case.denial("PURPOSE_MISMATCH", case.request(basis="other"), housing))
    case.anchor()
    case.released()
    case.anchor()
    assert case.log is not None
    case.log.close()
    return case


def test_nothing_found(honest: Case) -> None:
    assert _audit(honest, honest.url) == []


def test_a_ledger_in_use_is_not_at_fault(honest: Case, tmp_path: Path) -> None:
    """Records, a block and an anchor come while the audit runs, and a request is in work."""
    snapshot = honest.city.rpc.call("evm_snapshot")
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    in_work = case.append(case.intent())
    reader = LogReader.open(case.url)
    try:
        audit = Audit(
            ChainReader(case.city.rpc, case.city.contracts),
            chain_id=CHAIN_ID,
            contracts=case.city.contracts,
            log=reader,
            origin=ORIGIN,
            head_max_age_s=FOREVER,
        )
        before, went_on = reader.size(), False
        for step in audit.run():
            assert not isinstance(step, Finding), str(step)
            if step.stage == "chain" and not went_on:
                went_on = True
                case.append(case.outcome(in_work))
                case.city.enrol("late comer", "housing head", Role.OPERATOR)
                case.released()
                case.anchor()
        assert (step.stage, step.done) == ("log", before)
        assert went_on
        assert reader.size() == before + 3
    finally:
        reader.close()
        case.log.close()
        assert case.city.rpc.call("evm_revert", snapshot) is True
    # The chain went back: what rests on its lost block is named.
    assert {one.code for one in _audit(honest, case.url)} == {"BLOCK_INVALID"}


def _tampered(case: Case, directory: Path, *statements: str) -> str:
    source = Path(case.url.removeprefix("sqlite:///"))
    for file in source.parent.glob(f"{source.name}*"):
        shutil.copy(file, directory)
    copy = directory / source.name
    connection = sqlite3.connect(copy)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return f"sqlite:///{copy}"


def test_changed_record_is_named(honest: Case, tmp_path: Path) -> None:
    url = _tampered(
        honest,
        tmp_path,
        "UPDATE records SET bytes = CAST(REPLACE(CAST(bytes AS TEXT), '\"rows\":0', '\"rows\":9')"
        " AS BLOB) WHERE seq = 2",
    )
    findings = [str(one) for one in _audit(honest, url)]
    assert findings == ["record 2: ROOT_DIFFERS: bytes do not match the anchored tree"]


def test_numbers_and_receipts_that_the_log_does_not_hold(honest: Case, tmp_path: Path) -> None:
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    housing = case.city.ids["housing"]
    numbered = case.request(basis="other", stream="s;5")
    case.append(case.denial("PURPOSE_MISMATCH", numbered, housing))
    case.append(case.not_sent("housing operator", housing, [[1, 2]]))
    last = case.log.append(case.denial("PURPOSE_MISMATCH", case.request(basis="x"), housing))
    receipt = last.result(20)
    case.log.close()
    folder = tmp_path / "held"
    folder.mkdir()
    (folder / "good.json").write_bytes(receipt.to_bytes())
    reader = LogReader.open(case.url)
    try:
        audit = Audit(
            ChainReader(case.city.rpc, case.city.contracts),
            chain_id=CHAIN_ID,
            contracts=case.city.contracts,
            log=reader,
            origin=ORIGIN,
            receipts=folder,
            head_max_age_s=FOREVER,
        )
        steps = [step for step in audit.run() if not isinstance(step, Progress)]
    finally:
        reader.close()
    stream = f"key {key('housing operator').public_key.key_id.hex()}, stream s"
    assert [str(one) for one in steps] == [
        f"{stream}, sequences 1 to 2: not_sent, says record {receipt.index - 1} of {ORIGIN}",
        f"{stream}, sequences 3 to 4: SEQUENCE_GAP: no record, and no statement",
    ]
    # Without its last record the log is another than the one that the receipt was of.
    (folder / "good.json").rename(folder / "cut.json")
    newest = "DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)"
    url = _tampered(case, _made(tmp_path / "cut"), newest)
    reader = LogReader.open(url)
    logs = {ORIGIN: (reader, key("gateway").public_key)}
    found = [(one.place, one.code) for one in check_receipts(folder, logs)]
    reader.close()
    assert found == [(f"receipt cut.json, record {receipt.index}", "RECEIPT_RECORD_MISSING")]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_cut_log_is_behind_its_anchor(honest: Case, tmp_path: Path) -> None:
    url = _tampered(
        honest,
        tmp_path,
        "DELETE FROM records WHERE seq >= 4",
        "DELETE FROM checkpoints WHERE size > 4",
    )
    assert {one.code for one in _audit(honest, url)} == {"LOG_BEHIND_ANCHOR"}


def test_hole_in_the_log(honest: Case, tmp_path: Path) -> None:
    url = _tampered(honest, tmp_path, "DELETE FROM records WHERE seq = 3")
    assert "RECORD_MISSING" in {one.code for one in _audit(honest, url)}


def test_every_lie_is_named(told: Told) -> None:
    found = {(one.place, one.code) for one in _audit(told.case, told.case.url)}
    seqs = told.seqs
    expected = {
        (f"record {seqs['altered_item_mask']}", "DECISION_WRONG"),
        (f"record {seqs['wrong_denial']}", "DECISION_WRONG"),
        (f"record {seqs['revoked_grant_released']}", "DECISION_WRONG"),
        (f"record {seqs['framed']}", "DECISION_WRONG"),
        (f"record {seqs['late_answer'] + 1}", "PROVIDER_INVALID"),
        (f"record {seqs['dated_back']}", "TIME_REVERSED"),
        (f"record {seqs['framed_busy']}", "DECISION_WRONG"),
        (f"record {seqs['foreign_provider'] + 1}", "PROVIDER_INVALID"),
        (f"record {seqs['no_provider'] + 1}", "PROVIDER_INVALID"),
        (f"record {seqs['more_items'] + 1}", "OUTCOME_INVALID"),
        (f"record {seqs['open_intent']}", "INTENT_OPEN"),
        (f"record {seqs['sealed_for_a_stranger']}", "DECISION_WRONG"),
        (f"record {seqs['sealed_framed']}", "DECISION_WRONG"),
        (f"record {seqs['sealed_of_no_act']}", "DECISION_WRONG"),
        (f"record {seqs['sealed_word']}", "DECISION_WRONG"),
        (f"record {seqs['sealed_elsewhere']}", "REQUEST_INVALID"),
        (f"record {seqs['observed_twice']}", "OBSERVATION_REPEATED"),
        (f"record {seqs['observed_role']}", "DECISION_WRONG"),
        (f"record {seqs['observed_framed']}", "DECISION_WRONG"),
        (f"record {seqs['observed_later']}", "DECISION_WRONG"),
        (f"record {seqs['observed_altered']}", "OBSERVATION_SIGNATURE_INVALID"),
        (f"record {seqs['not_sent_framed']}", "DECISION_WRONG"),
        (f"record {seqs['not_sent_altered']}", "REQUEST_INVALID"),
        (f"record {seqs['closed_framed']}", "DECISION_WRONG"),
        (f"record {seqs['closed_altered']}", "REQUEST_INVALID"),
        (f"record {seqs['closed_more']}", "CLOSING_WRONG"),
        (f"record {seqs['closed_no_offer']}", "CLOSING_WRONG"),
        (f"record {seqs['offered_of_another_way']}", "DECISION_WRONG"),
        # The same intent, written twice.
        (f"record {seqs['unanchored']}", "NONCE_REPLAYED"),
    }
    assert found == expected


def test_an_index_that_was_changed_hides_no_open_intent(honest: Case, tmp_path: Path) -> None:
    """Nothing signed covers the columns beside a record's bytes."""
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    try:
        seq = case.append(case.intent())
        other = case.append({"event": "heartbeat"})
    finally:
        case.log.close()
    statement = (
        "UPDATE records SET intent_seq = (SELECT max(seq) - 1 FROM records)"
        " WHERE seq = (SELECT max(seq) FROM records)"
    )
    url = _tampered(case, _made(tmp_path / "changed"), statement)
    reader = LogReader.open(url)
    assert reader.find_end(seq) == other
    reader.close()
    assert [(one.place, one.code) for one in _audit(honest, url)] == [
        (f"record {seq}", "INTENT_OPEN")
    ]
    report = check_logs([Path(url.removeprefix("sqlite:///"))])
    assert [one.code for one in report.findings] == ["INTENT_OPEN"]


def test_a_gateway_that_does_not_hear_of_new_blocks_is_named(honest: Case, tmp_path: Path) -> None:
    """It could go on by grants as they stood before they were revoked."""
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    housing, old = case.city.ids["housing"], case.block()
    case.city.enrol("newcomer", "housing head", Role.OPERATOR)
    _, newer = case.chain.get_header(old["number"] + 1)
    now = int(time.time())

    def release(at: int, **changes: Any) -> str:
        intent = case.intent(request=case.request(created=at), **changes)
        seq = case.append({**intent, "time_ms": 1000 * at})
        case.append({**case.outcome(seq, answered=at), "time_ms": 1000 * at})
        return f"record {seq}"

    def deny(at: int, code: str, **changes: Any) -> str:
        request = case.request(created=at, **changes)
        denial = {**case.denial(code, request, housing), "block": old, "time_ms": 1000 * at}
        return f"record {case.append(denial)}"

    try:
        release(now + 298, block=old)
        expected = {(release(now + 302, block=old), "BLOCK_STALE")}
        expected.add((deny(now + 302, "PURPOSE_MISMATCH", basis="other"), "BLOCK_STALE"))
        release(now + 302)
        deny(now + 302, "HEAD_STALE")  # it says so itself
        early = release(newer.timestamp - 10**7)  # before there was a chain
    finally:
        case.log.close()
    end = f"record {int(early.split()[1]) + 1}"
    others = {(early, "BLOCK_INVALID"), (early, "DECISION_WRONG")}
    others |= {(early, "TIME_REVERSED"), (end, "TIME_REVERSED")}
    # The chain's clock of these tests is behind by so much.
    behind = now - newer.timestamp
    found = {(one.place, one.code) for one in _audit(honest, case.url, head_max_age_s=behind)}
    assert found == expected | others
    # Where gateways are set to go on for an hour without the chain, none of it is too late.
    hour = _audit(honest, case.url, head_max_age_s=behind + 3600)
    assert {(one.place, one.code) for one in hour} == others


def test_networks_of_a_grant_are_followed(honest: Case, tmp_path: Path) -> None:
    """What a side declared counts from its record on, and nobody declares for another."""
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    civil, housing = case.city.ids["civil affairs"], case.city.ids["housing"]
    officer, inside = "civil affairs officer", ["10.0.0.0/8", "2001:db8::/32"]
    expected: set[tuple[str, str]] = set()

    def lie(seq: int, code: str) -> None:
        expected.add((f"record {seq}", code))

    try:
        case.released()
        case.append(case.restricted(officer, civil, "provider", inside))
        case.released(case.intent(source="10.1.2.3"))
        case.released(case.intent(source="2001:db8::1"))
        lie(case.released(), "SOURCE_NOT_ALLOWED")
        lie(case.released(case.intent(source="unknown")), "SOURCE_NOT_ALLOWED")
        lifted = case.restricted(officer, civil, "provider", [])
        lie(case.append({**lifted, "networks": ["10.0.0.0/8"]}), "DECISION_WRONG")
        lifted = case.restricted(officer, civil, "provider", [])
        lie(case.append({**lifted, "side": "requester"}), "DECISION_WRONG")
        lie(case.append(case.restricted(officer, housing, "provider", [])), "DECISION_WRONG")
        framed = case.restricted("housing officer", civil, "provider", [])
        lie(case.append(framed), "DECISION_WRONG")
        unfit = case.restricted("housing operator", housing, "requester", [])
        lie(case.append(unfit), "DECISION_WRONG")
        other = case.restricted(officer, civil, "provider", [], path="/v1/sealed")
        lie(case.append(other), "REQUEST_INVALID")
        # None of these lifted anything.
        lie(case.released(), "SOURCE_NOT_ALLOWED")
        case.append(case.restricted(officer, civil, "provider", []))
        case.released()
        replayed = case.restricted("housing officer", housing, "requester", ["127.0.0.0/8"])
        case.append(replayed)
        lie(case.append(replayed), "NONCE_REPLAYED")
        case.released()
    finally:
        case.log.close()
    assert {(one.place, one.code) for one in _audit(honest, case.url)} == expected


def test_who_looked_is_followed(honest: Case, tmp_path: Path) -> None:
    """A consultation is an auditor's own, says what and why, and is signed as it is recorded."""
    case = Case(honest.city, tmp_path)
    case.url = _tampered(honest, tmp_path)
    case.log = LogWriter(case.url, origin=ORIGIN, log_id=case.city.ids["log"], key=key("gateway"))
    civil, housing = case.city.ids["civil affairs"], case.city.ids["housing"]
    auditor = "civil affairs auditor"
    case.city.enrol(auditor, "civil affairs head", Role.AUDITOR)
    expected: set[tuple[str, str]] = set()

    def lie(draft: dict[str, Any], code: str) -> None:
        expected.add((f"record {case.append(draft)}", code))

    try:
        case.append(case.consulted(auditor, civil, "search"))
        case.append(case.consulted(auditor, civil, "open", case="-", basis="809-20"))
        other = case.consulted(auditor, civil, "search", periods=["2026-01", "2026-02"])
        lie(other, "DECISION_WRONG")
        lie(case.consulted(auditor, civil, "open", record=2), "DECISION_WRONG")
        lie(case.consulted(auditor, civil, "search", case="-"), "DECISION_WRONG")
        lie(case.consulted(auditor, civil, "search", person="-"), "DECISION_WRONG")
        lie(case.consulted(auditor, housing, "search"), "DECISION_WRONG")
        lie(case.consulted("housing operator", housing, "search"), "DECISION_WRONG")
        lie(case.consulted("nobody", civil, "search"), "DECISION_WRONG")
        lie(case.consulted(auditor, civil, "search", path="/v1/evidence"), "REQUEST_INVALID")
        replayed = case.consulted(auditor, civil, "search")
        case.append(replayed)
        lie(replayed, "NONCE_REPLAYED")
    finally:
        case.log.close()
    assert {(one.place, one.code) for one in _audit(honest, case.url)} == expected
