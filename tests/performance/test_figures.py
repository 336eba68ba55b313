"""Each figure by hand, over the holidays of autumn 2026 (days: domain vectors)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from crypto.canonical import canonical_json
from crypto.errors import LedgerError, ProtocolError
from crypto.sm3 import sm3
from ledger.audit import chain
from ledger.audit.performance import Reports
from ledger.audit.performance_text import describe_report
from ledger.chain.artifacts import encode_call
from ledger.settings import Settings
from protocol.acts import ZERO_ID
from protocol.calendar import day_of
from protocol.deployment import Deployment
from protocol.description import ACT_TYPES
from protocol.documents import make_entry_document
from protocol.performance.duties import KINDS
from protocol.performance.report import OPTIONAL_FIELDS
from tests.contracts.city import AUTHORITY, City, digest
from tests.contracts.test_after_sharing import FINDER, correction_words
from tests.contracts.test_entry_life import note, publish, submit
from tests.contracts.test_rules import HEAD, OFFICER, OPERATOR, PROVIDER, REASON
from tests.contracts.test_sharing import ASKER, agree, filed, move_to, supplement, unconditional
from tests.performance.conftest import Report

CITY_FOUNDED = date(2026, 9, 21)
#: +1 working day is 28 September, +10 are 15 October.
THURSDAY = date(2026, 9, 24)
DUE = date(2026, 10, 15)
BEHIND = date(2026, 10, 20)

#: Figures that an act of a type moves.
COUNTED: dict[str, str] = {
    "EntrySubmitted": "updates, reviews, entries",
    "EntryPublished": "updates, reviews, entries",
    "EntryReturned": "reviews",
    "EntryRetired": "updates, entries",
    "ChangeNoted": "updates",
    "UpdateExtended": "updates",
    "DataRefreshed": "entries",
    "InterfaceOnline": "use",
    "InterfaceSuspended": "use",
    "InterfaceResumed": "use",
    "InterfaceRetired": "use",
    "RequestFiled": "answers, use",
    "RequestAgreed": "answers, provisions, use",
    "RequestRefused": "answers",
    "RequestWithdrawn": "answers",
    "SupplementAsked": "answers",
    "RequestSupplemented": "answers",
    "RequestExtended": "answers",
    "DataProvided": "provisions",
    "GrantSuspended": "use",
    "GrantResumed": "use",
    "GrantRevoked": "provisions, use",
    "GrantRenewed": "use",
    "UseReported": "use",
    "DataDisposed": "use",
    "CorrectionFiled": "corrections",
    "CorrectionClosed": "corrections, entries",
    "CalendarPublished": "every due day",
    "CalendarCorrected": "every due day",
    "DepartmentRegistered": "which departments there are",
    "DepartmentChanged": "their names",
    "DepartmentEnded": "every duty, entries, use",
}
NOT_COUNTED = frozenset(
    {
        # Persons and keys: who may act, not how well it was done.
        *("PersonEnrolled", "PersonRolesSet", "KeyAdded", "KeyRevoked", "KeyRotated"),
        *("KeySuspended", "KeyResumed", "AuthorityKeyResumed", "CertificateBound"),
        *("HeadKeyProposed", "HeadKeyObjected", "HeadKeyReplaced"),
        *("AuthorityPersonAdded", "AuthorityPersonRemoved", "ThresholdSet"),
        *("SuccessorNamed", "LogRegistered", "ParametersDisposed"),
        # What is said of the figures is none of them.
        "OversightReported",
        # Which department is a source says nothing of its timeliness.
        *("ElementClaimed", "ElementReleased", "ConflictDecided"),
        # Steps on the way; what they lead to is counted.
        *("InterfaceRegistered", "InterfaceTested", "CorrectionVerified"),
        # Order 809 sets no days for disputes and third parties.
        *("DisputeOpened", "DisputeSettled", "DisputeEscalated", "DisputeMediated"),
        *("DisputeDecided", "ThirdPartyConsented", "ThirdPartyRevoked"),
    }
)


def of(found: dict[str, Any], city: City, name: str = "civil affairs") -> dict[str, Any]:
    """Return a department's part of a report."""
    (one,) = [x for x in found["departments"] if x["id"] == city.ids[name].hex()]
    return one


