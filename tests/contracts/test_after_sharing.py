"""Corrections, disputes and third parties, straight at their contracts (Order 809 Art 25-28)."""

from datetime import date
from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.calendar import day_of
from protocol.description import Role
from tests.contracts.city import CITY_HEAD, City, digest, key_words
from tests.contracts.test_rules import OFFICER, OPERATOR, REASON, attempt, value_refused
from tests.contracts.test_sharing import ASKER, MISUSE, THURSDAY, move_to

FINDER = ("housing operator",)
FILED, VERIFIED, CORRECTED, REJECTED = 1, 2, 3, 4
NEGOTIATION, AUTHORITY, GOVERNMENT, DECIDED = 1, 2, 3, 4
OTHER = digest("other")


# Art 26: corrections


def correction_words(city: City, **changes: Any) -> dict[str, Any]:
    """Return the words of a correction on the grant."""
    return {
        "subject": city.ids["grant"],
        "subject_kind": 1,
        "items": 0b0001,
        "errors": digest("a wrong address"),
        **changes,
    }


def state(city: City, contract: str, view: str, id_: bytes) -> int:
    """Return the state of a noun."""
    return int(city.field(contract, view, id_, "state"))


def test_art_26_a_correction_is_filed_verified_and_closed(city: City) -> None:
    correction = city.do("CorrectionFiled", FINDER, **correction_words(city))
    report = {"result": 1, "report": digest("put right")}
    finding = {"finding": digest("found")}
    early = attempt(city, "CorrectionClosed", (OFFICER,), correction, **report)
    assert early == "STATE_INVALID"
    for signers, code in ((FINDER, "DEPARTMENT_MISMATCH"), ((OFFICER,), "ROLE_MISSING")):
        assert attempt(city, "CorrectionVerified", signers, correction, **finding) == code
    found = value_refused(city, "CorrectionVerified", (OPERATOR,), correction, {"finding": ZERO_ID})
    assert found == ("VALUE_INVALID", "CorrectionVerified", "finding")
    city.do("CorrectionVerified", (OPERATOR,), correction, **finding)
    assert state(city, "Corrections", "corrections", correction) == VERIFIED
    again = attempt(city, "CorrectionVerified", (OPERATOR,), correction, **finding)
    assert again == "STATE_INVALID"
    for signers, code in (((ASKER,), "DEPARTMENT_MISMATCH"), ((OPERATOR,), "ROLE_MISSING")):
        assert attempt(city, "CorrectionClosed", signers, correction, **report) == code
    for field, value in (("result", 0), ("result", 3), ("report", ZERO_ID)):
        found = value_refused(
            city, "CorrectionClosed", (OFFICER,), correction, {**report, field: value}
        )
        assert found == ("VALUE_INVALID", "CorrectionClosed", field)
    city.do("CorrectionClosed", (OFFICER,), correction, **report)
    assert state(city, "Corrections", "corrections", correction) == CORRECTED
    again = attempt(city, "CorrectionClosed", (OFFICER,), correction, **report)
    assert again == "STATE_INVALID"


def test_art_26_a_correction_may_be_rejected(city: City) -> None:
    correction = city.do("CorrectionFiled", FINDER, **correction_words(city))
    city.do("CorrectionVerified", (OPERATOR,), correction, finding=digest("all is right"))
    city.do("CorrectionClosed", (OFFICER,), correction, result=2, report=digest("no"))
    assert state(city, "Corrections", "corrections", correction) == REJECTED


def test_art_26_the_provider_reports_within_10_working_days(city: City) -> None:
    move_to(city, THURSDAY)
    early = city.do("CorrectionFiled", FINDER, **correction_words(city))
    open_one = city.do("CorrectionFiled", FINDER, **correction_words(city))
    due = day_of(date(2026, 10, 15))
    assert city.read("Corrections", "correctionDue", early) == (due,)
    city.do("CorrectionVerified", (OPERATOR,), early, finding=REASON)
    move_to(city, date(2026, 10, 15))
    city.do("CorrectionClosed", (OFFICER,), early, result=1, report=REASON)
    assert city.read("Corrections", "isLate", early, due + 30) == (False,)
    assert city.read("Corrections", "isLate", open_one, due) == (False,)
    assert city.read("Corrections", "isLate", open_one, due + 1) == (True,)


