"""The request machine: each rule of Order 809 on sharing, straight at the contract.

A test that carries an article's number checks that article (docs/protocol.md 3.4 and 3.5).
"""

import copy
import random
from datetime import date
from typing import Any

import pytest

from crypto.errors import LedgerError
from ledger.chain.artifacts import decode_revert
from ledger.chain.deploy import deploy_contracts, does_supplement_stop_clock
from protocol.acts import ZERO_ID
from protocol.calendar import day_at, day_of
from protocol.description import BY_NAME
from protocol.model import PublishedYears, apply_act
from protocol.model.sharing_clocks import answer_due, lateness, provide_due
from protocol.model.store import MemoryStore
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, City, digest, key
from tests.contracts.conftest import SENDER_KEY
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_rules import (
    OFFICER,
    OPERATOR,
    PROVIDER,
    REASON,
    REQUESTER,
    attempt,
    value_refused,
)

ASKER = "housing officer"
OTHER = digest("other")
MISUSE = {"reason": REASON, "cause": 1}
#: Filed on 2026-09-24, before the Mid-Autumn and National Day holidays (domain vectors).
THURSDAY = date(2026, 9, 24)


def move_to(city: City, day: date, *, hour: int = 12) -> None:
    """Let the chain's time be an hour of a day in Shanghai."""
    city.rpc.call("evm_setNextBlockTimestamp", day_of(day) * 86_400 + (hour - 8) * 3600)
    city.rpc.call("evm_mine")


def filed(city: City, **changes: Any) -> bytes:
    """File a request for conditionally shared items."""
    return city.do("RequestFiled", REQUESTER, **city.request_values(**changes))


def supplement(city: City, request: bytes, **changes: Any) -> bytes:
    """Supplement a request."""
    words = city.request_values(case=digest("fuller case"), **changes)
    return city.do("RequestSupplemented", REQUESTER, request, **words)


def agree(city: City, request: bytes, **changes: Any) -> None:
    """Agree to item 0."""
    city.ids["asked"] = request
    city.do("RequestAgreed", (OFFICER,), request, **city.agreed_values("asked", **changes))


def unconditional(city: City) -> None:
    """Let the entry be shared without conditions."""
    entry = city.ids["entry"]
    words = city.entry_values(sharing_class=1, basis=ZERO_ID)
    city.do("EntrySubmitted", PROVIDER, entry, **words)
    city.do("EntryPublished", ("authority 1",), entry, document=words["document"])


def due(city: City, request: bytes) -> tuple[int, int]:
    """Return the due days of answer and provision."""
    return (
        city.read("Requests", "answerDue", request)[0],
        city.read("Requests", "provideDue", request)[0],
    )


def is_late(city: City, request: bytes, day: date) -> tuple[bool, bool]:
    """Return whether answer and provision are late as seen from a day."""
    answer, provision = city.read("Requests", "isLate", request, day_of(day))
    return bool(answer), bool(provision)


def state(city: City, request: bytes) -> int:
    """Return a request's state."""
    return int(city.field("Requests", "requests", request, "state"))


FILED, AGREED, REFUSED, SUSPENDED, REVOKED, SUPPLEMENT, WITHDRAWN, PROVIDED, DISPOSED = range(1, 10)


# Art 20: the request


@pytest.mark.parametrize("field", ["legal_basis", "scenario", "case", "items", "quota", "way"])
def test_art_20_a_request_states_basis_scenario_scope_and_limits(city: City, field: str) -> None:
    kind = {f.name: f.kind for w in BY_NAME["RequestFiled"].words for f in w}[field]
    empty: Any = {"uint": 0, "ascii": "", "bytes": ZERO_ID}[kind]
    found = value_refused(
        city, "RequestFiled", REQUESTER, ZERO_ID, city.request_values(**{field: empty})
    )
    assert found == ("VALUE_INVALID", "RequestFiled", field)


def test_art_20_the_requesters_officer_consents(city: City) -> None:
    words = city.request_values()
    no_officer = ("housing both", "housing operator")
    assert attempt(city, "RequestFiled", no_officer, **words) == "ROLE_MISSING"
    foreign = ("housing operator", OFFICER)
    assert attempt(city, "RequestFiled", foreign, **words) == "DEPARTMENT_MISMATCH"


