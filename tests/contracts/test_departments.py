"""Departments change and end (机构改革): what holds of them then, and of what they had."""

from collections.abc import Iterator
from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import Role
from protocol.model import MemoryStore, grant_problem
from protocol.model.third_party_rules import is_consent_live
from tests.contracts.city import AUTHORITY, CITY_HEAD, DELAY_S, City, digest, key, key_words
from tests.contracts.integrity import verify_departments, verify_integrity, verify_keys
from tests.contracts.machine import Twins, twins
from tests.contracts.test_after_sharing import dispute_between, escalate_words
from tests.contracts.test_after_sharing import regions as regions  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_rules import HEAD, OFFICER, REASON, attempt, value_refused

TWO = AUTHORITY[:2]


@pytest.fixture
def both(built: City, replayed: MemoryStore) -> Iterator[Twins]:
    with twins(built, replayed) as found:
        yield found


def act(both: Twins, name: str, signers: tuple[str, ...], target: bytes, /, **words: Any) -> bytes:
    """Record an act in contract and model; fail where they differ or both refuse it."""
    done = both.record(both.city.sign(name, signers, target, **words))
    assert done is not None, both.seen
    verify_departments(both.city, both.store)
    verify_integrity(both.city, both.store)
    verify_keys(both.city, both.store)
    return done.target


def end(both: Twins, name: str, successor: bytes = ZERO_ID) -> None:
    """End a department."""
    words = {"successor": successor, "reason": REASON}
    act(both, "DepartmentEnded", TWO, both.city.ids[name], **words)


def problem(both: Twins) -> str | None:
    """Return why the city's grant serves its requester nothing."""
    city = both.city
    request = both.store.requests[city.ids["grant"]]
    return grant_problem(
        both.store,
        grant=request.id,
        key_id=key("housing operator").public_key.key_id,
        basis=request.legal_basis,
        scenario=request.scenario,
        at_s=city.now(),
    )


def test_department_changed(both: Twins) -> None:
    city = both.city
    id_ = city.ids["housing"]
    words = city.department_values(
        "市住房和城乡建设局", kind=4, region=441502, uscc="91330100799655058B"
    )
    act(both, "DepartmentChanged", TWO, id_, **words, reason=REASON)
    found = both.store.departments[id_]
    assert (found.name, found.kind, found.region) == ("市住房和城乡建设局", 4, 441502)
    assert (found.uscc, found.revision, found.ended_day) == ("91330100799655058B", 2, 0)
    assert problem(both) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", 2),
        ("level", 4),
        ("kind", 0),
        ("kind", 2),  # no department becomes a government
        ("kind", 6),
        ("parent", digest("nobody")),
        ("uscc", "91330100799655058A"),
        ("uscc_override", 2),
        ("name", ""),
        ("reason", ZERO_ID),
    ],
)
def test_department_changed_values(city: City, field: str, value: Any) -> None:
    words = {**city.department_values("x"), "reason": REASON, field: value}
    found = value_refused(city, "DepartmentChanged", TWO, city.ids["housing"], words)
    assert found == ("VALUE_INVALID", "DepartmentChanged", field)


def test_no_department_comes_to_stand_above_itself(both: Twins) -> None:
    """A government stays one: otherwise two of one level could stand above each other."""
    city = both.city
    words = {**city.department_values("a", kind=2), **key_words("a head")}
    a = act(both, "DepartmentRegistered", (*TWO, "a head"), ZERO_ID, **words)
    words = {**city.department_values("b", parent=a), **key_words("b head")}
    b = act(both, "DepartmentRegistered", (*TWO, "b head"), ZERO_ID, **words)
    for one, changes in (
        (b, {"kind": 2, "parent": a}),
        (a, {"kind": 1, "parent": b}),
        (a, {"kind": 2, "parent": b}),
        (a, {"kind": 2, "parent": a}),
        (b, {"parent": b}),
    ):
        signed = city.sign(
            "DepartmentChanged",
            TWO,
            one,
            **city.department_values("x", **changes),
            reason=REASON,
        )
        assert both.record(signed) is None
    assert {code for name, code in both.seen if name == "DepartmentChanged"} == {"VALUE_INVALID"}


