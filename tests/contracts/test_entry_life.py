"""Entries from review to update (Order 809 Art 13 to 17): returns, clocks, extension, freshness."""

from datetime import date
from typing import Any

import pytest

from crypto.errors import LedgerError
from ledger.chain.artifacts import decode_revert
from protocol.acts import ZERO_ID
from protocol.calendar import day_at, day_of, plain_weekdays
from protocol.description import Role
from tests.contracts.city import City, digest
from tests.contracts.test_rules import (
    HEAD,
    OFFICER,
    OPERATOR,
    PROVIDER,
    REASON,
    attempt,
    value_refused,
)

AUTHORITY = ("authority 1",)
NOON_S = 4 * 3600  # of Asia/Shanghai, in UTC


def go_to(city: City, at: date) -> None:
    """Make the next block one of noon on that day."""
    seconds = (at - date(1970, 1, 1)).days * 86_400 + NOON_S
    city.rpc.call("evm_setNextBlockTimestamp", seconds)
    city.rpc.call("evm_mine")


def submit(city: City, name: str, **changes: Any) -> None:
    """Submit a further version of the entry, with a document of that name."""
    words = city.entry_values(document=digest(name), **changes)
    city.do("EntrySubmitted", PROVIDER, city.ids["entry"], **words)


def publish(city: City, name: str) -> None:
    """Publish the version whose document has that name."""
    city.do("EntryPublished", AUTHORITY, city.ids["entry"], document=digest(name))


def note(city: City, signer: str, at: date) -> None:
    """Note a change."""
    city.do("ChangeNoted", (signer,), city.ids["entry"], change_day=day_of(at), reason=REASON)


def view(city: City, name: str) -> Any:
    """Read a view of the entry."""
    (value,) = city.read("Entries", name, city.ids["entry"])
    return value


def test_art_13_assessments_and_the_heads_approval_are_signed(city: City) -> None:
    for field in ("secrecy_assessment", "privacy_assessment"):
        words = city.entry_values(**{field: ZERO_ID})
        assert value_refused(city, "EntrySubmitted", PROVIDER, ZERO_ID, words)[2] == field
    for second in (OFFICER, "civil affairs both", "authority 1"):
        signers = (OPERATOR, second)
        assert attempt(city, "EntrySubmitted", signers, **city.entry_values()) == "ROLE_MISSING"


@pytest.mark.parametrize(
    ("sharing_class", "basis", "field"),
    [(1, digest("conditions"), "basis"), (2, ZERO_ID, "basis"), (3, ZERO_ID, "basis")],
)
def test_art_14_15_conditions_and_citations_belong_to_their_class(
    city: City, sharing_class: int, basis: bytes, field: str
) -> None:
    words = city.entry_values(sharing_class=sharing_class, basis=basis)
    assert value_refused(city, "EntrySubmitted", PROVIDER, ZERO_ID, words) == (
        "VALUE_INVALID",
        "EntrySubmitted",
        field,
    )


@pytest.mark.parametrize("grading", [2, 3])
@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"sharing_class": 1, "basis": ZERO_ID}, False),
        ({"openness": 1}, False),
        ({"openness": 2}, False),
        ({}, True),
        ({"sharing_class": 3}, True),
    ],
)
def test_important_and_core_data_are_never_for_everybody(
    city: City, grading: int, changes: dict[str, Any], *, allowed: bool
) -> None:
    words = city.entry_values(grading=grading, **changes)
    if allowed:
        city.do("EntrySubmitted", PROVIDER, **words)
        return
    assert value_refused(city, "EntrySubmitted", PROVIDER, ZERO_ID, words) == (
        "VALUE_INVALID",
        "EntrySubmitted",
        "grading",
    )