def test_art_20_one_person_does_not_consent_to_the_own_draft(city: City) -> None:
    twice = ("housing both", "housing both")
    assert attempt(city, "RequestFiled", twice, **city.request_values()) == "SIGNER_REPEATED"


def test_art_20_only_the_providers_officer_answers(city: City) -> None:
    request = city.ids["filed"]
    words = city.agreed_values()
    for who, code in (
        (OPERATOR, "ROLE_MISSING"),
        ("authority 1", "ROLE_MISSING"),
        (ASKER, "DEPARTMENT_MISMATCH"),
    ):
        assert attempt(city, "RequestAgreed", (who,), request, **words) == code
        assert attempt(city, "RequestRefused", (who,), request, reason=REASON) == code
        assert attempt(city, "SupplementAsked", (who,), request, missing=REASON) == code


# Art 21: the answer and its clock


def test_art_21_unconditional_answer_within_1_working_day(city: City) -> None:
    unconditional(city)
    move_to(city, THURSDAY)
    request = filed(city)
    # 25 September is Mid-Autumn Day, the weekend follows.
    assert due(city, request) == (day_of(date(2026, 9, 28)), 0)
    assert is_late(city, request, date(2026, 9, 28)) == (False, False)
    assert is_late(city, request, date(2026, 9, 29)) == (True, False)


def test_art_21_conditional_answer_within_10_working_days(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    assert due(city, request) == (day_of(date(2026, 10, 15)), 0)
    assert is_late(city, request, date(2026, 10, 15)) == (False, False)
    assert is_late(city, request, date(2026, 10, 16)) == (True, False)


def test_art_21_the_class_is_that_of_the_filing(city: City) -> None:
    request = filed(city)
    before = due(city, request)
    unconditional(city)
    assert due(city, request) == before


def test_art_21_the_day_of_receipt_ends_at_midnight_in_shanghai(city: City) -> None:
    move_to(city, THURSDAY, hour=23)
    request = filed(city)
    assert city.field("Requests", "requests", request, "filedDay") == day_of(THURSDAY)
    move_to(city, date(2026, 9, 25), hour=0)
    assert city.field("Requests", "requests", filed(city), "filedDay") == day_of(THURSDAY) + 1


def test_art_21_an_answer_in_time_stays_in_time_and_a_late_one_late(city: City) -> None:
    move_to(city, THURSDAY)
    early, late = filed(city), filed(city)
    move_to(city, date(2026, 10, 15), hour=23)
    agree(city, early)
    move_to(city, date(2026, 10, 16))
    city.do("RequestRefused", (OFFICER,), late, reason=REASON)
    for day in (date(2026, 10, 16), date(2026, 12, 1)):
        assert is_late(city, early, day)[0] is False
        assert is_late(city, late, day) == (True, False)
    assert is_late(city, late, date(2026, 10, 15)) == (False, False)


def test_art_21_extension_of_at_most_10_working_days_with_the_authoritys_consent(
    city: City,
) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    both = (OFFICER, "authority 2")
    words = {"extension_days": 10, "reason": REASON}
    for signers, code in (
        ((OFFICER,), "SIGNATURE_COUNT"),
        ((OFFICER, ASKER), "ROLE_MISSING"),
        (("authority 1", "authority 2"), "ROLE_MISSING"),
        ((ASKER, "authority 2"), "DEPARTMENT_MISMATCH"),
    ):
        assert attempt(city, "RequestExtended", signers, request, **words) == code
    for field, value in (("extension_days", 0), ("extension_days", 11), ("reason", ZERO_ID)):
        found = value_refused(city, "RequestExtended", both, request, {**words, field: value})
        assert found == ("VALUE_INVALID", "RequestExtended", field)
    city.do("RequestExtended", both, request, **words)
    assert due(city, request)[0] == day_of(date(2026, 10, 29))
    again = attempt(city, "RequestExtended", both, request, **words)
    assert again == "STATE_INVALID"


def test_art_21_an_extension_that_comes_late_extends_nothing(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 10, 16))
    both = (OFFICER, "authority 2")
    city.do("RequestExtended", both, request, extension_days=10, reason=REASON)
    assert due(city, request)[0] == day_of(date(2026, 10, 15))
    assert is_late(city, request, date(2026, 10, 16))[0] is True


