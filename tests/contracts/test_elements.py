"""One source per data element (Order 809 Art 19): claims, conflicts, decisions, releases."""

from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.description import Role
from tests.contracts.city import ELEMENT, City, digest
from tests.contracts.test_rules import (
    HEAD,
    OFFICER,
    OPERATOR,
    PROVIDER,
    REASON,
    attempt,
    refused,
    value_refused,
)

OTHER = ("housing operator", "housing head")
NOBODY = (ZERO_ID, ZERO_ID)


def publish(city: City, signers: tuple[str, str], name: str, **changes: Any) -> bytes:
    """Publish an entry of a department."""
    words = city.entry_values(document=digest(name), **changes)
    entry = city.do("EntrySubmitted", signers, **words)
    city.do("EntryPublished", ("authority 1",), entry, document=digest(name))
    return entry


def republish(city: City, entry: bytes, signers: tuple[str, str], **changes: Any) -> None:
    """Publish a further version of an entry."""
    document = digest(f"version {city.field('Entries', 'entries', entry, 'revision')}")
    words = city.entry_values(document=document, **changes)
    city.do("EntrySubmitted", signers, entry, **words)
    city.do("EntryPublished", ("authority 1",), entry, document=document)


@pytest.fixture
def rival(city: City) -> bytes:
    """Housing's claim to the element whose source is civil affairs."""
    city.ids["housing entry"] = publish(city, OTHER, "housing entry")
    return city.do(
        "ElementClaimed", OTHER, **city.claim_values(entry=city.ids["housing entry"], item=2)
    )


def state(city: City, claim: bytes) -> str:
    """Return the state of a claim by name."""
    names = ("NONE", "SOURCE", "CONFLICT", "REJECTED", "RELEASED")
    return names[city.field("Elements", "claims", claim, "state")]


def source(city: City, element: bytes = ELEMENT) -> tuple[bytes, bytes]:
    """Return department and claim of an element's source."""
    department, claim = city.read("Elements", "sourceOf", element)
    return department, claim


def test_art_19_the_first_claim_names_the_source_department(city: City) -> None:
    assert source(city) == (city.ids["civil affairs"], city.ids["claim"])
    assert state(city, city.ids["claim"]) == "SOURCE"
    assert source(city, digest("unclaimed")) == NOBODY


def test_art_19_a_second_claim_is_a_conflict(city: City, rival: bytes) -> None:
    assert state(city, rival) == "CONFLICT"
    assert city.read("Elements", "isLive", rival) == (True,)
    assert source(city) == (city.ids["civil affairs"], city.ids["claim"])


def test_art_19_the_authority_names_the_new_source(city: City, rival: bytes) -> None:
    housing = city.ids["housing"]
    city.do("ConflictDecided", ("authority 2",), rival, source_department=housing, reason=REASON)
    assert source(city) == (housing, rival)
    assert (state(city, rival), state(city, city.ids["claim"])) == ("SOURCE", "REJECTED")
    again = attempt(
        city, "ConflictDecided", ("authority 2",), rival, source_department=housing, reason=REASON
    )
    assert again == "STATE_INVALID"


def test_art_19_the_authority_keeps_the_source(city: City, rival: bytes) -> None:
    civil = city.ids["civil affairs"]
    city.do("ConflictDecided", ("authority 2",), rival, source_department=civil, reason=REASON)
    assert source(city) == (civil, city.ids["claim"])
    assert (state(city, rival), state(city, city.ids["claim"])) == ("REJECTED", "SOURCE")
    assert city.read("Elements", "isLive", rival) == (False,)