def test_art_16_the_authority_returns_a_version_with_a_reason(city: City) -> None:
    entry = city.ids["entry"]
    words = {"document": digest("second"), "reason": REASON}
    assert attempt(city, "EntryReturned", AUTHORITY, entry, **words) == "STATE_INVALID"
    submit(city, "second", items=0b11, sensitive=0)
    for signer in (HEAD, OPERATOR, "housing head"):
        assert attempt(city, "EntryReturned", (signer,), entry, **words) == "ROLE_MISSING"
    for field, value in (("document", digest("entry document")), ("reason", ZERO_ID)):
        found = value_refused(city, "EntryReturned", AUTHORITY, entry, {**words, field: value})
        assert found == ("VALUE_INVALID", "EntryReturned", field)
    city.do("EntryReturned", AUTHORITY, entry, **words)
    # The published version goes on, nothing waits, and the department submits anew.
    assert city.field("Entries", "entries", entry, "items") == 0b1111
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (True,)
    assert view(city, "reviewDue") == 0
    none = attempt(city, "EntryPublished", AUTHORITY, entry, document=digest("second"))
    assert none == "STATE_INVALID"
    submit(city, "third")
    publish(city, "third")
    assert city.field("Entries", "entries", entry, "version") == 2


def test_art_16_a_first_version_that_was_returned_is_never_live(city: City) -> None:
    entry = city.do("EntrySubmitted", PROVIDER, **city.entry_values(document=digest("new")))
    city.do("EntryReturned", AUTHORITY, entry, document=digest("new"), reason=REASON)
    assert city.read("Entries", "entryView", entry)[0][4] is False
    words = city.interface_values(entry=entry)
    assert attempt(city, "InterfaceRegistered", (OPERATOR,), **words) == "ENTRY_NOT_LIVE"
    noted = attempt(
        city, "ChangeNoted", AUTHORITY, entry, change_day=day_at(city.now()), reason=REASON
    )
    assert noted == "STATE_INVALID"
    city.do("EntrySubmitted", PROVIDER, entry, **city.entry_values(document=digest("better")))
    city.do("EntryPublished", AUTHORITY, entry, document=digest("better"))


def test_art_17_the_review_takes_two_working_days(city: City) -> None:
    go_to(city, date(2026, 9, 24))  # 25 to 27 September are days off, 28 is worked
    submit(city, "second")
    assert view(city, "reviewDue") == day_of(date(2026, 9, 29))
    go_to(city, date(2026, 9, 29))
    assert view(city, "isReviewLate") is False
    go_to(city, date(2026, 9, 30))
    assert view(city, "isReviewLate") is True
    publish(city, "second")
    assert (view(city, "reviewDue"), view(city, "isReviewLate")) == (0, False)


def test_art_17_the_update_is_due_ten_working_days_after_the_change(city: City) -> None:
    assert (view(city, "updateDue"), view(city, "isUpdateLate")) == (0, False)
    go_to(city, date(2026, 9, 24))
    note(city, OFFICER, date(2026, 9, 24))
    assert view(city, "updateDue") == day_of(date(2026, 10, 15))
    go_to(city, date(2026, 10, 15))
    assert view(city, "isUpdateLate") is False
    go_to(city, date(2026, 10, 16))
    assert view(city, "isUpdateLate") is True
    submit(city, "late update")
    assert view(city, "isUpdateLate") is True
    publish(city, "late update")
    assert (view(city, "updateDue"), view(city, "isUpdateLate")) == (0, False)


def test_art_17_submission_in_time_counts_and_a_return_does_not_stop_the_clock(
    city: City,
) -> None:
    go_to(city, date(2026, 9, 24))
    note(city, HEAD, date(2026, 9, 24))
    go_to(city, date(2026, 10, 15))
    submit(city, "in time")
    go_to(city, date(2026, 10, 20))
    assert view(city, "isUpdateLate") is False
    city.do(
        "EntryReturned", AUTHORITY, city.ids["entry"], document=digest("in time"), reason=REASON
    )
    assert view(city, "isUpdateLate") is True


def test_art_17_the_authority_consents_to_five_working_days_more(city: City) -> None:
    entry = city.ids["entry"]
    both = (HEAD, "authority 1")
    assert attempt(city, "UpdateExtended", both, entry, reason=REASON) == "STATE_INVALID"
    go_to(city, date(2026, 9, 24))
    note(city, OFFICER, date(2026, 9, 24))
    go_to(city, date(2026, 10, 15))
    for signers, code in (
        (("authority 1", HEAD), "ROLE_MISSING"),
        ((OFFICER, "authority 1"), "ROLE_MISSING"),
        ((HEAD, OFFICER), "ROLE_MISSING"),
        (("housing head", "authority 1"), "DEPARTMENT_MISMATCH"),
    ):
        assert attempt(city, "UpdateExtended", signers, entry, reason=REASON) == code
    assert value_refused(city, "UpdateExtended", both, entry, {"reason": ZERO_ID})[2] == "reason"
    city.do("UpdateExtended", both, entry, reason=REASON)
    assert view(city, "updateDue") == day_of(date(2026, 10, 22))
    assert attempt(city, "UpdateExtended", both, entry, reason=REASON) == "STATE_INVALID"
    go_to(city, date(2026, 10, 23))
    assert view(city, "isUpdateLate") is True


