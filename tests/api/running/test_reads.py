"""What can be read: every noun, lists and their pages, documents, search, the report."""

import time

import pytest
from api_waiting import wait_until
from click.testing import CliRunner

from crypto.sm3 import sm3
from ledger.cli import main as sanlian
from ledger.reads.page import encode_cursor
from protocol.calendar import date_of, day_at
from tests.api.running.beginning import ELEMENT, ZERO
from tests.api.running.process import Running
from tests.api.running.story import ENTRY, INTERFACE, Story, key, key_id


def test_reads_of_every_noun(running: Running, story: Story) -> None:
    nouns: dict[str, tuple[str, ...]] = {
        "departments": ("civil affairs", "housing"),
        "persons": ("housing officer", "witness", "gateway"),
        "entries": ("entry",),
        "claims": ("claim",),
        "refreshes": ("refresh",),
        "oversight-reports": ("oversight report",),
        "interfaces": ("interface",),
        "requests": ("request",),
        "logs": ("log",),
    }
    for noun, names in nouns.items():
        listed = story.get_all(f"/v1/{noun}")
        assert {story.ids[name] for name in names} <= {row["id"] for row in listed}
        assert len({row["id"] for row in listed}) == len(listed)
        for name in names:
            assert story.get(f"/v1/{noun}/{story.ids[name]}")["id"] == story.ids[name]
        assert story.get(f"/v1/{noun}/{ZERO}", 404)["code"] == "NOT_FOUND"
    source = story.get(f"/v1/elements/{ELEMENT.hex()}/source")
    assert (source["department"], source["claim"]) == (
        story.ids["civil affairs"],
        story.ids["claim"],
    )
    clocks = story.get(f"/v1/entries/{story.ids['entry']}")["clocks"]
    assert (clocks["fresh"], clocks["review_due"], clocks["update_due"]) == (True, None, None)
    assert story.get(f"/v1/refreshes/{story.ids['refresh']}")["rows"] == str(2**64 - 1)
    unclaimed = story.get(f"/v1/elements/{ZERO}/source")
    assert (unclaimed["department"], unclaimed["claim"]) == (None, None)
    assert [one["live"] for one in story.get_all("/v1/claims", element=ELEMENT.hex())] == [True]
    assert story.get_all("/v1/claims", state="CONFLICT") == []
    keys = story.get_all("/v1/keys", department=story.ids["housing"])
    assert {row["id"] for row in keys} == {
        key_id(f"housing {role}") for role in ("head", "operator", "officer", "data officer")
    }
    (one,) = story.get_all("/v1/keys", person=story.ids["witness"])
    assert one["public_key"] == key("witness").public_key.to_bytes().hex()
    assert story.get(f"/v1/keys/{key_id('witness')}") == one


def test_entry_interface_and_request(story: Story) -> None:
    entry = story.get(f"/v1/entries/{story.ids['entry']}")
    assert (entry["state"], entry["title"]) == ("PUBLISHED", "低保对象")
    assert entry["current"]["document_text"]["summary"] == "<b>最低生活保障对象名单</b>"
    assert int(entry["current"]["items"], 16) == 0b111
    interface = story.get(f"/v1/interfaces/{story.ids['interface']}")
    assert (interface["state"], interface["entry"]) == ("ONLINE", story.ids["entry"])
    request = story.get(f"/v1/requests/{story.ids['request']}")
    assert request["state"] == "AGREED"
    assert request["valid_until"] == str(2**64 - 1)
    assert request["granted_valid_until"] == str(2**63)
    assert int(request["granted_items"], 16) == 0b001


def test_filters(story: Story) -> None:
    assert story.get("/v1/entries", q="低保")["items"]
    assert not story.get("/v1/entries", q="%")["items"]
    assert not story.get("/v1/entries", state="RETIRED")["items"]
    assert story.get("/v1/departments", text="hous")["items"][0]["id"] == story.ids["housing"]
    for name, department in (("requester", "housing"), ("provider", "civil affairs")):
        assert story.get("/v1/requests", **{name: story.ids[department]})["items"]
    assert not story.get("/v1/requests", requester=story.ids["civil affairs"])["items"]
    acts = story.get_all("/v1/acts", target=story.ids["request"])
    assert [act["type"] for act in acts] == ["RequestFiled", "RequestAgreed"]
    assert acts[0]["values"]["legal_basis"] == "809-20"