def test_art_21_one_single_notice_of_what_is_missing(city: City) -> None:
    request = city.ids["filed"]
    found = value_refused(city, "SupplementAsked", (OFFICER,), request, {"missing": ZERO_ID})
    assert found == ("VALUE_INVALID", "SupplementAsked", "missing")
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    assert state(city, request) == SUPPLEMENT
    again = attempt(city, "SupplementAsked", (OFFICER,), request, missing=REASON)
    assert again == "STATE_INVALID"
    supplement(city, request)
    assert state(city, request) == FILED
    again = attempt(city, "SupplementAsked", (OFFICER,), request, missing=REASON)
    assert again == "STATE_INVALID"
    agree(city, request)


def test_art_21_what_is_incomplete_is_not_refused_outright(city: City) -> None:
    request = city.ids["filed"]
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    refusal = attempt(city, "RequestRefused", (OFFICER,), request, reason=REASON)
    assert refusal == "STATE_INVALID"
    words = city.agreed_values()
    assert attempt(city, "RequestAgreed", (OFFICER,), request, **words) == "STATE_INVALID"


def test_art_21_a_refusal_gives_reasons(city: City) -> None:
    request = city.ids["filed"]
    found = value_refused(city, "RequestRefused", (OFFICER,), request, {"reason": ZERO_ID})
    assert found == ("VALUE_INVALID", "RequestRefused", "reason")
    city.do("RequestRefused", (OFFICER,), request, reason=REASON)
    assert state(city, request) == REFUSED


def test_art_21_a_supplement_notice_stops_the_clock(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 9, 29))  # the second working day
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    assert due(city, request)[0] == 0
    assert is_late(city, request, date(2026, 12, 31)) == (False, False)
    move_to(city, date(2026, 10, 12))
    supplement(city, request)
    # One working day was used; the tenth comes nine after the supplement.
    assert due(city, request)[0] == day_of(date(2026, 10, 23))


def test_art_21_a_notice_on_the_last_day_leaves_a_day_for_the_answer(city: City) -> None:
    unconditional(city)
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 9, 28))
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    move_to(city, date(2026, 10, 2))  # within the holidays
    supplement(city, request)
    assert due(city, request)[0] == day_of(date(2026, 10, 8))


def test_art_21_a_notice_on_the_day_of_filing(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    supplement(city, request)
    assert due(city, request)[0] == day_of(date(2026, 10, 15))


def test_art_21_a_notice_that_comes_late_stops_nothing(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 10, 16))
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    assert due(city, request)[0] == day_of(date(2026, 10, 15))
    supplement(city, request)
    assert is_late(city, request, date(2026, 10, 16))[0] is True


@pytest.mark.parametrize("first", ["extension", "supplement"])
def test_art_21_extension_and_supplement_together(city: City, first: str) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    both = (OFFICER, "authority 1")
    words = {"extension_days": 5, "reason": REASON}
    if first == "extension":
        city.do("RequestExtended", both, request, **words)
    move_to(city, date(2026, 9, 29))
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    move_to(city, date(2026, 10, 12))
    supplement(city, request)
    if first == "supplement":
        move_to(city, date(2026, 10, 23))
        city.do("RequestExtended", both, request, **words)
    assert due(city, request)[0] == day_of(date(2026, 10, 30))


def test_a_year_that_is_not_published_is_an_error_and_stops_no_act(city: City) -> None:
    move_to(city, date(2026, 12, 25))
    request = filed(city)
    for view, arguments in (("answerDue", ()), ("isLate", (day_of(date(2027, 1, 4)),))):
        with pytest.raises(LedgerError) as caught:
            city.read("Requests", view, request, *arguments)
        code, _, details = decode_revert(bytes.fromhex(str(caught.value.details["data"])[2:])) or (
            "",
            "",
            {},
        )
        assert (code, details) == ("CALENDAR_UNKNOWN", {"year": 2027})
    agree(city, request)
    city.do("DataProvided", (OFFICER,), request, way=1)
    assert state(city, request) == PROVIDED


