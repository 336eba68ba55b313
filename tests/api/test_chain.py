"""The api process as it is run: real engine, real contracts, real database, acts over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_waiting import wait_until
from click.testing import CliRunner
from eth_account import Account
from story import AUTHORITY, ENTRY, INTERFACE, Story, key, key_id, key_words

from crypto.errors import LedgerError
from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_call
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc
from ledger.cli import main as sanlian
from ledger.reads.page import encode_cursor
from ledger.settings import Settings
from ledger.setup import Founders, initialise, load_key
from protocol.acts import ActSignature, SignedAct
from protocol.calendar import date_of, day_at
from protocol.checkpoint import (
    Checkpoint,
    block_statement,
    cosign_checkpoint,
    parse_note,
    sign_checkpoint,
)
from protocol.description import Role
from sanlian_client.acts import Acts
from sanlian_client.calendar import read_package
from sanlian_client.cli import main as sanlian_client
from sanlian_client.drafts import Draft
from sanlian_client.platform import Platform
from tests.described import require_as_described
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 880_001
ORIGIN = "api.test/gateway-1"
PASSPHRASE = "api test"
ZERO = "00" * 32
ELEMENT = b"DE00017".ljust(32, b"\0")


@dataclass
class Running:
    """A whole ledger in processes of its own."""

    settings: Settings
    story: Story
    api: subprocess.Popen[bytes]
    output: Path

    def anchor(self, checkpoint: Checkpoint) -> None:
        """Anchor a checkpoint from an account of nobody."""
        rpc = Rpc(self.settings.resolved_node_url)
        gateway = load_key(self.settings, "gateway")
        _, lines = parse_note(sign_checkpoint(checkpoint, gateway))
        payload = lines[0].payload
        call = encode_call(
            "Logs",
            "anchor",
            bytes.fromhex(self.story.ids["log"]),
            checkpoint.size,
            checkpoint.root,
            int.from_bytes(payload[:32], "big"),
            int.from_bytes(payload[32:], "big"),
        )
        account = Account.create()
        signed = account.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": 0,
                "gasPrice": 0,
                "gas": 5_000_000,
                "value": 0,
                "to": bytes.fromhex(self.story.deployment["contracts"]["Logs"][2:]),
                "data": call,
            }
        )
        try:
            rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        finally:
            rpc.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    try:
        find_anvil()
    except LedgerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    home = tmp_path_factory.mktemp("home")
    output = home / "api.log"
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (home / "node.log").open("wb") as log:
            node = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ledger.chain.engines.embedded"),
                    *("--directory", str(home / "node"), "--port", "0"),
                    *("--chain-id", str(CHAIN_ID), "--block-interval-ms", "20"),
                    *("--max-lead-s", "100000"),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        started.append(node)
        assert node.stdout is not None
        line = node.stdout.readline().decode()
        assert line, (home / "node.log").read_text()
        settings = Settings(
            home=home,
            node_url=line.split()[-1],
            api_port=free_port(),
            gateway_port=free_port(),
            key_passphrase=PASSPHRASE,
        )
        initialise(
            settings,
            Founders(
                head=key("city head").public_key,
                authority=tuple(key(name).public_key for name in AUTHORITY),
                threshold=2,
                witnesses=(key("witness").public_key,),
                witness_threshold=1,
                replacement_delay_s=2,
            ),
            origin=ORIGIN,
            example=True,
            say=lambda _: None,
        )
        with output.open("wb") as log:
            api = subprocess.Popen(
                [sys.executable, "-m", "api", "--home", str(home)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={
                    **os.environ,
                    "SANLIAN_NODE_URL": settings.node_url,
                    "SANLIAN_API_PORT": str(settings.api_port),
                    "SANLIAN_GATEWAY_PORT": str(settings.gateway_port),
                    "SANLIAN_KEY_PASSPHRASE": PASSPHRASE,
                },
            )
        started.append(api)
        url = f"http://127.0.0.1:{settings.api_port}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:

            def is_well() -> bool:
                assert api.poll() is None, output.read_text()
                try:
                    return http.get("/health").status_code == 200
                except httpx.TransportError:
                    return False

            wait_until(is_well, 60)
            yield Running(settings, Story(http, wait_until), api, output)
    finally:
        for process in reversed(started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(started):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def story(running: Running) -> Story:
    """The whole way: departments, entry, interface, request, grant, log."""
    s = running.story
    s.register("civil affairs")
    s.register("housing")
    for name in ("civil affairs", "housing"):
        s.enrol(f"{name} operator", f"{name} head", Role.OPERATOR)
        s.enrol(f"{name} officer", f"{name} head", Role.OFFICER)
    for year in (2025, 2026):
        s.ids[f"calendar {year}"] = s.do(
            "CalendarPublished",
            ("authority 1",),
            year=year,
            working_days=read_package(year),
            source=sm3(b"notice"),
        )
    s.enrol("witness", "city head", Role.WITNESS)
    gateway = load_key(running.settings, "gateway")
    s.enrol("gateway", "city head", Role.GATEWAY, gateway)
    s.ids["log"] = s.do(
        "LogRegistered",
        ("authority 1", gateway),
        gateway_key=gateway.public_key.key_id,
        origin=ORIGIN,
    )
    s.ids["entry"] = s.do(
        "EntrySubmitted",
        ("civil affairs operator", "civil affairs head"),
        None,
        ENTRY,
        **s.entry_values(),
    )
    s.do("EntryPublished", ("authority 1",), s.ids["entry"], document=sm3(ENTRY))
    s.ids["claim"] = s.do(
        "ElementClaimed",
        ("civil affairs operator", "civil affairs head"),
        entry=bytes.fromhex(s.ids["entry"]),
        element=ELEMENT,
        item=1,
    )
    today = day_at(int(time.time()))
    s.enrol("housing data officer", "housing head", Role.CDO)
    s.ids["oversight report"] = s.do(
        "OversightReported",
        ("housing data officer",),
        from_day=day_at(int(time.time())) - 31,
        until_day=day_at(int(time.time())) - 1,
        report_kind=1,
        report_digest=sm3(b"report"),
        findings=bytes(32),
    )
    s.ids["refresh"] = s.do(
        "DataRefreshed",
        ("civil affairs operator",),
        entry=bytes.fromhex(s.ids["entry"]),
        from_day=today - 30,
        until_day=today - 1,
        rows=2**64 - 1,
    )
    s.ids["interface"] = s.do(
        "InterfaceRegistered",
        ("civil affairs operator",),
        None,
        INTERFACE,
        entry=bytes.fromhex(s.ids["entry"]),
        entry_version=1,
        rate_per_minute=60,
        max_rows=100,
        items=0b011,
        document=sm3(INTERFACE),
        node="node-1",
    )
    s.do(
        "InterfaceTested",
        (gateway,),
        s.ids["interface"],
        document=sm3(INTERFACE),
        test_result=1,
        log=bytes.fromhex(s.ids["log"]),
        report=sm3(b"report"),
    )
    s.do("InterfaceOnline", ("civil affairs officer",), s.ids["interface"], document=sm3(INTERFACE))
    s.ids["request"] = s.do(
        "RequestFiled",
        ("housing operator", "housing officer"),
        interface=bytes.fromhex(s.ids["interface"]),
        interface_version=1,
        way=1,
        valid_from=1,
        valid_until=2**64 - 1,
        quota=100,
        items=0b011,
        legal_basis="809-20",
        scenario="housing",
        case=sm3(b"case"),
    )
    s.do(
        "RequestAgreed",
        ("civil affairs officer",),
        s.ids["request"],
        items=0b001,
        valid_from=1,
        valid_until=2**63,
        quota=10,
    )
    return s


def test_health(story: Story) -> None:
    health = story.get("/health")
    assert health["status"] == "ok"
    assert {w["name"] for w in health["workers"]} == {"relay", "indexer", "anchorer"}
    assert all(w["running"] for w in health["workers"])
    assert health["head_number"] > 0


def test_an_act_sent_again_changes_nothing(story: Story) -> None:
    signed = story.sign(
        "PersonRolesSet",
        ("housing head",),
        story.ids["housing operator"],
        roles=int(Role.OPERATOR | Role.OFFICER),
    )
    first = story.checked("post", "/v1/acts", story.post(signed), 202)
    second = story.checked("post", "/v1/acts", story.post(signed), 202)
    story.verify(first)
    story.verify(second)
    for name in ("received_at", "key_id", "public_key"):
        assert first["acknowledgement"][name] == second["acknowledgement"][name]
    recorded = story.record(signed)
    assert recorded["act"] == signed.data.hex()
    assert recorded["error"] is None
    roles = story.get(f"/v1/persons/{story.ids['housing operator']}")["role_names"]
    assert roles == ["OPERATOR", "OFFICER"]


def refused(story: Story, signed: SignedAct, code: str, status: int, *documents: bytes) -> Any:
    found = story.checked("post", "/v1/acts", story.post(signed, *documents), status)
    assert found["code"] == code
    story.get(f"/v1/acts/{signed.act_id.hex()}", 404)  # what is refused leaves nothing behind
    return found


def test_rules_are_refused_early_with_the_contracts_code(story: Story) -> None:
    entry, head = story.ids["entry"], ("civil affairs head",)
    retire = {"reason": sm3(b"reason")}
    sign = story.sign
    refused(
        story, sign("EntryRetired", ("housing head",), entry, **retire), "DEPARTMENT_MISMATCH", 403
    )
    refused(story, sign("EntryRetired", ("witness",), entry, **retire), "ROLE_MISSING", 403)
    refused(story, sign("EntryRetired", ("stranger",), entry, **retire), "KEY_UNKNOWN", 422)
    stale = sign("EntryRetired", head, entry, header={"revision": 1}, **retire)
    refused(story, stale, "STALE_REVISION", 409)
    gap = sign("EntryRetired", head, entry, header={"nonce": 9}, **retire)
    assert refused(story, gap, "NONCE_MISMATCH", 409)["details"]["expected"] == 0
    refused(
        story,
        sign("EntryRetired", head, entry, header={"chain_id": 1}, **retire),
        "WRONG_CHAIN",
        422,
    )
    dead = sign("EntryRetired", head, entry, header={"expires_at": 1}, **retire)
    refused(story, dead, "ACT_EXPIRED", 422)
    far = sign("EntryRetired", head, entry, header={"expires_at": 2**40}, **retire)
    refused(story, far, "EXPIRY_TOO_FAR", 422)
    good = sign("EntryRetired", head, entry, **retire)
    forged = ActSignature(good.signatures[0].key_id, key("housing head").sign(good.data))
    refused(story, SignedAct(good.data, (forged,)), "SIGNATURE_INVALID", 422)
    bare = sign("EntrySubmitted", ("civil affairs operator", *head), **story.entry_values())
    other = ENTRY.replace("低保".encode(), "高保".encode())
    refused(story, bare, "DOCUMENT_UNEXPECTED", 422, ENTRY, other)


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


def test_blocks_and_cosignatures(story: Story) -> None:
    number = story.get(f"/v1/acts/{story.ids['entry']}")["block_number"]
    block = story.get(f"/v1/blocks/{number}")
    assert story.ids["entry"] in block["acts"]
    witness = key("witness")
    statement = block_statement(
        chain_id=CHAIN_ID,
        number=number,
        block_hash=bytes.fromhex(block["hash"]),
        time=1_800_000_000,
    )
    body = {
        "number": number,
        "hash": block["hash"],
        "time": 1_800_000_000,
        "key_id": key_id("witness"),
        "signature": witness.sign(statement).to_bytes().hex(),
    }

    def post(status: int, **changes: Any) -> Any:
        response = story.http.post("/v1/cosignatures", json={**body, **changes})
        return story.checked("post", "/v1/cosignatures", response, status)

    assert post(422, time=1)["code"] == "COSIGNATURE_INVALID"
    assert post(403, key_id=key_id("housing head"))["code"] == "WITNESS_UNKNOWN"
    assert post(409, hash=ZERO)["code"] == "BLOCK_DIFFERS"
    assert post(404, number=10**9)["code"] == "BLOCK_UNKNOWN"
    assert story.get(f"/v1/blocks/{number}")["cosignatures"] == []
    assert post(200)["status"] == "stored"
    assert post(200)["status"] == "stored"
    (found,) = story.get(f"/v1/blocks/{number}")["cosignatures"]
    assert found["signature"] == body["signature"]
    numbers = [row["number"] for row in story.get("/v1/blocks")["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert story.get("/v1/blocks/999999999", 404)["code"] == "NOT_FOUND"


def test_anchors_and_checkpoint_cosignatures(running: Running, story: Story) -> None:
    log = story.ids["log"]
    checkpoint = Checkpoint(ORIGIN, 3, sm3(b"root"))
    running.anchor(checkpoint)
    story.wait_until(lambda: story.get(f"/v1/logs/{log}")["anchor"] is not None, 30)
    note = sign_checkpoint(checkpoint, load_key(running.settings, "gateway"))
    line = cosign_checkpoint(note, name="witness", key=key("witness"), time=1_800_000_000)
    body = {"log": log, "note": note, "line": line}

    def post(status: int, **changes: Any) -> Any:
        response = story.http.post("/v1/checkpoint-cosignatures", json={**body, **changes})
        return story.checked("post", "/v1/checkpoint-cosignatures", response, status)

    assert post(404, log=ZERO)["code"] == "LOG_UNKNOWN"
    assert post(400, line="nonsense")["code"] == "CHECKPOINT_MALFORMED"
    foreign = cosign_checkpoint(note, name="witness", key=key("housing head"), time=1)
    assert post(403, line=foreign)["code"] == "WITNESS_UNKNOWN"
    assert post(200)["status"] == "stored"
    (anchor,) = story.get_all(f"/v1/logs/{log}/anchors")
    assert (anchor["size"], anchor["root"]) == (3, checkpoint.root.hex())
    assert [one["line"] for one in anchor["cosignatures"]] == [line]
    assert story.get(f"/v1/logs/{ZERO}/anchors", 404)["code"] == "NOT_FOUND"


def test_pages_show_the_ledger_and_escape_it(story: Story) -> None:
    text = story.http.get("/", params={"lang": "en"}).text
    assert "<dd>3</dd>" in text  # the authority and two departments
    assert ORIGIN in text
    assert "<script" not in text


def test_what_follows_on_a_request(story: Story) -> None:
    reason, request = sm3(b"reason"), story.ids["request"]
    grant = bytes.fromhex(request)
    officer, asker = ("civil affairs officer",), ("housing officer",)
    errors = {"subject": grant, "subject_kind": 1, "items": 1, "errors": reason}
    correction = story.do("CorrectionFiled", ("housing operator",), **errors)
    until = int(time.time()) + 600
    third = {"third_party": sm3(b"a bank"), "third_party_kind": 2, "purpose": reason}
    consent = story.do(
        "ThirdPartyConsented", officer, grant=grant, valid_until=until, items=1, **third
    )
    found = story.get(f"/v1/consents/{consent}")
    assert (found["state"], found["live"]) == ("CONSENTED", True)
    assert int(found["effective_items"], 16) == 1
    story.do("GrantSuspended", officer, request, reason=reason, cause=1)
    assert story.get(f"/v1/requests/{request}")["live"] is False
    assert story.get(f"/v1/consents/{consent}")["live"] is False
    words = {"request": grant, "statement": reason}
    dispute = story.do("DisputeOpened", asker, **words)
    again = story.sign("DisputeOpened", asker, **words)
    refused(story, again, "DISPUTE_PENDING", 409)
    story.do("DisputeSettled", (*asker, *officer), dispute, terms=reason)
    story.do("GrantResumed", officer, request)
    ends = {"corrections": correction, "disputes": dispute, "consents": consent}
    for noun, id_ in ends.items():
        (listed,) = story.get_all(f"/v1/{noun}")
        assert listed["id"] == id_
        assert story.get_all(f"/v1/{noun}", provider=ZERO) == []
        assert story.get(f"/v1/{noun}/{ZERO}", 404)["code"] == "NOT_FOUND"
    for noun, state in (("corrections", "FILED"), ("disputes", "DECIDED")):
        (listed,) = story.get_all(f"/v1/{noun}", state=state, department=story.ids["housing"])
        assert listed["requester"] == story.ids["housing"]
    assert story.get(f"/v1/disputes/{dispute}")["ruling"] == "SETTLED"
    assert story.get(f"/v1/targets/{dispute}") == {"id": dispute, "kind": "dispute", "revision": 2}
    assert len(story.get_all("/v1/consents", grant=request)) == 1
    assert len(story.get_all("/v1/corrections", subject=request)) == 1
    assert len(story.get_all("/v1/disputes", request=request)) == 1


def test_keys_over_time(story: Story) -> None:
    """A department whose head loses the key, and a person who hands over and is stopped."""
    story.register("archive")
    head, archive = "archive head", story.ids["archive"]
    story.enrol("archivist", head, Role.OPERATOR)
    archivist = key_id("archivist")
    story.do("KeyRotated", ("archivist", "archivist 2"), archivist, **key_words("archivist 2"))
    old, new = (story.get(f"/v1/keys/{key_id(name)}") for name in ("archivist", "archivist 2"))
    assert (old["state"], old["reason_code"], new["state"]) == ("REVOKED", 1, "ACTIVE")
    assert old["person"] == new["person"] == story.ids["archivist"]
    story.do("KeySuspended", (head,), key_id("archivist 2"), reason_code=2)
    assert story.get(f"/v1/keys/{key_id('archivist 2')}")["state"] == "SUSPENDED"
    refused = story.post(
        story.sign("KeyRotated", ("archivist 2", "n"), key_id("archivist 2"), **key_words("n"))
    )
    assert story.checked("post", "/v1/acts", refused, 422)["code"] == "KEY_NOT_ACTIVE"
    story.do("KeyResumed", (head,), key_id("archivist 2"))
    end = int(time.time()) + 100_000
    story.do(
        "CertificateBound",
        (head,),
        key_id("archivist 2"),
        issuer=sm3(b"issuer"),
        serial=0xABC,
        certificate=sm3(b"certificate"),
        not_after=end,
    )
    bound = story.get(f"/v1/keys/{key_id('archivist 2')}")
    assert (bound["expires_at"], bound["valid_until"]) == (end, 0)
    assert bound["certificate"]["serial"] == f"{0xABC:064x}"

    signers = ("authority 1", "authority 2", "archive head 2")
    assert story.get(f"/v1/persons/{archive}")["proposal"] is None
    words = {**key_words("archive head 2"), "reason_code": 2}
    story.do("HeadKeyProposed", signers, archive, **words)
    pending = story.get(f"/v1/persons/{archive}")["proposal"]
    assert (pending["state"], pending["key_id"]) == ("PENDING", key_id("archive head 2"))
    named = {"key": bytes.fromhex(key_id("archive head 2"))}
    early = story.post(story.sign("HeadKeyReplaced", ("authority 1",), archive, **named))
    assert early.json()["code"] == "REPLACEMENT_TOO_EARLY"
    time.sleep(max(0.0, pending["ready_at"] + 2 - time.time()))
    story.do("HeadKeyReplaced", ("authority 1",), archive, **named)
    assert story.get(f"/v1/keys/{key_id(head)}")["state"] == "REVOKED"
    assert story.get(f"/v1/keys/{key_id(head)}")["reason_code"] == 2
    assert story.get(f"/v1/persons/{archive}")["proposal"]["state"] == "REPLACED"


def test_the_authority_as_it_stands(story: Story) -> None:
    before = story.get("/v1/authority")
    assert (before["threshold"], before["replacement_delay_s"]) == (2, 2)
    assert [one["has_active_key"] for one in before["persons"]] == [True] * 3
    department = before["department"]
    signers = ("authority 1", "authority 2")
    story.do("ThresholdSet", signers, department, threshold=3)
    assert story.get("/v1/authority")["threshold"] == 3
    lowered = story.post(story.sign("ThresholdSet", signers, department, threshold=1))
    assert story.checked("post", "/v1/acts", lowered, 422)["code"] == "SIGNATURE_COUNT"
    story.do("ThresholdSet", (*signers, "authority 3"), department, threshold=2)
    kinds = {kind: story.get(f"/v1/targets/{department}", kind=kind) for kind in ("person", "key")}
    assert {one["kind"] for one in kinds.values()} == {"person", "key"}


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


def test_documents_that_disagree_with_their_act(story: Story) -> None:
    who = ("civil affairs operator", "civil affairs head")
    for changes in ({"basis": sm3(b"other")}, {"openness": 1}, {"mode": 4}, {"sensitive": 0}):
        signed = story.sign("EntrySubmitted", who, **story.entry_values(**changes))
        refused(story, signed, "DOCUMENT_DIFFERS", 422, ENTRY)
    uncovering = INTERFACE.replace(b'"/rows/*/state"', b'"/rows/*/stats"')
    signed = story.sign(
        "InterfaceRegistered",
        ("civil affairs operator",),
        entry=bytes.fromhex(story.ids["entry"]),
        entry_version=1,
        rate_per_minute=0,
        max_rows=0,
        items=0b011,
        document=sm3(uncovering),
        node="n",
    )
    found = refused(story, signed, "SCHEMA_NOT_COVERING", 422, uncovering)
    assert found["details"] == {"pattern": "/rows/*/stats", "item": 1}


def test_catalogue_as_files_and_back(story: Story, tmp_path: Path) -> None:
    """Export, change in the file, import as a new version, sign, send, publish, compare."""
    api = ["--api", str(story.http.base_url)]

    def run(*words: str) -> str:
        result = CliRunner().invoke(sanlian_client, [*words, *api])
        assert result.exit_code == 0, result.output
        return result.output

    file, out = tmp_path / "catalogue.csv", tmp_path / "drafts"
    run("catalogue", "export", str(file), "--format", "csv")
    text = file.read_text("utf-8-sig")
    lines = text.replace("最低生活保障对象名单", "低保家庭名单").splitlines()
    assert len(lines) == 4
    lines.append(lines[3].replace("证号", "住址").replace(",id,", ",place,"))
    file.write_text("\r\n".join(lines), "utf-8-sig", newline="")
    for name in ("secrecy", "privacy"):
        (tmp_path / name).write_text(f"{name} assessment")
    people = ("civil affairs operator", "civil affairs head")
    words = [
        "catalogue", "import", str(file), "--out", str(out), "--lang", "en",
        "--operator", key_id(people[0]), "--head", key_id(people[1]),
        "--secrecy-assessment", str(tmp_path / "secrecy"),
        "--privacy-assessment", str(tmp_path / "privacy"),
    ]  # fmt: skip
    assert "to sign 1, unchanged 0" in run(*words)
    assert sorted(one.name for one in out.iterdir()) == [
        "3300000001_0001.act",
        "3300000001_0001.entry.json",
        "3300000001_0001.privacy_assessment.sealed",
        "3300000001_0001.secrecy_assessment.sealed",
    ]
    draft = Draft.from_bytes((out / "3300000001_0001.act").read_bytes())
    assert draft.act.target.hex() == story.ids["entry"]
    assert draft.act.values["items"] == 0b1111
    with Platform(api[1]) as platform:
        acts = Acts(platform)
        acts.submit_and_wait(draft, [key(name) for name in people])
    digest = sm3((out / "3300000001_0001.entry.json").read_bytes())
    story.do("EntryPublished", ("authority 1",), story.ids["entry"], document=digest)
    path = f"/v1/entries/{story.ids['entry']}/differences"
    found = story.get(path, **{"from": 1, "to": 2})
    assert found["complete"] is True
    assert [(one["kind"], one["field"]) for one in found["differences"]] == [
        ("changed", "/summary"),
        ("added", "/items/3"),
    ]
    assert story.get(path, 404, **{"from": 1, "to": 9})["code"] == "NOT_FOUND"
    assert story.get(path, 400, **{"from": 1})["code"] == "REQUEST_MALFORMED"
    said = run("catalogue", "differences", story.ids["entry"], "--from", "1", "--to", "2")
    assert "新增 信息项 3 “住址” (place)" in said
    assert story.ids["entry"] in run("catalogue", "search", "低保家庭")
    assert "to sign 0, unchanged 1" in run(*words[:4], str(tmp_path / "again"), *words[5:])
    exported = tmp_path / "dcat.jsonld"
    run("catalogue", "export", str(exported), "--format", "dcat")
    served = story.get("/v1/catalogue.jsonld")
    assert json.loads(exported.read_bytes()) == served
    (dataset,) = served["dcat:dataset"]
    assert dataset["@id"] == f"urn:sanlian:{CHAIN_ID}:entry:{story.ids['entry']}"
    assert dataset["dcat:version"] == "2"
    run("catalogue", "export", str(tmp_path / "c.xlsx"))


def known_ids(story: Story) -> set[str]:
    """Return ids that the lists of a ledger show, so that most routes find something."""
    found = set(story.ids.values())
    for path, item in story.document["paths"].items():
        if "{" not in path and "get" in item and path.startswith("/v1/"):
            found |= set(re.findall(r"\b[0-9a-f]{64}\b", story.http.get(path).text))
    return found


def test_a_filled_ledger_answers_as_described(story: Story, tmp_path: Path) -> None:
    ids = known_ids(story)
    assert len(ids) > 50
    url = str(story.http.base_url)
    without = {"POST /v1/acts": ["positive_data_acceptance"]}  # see test_described
    require_as_described(url, tmp_path, max_examples=4, without=without, ids=ids)


def test_sigterm_ends_it_cleanly(running: Running, story: Story) -> None:
    running.api.send_signal(signal.SIGTERM)
    assert running.api.wait(20) == 0
    text = running.output.read_text()
    assert "api stopped" in text
    assert "Traceback" not in text
    with pytest.raises(httpx.TransportError):
        story.http.get("/health")