def counts(found: dict[str, Any], kind: str) -> tuple[int, int, int]:
    """Return in time, late and overdue."""
    assert (found[kind]["undecided"], found[kind]["years_not_published"]) == (0, [])
    return found[kind]["in_time"], found[kind]["late"], found[kind]["overdue"]


def test_every_act_type_is_counted_or_not_for_a_reason() -> None:
    assert not set(COUNTED) & NOT_COUNTED
    assert set(COUNTED) | NOT_COUNTED == {act_type.name for act_type in ACT_TYPES}


def test_art_38_41_answers_in_time_and_late(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    early, on_the_day, late, _open, withdrawn = (
        filed(city, case=digest(f"case {number}")) for number in range(5)
    )
    agree(city, early)
    move_to(city, date(2026, 10, 12))
    city.do("RequestWithdrawn", (ASKER,), withdrawn)
    move_to(city, DUE)
    agree(city, on_the_day)
    move_to(city, DUE + timedelta(1), hour=0)
    agree(city, late)
    move_to(city, BEHIND)
    # The city's request of 21 September is open as well, and its grant was answered that day.
    assert counts(of(report(THURSDAY, BEHIND - timedelta(1)), city), "answers") == (2, 3, 2)
    assert counts(of(report(CITY_FOUNDED, date(2026, 9, 23)), city), "answers") == (1, 0, 0)
    # On the due day itself nothing is late yet.
    assert counts(of(report(THURSDAY, DUE), city), "answers") == (2, 1, 1)


@pytest.mark.parametrize("days", [1, 3, 7, 20])
def test_periods_add_up(city: City, report: Report, days: int) -> None:
    move_to(city, THURSDAY)
    late, early = filed(city), filed(city, case=digest("other case"))
    agree(city, early)
    move_to(city, DUE + timedelta(2))
    agree(city, late)
    move_to(city, BEHIND)
    whole = counts(of(report(CITY_FOUNDED, BEHIND - timedelta(1)), city), "answers")
    parts, first = [0, 0], CITY_FOUNDED
    while first < BEHIND:
        last = min(first + timedelta(days - 1), BEHIND - timedelta(1))
        in_time, is_late, _ = counts(of(report(first, last), city), "answers")
        parts = [parts[0] + in_time, parts[1] + is_late]
        first = last + timedelta(1)
    assert tuple(parts) == whole[:2] == (2, 2)


def test_a_supplement_stops_the_clock(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 9, 28))
    city.do("SupplementAsked", (OFFICER,), request, missing=REASON)
    move_to(city, date(2026, 10, 16))
    found = of(report(date(2026, 10, 16), date(2026, 10, 16)), city)
    assert found["answers"]["late"] == 0
    supplement(city, request)
    move_to(city, BEHIND)
    agree(city, request)
    # The city's own request of 21 September was late on 13 October.
    assert counts(of(report(THURSDAY, BEHIND), city), "answers") == (1, 1, 1)


def test_unconditional_answers_and_provision(city: City, report: Report) -> None:
    unconditional(city)
    move_to(city, THURSDAY)
    request = filed(city)
    move_to(city, date(2026, 9, 29))
    agree(city, request)  # a working day too late
    move_to(city, date(2026, 11, 5))
    found = of(report(THURSDAY, date(2026, 11, 4)), city)
    assert counts(found, "answers") == (0, 2, 1)
    # Agreed on 29 September and on the day of the founding: both 20 working days ago.
    assert counts(found, "provisions") == (0, 2, 2)
    city.do("DataProvided", (OFFICER,), request, way=1)
    move_to(city, date(2026, 11, 6))
    assert counts(of(report(THURSDAY, date(2026, 11, 5)), city), "provisions") == (0, 2, 1)