@pytest.mark.parametrize("view", ["answerDue", "provideDue"])
def test_an_unknown_request_has_no_due_day(city: City, view: str) -> None:
    with pytest.raises(LedgerError) as caught:
        city.read("Requests", view, OTHER)
    found = decode_revert(bytes.fromhex(str(caught.value.details["data"])[2:]))
    assert found is not None
    assert found[0] == "TARGET_UNKNOWN"


# The supplement states everything anew


def test_a_supplement_replaces_what_was_asked_for(city: City) -> None:
    request = filed(city, items=0b0001, quota=5, way=3)
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    supplement(city, request, items=0b0110, quota=500, way=2)
    assert city.field("Requests", "requests", request, "way") == 2
    assert city.field("Requests", "requests", request, "items") == 0b0110
    city.ids["asked"] = request
    words = city.agreed_values("asked", items=0b0001)
    assert attempt(city, "RequestAgreed", (OFFICER,), request, **words) == "ITEMS_NOT_COVERED"
    agree(city, request, items=0b0100, quota=500)


def test_a_supplement_needs_both_persons_and_the_rules_of_a_request(city: City) -> None:
    request = city.ids["filed"]
    words = city.request_values()
    early = attempt(city, "RequestSupplemented", REQUESTER, request, **words)
    assert early == "STATE_INVALID"
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    for signers, code in (
        (("housing officer", "housing operator"), "ROLE_MISSING"),
        ((OPERATOR, "housing officer"), "DEPARTMENT_MISMATCH"),
        (("housing operator", OFFICER), "DEPARTMENT_MISMATCH"),
        (("housing both", "housing both"), "SIGNER_REPEATED"),
    ):
        assert attempt(city, "RequestSupplemented", signers, request, **words) == code
    for field, value in (
        ("interface", OTHER),
        ("valid_until", 1),
        ("quota", 0),
        ("items", 0),
        ("legal_basis", ""),
        ("scenario", ""),
        ("case", ZERO_ID),
    ):
        found = value_refused(
            city, "RequestSupplemented", REQUESTER, request, {**words, field: value}
        )
        assert found == ("VALUE_INVALID", "RequestSupplemented", field)
    for changes, code in (
        ({"items": 0b1000}, "ITEMS_NOT_COVERED"),
        ({"interface_version": 2}, "VERSION_NOT_CURRENT"),
    ):
        more = {**words, **changes}
        assert attempt(city, "RequestSupplemented", REQUESTER, request, **more) == code
    city.do("InterfaceSuspended", (OFFICER,), city.ids["interface"], reason=REASON)
    dead = attempt(city, "RequestSupplemented", REQUESTER, request, **words)
    assert dead == "INTERFACE_NOT_LIVE"


def test_filing_and_supplementing_have_the_same_words() -> None:
    assert BY_NAME["RequestFiled"].words == BY_NAME["RequestSupplemented"].words


@pytest.mark.parametrize("asked", [False, True])
def test_a_request_is_withdrawn_before_the_answer_only(city: City, *, asked: bool) -> None:
    request = city.ids["filed"]
    if asked:
        city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    assert attempt(city, "RequestWithdrawn", (OFFICER,), request) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "RequestWithdrawn", ("housing operator",), request) == "ROLE_MISSING"
    city.do("RequestWithdrawn", (ASKER,), request)
    assert state(city, request) == WITHDRAWN
    words = city.agreed_values()
    assert attempt(city, "RequestAgreed", (OFFICER,), request, **words) == "STATE_INVALID"
    answered = attempt(city, "RequestWithdrawn", (ASKER,), city.ids["grant"])
    assert answered == "STATE_INVALID"
    assert is_late(city, request, date(2026, 12, 31)) == (False, False)
    assert due(city, request)[1] == 0


# Art 22: provision


def test_art_22_data_provided_within_20_working_days_of_consent(city: City) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    agree(city, request)
    assert due(city, request)[1] == day_of(date(2026, 10, 29))
    assert is_late(city, request, date(2026, 10, 29)) == (False, False)
    assert is_late(city, request, date(2026, 10, 30)) == (False, True)
    move_to(city, date(2026, 10, 29))
    city.do("DataProvided", (OFFICER,), request, way=1)
    assert is_late(city, request, date(2026, 10, 30)) == (False, False)


