"""A ledger's later life: what follows on a request, cosignatures, anchors, and its end."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from crypto.sm3 import sm3
from ledger.setup import load_key
from protocol.checkpoint import Checkpoint, block_statement, cosign_checkpoint, sign_checkpoint
from tests.api.running.beginning import ZERO
from tests.api.running.process import CHAIN_ID, ORIGIN, Running
from tests.api.running.story import Story, key, key_id
from tests.described import require_as_described


def test_health(story: Story) -> None:
    health = story.get("/health")
    assert health["status"] == "ok"
    assert {w["name"] for w in health["workers"]} == {"relay", "indexer", "anchorer"}
    assert all(w["running"] for w in health["workers"])
    assert health["head_number"] > 0


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
    story.refused(again, "DISPUTE_PENDING", 409)
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
