"""The audit of several gateways' logs: what is used once counts once over all of them."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

from eth_account import Account

from crypto.merkle import leaf_hash
from crypto.sm3 import sm3
from ledger.audit.audit import Audit, AuditedLog, Finding, _RecordAudit
from ledger.audit.chain import ChainReader
from ledger.audit.offline import open_database_logs
from ledger.chain.deploy import deploy_contracts
from ledger.chain.rpc import Rpc
from ledger.log.writer import LogWriter, Quota
from protocol.description import Role
from protocol.model import Log
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, ORIGIN, City, key
from tests.evidence.case import FOREVER, Case
from tests.postgres import Server

SENDER = sm3(b"the audit of several logs: the city's sender")
SECOND = f"{ORIGIN}-2"


def test_a_nonce_counts_over_all_logs() -> None:
    chain = cast("ChainReader", None)  # this part of the audit reads none
    others = {"y": cast("AuditedLog", None)}
    audit = Audit(chain, chain_id=1, contracts={}, log=None, origin="x", others=others)
    first, second = (_RecordAudit(audit, Log(bytes(32), bytes(32), o, 1, 1)) for o in ("x", "y"))
    record = {"event": "intent", "seq": 3, "request": {"public_key": "aa", "nonce": "bb"}}
    assert not list(first._begin(record))
    # At the same place of another log it is another record, and the nonce is used again.
    assert list(second._begin(record)) == [
        ("record 3 of x has the same key and nonce", "NONCE_REPLAYED")
    ]


def test_a_quota_exceeded_over_two_logs_of_one_database_is_found(
    rpc: Rpc, postgres: Server, tmp_path: Path
) -> None:
    deployed = deploy_contracts(
        rpc,
        SENDER,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
    )
    city = City(rpc, deployed.contracts, Account.from_key(SENDER))
    case = Case(city, tmp_path)
    case.url = postgres.url(postgres.make_database())
    case.found()
    city.enrol("gateway 2", CITY_HEAD, Role.GATEWAY)
    second_id = city.do(
        "LogRegistered",
        ("authority 1", "gateway 2"),
        gateway_key=key("gateway 2").public_key.key_id,
        origin=SECOND,
    )
    second = LogWriter(case.url, origin=SECOND, log_id=second_id, key=key("gateway 2"))
    assert case.log is not None
    first, grant = case.log, city.ids["grant"]
    allowed = city.agreed_values("grant")["quota"]
    assert allowed == 10

    def use(log: LogWriter, quota: Quota | None) -> int:
        receipt = log.append(case.intent(), quota=quota).result(20)
        leaf = leaf_hash(receipt.record).hex()
        end = {"event": "interrupted", "intent": receipt.index, "intent_leaf": leaf}
        log.append(end).result(20)
        return receipt.index

    def audit() -> list[tuple[str, str]]:
        with ExitStack() as stack:
            logs = open_database_logs(case.url, stack)
            assert sorted(logs) == [ORIGIN, SECOND]
            one = Audit(
                case.chain,
                chain_id=CHAIN_ID,
                contracts=city.contracts,
                log=logs.pop(ORIGIN),
                origin=ORIGIN,
                others=logs,
                head_max_age_s=FOREVER,  # the chain's clock is behind
            )
            found = [step for step in one.run() if isinstance(step, Finding)]
            return [(step.place, step.code) for step in found]

    try:
        # Six uses here and four there are the whole grant, and nobody exceeds it.
        for log in (first,) * 6 + (second,) * 4:
            use(log, Quota(grant, allowed))
        assert audit() == []
        # A gateway that does not ask the others: five of its own are no more than the grant has.
        seq = use(second, None)
        assert audit() == [(f"{SECOND}, record {seq}", "QUOTA_EXCEEDED")]
    finally:
        first.close()
        second.close()