@pytest.mark.parametrize("way", [1, 2, 3])
def test_art_22_by_interface_batch_or_file(city: City, way: int) -> None:
    """As the request states it: what was agreed on is not provided in another way."""
    request = filed(city, way=way)
    agree(city, request)
    for other in {0, 1, 2, 3, 4} - {way}:
        found = value_refused(city, "DataProvided", (OFFICER,), request, {"way": other})
        assert found == ("VALUE_INVALID", "DataProvided", "way")
    city.do("DataProvided", (OFFICER,), request, way=way)
    assert state(city, request) == PROVIDED


def test_art_22_provision_does_not_interrupt_the_grant(city: City) -> None:
    grant = city.ids["grant"]
    assert attempt(city, "DataProvided", (ASKER,), grant, way=1) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "DataProvided", (OFFICER,), city.ids["filed"], way=1) == "STATE_INVALID"
    items = city.read("Requests", "effectiveItems", grant)
    assert city.read("Requests", "isLive", grant, city.now()) == (True,)
    city.do("DataProvided", (OFFICER,), grant, way=1)
    assert city.read("Requests", "isLive", grant, city.now()) == (True,)
    assert city.read("Requests", "effectiveItems", grant) == items
    assert attempt(city, "DataProvided", (OFFICER,), grant, way=1) == "STATE_INVALID"


@pytest.mark.parametrize(("provided", "after"), [(False, AGREED), (True, PROVIDED)])
def test_a_grant_goes_on_where_the_suspension_met_it(
    city: City, after: int, *, provided: bool
) -> None:
    grant = city.ids["grant"]
    if provided:
        city.do("DataProvided", (OFFICER,), grant, way=1)
    city.do("GrantSuspended", ("authority 1",), grant, **MISUSE)
    assert attempt(city, "DataProvided", (OFFICER,), grant, way=1) == "STATE_INVALID"
    city.do("GrantResumed", ("authority 1",), grant)
    assert state(city, grant) == after


# Art 27: misuse, end and disposal


@pytest.mark.parametrize("cause", [0, 4, 5])
def test_art_27_service_does_not_stop_without_cause(city: City, cause: int) -> None:
    grant = city.ids["grant"]
    words = {"reason": REASON, "cause": cause}
    for act in ("GrantSuspended", "GrantRevoked"):
        found = value_refused(city, act, (OFFICER,), grant, words)
        assert found == ("VALUE_INVALID", act, "cause")
    found = value_refused(city, "GrantSuspended", (OFFICER,), grant, {**MISUSE, "reason": ZERO_ID})
    assert found == ("VALUE_INVALID", "GrantSuspended", "reason")


@pytest.mark.parametrize("cause", [0, 1, 2, 3, 5])
def test_art_27_the_requester_ends_a_grant_for_its_purpose_only(city: City, cause: int) -> None:
    words = {"reason": REASON, "cause": cause}
    found = value_refused(city, "GrantRevoked", (ASKER,), city.ids["grant"], words)
    assert found == ("VALUE_INVALID", "GrantRevoked", "cause")


def test_art_27_on_misuse_the_provider_suspends_and_terminates(city: City) -> None:
    grant = city.ids["grant"]
    city.do("DataProvided", (OFFICER,), grant, way=1)
    city.do("GrantSuspended", (OFFICER,), grant, **MISUSE)
    assert city.read("Requests", "isLive", grant, city.now()) == (False,)
    city.do("GrantRevoked", (OFFICER,), grant, **MISUSE)
    assert state(city, grant) == REVOKED
    assert city.read("Requests", "effectiveItems", grant) == (0,)


def test_art_27_the_requester_disposes_when_the_purpose_ended(city: City) -> None:
    grant = city.ids["grant"]
    words = {"disposal": digest("shredded")}
    assert attempt(city, "DataDisposed", (ASKER,), grant, **words) == "STATE_INVALID"
    assert attempt(city, "DataDisposed", (ASKER,), city.ids["filed"], **words) == "STATE_INVALID"
    city.do("GrantRevoked", (ASKER,), grant, reason=REASON, cause=4)
    assert attempt(city, "DataDisposed", (OFFICER,), grant, **words) == "DEPARTMENT_MISMATCH"
    found = value_refused(city, "DataDisposed", (ASKER,), grant, {"disposal": ZERO_ID})
    assert found == ("VALUE_INVALID", "DataDisposed", "disposal")
    city.do("DataDisposed", (ASKER,), grant, **words)
    assert state(city, grant) == DISPOSED
    assert attempt(city, "DataDisposed", (ASKER,), grant, **words) == "STATE_INVALID"
    assert attempt(city, "GrantResumed", (OFFICER,), grant) == "STATE_INVALID"


