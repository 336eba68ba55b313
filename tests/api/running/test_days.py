"""Days that count: the calendar, its correction, due days, the clock of a request."""

from datetime import datetime, timedelta, timezone

from crypto.sm3 import sm3
from sanlian_client.calendar import read_package
from tests.api.running.beginning import ZERO
from tests.api.running.story import Story


def test_the_clock_of_a_request(story: Story) -> None:
    request = story.get(f"/v1/requests/{story.ids['request']}")
    clock = request["clock"]
    assert (clock["answer_days"], clock["extension_days"]) == (10, 0)
    assert clock["filed_day"] == clock["answered_day"] <= clock["as_of_day"]
    assert (clock["asked_day"], clock["provision_day"]) == (None, None)
    if clock["calendar_missing"] is None:
        assert clock["answer_due"] > clock["filed_day"]
        assert clock["answer_late"] is False
    else:  # the test runs in a year whose notice the story does not know
        assert (clock["answer_due"], clock["answer_late"]) == (None, None)
    assert (request["live"], request["expired"]) == (True, False)


def test_calendar(story: Story) -> None:
    listed = story.get_all("/v1/calendar")
    assert [row["year"] for row in listed] == [2025, 2026]
    found = story.get("/v1/calendar/2026")
    assert found == listed[1]
    assert found["id"] == story.ids["calendar 2026"]
    assert int(found["working_days"], 16) == read_package(2026)
    assert (found["working_day_count"], found["revision"], found["reason"]) == (248, 1, ZERO)
    assert found["weekend_days_worked"][:2] == ["2026-01-04", "2026-02-14"]
    assert len(found["weekdays_off"]) == 19
    problem = story.get("/v1/calendar/2027", 404)
    assert (problem["code"], problem["details"]) == ("CALENDAR_UNKNOWN", {"year": 2027})
    for year in ("1999", "2200", "x", "2026.5", "-1"):
        assert story.get(f"/v1/calendar/{year}", 400)["code"] == "REQUEST_MALFORMED"
    (act,) = story.get_all("/v1/acts", target=story.ids["calendar 2026"])
    assert act["values"]["working_days"] == found["working_days"]
    assert act["values"]["year"] == 2026
    target = story.get(f"/v1/targets/{story.ids['calendar 2026']}")
    assert (target["kind"], target["revision"]) == ("calendar_year", 1)


def test_due_days(story: Story) -> None:
    path = "/v1/due-day"
    found = story.get(path, start="2026-02-12", working_days=10)
    end = datetime(2026, 3, 5, tzinfo=timezone(timedelta(hours=8)))
    assert found == {
        "start": "2026-02-12",
        "working_days": 10,
        "due": "2026-03-04",
        "late_from": int(end.timestamp()),
        "years": [{"year": 2026, "revision": 1}],
    }
    found = story.get(path, start="2025-12-31", working_days=1)
    assert (found["due"], found["years"]) == ("2026-01-04", [{"year": 2026, "revision": 1}])
    assert story.get(path, start="2030-01-01", working_days=0)["due"] == "2030-01-01"
    for start, count, year in (("2026-12-20", 20, 2027), ("2024-06-01", 1, 2024)):
        problem = story.get(path, 404, start=start, working_days=count)
        assert (problem["code"], problem["details"]) == ("CALENDAR_UNKNOWN", {"year": year})
    for start in ("2026-02-30", "20260212", "1770854400", "2026-2-12", "0001-01-01", ""):
        assert story.get(path, 400, start=start, working_days=1)["code"] == "REQUEST_MALFORMED"
    for count in ("-1", "401", "x", "1.5"):
        problem = story.get(path, 400, start="2026-02-12", working_days=count)
        assert problem["code"] == "REQUEST_MALFORMED"
    assert story.get(path, 400, start="2026-02-12")["code"] == "REQUEST_MALFORMED"


def test_a_correction_shows(story: Story) -> None:
    bits = read_package(2025) ^ 1
    id_ = story.ids["calendar 2025"]
    story.do(
        "CalendarCorrected",
        ("authority 1", "authority 2"),
        id_,
        year=2025,
        working_days=bits,
        source=sm3(b"another notice"),
        reason=sm3(b"reason"),
    )
    found = story.get("/v1/calendar/2025")
    assert (found["revision"], found["reason"]) == (2, sm3(b"reason").hex())
    assert int(found["working_days"], 16) == bits
    acts = story.get_all("/v1/acts", target=id_)
    assert [act["type"] for act in acts] == ["CalendarPublished", "CalendarCorrected"]
    used = story.get("/v1/due-day", start="2025-01-02", working_days=1)["years"]
    assert used == [{"year": 2025, "revision": 2}]