def test_the_authoritys_department_stays(city: City) -> None:
    authority = key(CITY_HEAD).public_key.key_id
    words = {**city.department_values("x"), "reason": REASON}
    assert attempt(city, "DepartmentChanged", TWO, authority, **words) == "STATE_INVALID"
    ended = {"successor": ZERO_ID, "reason": REASON}
    assert attempt(city, "DepartmentEnded", TWO, authority, **ended) == "STATE_INVALID"


def test_department_ended_values(city: City) -> None:
    housing = city.ids["housing"]
    words = {"successor": ZERO_ID, "reason": REASON}
    for field, value in (
        ("successor", housing),
        ("successor", digest("nobody")),
        ("reason", ZERO_ID),
    ):
        found = value_refused(city, "DepartmentEnded", TWO, housing, {**words, field: value})
        assert found == ("VALUE_INVALID", "DepartmentEnded", field)
    assert attempt(city, "DepartmentEnded", TWO[:1], housing, **words) == "SIGNATURE_COUNT"
    heads = ("housing head", TWO[0])
    assert attempt(city, "DepartmentEnded", heads, housing, **words) == "ROLE_MISSING"
    unknown = digest("nothing")
    header = {"revision": 1}
    found = attempt(city, "DepartmentEnded", TWO, unknown, header=header, **words)
    assert found == "TARGET_UNKNOWN"


def test_a_provider_that_ended_serves_nothing(both: Twins) -> None:
    """Its grants end without an act of their own: derived, no loop over them."""
    city = both.city
    assert problem(both) is None
    end(both, "civil affairs", successor=city.ids["housing"])
    found = both.store.departments[city.ids["civil affairs"]]
    assert (found.ended_day, found.successor) == (day_at(city.now()), city.ids["housing"])
    assert problem(both) == "INTERFACE_NOT_LIVE"
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)
    assert (
        city.read("Elements", "sourceOf", city.read("Elements", "claims", city.ids["claim"])[0])[0]
        == ZERO_ID
    )
    refused = {
        "EntryRetired": ((HEAD,), city.ids["entry"], {"reason": REASON}),
        "GrantRevoked": ((OFFICER,), city.ids["grant"], {"reason": REASON, "cause": 1}),
        "PersonEnrolled": (
            (HEAD, "late"),
            ZERO_ID,
            {"roles": int(Role.OPERATOR), **key_words("late")},
        ),
    }
    for name, (signers, target, words) in refused.items():
        assert attempt(city, name, signers, target, **words) == "KEY_NOT_ACTIVE", name
    asking = ("housing operator", "housing officer")
    words = city.request_values()
    assert attempt(city, "RequestFiled", asking, **words) == "INTERFACE_NOT_LIVE"


def test_a_requester_that_ended_gets_nothing(both: Twins) -> None:
    city = both.city
    end(both, "housing")
    assert problem(both) == "KEY_NOT_ACTIVE"
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)
    # The provider may still end its grant, and the record stays.
    act(both, "GrantRevoked", (OFFICER,), city.ids["grant"], reason=REASON, cause=1)


def test_an_end_is_for_ever(both: Twins) -> None:
    city, housing = both.city, both.city.ids["housing"]
    end(both, "housing")
    ended = {"successor": ZERO_ID, "reason": REASON}
    assert attempt(city, "DepartmentEnded", TWO, housing, **ended) == "STATE_INVALID"
    words = {**city.department_values("x"), "reason": REASON}
    assert attempt(city, "DepartmentChanged", TWO, housing, **words) == "STATE_INVALID"
    # Not even a new key for its head brings it back.
    proposal = {**key_words("again"), "reason_code": 2}
    act(both, "HeadKeyProposed", (*TWO, "again"), housing, **proposal)
    both.pass_time(DELAY_S + 1)
    replaced = {"key": key("again").public_key.key_id}
    act(both, "HeadKeyReplaced", TWO[:1], housing, **replaced)
    enrolled = {"roles": int(Role.OFFICER), **key_words("late officer")}
    signers = ("again", "late officer")
    assert attempt(city, "PersonEnrolled", signers, **enrolled) == "KEY_NOT_ACTIVE"
    report = {"from_day": 1, "until_day": 2, "uses": 1, "report": REASON}
    found = attempt(city, "UseReported", ("housing operator",), city.ids["grant"], **report)
    assert found == "KEY_NOT_ACTIVE"


