"""The audit of several gateways' logs: what is used once counts once over all of them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account
from sqlalchemy import create_engine

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


@dataclass
class Two:
    """A city with two gateways, whose logs are in one PostgreSQL database."""

    case: Case
    first: LogWriter
    second: LogWriter

    def use(
        self, log: LogWriter, *, quota: Quota | None = None, at: int | None = None, **changes: Any
    ) -> int:
        """Write an intent and its end, of a request made at a time, and return its index."""
        now = int(time.time()) if at is None else at
        intent = self.case.intent(request=self.case.request(created=now), **changes)
        receipt = log.append(intent, quota=quota, time_ms=1000 * now).result(20)
        leaf = leaf_hash(receipt.record).hex()
        end = {"event": "interrupted", "intent": receipt.index, "intent_leaf": leaf}
        log.append(end, time_ms=1000 * now).result(20)
        return receipt.index

    def audit(self, *, sharing: bool = True) -> list[tuple[str, str]]:
        """Return place and code of all findings."""
        with ExitStack() as stack:
            logs = open_database_logs(self.case.url, stack)
            assert sorted(logs) == [ORIGIN, SECOND]
            audit = Audit(
                self.case.chain,
                chain_id=CHAIN_ID,
                contracts=self.case.city.contracts,
                sharing=tuple(logs) if sharing else (),
                log=logs.pop(ORIGIN),
                origin=ORIGIN,
                others=logs,
                head_max_age_s=FOREVER,  # the chain's clock is behind
            )
            found = [step for step in audit.run() if isinstance(step, Finding)]
            return [(step.place, step.code) for step in found]


@pytest.fixture
def two(
    rpc: Rpc, postgres: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Two]:
    sender = sm3(f"the city of {request.node.name}".encode())
    deployed = deploy_contracts(
        rpc,
        sender,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
    )
    city = City(rpc, deployed.contracts, Account.from_key(sender))
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
    yield Two(case, case.log, second)
    case.log.close()
    second.close()


def test_a_quota_exceeded_over_two_logs_of_one_database_is_found(two: Two) -> None:
    grant = two.case.city.ids["grant"]
    quota = Quota(grant, two.case.city.agreed_values("grant")["quota"])
    assert quota.limit == 10
    # Six uses here and four there are the whole grant, and nobody exceeds it.
    for log in (two.first,) * 6 + (two.second,) * 4:
        two.use(log, quota=quota)
    assert two.audit() == []
    # A gateway that does not ask the others: five of its own are no more than the grant has.
    seq = two.use(two.second)
    assert two.audit() == [(f"{SECOND}, record {seq}", "QUOTA_EXCEEDED")]


def test_networks_declared_in_one_log_count_in_the_others(two: Two) -> None:
    city, now = two.case.city, int(time.time())

    def declare(log: LogWriter, at: int, networks: list[str]) -> None:
        civil = city.ids["civil affairs"]
        officer = "civil affairs officer"
        draft = two.case.restricted(officer, civil, "provider", networks, created=at)
        log.append(draft, time_ms=1000 * at).result(20)

    outside, inside = "192.0.2.1", "10.1.2.3"
    declare(two.first, now, ["10.0.0.0/8"])
    # The other gateway may hear of it a little later, and no more than that.
    two.use(two.second, at=now + 299, source=outside)
    late = two.use(two.second, at=now + 301, source=outside)
    two.use(two.second, at=now + 301, source=inside)
    # Lifted at the one, it is lifted at the other.
    declare(two.second, now + 400, [])
    two.use(two.first, at=now + 500, source=outside)
    expected = [(f"{SECOND}, record {late}", "SOURCE_NOT_ALLOWED")]
    assert two.audit() == expected
    # Who changes the index beside the records hides nothing by it.
    engine = create_engine(two.case.url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f'SET search_path TO "log:{ORIGIN}"')
        change = "UPDATE records SET event = 'x' WHERE event = 'restricted' RETURNING seq"
        hidden = connection.exec_driver_sql(change).scalar()
    assert two.audit() == [(f"{ORIGIN}, record {hidden}", "LOG_DAMAGED")]
    with engine.begin() as connection:
        connection.exec_driver_sql(f'SET search_path TO "log:{ORIGIN}"')
        connection.exec_driver_sql("UPDATE records SET event = 'restricted'")
    engine.dispose()
    assert two.audit() == expected
    # Logs in files of their own do not follow each other: each counts by itself.
    (found,) = two.audit(sharing=False)
    assert found[0].startswith(f"{ORIGIN}, record ")
    assert found[1] == "SOURCE_NOT_ALLOWED"