def test_conflict_decided_values_and_signers(city: City, rival: bytes) -> None:
    words = {"source_department": city.ids["housing"], "reason": REASON}
    for signer in (HEAD, "housing head", "housing officer", "city head", "gateway"):
        assert attempt(city, "ConflictDecided", (signer,), rival, **words) == "ROLE_MISSING"
    for field, value in (
        ("source_department", digest("nobody")),
        ("source_department", ZERO_ID),
        ("reason", ZERO_ID),
    ):
        found = value_refused(
            city, "ConflictDecided", ("authority 1",), rival, {**words, field: value}
        )
        assert found == ("VALUE_INVALID", "ConflictDecided", field)
    settled = attempt(city, "ConflictDecided", ("authority 1",), city.ids["claim"], **words)
    assert settled == "STATE_INVALID"
    nobody = attempt(city, "ConflictDecided", ("authority 1",), digest("no claim"), **words)
    assert nobody == "TARGET_UNKNOWN"


def test_a_claim_needs_operator_and_head_of_the_entrys_department(city: City) -> None:
    words = city.claim_values(element=digest("e"))
    assert attempt(city, "ElementClaimed", (HEAD, OPERATOR), **words) == "ROLE_MISSING"
    assert attempt(city, "ElementClaimed", (OPERATOR, OFFICER), **words) == "ROLE_MISSING"
    mixed = (OPERATOR, "housing head")
    assert attempt(city, "ElementClaimed", mixed, **words) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "ElementClaimed", OTHER, **words) == "DEPARTMENT_MISMATCH"
    city.enrol("auditor", HEAD, Role.AUDITOR)
    assert attempt(city, "ElementClaimed", ("auditor", HEAD), **words) == "ROLE_MISSING"


def test_a_claim_names_an_item_of_the_current_version(city: City) -> None:
    error = refused(
        lambda: city.do(
            "ElementClaimed", PROVIDER, **city.claim_values(element=digest("e"), item=4)
        )
    )
    assert error.code == "ITEMS_NOT_COVERED"
    assert error.details == {"items": 0b10000, "covered": 0b1111}
    assert value_refused(
        city, "ElementClaimed", PROVIDER, ZERO_ID, city.claim_values(element=ZERO_ID)
    ) == ("VALUE_INVALID", "ElementClaimed", "element")
    # What only waits for publication is no source yet.
    waiting = city.do("EntrySubmitted", PROVIDER, **city.entry_values())
    words = city.claim_values(entry=waiting, element=digest("e"))
    assert attempt(city, "ElementClaimed", PROVIDER, **words) == "ENTRY_NOT_LIVE"
    high = publish(city, PROVIDER, "all items", items=2**256 - 1, sensitive=0)
    claim = city.do(
        "ElementClaimed", PROVIDER, **city.claim_values(entry=high, element=digest("e"), item=255)
    )
    assert source(city, digest("e")) == (city.ids["civil affairs"], claim)


def test_a_department_claims_an_element_once(city: City, rival: bytes) -> None:
    for signers, entry, claim in (
        (PROVIDER, city.ids["entry"], city.ids["claim"]),
        (OTHER, city.ids["housing entry"], rival),
    ):
        error = refused(
            lambda s=signers, e=entry: city.do(  # type: ignore[misc]
                "ElementClaimed", s, **city.claim_values(entry=e, item=1)
            )
        )
        assert (error.code, error.details) == ("ELEMENT_ALREADY_CLAIMED", {"claim": claim.hex()})


def test_a_released_element_is_free_for_the_next_source(city: City) -> None:
    claim = city.ids["claim"]
    zero = value_refused(city, "ElementReleased", (HEAD,), claim, {"reason": ZERO_ID})
    assert zero == ("VALUE_INVALID", "ElementReleased", "reason")
    assert attempt(city, "ElementReleased", (OPERATOR,), claim, reason=REASON) == "ROLE_MISSING"
    other = attempt(city, "ElementReleased", ("housing head",), claim, reason=REASON)
    assert other == "DEPARTMENT_MISMATCH"
    city.do("ElementReleased", (HEAD,), claim, reason=REASON)
    assert source(city) == NOBODY
    assert attempt(city, "ElementReleased", (HEAD,), claim, reason=REASON) == "STATE_INVALID"
    entry = publish(city, OTHER, "housing entry")
    next_claim = city.do("ElementClaimed", OTHER, **city.claim_values(entry=entry))
    assert source(city) == (city.ids["housing"], next_claim)