@pytest.mark.parametrize("suspended", [False, True])
def test_art_27_an_expired_grants_data_are_disposed_of(city: City, *, suspended: bool) -> None:
    grant = city.ids["grant"]
    if suspended:
        city.do("GrantSuspended", (OFFICER,), grant, **MISUSE)
    until = city.field("Requests", "requests", grant, "validUntil")
    city.rpc.call("evm_setNextBlockTimestamp", until - 10)
    city.rpc.call("evm_mine")
    words = {"disposal": digest("shredded")}
    assert attempt(city, "DataDisposed", (ASKER,), grant, **words) == "STATE_INVALID"
    city.rpc.call("evm_setNextBlockTimestamp", until + 10)
    city.rpc.call("evm_mine")
    city.do("DataDisposed", (ASKER,), grant, **words)
    assert city.field("Requests", "requests", grant, "provisionDay") == day_at(until + 10)


# Renewal


def test_a_grant_is_renewed_by_both_sides(city: City) -> None:
    grant = city.ids["grant"]
    until = city.field("Requests", "requests", grant, "validUntil")
    words = {"valid_until": until + 1000, "quota": 20, "case": digest("still needed")}
    both = (ASKER, OFFICER)
    for signers, code in (
        ((OFFICER, ASKER), "DEPARTMENT_MISMATCH"),
        ((ASKER, "housing both"), "DEPARTMENT_MISMATCH"),
        (("housing operator", OFFICER), "ROLE_MISSING"),
        ((ASKER, OPERATOR), "ROLE_MISSING"),
    ):
        assert attempt(city, "GrantRenewed", signers, grant, **words) == code
    for field, value in (("valid_until", until - 1), ("quota", 9), ("case", ZERO_ID)):
        found = value_refused(city, "GrantRenewed", both, grant, {**words, field: value})
        assert found == ("VALUE_INVALID", "GrantRenewed", field)
    assert attempt(city, "GrantRenewed", both, city.ids["filed"], **words) == "STATE_INVALID"
    city.do("GrantRenewed", both, grant, **words)
    assert city.read("Requests", "isLive", grant, until + 1000) == (True,)
    assert city.read("Requests", "isLive", grant, until + 1001) == (False,)
    assert city.field("Requests", "requests", grant, "quota") == 20


def test_an_expired_grant_lives_again_when_it_is_renewed(city: City) -> None:
    grant, both = city.ids["grant"], (ASKER, OFFICER)
    until = city.field("Requests", "requests", grant, "validUntil")
    city.rpc.call("evm_setNextBlockTimestamp", until + 100)
    city.rpc.call("evm_mine")
    assert city.read("Requests", "isLive", grant, city.now()) == (False,)
    words = {"valid_until": until + 50, "quota": 10, "case": digest("still needed")}
    found = value_refused(city, "GrantRenewed", both, grant, words)
    assert found == ("VALUE_INVALID", "GrantRenewed", "valid_until")
    city.do("GrantRenewed", both, grant, **{**words, "valid_until": until + 5000})
    assert city.read("Requests", "isLive", grant, city.now()) == (True,)
    city.do("InterfaceSuspended", (OFFICER,), city.ids["interface"], reason=REASON)
    words["valid_until"] = until + 9000
    assert attempt(city, "GrantRenewed", both, grant, **words) == "INTERFACE_NOT_LIVE"


# Art 29: use reports


