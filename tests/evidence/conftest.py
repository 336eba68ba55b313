"""One city with its records, made once; no test changes it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_account import Account

from ledger.chain.deploy import Deployed
from ledger.chain.rpc import Rpc
from protocol.evidence import Evidence
from tests.contracts.city import City
from tests.contracts.conftest import SENDER_KEY
from tests.contracts.conftest import deployed as deployed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import rpc as rpc  # noqa: PLC0414 - a fixture, shared
from tests.evidence.case import Case


@dataclass
class Told:
    """A case with the indices of its records."""

    case: Case
    seqs: dict[str, int]

    def evidence(self, name: str) -> Evidence:
        """Return the evidence of a record, decoded."""
        return Evidence.from_bytes(self.case.evidence(self.seqs[name]))


@pytest.fixture(scope="session")
def told(rpc: Rpc, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Good and bad records in one anchored log."""
    city = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
    case = Case(city, tmp_path_factory.mktemp("log"))
    case.found()
    housing = city.ids["housing"]
    seqs = {"released": case.released()}
    seqs["denied"] = case.append(
        case.denial("PURPOSE_MISMATCH", case.request(basis="other"), housing)
    )
    seqs["skewed"] = case.append(case.denial("CLOCK_SKEW", case.request(created=1), housing))
    seqs["altered_item_mask"] = case.released(case.intent(items=f"{3:064x}"))
    seqs["wrong_denial"] = case.append(case.denial("GRANT_EXPIRED", case.request(), housing))
    seqs["foreign_provider"] = case.released(signer="housing operator")
    seqs["no_provider"] = case.released(provider_response=None)
    seqs["late_answer"] = case.released(answered=int(time.time()) + 3600)
    back = case.request(created=1_780_000_000)
    seqs["dated_back"] = case.append(
        {**case.denial("CLOCK_SKEW", back, housing), "time_ms": 1_780_000_000_000}
    )
    seqs["more_items"] = case.released(items=f"{5:064x}")
    seqs["open_intent"] = case.append(case.intent())
    case.file_bundled()
    grant = city.ids["bundled"]
    seqs["bundled"] = case.released(
        case.intent(
            request=case.request(grant=grant),
            grant_revision=city.revision("RequestAgreed", grant),
        )
    )
    stranger = case.request(signer="nobody's key")
    seqs["unknown_key"] = case.append(case.denial("KEY_UNKNOWN", stranger, bytes(32)))
    seqs["framed"] = case.append(case.denial("KEY_UNKNOWN", stranger, housing))
    seqs["framed_busy"] = case.append(case.denial("RATE_EXCEEDED", stranger, housing))
    civil, operator = city.ids["civil affairs"], "civil affairs operator"
    seqs["sealed"] = case.append(case.sealed("fetch", operator, civil))
    seqs["sealed_for_a_stranger"] = case.append(case.sealed("fetch", "housing operator", housing))
    seqs["sealed_framed"] = case.append(case.sealed("fetch", "housing operator", civil))
    seqs["sealed_of_no_act"] = case.append(case.sealed("fetch", operator, civil, act="00" * 32))
    seqs["sealed_word"] = case.append(case.sealed("fetch", operator, civil, word="document"))
    seqs["sealed_elsewhere"] = case.append(
        {**case.sealed("fetch", operator, civil), "operation": "dispose"}
    )
    provider = "civil affairs provider"
    seqs["observed"] = case.append(case.observed(provider, civil, record="r-1"))
    seqs["observed_twice"] = case.append(case.observed(provider, civil, record="r-1"))
    seqs["observed_role"] = case.append(case.observed("housing operator", housing))
    seqs["observed_framed"] = case.append(case.observed(provider, housing))
    seqs["observed_later"] = case.append(case.observed(provider, civil, time_ms=2**50))
    good, other = case.observed(provider, civil), case.observed(provider, civil)
    seqs["observed_altered"] = case.append({**good, "signature": other["signature"]})
    seqs["not_sent"] = case.append(case.not_sent("housing operator", housing, [[1, 2]]))
    seqs["not_sent_framed"] = case.append(case.not_sent("housing operator", civil, [[3, 3]]))
    seqs["not_sent_altered"] = case.append(
        case.not_sent("housing operator", housing, [[1, 1]], sequences=[[1, 9]])
    )
    end = {"first": seqs["released"] + 1, "last": seqs["released"] + 1, "offer": None}
    operator = "housing operator"
    seqs["closed"] = case.append(case.stated("closed", operator, housing, end))
    seqs["closed_framed"] = case.append(case.stated("closed", operator, civil, end))
    seqs["closed_altered"] = case.append(case.stated("closed", operator, housing, end, rows=9))
    seqs["closed_more"] = case.append(
        case.stated("closed", operator, housing, {**end, "last": seqs["denied"], "parts": 2})
    )
    seqs["closed_no_offer"] = case.append(
        case.stated("closed", operator, housing, {**end, "offer": seqs["denied"]})
    )
    seqs["offered_of_another_way"] = case.append(
        case.stated("offered", provider, civil, {"name": "monthly"})
    )
    stale = case.intent()
    words = {"reason": city.ids["housing"], "cause": 4}
    city.do("GrantRevoked", ("housing officer",), city.ids["grant"], **words)
    seqs["before_revocation"] = case.released(stale)
    seqs["revoked_grant_released"] = case.released(case.intent())
    seqs["revoked"] = case.append(case.denial("GRANT_REVOKED", case.request(), housing))
    case.anchor()
    seqs["unanchored"] = case.released(stale)
    yield Told(case, seqs)
    assert case.log is not None
    case.log.close()