def test_art_17_consent_after_the_due_day_does_not_undo_the_lateness(city: City) -> None:
    go_to(city, date(2026, 9, 24))
    note(city, OFFICER, date(2026, 9, 24))
    go_to(city, date(2026, 10, 16))
    city.do("UpdateExtended", (HEAD, "authority 1"), city.ids["entry"], reason=REASON)
    assert view(city, "updateDue") == day_of(date(2026, 10, 15))
    assert view(city, "isUpdateLate") is True


def test_who_notes_a_change_and_of_which_day(city: City) -> None:
    entry = city.ids["entry"]
    go_to(city, date(2026, 9, 29))
    day = day_of(date(2026, 9, 28))
    words = {"change_day": day, "reason": REASON}
    for signer, code in (
        (OPERATOR, "ROLE_MISSING"),
        ("gateway", "ROLE_MISSING"),
        ("housing officer", "DEPARTMENT_MISMATCH"),
        ("housing head", "DEPARTMENT_MISMATCH"),
    ):
        assert attempt(city, "ChangeNoted", (signer,), entry, **words) == code
    submitted = city.field("Entries", "clocks", entry, "currentDay")
    for wrong in (submitted - 1, day + 2, 0, 2**32 - 1):
        found = value_refused(city, "ChangeNoted", AUTHORITY, entry, {**words, "change_day": wrong})
        assert found == ("VALUE_INVALID", "ChangeNoted", "change_day")
    assert value_refused(city, "ChangeNoted", AUTHORITY, entry, {**words, "reason": ZERO_ID})[
        2
    ] == ("reason")
    city.do("ChangeNoted", (OFFICER,), entry, **words)
    # An open clock is moved to an earlier day only: nobody wins time by noting it again.
    again = attempt(city, "ChangeNoted", (OFFICER,), entry, **words)
    assert again == "VALUE_INVALID"
    city.do("ChangeNoted", AUTHORITY, entry, change_day=submitted, reason=REASON)
    assert city.field("Entries", "clocks", entry, "changeDay") == submitted


def test_a_version_from_before_the_change_does_not_answer_it(city: City) -> None:
    go_to(city, date(2026, 9, 24))
    submit(city, "before")
    go_to(city, date(2026, 9, 28))
    note(city, "authority 2", date(2026, 9, 28))
    publish(city, "before")
    due = view(city, "updateDue")
    assert due > day_of(date(2026, 9, 28))
    submit(city, "after")
    publish(city, "after")
    assert view(city, "updateDue") == 0


def test_the_clock_needs_the_calendar_and_the_act_does_not(city: City) -> None:
    """Where the year is not published the act passes, and the view names the year."""
    go_to(city, date(2026, 12, 28))
    note(city, OFFICER, date(2026, 12, 28))
    submit(city, "over new year")
    for name in ("updateDue", "isUpdateLate"):
        assert _unknown_year(city, name) == 2027
    bits = plain_weekdays(2027)
    city.do("CalendarPublished", AUTHORITY, year=2027, working_days=bits, source=digest("notice"))
    assert view(city, "updateDue") > day_of(date(2027, 1, 1))
    assert view(city, "isUpdateLate") is False


def _unknown_year(city: City, name: str) -> object:
    with pytest.raises(LedgerError) as caught:
        view(city, name)
    decoded = decode_revert(bytes.fromhex(str(caught.value.details["data"])[2:]))
    assert decoded is not None
    assert decoded[0] == "CALENDAR_UNKNOWN"
    return decoded[2]["year"]


