"""Evidence over the life of keys: it holds by the keys' state at the time, whatever came later."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from crypto.errors import VerificationError
from crypto.sm3 import sm3
from ledger.audit.audit import Audit, Finding
from ledger.audit.chain import ChainReader
from ledger.chain.deploy import deploy_contracts
from ledger.chain.rpc import Rpc
from ledger.log.reader import LogReader
from protocol.acts import Act
from protocol.description import Role
from protocol.ethereum import ActEvent
from protocol.evidence import Evidence, Status, verify_evidence
from protocol.evidence.chain import read_events, read_headers
from tests.contracts.city import (
    AUTHORITY,
    CHAIN_ID,
    CITY_HEAD,
    DELAY_S,
    ORIGIN,
    City,
    digest,
    key,
    key_words,
)
from tests.evidence.case import FOREVER, Case
from tests.evidence.conftest import Told

SENDER = sm3(b"evidence of keys: the city's sender")
TWO = ("authority 1", "authority 2")


def _id(name: str) -> bytes:
    return key(name).public_key.key_id


def _wait(city: City, seconds: int) -> None:
    city.rpc.call("evm_increaseTime", seconds)
    city.rpc.call("evm_mine")


def _bind(city: City, head: str, name: str, not_after: int) -> None:
    words = {"issuer": digest("issuer"), "serial": 9, "certificate": digest(f"of {name}")}
    city.do("CertificateBound", (head,), _id(name), **words, not_after=not_after)


def _request_of(case: Case, signer: str, **changes: Any) -> dict[str, Any]:
    return case.intent(request=case.request(signer), **changes)


@pytest.fixture(scope="module")
def keys(rpc: Rpc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A city whose keys come and go while its gateway works."""
    deployed = deploy_contracts(
        rpc,
        SENDER,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
        replacement_delay_s=DELAY_S,
    )
    city = City(rpc, deployed.contracts, Account.from_key(SENDER))
    case = Case(city, tmp_path_factory.mktemp("keys"))
    case.found()
    housing = city.ids["housing"]
    operator, head = "housing operator", "housing head"
    seqs = {"before": case.released()}

    # A key that time ends: on the chain it still counts, by the gateway's clock no more.
    words = {**key_words("short"), "valid_until": city.now() + 1000}
    city.do("PersonEnrolled", (head, "short"), roles=int(Role.SYSTEM), **words)
    seqs["expired"] = case.append(case.denial("KEY_EXPIRED", case.request("short"), housing))
    seqs["expired_released"] = case.released(_request_of(case, "short"))

    city.do("KeySuspended", (operator,), _id(operator), reason_code=3)
    seqs["suspended"] = case.append(case.denial("KEY_NOT_ACTIVE", case.request(), housing))
    seqs["suspended_released"] = case.released()
    city.do("KeyResumed", (head,), _id(operator))
    seqs["resumed"] = case.released()
    seqs["resumed_denied"] = case.append(case.denial("KEY_NOT_ACTIVE", case.request(), housing))

    # The certificate's end is the key's; its renewal is another act.
    _bind(city, head, operator, city.now() + 1000)
    seqs["certificate_expired"] = case.append(case.denial("KEY_EXPIRED", case.request(), housing))
    _bind(city, head, operator, FOREVER)
    seqs["certificate_renewed"] = case.released()

    city.do("KeyRotated", (operator, "rotated"), _id(operator), **key_words("rotated"))
    seqs["rotated"] = case.released(_request_of(case, "rotated"))
    seqs["old_key_released"] = case.released()

    # The provider's key is another one from now on.
    provider = "civil affairs provider"
    city.do("KeyRotated", (provider, "provider 2"), _id(provider), **key_words("provider 2"))
    seqs["old_provider"] = case.released(_request_of(case, "rotated"))
    seqs["new_provider"] = case.released(_request_of(case, "rotated"), signer="provider 2")

    # Another threshold, another authority person, another department that rests on both.
    city.do("AuthorityPersonAdded", (*TWO, "authority 4"), **key_words("authority 4"))
    city.do("KeySuspended", ("authority 1",), _id("authority 1"), reason_code=2)
    city.do("ThresholdSet", ("authority 3", "authority 4"), _id(CITY_HEAD), threshold=3)
    signers = ("authority 4", "authority 2", "authority 3")
    words = {**city.department_values("weather"), **key_words("weather head")}
    weather = city.do("DepartmentRegistered", (*signers, "weather head"), **words)
    city.enrol("weather operator", "weather head", Role.OPERATOR)
    refused = case.request("weather operator")
    seqs["three_of_four"] = case.append(case.denial("GRANT_NOT_YOURS", refused, weather))

    # Housing comes to stand below a province; another department ends.
    words = {**city.department_values("province", level=2), **key_words("province head")}
    province = city.do("DepartmentRegistered", (*signers, "province head"), **words)
    words = city.department_values("housing", parent=province)
    city.do("DepartmentChanged", signers, housing, **words, reason=digest("reason"))
    seqs["moved"] = case.released(_request_of(case, "rotated"), signer="provider 2")
    ended = {"successor": province, "reason": digest("reason")}
    city.do("DepartmentEnded", signers, weather, **ended)
    seqs["ended"] = case.append(case.denial("KEY_NOT_ACTIVE", refused, weather))
    seqs["ended_as_before"] = case.append(case.denial("GRANT_NOT_YOURS", refused, weather))

    # Housing's head loses the key, gets another one, and enrols somebody with it.
    words = {**key_words("housing head 2"), "reason_code": 2}
    city.do("HeadKeyProposed", (*signers, "housing head 2"), housing, **words)
    _wait(city, DELAY_S + 1)
    city.do("HeadKeyReplaced", ("authority 4",), housing, key=_id("housing head 2"))
    city.enrol("clerk", "housing head 2", Role.OPERATOR)
    seqs["replaced_head"] = case.released(_request_of(case, "clerk"), signer="provider 2")

    # The gateway's key stops and goes on between a decision and its anchor.
    _bind(city, CITY_HEAD, "gateway", city.now() + 1000)
    _wait(city, 1100)
    seqs["gateway_renewed"] = case.released(_request_of(case, "clerk"), signer="provider 2")
    _bind(city, CITY_HEAD, "gateway", FOREVER)
    city.do("KeySuspended", (CITY_HEAD,), _id("gateway"), reason_code=2)
    seqs["gateway_resumed"] = case.released(_request_of(case, "clerk"), signer="provider 2")
    city.do("KeyResumed", (CITY_HEAD,), _id("gateway"))
    case.anchor()
    # Whatever comes now changes nothing for what was.
    city.do("KeyRevoked", ("housing head 2",), _id("rotated"), reason_code=4)
    city.do("KeySuspended", ("housing head 2",), _id("clerk"), reason_code=4)
    city.do("KeyRevoked", (CITY_HEAD,), _id("gateway"), reason_code=1)
    yield Told(case, seqs)
    assert case.log is not None
    case.log.close()