def test_art_26_errors_in_what_was_granted(city: City) -> None:
    for changes, code in (
        ({"subject": OTHER}, "VALUE_INVALID"),
        ({"subject_kind": 0}, "VALUE_INVALID"),
        ({"subject_kind": 3}, "VALUE_INVALID"),
        ({"items": 0}, "VALUE_INVALID"),
        ({"errors": ZERO_ID}, "VALUE_INVALID"),
        ({"items": 0b0010}, "ITEMS_NOT_COVERED"),
        ({"subject": city.ids["filed"]}, "STATE_INVALID"),
    ):
        words = correction_words(city, **changes)
        assert attempt(city, "CorrectionFiled", FINDER, **words) == code
    words = correction_words(city)
    assert attempt(city, "CorrectionFiled", (OPERATOR,), **words) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "CorrectionFiled", (ASKER,), **words) == "ROLE_MISSING"
    city.do("GrantRevoked", (OFFICER,), city.ids["grant"], **MISUSE)
    city.do("CorrectionFiled", FINDER, **words)


def test_art_26_errors_in_an_entry(city: City) -> None:
    words = correction_words(city, subject=city.ids["entry"], subject_kind=2, items=0b1000)
    assert attempt(city, "CorrectionFiled", (OPERATOR,), **words) == "OWN_DATA"
    unknown = {**words, "subject": city.ids["grant"]}
    assert attempt(city, "CorrectionFiled", FINDER, **unknown) == "VALUE_INVALID"
    beyond = {**words, "items": 0b10000}
    assert attempt(city, "CorrectionFiled", FINDER, **beyond) == "ITEMS_NOT_COVERED"
    correction = city.do("CorrectionFiled", FINDER, **words)
    provider = city.field("Corrections", "corrections", correction, "provider")
    assert provider == city.ids["civil affairs"]


# Art 28: disputes


def refuse(city: City) -> bytes:
    """Refuse the filed request; return its id."""
    city.do("RequestRefused", (OFFICER,), city.ids["filed"], reason=REASON)
    return city.ids["filed"]


def open_dispute(city: City, request: bytes) -> bytes:
    """Open a dispute over a request."""
    return city.do("DisputeOpened", (ASKER,), request=request, statement=REASON)


def escalate_words(superior: bytes, one: int, other: int) -> dict[str, Any]:
    """Return the words of an escalation."""
    return {
        "superior": superior,
        "requester_steps": one,
        "provider_steps": other,
        "statement": digest("no agreement"),
    }


def test_art_28_a_dispute_follows_a_refusal_or_the_end_of_service(city: City) -> None:
    words = {"request": city.ids["filed"], "statement": REASON}
    assert attempt(city, "DisputeOpened", (ASKER,), **words) == "STATE_INVALID"
    refuse(city)
    assert attempt(city, "DisputeOpened", (OFFICER,), **words) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "DisputeOpened", FINDER, **words) == "ROLE_MISSING"
    for field in words:
        bad = {**words, field: OTHER if field == "request" else ZERO_ID}
        found = value_refused(city, "DisputeOpened", (ASKER,), ZERO_ID, bad)
        assert found == ("VALUE_INVALID", "DisputeOpened", field)
    dispute = city.do("DisputeOpened", (ASKER,), **words)
    assert state(city, "Disputes", "disputes", dispute) == NEGOTIATION
    assert attempt(city, "DisputeOpened", (ASKER,), **words) == "DISPUTE_PENDING"
    city.do("GrantSuspended", (OFFICER,), city.ids["grant"], **MISUSE)
    second = open_dispute(city, city.ids["grant"])
    both = (ASKER, OFFICER)
    city.do("DisputeSettled", both, second, terms=REASON)
    city.do("GrantRevoked", (OFFICER,), city.ids["grant"], **MISUSE)
    open_dispute(city, city.ids["grant"])


def test_art_28_first_the_parties_negotiate(city: City) -> None:
    dispute = open_dispute(city, refuse(city))
    for signers, code in (
        ((OFFICER, ASKER), "DEPARTMENT_MISMATCH"),
        ((ASKER, "housing both"), "DEPARTMENT_MISMATCH"),
        ((ASKER, "authority 1"), "ROLE_MISSING"),
    ):
        assert attempt(city, "DisputeSettled", signers, dispute, terms=REASON) == code
    found = value_refused(city, "DisputeSettled", (ASKER, OFFICER), dispute, {"terms": ZERO_ID})
    assert found == ("VALUE_INVALID", "DisputeSettled", "terms")
    early = attempt(city, "DisputeMediated", ("authority 1",), dispute, proposal=REASON)
    assert early == "STATE_INVALID"
    city.do("DisputeSettled", (ASKER, OFFICER), dispute, terms=REASON)
    assert state(city, "Disputes", "disputes", dispute) == DECIDED
    assert city.field("Disputes", "disputes", dispute, "ruling") == 4
    again = attempt(city, "DisputeSettled", (ASKER, OFFICER), dispute, terms=REASON)
    assert again == "STATE_INVALID"