def test_art_29_the_requester_reports_the_use(city: City) -> None:
    grant, who = city.ids["grant"], ("housing operator",)
    today = day_at(city.now())
    words = {"from_day": today - 1, "until_day": today, "uses": 3, "report": digest("report")}
    assert attempt(city, "UseReported", (OPERATOR,), grant, **words) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "UseReported", (ASKER,), grant, **words) == "ROLE_MISSING"
    assert attempt(city, "UseReported", who, city.ids["filed"], **words) == "STATE_INVALID"
    for field, value in (
        ("until_day", today + 2),
        ("until_day", today - 2),
        ("from_day", 0),
        ("report", ZERO_ID),
    ):
        found = value_refused(city, "UseReported", who, grant, {**words, field: value})
        assert found == ("VALUE_INVALID", "UseReported", field)
    city.do("UseReported", who, grant, **words)
    found = value_refused(city, "UseReported", who, grant, words)
    assert found == ("VALUE_INVALID", "UseReported", "from_day")
    move_to(city, date(2026, 9, 30))
    later = {**words, "from_day": today + 1, "until_day": day_of(date(2026, 9, 30))}
    city.do("GrantRevoked", (OFFICER,), grant, **MISUSE)
    city.do("UseReported", who, grant, **later)
    city.do("DataDisposed", (ASKER,), grant, disposal=REASON)
    assert attempt(city, "UseReported", who, grant, **later) == "STATE_INVALID"


# The model says the same of each clock


def test_the_model_tells_the_same_due_days(city: City, replayed: MemoryStore) -> None:
    """Random days of notice, supplement and extension give the same in both."""
    source = random.Random(809)  # noqa: S311 - repeatable, not secret
    for _ in range(12):
        snapshot = city.rpc.call("evm_snapshot")
        store = copy.deepcopy(replayed)
        begin = len(city.sent)
        days = sorted(source.sample(range(day_of(THURSDAY), day_of(date(2026, 10, 20))), 5))
        move_to(city, date.fromordinal(date(1970, 1, 1).toordinal() + days[0]))
        request = filed(city)
        steps = source.choice(
            (
                ("ask", "supplement", "extend", "answer"),
                ("extend", "ask", "supplement", "answer"),
                ("ask", "supplement", "answer", "extend"),
                ("extend", "answer", "ask", "supplement"),
            )
        )
        for day, step in zip(days[1:], steps, strict=True):
            move_to(city, date.fromordinal(date(1970, 1, 1).toordinal() + day))
            if step == "ask" and state(city, request) == FILED:
                city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
            elif step == "extend" and state(city, request) == FILED:
                both, words = (OFFICER, "authority 1"), {"extension_days": 3, "reason": REASON}
                city.do("RequestExtended", both, request, **words)
            elif step == "supplement" and state(city, request) == SUPPLEMENT:
                supplement(city, request)
            elif step == "answer" and state(city, request) == FILED:
                agree(city, request)
        for signed, outcome in city.sent[begin:]:
            apply_act(
                store,
                signed,
                chain_id=CHAIN_ID,
                contracts=city.contracts,
                block_number=outcome.block_number,
                block_time=outcome.block_time,
            )
        found, years = store.requests[request], PublishedYears(store)
        told = answer_due(years, found, supplement_stops_clock=True) or 0
        assert due(city, request) == (told, provide_due(years, found) or 0)
        for day in (days[-1], days[-1] + 9, days[-1] + 40):
            late = lateness(years, found, day, supplement_stops_clock=True)
            assert city.read("Requests", "isLate", request, day) == (late.answer, late.provision)
        assert city.rpc.call("evm_revert", snapshot) is True


@pytest.mark.parametrize("stops", [True, False])
def test_art_21_whether_a_notice_stops_the_clock_is_fixed_at_deployment(
    city: City, *, stops: bool
) -> None:
    """Order 809 leaves it open; the contract holds the city's choice."""
    stands = deploy_contracts(
        city.rpc,
        SENDER_KEY,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
        supplement_stops_clock=stops,
    )
    assert does_supplement_stop_clock(city.rpc, stands.contracts) is stops
    other = City(city.rpc, stands.contracts, city.sender)
    other.build()
    move_to(other, THURSDAY)
    request = filed(other)
    other.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    assert due(other, request)[0] == (0 if stops else day_of(date(2026, 10, 15)))
    move_to(other, date(2026, 10, 12))
    supplement(other, request)
    late = date(2026, 10, 16)
    assert is_late(other, request, late) == (not stops, False)