def test_retirement_ends_the_clocks(city: City) -> None:
    entry = city.ids["entry"]
    note_day = day_at(city.now())
    city.do("ChangeNoted", (OFFICER,), entry, change_day=note_day, reason=REASON)
    submit(city, "second")
    city.do("EntryRetired", (HEAD,), entry, reason=REASON)
    assert (view(city, "reviewDue"), view(city, "updateDue")) == (0, 0)
    extended = attempt(city, "UpdateExtended", (HEAD, "authority 1"), entry, reason=REASON)
    assert extended == "STATE_INVALID"
    words = {"change_day": note_day, "reason": REASON}
    assert attempt(city, "ChangeNoted", AUTHORITY, entry, **words) == "STATE_INVALID"
    returned = attempt(
        city, "EntryReturned", AUTHORITY, entry, document=digest("second"), reason=REASON
    )
    assert returned == "STATE_INVALID"


def test_retirement_ends_interface_grant_and_source_at_once(city: City) -> None:
    """Retirement has its cascade although no other contract is written to."""
    before = [city.revision(n, city.ids[i]) for n, i in CASCADE]
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    assert city.read("Interfaces", "interfaceView", city.ids["interface"])[0][4] is False
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)
    assert city.read("Elements", "isLive", city.ids["claim"]) == (False,)
    assert city.read("Refreshes", "isFresh", city.ids["entry"]) == (False,)
    assert [city.revision(n, city.ids[i]) for n, i in CASCADE] == before


CASCADE = (
    ("InterfaceOnline", "interface"),
    ("RequestAgreed", "grant"),
    ("ElementReleased", "claim"),
)


@pytest.mark.parametrize(
    ("cycle", "days"), [(1, 1), (2, 1), (3, 7), (4, 11), (5, 31), (6, 92), (7, 366)]
)
def test_data_is_fresh_for_its_update_cycle(city: City, cycle: int, days: int) -> None:
    submit(city, "cycle", update_cycle=cycle)
    publish(city, "cycle")
    assert city.read("Refreshes", "isFresh", city.ids["entry"]) == (False,)
    today = day_at(city.now())
    city.do("DataRefreshed", (OPERATOR,), **city.refresh_values())
    for ahead, fresh in ((0, True), (days, True), (days + 1, False)):
        if ahead:
            city.rpc.call("evm_setNextBlockTimestamp", (today + ahead) * 86_400 + NOON_S)
            city.rpc.call("evm_mine")
        assert city.read("Refreshes", "isFresh", city.ids["entry"]) == (fresh,)


def test_data_refreshed_values_and_signers(city: City) -> None:
    today = day_at(city.now())
    act = "DataRefreshed"
    city.enrol("civil affairs service", HEAD, Role.PROVIDER)
    for signer, code in (
        (OFFICER, "ROLE_MISSING"),
        (HEAD, "ROLE_MISSING"),
        ("authority 1", "ROLE_MISSING"),
        ("housing operator", "DEPARTMENT_MISMATCH"),
    ):
        assert attempt(city, act, (signer,), **city.refresh_values()) == code
    city.do(act, ("civil affairs service",), **city.refresh_values(until_day=today - 1))
    revision = city.revision("EntrySubmitted", city.ids["entry"])
    for changes, field in (
        ({"from_day": today + 1}, "from_day"),
        ({"until_day": today + 1}, "until_day"),
        ({"until_day": today - 2}, "until_day"),
        ({"from_day": 0, "until_day": 0}, "until_day"),
    ):
        found = value_refused(city, act, (OPERATOR,), ZERO_ID, city.refresh_values(**changes))
        assert found == ("VALUE_INVALID", act, field)
    city.do(act, (OPERATOR,), **city.refresh_values(rows=2**64 - 1))
    assert city.read("Refreshes", "refreshes", city.ids["entry"]) == (today, 2**64 - 1)
    # A daily statement leaves the entry's revision, and drafts that others sign, alone.
    assert city.revision("EntrySubmitted", city.ids["entry"]) == revision
    unknown = city.refresh_values(entry=digest("none"))
    assert attempt(city, act, (OPERATOR,), **unknown) == "ENTRY_NOT_LIVE"
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    assert attempt(city, act, (OPERATOR,), **city.refresh_values()) == "ENTRY_NOT_LIVE"