@pytest.mark.parametrize("who", [ASKER, OFFICER])
def test_art_28_then_the_authority_mediates_then_the_government_decides(
    city: City, who: str
) -> None:
    dispute = open_dispute(city, refuse(city))
    words = escalate_words(ZERO_ID, 1, 1)
    for signer, code in (("authority 1", "ROLE_MISSING"), ("housing operator", "ROLE_MISSING")):
        assert attempt(city, "DisputeEscalated", (signer,), dispute, **words) == code
    for field, value in (
        ("requester_steps", 0),
        ("requester_steps", 9),
        ("provider_steps", 0),
        ("provider_steps", 9),
        ("statement", ZERO_ID),
    ):
        found = value_refused(city, "DisputeEscalated", (who,), dispute, {**words, field: value})
        assert found == ("VALUE_INVALID", "DisputeEscalated", field)
    city.do("DisputeEscalated", (who,), dispute, **words)
    assert state(city, "Disputes", "disputes", dispute) == AUTHORITY
    assert attempt(city, "DisputeEscalated", (who,), dispute, **words) == "STATE_INVALID"
    for signer, code in ((who, "DEPARTMENT_MISMATCH"), (CITY_HEAD, "ROLE_MISSING")):
        assert attempt(city, "DisputeMediated", (signer,), dispute, proposal=REASON) == code
    decision = {"ruling": 3, "decision": REASON}
    early = attempt(city, "DisputeDecided", ("authority 1",), dispute, **decision)
    assert early == "STATE_INVALID"
    city.do("DisputeMediated", ("authority 1",), dispute, proposal=REASON)
    assert state(city, "Disputes", "disputes", dispute) == GOVERNMENT
    assert attempt(city, "DisputeDecided", (CITY_HEAD,), dispute, **decision) == "ROLE_MISSING"
    for field, value in (("ruling", 0), ("ruling", 4), ("decision", ZERO_ID)):
        found = value_refused(
            city, "DisputeDecided", ("authority 1",), dispute, {**decision, field: value}
        )
        assert found == ("VALUE_INVALID", "DisputeDecided", field)
    city.do("DisputeDecided", ("authority 2",), dispute, **decision)
    assert state(city, "Disputes", "disputes", dispute) == DECIDED
    assert city.field("Disputes", "disputes", dispute, "ruling") == 3


@pytest.fixture
def regions(city: City) -> City:
    """Two counties of one province, each with a bureau; the counties' cities differ.

    province > city east > county east > bureau east, province > county west > bureau west
    """

    def place(name: str, parent: str | None, level: int, kind: int = 2) -> None:
        above = ZERO_ID if parent is None else city.ids[parent]
        city.register(name, parent=above, level=level, kind=kind)

    place("province", None, 2)
    place("city east", "province", 3)
    place("county east", "city east", 4)
    place("bureau east", "county east", 4, 1)
    place("office east", "county east", 4, 1)
    place("county west", "province", 4)
    place("bureau west", "county west", 4, 1)
    for name in ("bureau east", "bureau west", "office east", "province", "city east"):
        for role in (Role.OPERATOR, Role.OFFICER):
            city.enrol(f"{name} {(role.name or '').lower()}", f"{name} head", role)
    return city


def dispute_between(city: City, requester: str, provider: str) -> bytes:
    """Let one bureau refuse another one's request, and the other one open a dispute."""
    words = city.entry_values()
    signers = (f"{provider} operator", f"{provider} head")
    entry = city.do("EntrySubmitted", signers, **words)
    city.do("EntryPublished", ("authority 1",), entry, document=words["document"])
    values = city.interface_values(entry=entry)
    interface = city.do("InterfaceRegistered", (f"{provider} operator",), **values)
    city.do("InterfaceTested", ("gateway",), interface, **city.tested_values())
    officer = (f"{provider} officer",)
    city.do("InterfaceOnline", officer, interface, document=values["document"])
    asking = (f"{requester} operator", f"{requester} officer")
    request = city.do("RequestFiled", asking, **city.request_values(interface=interface))
    city.do("RequestRefused", officer, request, reason=REASON)
    return city.do("DisputeOpened", asking[1:], request=request, statement=REASON)