VALID = (
    "before",
    "expired",
    "suspended",
    "resumed",
    "certificate_expired",
    "certificate_renewed",
    "rotated",
    "new_provider",
    "three_of_four",
    "moved",
    "ended",
    "replaced_head",
    "gateway_renewed",
    "gateway_resumed",
)
INVALID = {
    "expired_released": "decision",
    "suspended_released": "decision",
    "resumed_denied": "decision",
    "old_key_released": "decision",
    "old_provider": "outcome",
    "ended_as_before": "decision",
}


@pytest.mark.parametrize("name", VALID)
def test_valid_whatever_came_later(keys: Told, name: str) -> None:
    verdict = verify_evidence(keys.case.evidence(keys.seqs[name]), keys.case.trust)
    assert verdict.status is Status.VALID, verdict.reason


@pytest.mark.parametrize("name", INVALID)
def test_a_key_that_did_not_count_is_no_authority(keys: Told, name: str) -> None:
    with pytest.raises(VerificationError) as found:
        verify_evidence(keys.case.evidence(keys.seqs[name]), keys.case.trust)
    assert found.value.details["part"] == INVALID[name]


def test_the_certificate_is_named_without_a_name(keys: Told) -> None:
    facts = {
        name: verify_evidence(keys.case.evidence(keys.seqs[name]), keys.case.trust).facts
        for name in ("resumed", "certificate_renewed")
    }
    assert facts["resumed"]["requester_certificate"] == ""
    renewed = facts["certificate_renewed"]
    assert renewed["requester_certificate"] == digest("of housing operator").hex()
    assert renewed["requester_key"] == _id("housing operator").hex()