def test_nobody_is_placed_below_or_after_one_that_ended(both: Twins) -> None:
    city = both.city
    end(both, "housing")
    below = {**city.department_values("x", level=4, parent=city.ids["housing"])}
    signers = (*TWO, "x head")
    assert (
        attempt(city, "DepartmentRegistered", signers, **below, **key_words("x head"))
        == "VALUE_INVALID"
    )
    after = {"successor": city.ids["housing"], "reason": REASON}
    found = attempt(city, "DepartmentEnded", TWO, city.ids["civil affairs"], **after)
    assert found == "VALUE_INVALID"


def test_the_successor_claims_what_the_ended_department_was_the_source_of(both: Twins) -> None:
    city = both.city
    end(both, "civil affairs", successor=city.ids["housing"])
    rival, document = ("housing operator", "housing head"), digest("its entry")
    entry = act(both, "EntrySubmitted", rival, ZERO_ID, **city.entry_values(document=document))
    act(both, "EntryPublished", TWO[:1], entry, document=document)
    claim = act(both, "ElementClaimed", rival, ZERO_ID, **city.claim_values(entry=entry))
    element = city.read("Elements", "claims", claim)[0]
    assert city.read("Elements", "sourceOf", element) == (city.ids["housing"], claim)


def test_art_28_a_superior_that_ended_is_replaced_by_the_authority(regions: City) -> None:
    city, ids = regions, regions.ids
    dispute = dispute_between(city, "bureau east", "office east")
    who = ("office east officer",)
    words = escalate_words(ids["county east"], 1, 1)
    ended = {"successor": ids["city east"], "reason": REASON}
    city.do("DisputeEscalated", who, dispute, **words)
    city.do("DepartmentEnded", TWO, ids["county east"], **ended)
    city.do("DisputeMediated", ("authority 3",), dispute, proposal=REASON)
    gone = attempt(
        city, "DisputeDecided", ("county east head",), dispute, ruling=2, decision=REASON
    )
    assert gone == "KEY_NOT_ACTIVE"
    city.do("DisputeDecided", ("authority 1",), dispute, ruling=2, decision=REASON)


def test_art_28_nobody_escalates_to_one_that_ended(regions: City) -> None:
    city, ids = regions, regions.ids
    dispute = dispute_between(city, "bureau east", "office east")
    city.do("DepartmentEnded", TWO, ids["county east"], successor=ZERO_ID, reason=REASON)
    who = ("office east officer",)
    words = escalate_words(ids["county east"], 1, 1)
    assert attempt(city, "DisputeEscalated", who, dispute, **words) == "SUPERIOR_WRONG"
    # The parties get another department above them, and go there.
    for name in ("bureau east", "office east"):
        moved = city.department_values(name, level=4, parent=ids["city east"])
        city.do("DepartmentChanged", TWO, ids[name], **moved, reason=REASON)
    city.do("DisputeEscalated", who, dispute, **escalate_words(ids["city east"], 1, 1))


def test_a_third_party_that_ended_gets_nothing(both: Twins) -> None:
    city = both.city
    words = {**city.department_values("third"), **key_words("third head")}
    third = act(both, "DepartmentRegistered", (*TWO, "third head"), ZERO_ID, **words)
    consent = {
        "grant": city.ids["grant"],
        "valid_until": city.now() + 600,
        "items": 1,
        "third_party": third,
        "third_party_kind": 1,
        "purpose": REASON,
    }
    given = act(both, "ThirdPartyConsented", (OFFICER,), ZERO_ID, **consent)
    assert city.read("ThirdParties", "isLive", given, city.now()) == (True,)
    act(both, "DepartmentEnded", TWO, third, successor=ZERO_ID, reason=REASON)
    assert city.read("ThirdParties", "isLive", given, city.now()) == (False,)
    assert not is_consent_live(both.store, given, city.now())
    assert attempt(city, "ThirdPartyConsented", (OFFICER,), **consent) == "VALUE_INVALID"