def test_art_28_across_regions_the_common_superior_mediates(regions: City) -> None:
    city, ids = regions, regions.ids
    dispute = dispute_between(city, "bureau east", "bureau west")
    who = ("bureau east officer",)
    for superior, one, other in (
        (ids["city east"], 2, 2),
        (ids["county west"], 3, 1),
        (ids["province"], 2, 2),
        (ids["province"], 3, 1),
        (ZERO_ID, 4, 3),  # above the province there is none, but the province is lower
        (ZERO_ID, 8, 8),
        (OTHER, 3, 2),
    ):
        words = escalate_words(superior, one, other)
        assert attempt(city, "DisputeEscalated", who, dispute, **words) == "SUPERIOR_WRONG"
    city.do("DisputeEscalated", who, dispute, **escalate_words(ids["province"], 3, 2))
    for signer, code in (
        ("authority 1", "ROLE_MISSING"),  # a city's authority stands below the province
        ("city east officer", "DEPARTMENT_MISMATCH"),
        ("province operator", "ROLE_MISSING"),
    ):
        assert attempt(city, "DisputeMediated", (signer,), dispute, proposal=REASON) == code
    city.do("DisputeMediated", ("province officer",), dispute, proposal=REASON)
    decision = {"ruling": 1, "decision": REASON}
    for signer, code in (
        ("authority 1", "ROLE_MISSING"),
        ("city east head", "DEPARTMENT_MISMATCH"),
        ("province officer", "ROLE_MISSING"),
    ):
        assert attempt(city, "DisputeDecided", (signer,), dispute, **decision) == code
    city.do("DisputeDecided", ("province head",), dispute, **decision)


def test_art_28_within_a_county_the_citys_authority_mediates(regions: City) -> None:
    city, ids = regions, regions.ids
    dispute = dispute_between(city, "bureau east", "office east")
    who = ("office east officer",)
    for superior, steps in ((ids["city east"], 2), (ids["province"], 3)):
        words = escalate_words(superior, steps, steps)
        assert attempt(city, "DisputeEscalated", who, dispute, **words) == "SUPERIOR_WRONG"
    city.do("DisputeEscalated", who, dispute, **escalate_words(ids["county east"], 1, 1))
    city.do("DisputeMediated", ("authority 3",), dispute, proposal=REASON)
    city.do("DisputeDecided", ("county east head",), dispute, ruling=2, decision=REASON)


def test_art_28_where_one_party_is_above_the_other(regions: City) -> None:
    city, ids = regions, regions.ids
    dispute = dispute_between(city, "bureau east", "city east")
    who = ("bureau east officer",)
    own = escalate_words(ids["city east"], 2, 1)
    assert attempt(city, "DisputeEscalated", who, dispute, **own) == "SUPERIOR_WRONG"
    city.do("DisputeEscalated", who, dispute, **escalate_words(ids["province"], 3, 1))


def test_art_28_nobody_judges_the_own_departments_dispute(city: City) -> None:
    city.enrol("bureau operator", CITY_HEAD, Role.OPERATOR)
    city.enrol("bureau officer", CITY_HEAD, Role.OFFICER)
    asking = ("bureau operator", "bureau officer")
    request = city.do("RequestFiled", asking, **city.request_values())
    city.do("RequestRefused", (OFFICER,), request, reason=REASON)
    dispute = city.do("DisputeOpened", asking[1:], request=request, statement=REASON)
    city.do("DisputeEscalated", asking[1:], dispute, **escalate_words(ZERO_ID, 1, 1))
    own = attempt(city, "DisputeMediated", ("authority 1",), dispute, proposal=REASON)
    assert own == "OWN_DISPUTE"


def test_the_registry_tells_where_a_department_stands(city: City) -> None:
    parent = city.ids["housing"]
    id_ = city.register("a town", parent=parent, level=5, **key_words("a town head"))
    assert city.read("Registry", "departmentView", id_)[0] == (parent, 5, True)
    assert city.read("Registry", "departmentView", OTHER)[0] == (ZERO_ID, 0, False)
    authority = city.read("Registry", "authority")[0]
    assert city.read("Registry", "departmentView", authority)[0] == (ZERO_ID, 3, True)


