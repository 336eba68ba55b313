"""Who looks into what is kept: recorded before it is done, and by whom it may be done."""

import json
import secrets
import time
from typing import Any

import httpx
import pytest

from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.consultation import consultation_body
from protocol.httpsig import CONSULTATION_PATH, parse_content_digest, sign_request
from tests.gateway.conftest import World

MONTHS = ["2026-10", "2026-11"]


def consult(
    world: World, key: PrivateKey, body: bytes | None = None, **changes: Any
) -> httpx.Response:
    """Sign a consultation and send it."""
    salt = secrets.token_hex(32)
    body = consultation_body("search", MONTHS, None, salt) if body is None else body
    options = {
        "authority": world.authority,
        "path": CONSULTATION_PATH,
        "created": int(time.time()),
        "nonce": secrets.token_hex(16),
        "grant": bytes(32),
        "person": "p-7",
        "case": "case-9",
        **changes,
    }
    _, headers = sign_request(key, body, **options)
    return world.post(body, headers, CONSULTATION_PATH)


def test_a_consultation_is_recorded(world: World) -> None:
    world.state.publish()
    answer = consult(world, world.city.auditor)
    assert answer.status_code == 200, answer.text
    assert parse_content_digest(answer.headers["content-digest"]) == sm3(answer.content)
    record = world.events()[json.loads(answer.content)["index"]]
    assert record == world.receipt(answer)
    assert (record["event"], record["operation"], record["periods"], record["record"]) == (
        *("consulted", "search", MONTHS),
        None,
    )
    assert (record["request"]["person"], record["request"]["case"]) == ("p-7", "case-9")
    opened = consult(world, world.city.auditor, consultation_body("open", [], 0, "ab" * 32))
    assert world.receipt(opened)["record"] == 0


@pytest.mark.parametrize(
    ("who", "changes", "code"),
    [
        ("officer", {}, "CONSULTATION_NOT_ALLOWED"),
        ("head", {}, "CONSULTATION_NOT_ALLOWED"),
        ("auditor", {"person": "-"}, "CONSULTATION_REASON_MISSING"),
        ("auditor", {"case": "-"}, "CONSULTATION_REASON_MISSING"),
        ("auditor", {"grant": b"\1" * 32}, "BODY_MALFORMED"),
        ("auditor", {"created": 1}, "CLOCK_SKEW"),
    ],
)
def test_refused_and_recorded(world: World, who: str, changes: dict[str, Any], code: str) -> None:
    world.state.publish()
    answer = consult(world, getattr(world.city, who), **changes)
    assert answer.json()["code"] == code
    denied = world.receipt(answer)
    assert (denied["event"], denied["code"]) == ("denied", code)


def test_a_stranger_is_refused(world: World) -> None:
    assert consult(world, PrivateKey.generate()).json()["code"] == "KEY_UNKNOWN"


@pytest.mark.parametrize(
    "members",
    [
        {"operation": "read"},
        {"periods": []},
        {"periods": ["2026-11", "2026-10"]},
        {"periods": ["2026-11", "2026-11"]},
        {"periods": ["2026-13"]},
        {"periods": [f"{year}-01" for year in range(2000, 2121)]},
        {"periods": "2026-11"},
        {"record": 1},
        {"operation": "open"},
        {"operation": "open", "periods": [], "record": -1},
        {"operation": "open", "periods": [], "record": True},
        {"salt": "00"},
        {"value": "44150019900101123X"},
    ],
)
def test_bodies_that_are_none(world: World, members: dict[str, Any]) -> None:
    good = {"operation": "search", "periods": MONTHS, "record": None, "salt": "ab" * 32}
    answer = consult(world, world.city.auditor, canonical_json({**good, **members}))
    assert answer.json()["code"] == "BODY_MALFORMED"


def test_a_record_that_is_not_there(world: World) -> None:
    body = consultation_body("open", [], 2**40, "ab" * 32)
    assert consult(world, world.city.auditor, body).json()["code"] == "LOG_RECORD_UNKNOWN"


def test_the_same_again_is_replayed(world: World) -> None:
    nonce = secrets.token_hex(16)
    body = consultation_body("search", MONTHS, None, "ab" * 32)
    assert consult(world, world.city.auditor, body, nonce=nonce).status_code == 200
    assert consult(world, world.city.auditor, body, nonce=nonce).json()["code"] == "NONCE_REPLAYED"