@pytest.mark.parametrize("cursor", ["x", "AAAA", "A" * 53 + "B", "é", "=", "-" * 54])
def test_bad_cursors(story: Story, cursor: str) -> None:
    assert story.get("/v1/persons", 400, cursor=cursor)["code"] == "CURSOR_INVALID"


def test_a_cursor_of_another_log(story: Story) -> None:
    path = f"/v1/logs/{story.ids['log']}/anchors"
    found = story.get(path, 422, cursor=encode_cursor(1, bytes(32)))
    assert found["code"] == "CURSOR_OF_OTHER_LIST"


def test_limits_of_pages(story: Story) -> None:
    for limit in ("0", "201", "-1", "1e9", "x"):
        assert story.get("/v1/persons", 400, limit=limit)["code"] == "REQUEST_MALFORMED"
    assert story.get("/v1/persons", limit=200)["next_cursor"] is None


def test_documents(story: Story) -> None:
    for data in (ENTRY, INTERFACE):
        path = f"/v1/documents/{sm3(data).hex()}"
        story.wait_until(lambda path=path: "sanlian-block" in story.http.get(path).headers, 30)
        response = story.http.get(path)
        assert response.content == data
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
    assert story.get(f"/v1/documents/{ZERO}", 404)["code"] == "NOT_FOUND"


def test_search_and_counts(story: Story) -> None:
    entry = story.ids["entry"]
    for text in ("低保", "救助", "证号", "subsistence ALLOWANCES", "3300000001", "民政"):
        assert [one["id"] for one in story.get("/v1/entries", q=text)["items"]] == [entry], text
    for text in ("养老", "allowances zz", "' OR 1=1", "低保_"):
        assert story.get("/v1/entries", q=text)["items"] == []
    assert story.get("/v1/entries", q="低保", sharing_class=1)["items"] == []
    assert story.get("/v1/entries", category=3, library=2, update_cycle=5)["items"]
    for text in ("x" * 65, ""):
        assert story.get("/v1/entries", 400, q=text)["code"] == "REQUEST_MALFORMED"
    assert story.get("/v1/entries", 422, q=" ")["code"] == "QUERY_WORDS_INVALID"
    assert story.get("/v1/entries", 400, text="低保")["code"] == "REQUEST_MALFORMED"
    counts = story.get("/v1/entry-facets", q="低保")
    assert counts["total"] == 1
    assert counts["category"] == [
        {"value": 3, "label_zh": "部门信息资源", "label_en": "department", "count": 1}
    ]
    assert counts["provider"][0]["value"] == story.ids["civil affairs"]


def test_performance_is_the_same_from_the_api_and_from_the_chain(
    running: Running, story: Story
) -> None:
    today = date_of(day_at(int(time.time()))).isoformat()
    period = {"from": today, "until": today}
    home = ("--home", str(running.settings.home), "--node", running.settings.resolved_node_url)
    days = ("--from", today, "--until", today)

    def both() -> tuple[bytes, bytes]:
        answer = story.http.get("/v1/performance", params=period)
        assert answer.status_code == 200, answer.text
        told = CliRunner().invoke(sanlian, ["performance", *home, *days, "--json"])
        assert told.exit_code == 0, told.output
        return answer.content, told.output.strip().encode()

    # A block may come between the two.
    wait_until(lambda: len(set(both())) == 1)
    report = story.http.get("/v1/performance", params=period).json()
    provider = story.ids["civil affairs"]
    (one,) = [x for x in report["departments"] if x["id"] == provider]
    assert one["answers"]["in_time"] > 0
    assert one["entries"]["published"] > 0
    alone = story.http.get("/v1/performance", params={**period, "department": provider}).json()
    assert alone["departments"] == [one]
    text = CliRunner().invoke(sanlian, ["performance", *home, *days]).output
    assert one["name"] in text
    for changes, code in (
        ({"until": "2199-01-01"}, "PERIOD_INVALID"),
        ({"from": "2199-01-01", "until": "2199-01-01"}, "PERIOD_OPEN"),
        ({"from": "2001-01-01", "until": "2001-01-01"}, "PERIOD_BEFORE_CHAIN"),
        ({"from": "2026-02-30"}, "REQUEST_MALFORMED"),
        ({"department": "ff" * 32}, "NOT_FOUND"),
    ):
        answer = story.http.get("/v1/performance", params={**period, **changes})
        assert answer.json()["code"] == code, answer.text