# Art 25: third parties


def consent_words(city: City, **changes: Any) -> dict[str, Any]:
    """Return the words of a consent for a bank outside."""
    return {
        "grant": city.ids["grant"],
        "third_party": digest("a bank"),
        "third_party_kind": 2,
        "valid_until": city.now() + 3600,
        "items": 0b0001,
        "purpose": digest("mortgage"),
        **changes,
    }


def test_art_25_no_third_party_without_the_providers_consent(city: City) -> None:
    words = consent_words(city)
    for signers, code in (
        ((ASKER,), "DEPARTMENT_MISMATCH"),
        ((OPERATOR,), "ROLE_MISSING"),
        (("authority 1",), "ROLE_MISSING"),
    ):
        assert attempt(city, "ThirdPartyConsented", signers, **words) == code
    consent = city.do("ThirdPartyConsented", (OFFICER,), **words)
    now = city.now()
    assert city.read("ThirdParties", "isLive", consent, now) == (True,)
    assert city.read("ThirdParties", "isLive", consent, words["valid_until"] + 1) == (False,)
    assert city.read("ThirdParties", "effectiveItems", consent) == (0b0001,)
    assert city.read("ThirdParties", "isLive", OTHER, now) == (False,)
    assert city.read("ThirdParties", "effectiveItems", OTHER) == (0,)


def test_art_25_no_wider_use_than_was_granted(city: City) -> None:
    until = city.field("Requests", "requests", city.ids["grant"], "validUntil")
    for field, value in (
        ("grant", OTHER),
        ("third_party", ZERO_ID),
        ("third_party_kind", 0),
        ("third_party_kind", 3),
        ("valid_until", city.now() - 1),
        ("valid_until", until + 1),
        ("items", 0),
        ("purpose", ZERO_ID),
    ):
        words = consent_words(city, **{field: value})
        found = value_refused(city, "ThirdPartyConsented", (OFFICER,), ZERO_ID, words)
        assert found == ("VALUE_INVALID", "ThirdPartyConsented", field)
    words = consent_words(city, items=0b0010)
    assert attempt(city, "ThirdPartyConsented", (OFFICER,), **words) == "ITEMS_NOT_COVERED"
    words = consent_words(city, grant=city.ids["filed"])
    assert attempt(city, "ThirdPartyConsented", (OFFICER,), **words) == "STATE_INVALID"


def test_art_25_a_department_that_is_named_exists_and_is_no_party(city: City) -> None:
    for id_ in (OTHER, city.ids["housing"], city.ids["civil affairs"]):
        words = consent_words(city, third_party=id_, third_party_kind=1)
        found = value_refused(city, "ThirdPartyConsented", (OFFICER,), ZERO_ID, words)
        assert found == ("VALUE_INVALID", "ThirdPartyConsented", "third_party")
    third = city.register("tax")
    words = consent_words(city, third_party=third, third_party_kind=1)
    city.do("ThirdPartyConsented", (OFFICER,), **words)


def test_art_25_a_consent_ends_with_its_grant_or_by_the_provider(city: City) -> None:
    consent = city.do("ThirdPartyConsented", (OFFICER,), **consent_words(city))
    other = city.do("ThirdPartyConsented", (OFFICER,), **consent_words(city))
    assert attempt(city, "ThirdPartyRevoked", (ASKER,), consent, reason=REASON) == (
        "DEPARTMENT_MISMATCH"
    )
    found = value_refused(city, "ThirdPartyRevoked", (OFFICER,), consent, {"reason": ZERO_ID})
    assert found == ("VALUE_INVALID", "ThirdPartyRevoked", "reason")
    city.do("ThirdPartyRevoked", (OFFICER,), consent, reason=REASON)
    assert city.read("ThirdParties", "effectiveItems", consent) == (0,)
    again = attempt(city, "ThirdPartyRevoked", (OFFICER,), consent, reason=REASON)
    assert again == "STATE_INVALID"
    city.do("GrantSuspended", (OFFICER,), city.ids["grant"], **MISUSE)
    assert city.read("ThirdParties", "isLive", other, city.now()) == (False,)
    city.do("GrantRevoked", (OFFICER,), city.ids["grant"], **MISUSE)
    assert city.read("ThirdParties", "effectiveItems", other) == (0,)
    gone = attempt(city, "ThirdPartyConsented", (OFFICER,), **consent_words(city))
    assert gone == "STATE_INVALID"