def test_art_38_41_updates_and_reviews(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    move_to(city, DUE)
    submit(city, "updated")
    move_to(city, date(2026, 10, 20))  # the review was due on the 19th
    waiting = report(THURSDAY, date(2026, 10, 20))
    assert counts(of(waiting, city), "updates") == (1, 0, 0)
    authority = waiting["departments"]
    reviews = [one["reviews"] for one in authority if any(one["reviews"].values())]
    assert [(r["in_time"], r["late"], r["overdue"]) for r in reviews] == [(0, 1, 1)]
    publish(city, "updated")
    move_to(city, date(2026, 10, 21))
    done = report(THURSDAY, date(2026, 10, 20))
    assert counts(of(done, city), "updates") == (1, 0, 0)
    reviews = [one["reviews"] for one in done["departments"] if any(one["reviews"].values())]
    assert [(r["in_time"], r["late"], r["overdue"]) for r in reviews] == [(0, 1, 0)]
    # The review of the founding day was in time.
    assert (
        sum(one["reviews"]["in_time"] for one in report(CITY_FOUNDED, THURSDAY)["departments"]) == 1
    )


def test_a_late_update_that_nobody_submits(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    move_to(city, BEHIND)
    assert counts(of(report(THURSDAY, DUE), city), "updates") == (0, 0, 0)
    assert counts(of(report(THURSDAY, BEHIND), city), "updates") == (0, 1, 1)
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    # Its retirement ends the duty and does not undo the lateness.
    assert counts(of(report(THURSDAY, BEHIND), city), "updates") == (0, 1, 0)


def test_what_a_department_owed_ends_with_it(city: City, report: Report) -> None:
    """Lateness until then stays, and nothing is overdue for ever."""
    move_to(city, THURSDAY)
    filed(city, case=digest("answered by nobody"))
    note(city, OFFICER, THURSDAY)
    move_to(city, date(2026, 9, 29))
    ended = {"successor": city.ids["housing"], "reason": REASON}
    city.do("DepartmentEnded", AUTHORITY[:2], city.ids["civil affairs"], **ended)
    move_to(city, date(2026, 12, 1))
    found = of(report(THURSDAY, date(2026, 11, 30)), city)
    assert {kind: counts(found, kind) for kind in KINDS} == dict.fromkeys(KINDS, (0, 0, 0))
    assert found["ended_day"] == "2026-09-29"
    assert (found["entries"]["published"], found["use"]["grants_given"]) == (0, 0)


def test_nobody_makes_a_department_late_that_has_ended(city: City, report: Report) -> None:
    move_to(city, date(2026, 11, 2))
    ended = {"successor": ZERO_ID, "reason": REASON}
    city.do("DepartmentEnded", AUTHORITY[:2], city.ids["civil affairs"], **ended)
    move_to(city, date(2026, 11, 20))
    words = {"change_day": day_of(THURSDAY), "reason": REASON}
    city.do("ChangeNoted", AUTHORITY[:1], city.ids["entry"], **words)
    move_to(city, date(2026, 12, 1))
    found = of(report(THURSDAY, date(2026, 11, 30)), city)
    assert counts(found, "updates") == (0, 0, 0)


def test_the_text_names_authority_and_end(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    ended = {"successor": ZERO_ID, "reason": REASON}
    city.do("DepartmentEnded", AUTHORITY[:2], city.ids["housing"], **ended)
    move_to(city, date(2026, 9, 28))
    lines = describe_report(report(CITY_FOUNDED, THURSDAY), "00").splitlines()
    assert any(line.startswith("authority 主管部门  ") for line in lines)
    assert f"housing  {city.ids['housing'].hex()}, ended 撤销 2026-09-24" in lines


def test_lateness_outlives_the_department(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    move_to(city, BEHIND)
    ended = {"successor": ZERO_ID, "reason": REASON}
    city.do("DepartmentEnded", AUTHORITY[:2], city.ids["civil affairs"], **ended)
    move_to(city, date(2026, 12, 1))
    found = of(report(THURSDAY, date(2026, 11, 30)), city)
    assert counts(found, "updates") == (0, 1, 0)


def test_nobody_waits_for_the_answer_once_the_requester_has_ended(
    city: City, report: Report
) -> None:
    move_to(city, THURSDAY)
    filed(city, case=digest("asked by nobody"))
    ended = {"successor": ZERO_ID, "reason": REASON}
    city.do("DepartmentEnded", AUTHORITY[:2], city.ids["housing"], **ended)
    move_to(city, date(2026, 12, 1))
    found = of(report(THURSDAY, date(2026, 11, 30)), city)
    assert counts(found, "answers") == counts(found, "provisions") == (0, 0, 0)
    assert found["ended_day"] is None


def reviews(found: dict[str, Any]) -> tuple[int, int, int]:
    """Return the authority's reviews in time, late and overdue."""
    (one,) = [x for x in found["departments"] if any(x["reviews"].values())]
    return counts(one, "reviews")


def test_an_entry_retired_in_time_needs_neither_update_nor_review(
    city: City, report: Report
) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    move_to(city, BEHIND)
    assert counts(of(report(THURSDAY, BEHIND), city), "updates") == (0, 0, 0)


@pytest.mark.parametrize(
    ("retired", "expected"), [(date(2026, 9, 29), (0, 0, 0)), (date(2026, 9, 30), (0, 1, 0))]
)
def test_the_review_of_a_version_ends_with_its_entry(
    city: City, report: Report, retired: date, expected: tuple[int, int, int]
) -> None:
    move_to(city, THURSDAY)
    submit(city, "never reviewed")  # its review is due on 29 September
    move_to(city, retired)
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=REASON)
    move_to(city, BEHIND)
    found = report(THURSDAY, BEHIND)
    if any(expected):
        assert reviews(found) == expected
    else:
        assert not any(any(x["reviews"].values()) for x in found["departments"])


def test_a_returned_version_does_not_hide_a_late_update(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    move_to(city, DUE)
    submit(city, "poor")
    move_to(city, BEHIND - timedelta(1))
    entry = city.ids["entry"]
    city.do("EntryReturned", ("authority 1",), entry, document=digest("poor"), reason=REASON)
    move_to(city, BEHIND)
    submit(city, "better")
    publish(city, "better")
    move_to(city, BEHIND + timedelta(1))
    # Up to the return the version counted; from then on the update is late, in that period.
    assert counts(of(report(THURSDAY, DUE), city), "updates") == (1, 0, 0)
    found = report(DUE + timedelta(1), BEHIND)
    assert counts(of(found, city), "updates") == (0, 1, 0)
    # Both versions' reviews count: returned within two days, published at once.
    assert reviews(found) == (2, 0, 0)


@pytest.mark.parametrize("way", ["returned", "replaced", "noted earlier"])
def test_an_update_that_was_late_before_counts_once(city: City, report: Report, way: str) -> None:
    move_to(city, THURSDAY)
    note(city, OFFICER, THURSDAY)
    late, entry = DUE + timedelta(1), city.ids["entry"]
    move_to(city, late)
    if way in ("returned", "replaced"):
        submit(city, "too late")
    move_to(city, BEHIND)
    if way == "returned":
        words = {"document": digest("too late"), "reason": REASON}
        city.do("EntryReturned", ("authority 1",), entry, **words)
    elif way == "replaced":
        submit(city, "instead")
    else:
        note(city, OFFICER, date(2026, 9, 23))
    move_to(city, BEHIND + timedelta(2))
    parts = [(THURSDAY, late), (late + timedelta(1), BEHIND - timedelta(1))]
    parts += [(BEHIND, BEHIND), (BEHIND + timedelta(1), BEHIND + timedelta(1))]
    counted = [of(report(*part), city)["updates"]["late"] for part in parts]
    assert counted == [1, 0, 0, 0]
    assert of(report(THURSDAY, BEHIND + timedelta(1)), city)["updates"]["late"] == 1


def test_nobody_waits_for_the_report_of_another(city: City, settings: Settings) -> None:
    deployment = Deployment.from_bytes((settings.home / "deployment.json").read_bytes())
    asked, go_on = threading.Event(), threading.Event()

    class SlowNode:
        """The city's node, which holds the first question back."""

        def call(self, method: str, *params: object) -> Any:
            asked.set()
            assert go_on.wait(30)
            return city.rpc.call(method, *params)

    reports, period = Reports(SlowNode(), deployment), (day_of(CITY_FOUNDED),) * 2
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(reports.get, period)
        try:
            assert asked.wait(30)
            with pytest.raises(LedgerError, match="REPORT_BUSY"):
                reports.get(period)
        finally:
            go_on.set()
        assert first.result(60)["departments"]
    assert reports.get(period)["departments"]


def test_a_replaced_version_is_not_reviewed(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    submit(city, "first")
    submit(city, "instead")
    move_to(city, date(2026, 9, 29))
    publish(city, "instead")
    move_to(city, BEHIND)
    assert reviews(report(THURSDAY, BEHIND)) == (1, 0, 0)


def test_a_change_noted_late_is_late_in_the_period_of_the_note(city: City, report: Report) -> None:
    move_to(city, BEHIND)
    note(city, OFFICER, THURSDAY)
    submit(city, "late")
    publish(city, "late")
    move_to(city, BEHIND + timedelta(1))
    assert counts(of(report(THURSDAY, BEHIND - timedelta(1)), city), "updates") == (0, 0, 0)
    assert counts(of(report(BEHIND, BEHIND), city), "updates") == (0, 1, 0)


def test_an_extension_lengthens_and_a_refusal_answers(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    longer, refused = filed(city), filed(city, case=digest("other case"))
    both = (OFFICER, "authority 1")
    city.do("RequestExtended", both, longer, extension_days=10, reason=REASON)
    move_to(city, DUE)
    city.do("RequestRefused", (OFFICER,), refused, reason=REASON)
    move_to(city, date(2026, 10, 29))  # 20 working days
    agree(city, longer)
    move_to(city, date(2026, 11, 5))
    # The city's own request of 21 September was late on 13 October and still is.
    assert counts(of(report(THURSDAY, date(2026, 11, 4)), city), "answers") == (2, 1, 1)


@pytest.mark.parametrize("span", [1, 2, 7, 1_000])
def test_figures_do_not_depend_on_the_pages_read(
    city: City, report: Report, monkeypatch: pytest.MonkeyPatch, span: int
) -> None:
    move_to(city, THURSDAY)
    agree(city, filed(city))
    move_to(city, BEHIND)
    whole = report(CITY_FOUNDED, DUE)
    monkeypatch.setattr(chain, "SCAN_BLOCKS", span)
    assert canonical_json(report(CITY_FOUNDED, DUE)) == canonical_json(whole)


def test_art_38_41_corrections_and_accuracy(city: City, report: Report) -> None:
    move_to(city, THURSDAY)
    right, wrong = (
        city.do("CorrectionFiled", FINDER, **correction_words(city, errors=digest(name)))
        for name in ("right", "wrong")
    )
    for one in (right, wrong):
        city.do("CorrectionVerified", (OPERATOR,), one, finding=REASON)
    move_to(city, DUE)
    city.do("CorrectionClosed", (OFFICER,), right, result=2, report=REASON)
    found = of(report(THURSDAY, DUE), city)
    assert (found["entries"]["published"], found["entries"]["accurate"]) == (1, 1)
    move_to(city, DUE + timedelta(1))
    city.do("CorrectionClosed", (OFFICER,), wrong, result=1, report=REASON)
    found = of(report(THURSDAY, DUE + timedelta(1)), city)
    assert counts(found, "corrections") == (1, 1, 0)
    # The grant in error leads to its entry.
    assert (found["entries"]["published"], found["entries"]["accurate"]) == (1, 0)


def test_freshness(city: City, report: Report) -> None:
    city.do("DataRefreshed", (OPERATOR,), **city.refresh_values())
    until = CITY_FOUNDED + timedelta(31)  # the cycle is a month
    move_to(city, until + timedelta(2))
    for day, fresh in ((until, 1), (until + timedelta(1), 0)):
        entries = of(report(CITY_FOUNDED, day), city)["entries"]
        assert (entries["published"], entries["fresh"]) == (1, fresh)


def put_piece(city: City, document: bytes, index: int, count: int, piece: bytes) -> None:
    """Put a piece of a document on the chain, as anybody can."""
    city.send("Documents", encode_call("Documents", "put", sm3(document), index, count, piece))


def test_completeness_counts_what_the_chain_holds(city: City, report: Report) -> None:
    items = [{"name": f"项{n}", "code": f"c{n}", "type": "C"} for n in range(4)]
    document = make_entry_document(
        name="婚姻登记",
        code="305001/1",
        provider="市民政局",
        duty="《婚姻登记条例》",
        items=items,
        summary="婚姻登记信息",
        conditions="办理公积金业务",
        systems=["婚姻登记系统"],
    )

    entry = city.ids["entry"]
    words = city.entry_values(document=sm3(document), sensitive=0)
    city.do("EntrySubmitted", PROVIDER, entry, **words)
    city.do("EntryPublished", ("authority 1",), entry, document=sm3(document))
    entries = of(report(CITY_FOUNDED, CITY_FOUNDED), city)["entries"]
    assert (entries["fields"], entries["fields_filled"]) == (len(OPTIONAL_FIELDS), 0)
    half = len(document) // 2
    put_piece(city, document, 0, 2, document[:half])
    put_piece(city, document, 1, 2, b"not this")
    entries = of(report(CITY_FOUNDED, CITY_FOUNDED), city)["entries"]
    assert entries["fields_filled"] == 0
    put_piece(city, document, 1, 2, document[half:])
    entries = of(report(CITY_FOUNDED, CITY_FOUNDED), city)["entries"]
    assert (entries["fields"], entries["fields_filled"]) == (len(OPTIONAL_FIELDS), 2)


def test_use(city: City, report: Report) -> None:
    day = day_of(CITY_FOUNDED)
    words = {"from_day": day, "until_day": day, "uses": 7, "report": REASON}
    city.do("UseReported", ("housing operator",), city.ids["grant"], **words)
    found = report(CITY_FOUNDED, CITY_FOUNDED)
    given, taken = of(found, city)["use"], of(found, city, "housing")["use"]
    assert (given["requests_received"], given["grants_given"], given["uses_of_own_data"]) == (
        2,
        1,
        7,
    )
    assert (taken["requests_filed"], taken["grants_held"], taken["uses_reported"]) == (2, 1, 7)
    assert taken["requests_received"] == given["requests_filed"] == 0
    city.do("GrantSuspended", (OFFICER,), city.ids["grant"], reason=REASON, cause=1)
    assert of(report(CITY_FOUNDED, CITY_FOUNDED), city)["use"]["grants_given"] == 0


def test_a_year_without_calendar_leaves_undecided(city: City, report: Report) -> None:
    move_to(city, date(2026, 12, 30))
    filed(city, valid_until=city.now() + 90 * 86_400)
    answers = of(report(date(2026, 12, 30), date(2026, 12, 30)), city)["answers"]
    assert (answers["undecided"], answers["years_not_published"]) == (1, [2027])


def test_periods_that_are_none(city: City, report: Report) -> None:
    today = CITY_FOUNDED
    with pytest.raises(ProtocolError, match="PERIOD_INVALID"):
        report(today, today - timedelta(1))
    with pytest.raises(ProtocolError, match="PERIOD_INVALID"):
        report(today - timedelta(1_100), today)
    with pytest.raises(LedgerError, match="PERIOD_OPEN"):
        report(today, today + timedelta(1))
    with pytest.raises(LedgerError, match="PERIOD_BEFORE_CHAIN"):
        report(date(2000, 1, 1), date(2000, 12, 31))
    assert report(today, today)["final"] is False
    move_to(city, today + timedelta(1))
    final = report(today, today)
    assert final["final"] is True
    assert ZERO_ID.hex() != final["block"]["hash"]
