"""Who may have the evidence of a record, and that the asking is itself recorded."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.gateway import evidence as evidence_calls
from api.gateway.counting import RateLimiter
from api.gateway.evidence import EvidenceService
from crypto.canonical import canonical_json
from crypto.errors import LedgerError
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.log.reader import LogReader
from protocol.description import Role
from protocol.httpsig import parse_content_digest, sign_request
from protocol.receipt import Receipt, verify_receipt
from tests.gateway.city import ORIGIN
from tests.gateway.conftest import World, wait_until


@pytest.fixture(scope="module", autouse=True)
def _service(world: World) -> Iterator[None]:
    """Hands out a record's receipt in place of the whole file, which needs a chain."""
    gatekeeper, reader = world.gateway.gatekeeper, world.gateway.reader
    assert gatekeeper is not None
    assert reader is not None

    def build(seq: int) -> bytes:
        if "heartbeat" in reader.get_record(seq).decode():
            raise LedgerError("EVIDENCE_UNSUPPORTED", "there is no evidence of such a record")
        return reader.receipt(seq).to_bytes()

    world.gateway.evidence = EvidenceService(
        gatekeeper, reader, build, auditor_departments=frozenset()
    )
    yield
    world.gateway.evidence = None


@pytest.fixture(scope="module")
def outcome(world: World) -> dict[str, Any]:
    """The record of a released answer."""
    grant = world.city.grant(world.city.interface())
    world.state.publish()
    return world.receipt(world.ask(grant))


def inspect(
    world: World, seq: object, key: PrivateKey, *, log: str = ORIGIN, **changes: Any
) -> httpx.Response:
    """Ask for evidence."""
    salt = secrets.token_hex(32)
    body = canonical_json({"log": log, "salt": salt, "seq": seq})
    body = changes.pop("body", body)
    options = {
        "authority": world.authority,
        "path": "/v1/evidence",
        "created": int(time.time()),
        "nonce": secrets.token_hex(16),
        "grant": bytes(32),
        **changes,
    }
    _, headers = sign_request(key, body, **options)
    return world.post(body, headers, "/v1/evidence")


@pytest.mark.parametrize("who", ["auditor", "system", "officer", "provider_officer"])
def test_art_29_auditors_and_parties_read_records_and_that_is_recorded(
    world: World, outcome: dict[str, Any], who: str
) -> None:
    for seq in (outcome["seq"], outcome["intent"]):
        answer = inspect(world, seq, getattr(world.city, who))
        assert answer.status_code == 200, answer.text
        assert parse_content_digest(answer.headers["content-digest"]) == sm3(answer.content)
        found = Receipt.from_bytes(answer.content)
        verify_receipt(found, origin=ORIGIN, public_key=world.city.gateway.public_key)
        assert found.index == seq
        record = world.receipt(answer)
        assert (record["event"], record["subject_seq"]) == ("inspected", seq)
        assert record["subject_log"] == ORIGIN
        assert record["request"]["path"] == "/v1/evidence"


def test_a_department_is_given_a_number_a_minute(
    world: World, outcome: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are built one at a time: one department's must not keep all others waiting."""
    asked = 0
    monkeypatch.setattr(evidence_calls, "EVIDENCE_PER_MINUTE", 3)
    monkeypatch.setattr(world.gateway.evidence, "_rates", RateLimiter())
    while (answer := inspect(world, outcome["seq"], world.city.system)).status_code == 200:
        asked += 1
        assert asked <= 6  # the test may run over the end of a minute
    assert asked >= 3
    assert answer.json()["code"] == "DEPARTMENT_RATE_EXCEEDED"
    assert world.receipt(answer)["event"] == "denied"
    assert inspect(world, outcome["seq"], world.city.provider_officer).status_code == 200


def test_others_do_not(world: World, outcome: dict[str, Any]) -> None:
    for key, code in (
        (world.city.stranger_system, "EVIDENCE_NOT_ALLOWED"),
        (world.city.gateway, "EVIDENCE_NOT_ALLOWED"),
        (PrivateKey.generate(), "KEY_UNKNOWN"),
    ):
        answer = inspect(world, outcome["seq"], key)
        assert answer.json()["code"] == code
        record = world.receipt(answer)
        assert (record["event"], record["code"]) == ("denied", code)


def test_an_auditor_of_any_department_sees_its_own_records_only(
    world: World, outcome: dict[str, Any]
) -> None:
    stranger = world.city.enrol(world.city.stranger_head, Role.AUDITOR)
    world.state.publish()
    answer = inspect(world, outcome["seq"], stranger)
    assert answer.status_code == 403
    assert answer.json()["code"] == "EVIDENCE_NOT_ALLOWED"
    assert world.receipt(answer)["event"] == "denied"


def test_records_of_the_log_itself_are_for_auditors(world: World) -> None:
    assert inspect(world, 0, world.city.system).json()["code"] == "EVIDENCE_NOT_ALLOWED"
    assert inspect(world, 0, world.city.auditor).status_code == 200


def test_bad_questions(world: World, outcome: dict[str, Any]) -> None:
    auditor, seq = world.city.auditor, outcome["seq"]
    for answer, code in (
        (inspect(world, 10**9, auditor), "LOG_RECORD_UNKNOWN"),
        (inspect(world, seq, auditor, log="city.example/other"), "LOG_RECORD_UNKNOWN"),
        (inspect(world, -1, auditor), "BODY_MALFORMED"),
        (inspect(world, True, auditor), "BODY_MALFORMED"),  # noqa: FBT003 - a wrong type is meant
        (inspect(world, "1", auditor), "BODY_MALFORMED"),
        (inspect(world, seq, auditor, body=b"{}"), "BODY_MALFORMED"),
        (inspect(world, seq, auditor, grant=b"\x01" * 32), "BODY_MALFORMED"),
        (inspect(world, seq, auditor, created=int(time.time()) - 999), "CLOCK_SKEW"),
    ):
        assert answer.json()["code"] == code
        assert world.receipt(answer)["event"] == "denied"


def test_same_question_again_is_replayed(world: World, outcome: dict[str, Any]) -> None:
    nonce = secrets.token_hex(16)
    assert inspect(world, outcome["seq"], world.city.auditor, nonce=nonce).status_code == 200
    again = inspect(world, outcome["seq"], world.city.auditor, nonce=nonce)
    assert again.json()["code"] == "NONCE_REPLAYED"


def test_a_data_signature_does_not_open_evidence(world: World, outcome: dict[str, Any]) -> None:
    answer = inspect(world, outcome["seq"], world.city.auditor, path="/v1/data")
    assert answer.json()["code"] == "SIGNATURE_MALFORMED"
    assert "sanlian-receipt" not in answer.headers


def test_what_cannot_be_built_was_still_recorded(world: World) -> None:
    writer = world.gateway.writer
    assert writer is not None
    seq = writer.append({"event": "heartbeat"}).result(20).index
    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    wait_until(lambda: reader.size() > seq)
    reader.close()
    answer = inspect(world, seq, world.city.auditor)
    assert answer.json()["code"] == "EVIDENCE_UNSUPPORTED"
    assert world.receipt(answer)["event"] == "inspected"