def test_retirement_releases_without_a_further_act(city: City) -> None:
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    assert source(city) == NOBODY
    assert city.read("Elements", "isLive", city.ids["claim"]) == (False,)
    entry = publish(city, OTHER, "housing entry")
    claim = city.do("ElementClaimed", OTHER, **city.claim_values(entry=entry))
    assert source(city) == (city.ids["housing"], claim)
    assert (state(city, city.ids["claim"]), state(city, claim)) == ("RELEASED", "SOURCE")


def test_a_version_without_the_item_gives_the_element_up(city: City) -> None:
    entry = city.ids["entry"]
    republish(city, entry, PROVIDER, items=0b1110, sensitive=0)
    assert source(city) == NOBODY
    republish(city, entry, PROVIDER)
    assert source(city) == (city.ids["civil affairs"], city.ids["claim"])
    republish(city, entry, PROVIDER, items=0b1110, sensitive=0)
    # Meanwhile the department may claim it with another item, once.
    claim = city.do("ElementClaimed", PROVIDER, **city.claim_values(item=3))
    assert source(city) == (city.ids["civil affairs"], claim)
    republish(city, entry, PROVIDER)
    assert source(city) == (city.ids["civil affairs"], claim)
    assert state(city, city.ids["claim"]) == "RELEASED"


def test_a_conflict_outlives_the_source(city: City, rival: bytes) -> None:
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    assert source(city) == NOBODY
    gone = value_refused(
        city,
        "ConflictDecided",
        ("authority 1",),
        rival,
        {"source_department": city.ids["civil affairs"], "reason": REASON},
    )
    assert gone == ("VALUE_INVALID", "ConflictDecided", "source_department")
    city.do(
        "ConflictDecided",
        ("authority 1",),
        rival,
        source_department=city.ids["housing"],
        reason=REASON,
    )
    assert source(city) == (city.ids["housing"], rival)
    assert state(city, city.ids["claim"]) == "RELEASED"


def test_a_claim_that_lapsed_is_not_decided(city: City, rival: bytes) -> None:
    city.do("EntryRetired", ("housing head",), city.ids["housing entry"], reason=REASON)
    code = attempt(
        city,
        "ConflictDecided",
        ("authority 1",),
        rival,
        source_department=city.ids["housing"],
        reason=REASON,
    )
    assert code == "CLAIM_NOT_LIVE"


def test_three_claims_leave_one_source(city: City, rival: bytes) -> None:
    city.register("police")
    city.enrol("police operator", "police head", Role.OPERATOR)
    third = ("police operator", "police head")
    entry = publish(city, third, "police entry")
    claim = city.do("ElementClaimed", third, **city.claim_values(entry=entry))
    city.do(
        "ConflictDecided",
        ("authority 1",),
        claim,
        source_department=city.ids["police"],
        reason=REASON,
    )
    assert source(city) == (city.ids["police"], claim)
    # The other conflict stays, now with the new source.
    former = value_refused(
        city,
        "ConflictDecided",
        ("authority 1",),
        rival,
        {"source_department": city.ids["civil affairs"], "reason": REASON},
    )
    assert former[2] == "source_department"
    city.do(
        "ConflictDecided",
        ("authority 1",),
        rival,
        source_department=city.ids["police"],
        reason=REASON,
    )
    assert state(city, rival) == "REJECTED"


def test_a_decision_bears_the_revision_that_was_seen(city: City, rival: bytes) -> None:
    words = {"source_department": city.ids["housing"], "reason": REASON}
    signed = city.sign("ConflictDecided", ("authority 1",), rival, **words)
    city.do("ElementReleased", ("housing head",), rival, reason=REASON)
    assert refused(lambda: city.record(signed)).code == "STALE_REVISION"