def _without(evidence: Evidence, contracts: dict[str, bytes], name: str, target: bytes) -> bytes:
    """Return evidence without the receipt of an act of this type on this target."""
    headers = read_headers(evidence.blocks)
    blocks = [
        replace(block, receipts=())
        if any(
            isinstance(one.event, ActEvent) and (one.event.name, one.event.target) == (name, target)
            for one in read_events([header], [block], contracts)
        )
        else block
        for header, block in zip(headers, evidence.blocks, strict=True)
    ]
    assert blocks != list(evidence.blocks)
    return replace(evidence, blocks=tuple(blocks)).to_bytes()


@pytest.mark.parametrize(
    ("name", "left_out", "whose"),
    [
        ("replaced_head", "HeadKeyReplaced", "housing"),
        ("replaced_head", "HeadKeyProposed", "housing"),
        ("three_of_four", "ThresholdSet", CITY_HEAD),
        ("rotated", "KeyRotated", "housing operator"),
        ("resumed", "KeyResumed", "housing operator"),
        ("suspended", "KeySuspended", "housing operator"),
        ("certificate_expired", "CertificateBound", "housing operator"),
        ("gateway_resumed", "KeyResumed", "gateway"),
        ("gateway_renewed", "CertificateBound", "gateway"),
    ],
)
def test_an_act_on_which_keys_rest_cannot_be_left_out(
    keys: Told, name: str, left_out: str, whose: str
) -> None:
    target = keys.case.city.ids["housing"] if whose == "housing" else _id(whose)
    data = _without(keys.evidence(name), dict(keys.case.trust.contracts), left_out, target)
    with pytest.raises(VerificationError):
        verify_evidence(data, keys.case.trust)


def test_what_evidence_alone_cannot_show_the_audit_does(keys: Told) -> None:
    """A gateway that serves a suspended key and leaves the suspension out of the evidence."""
    case = keys.case
    evidence, target = keys.evidence("suspended_released"), _id("housing operator")
    data = _without(evidence, dict(case.trust.contracts), "KeySuspended", target)
    assert verify_evidence(data, case.trust).status is Status.VALID
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
        found = {
            one.place
            for one in audit.run()
            if isinstance(one, Finding) and one.code != "QUOTA_EXCEEDED"
        }
    finally:
        reader.close()
    wrong = {keys.seqs[name] + (part == "outcome") for name, part in INVALID.items()}
    assert found == {f"record {seq}" for seq in wrong}


def test_the_events_hold_what_was_signed(keys: Told) -> None:
    evidence = keys.evidence("replaced_head")
    events = read_events(read_headers(evidence.blocks), evidence.blocks, keys.case.trust.contracts)
    acts = [
        Act.from_bytes(one.event.signed.data) for one in events if isinstance(one.event, ActEvent)
    ]
    proposed = next(act for act in acts if act.type.name == "HeadKeyProposed")
    assert proposed.number("key_x") == key("housing head 2").public_key.x
