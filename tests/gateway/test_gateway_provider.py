"""Providers that misbehave: every failure is an outcome with its code, and nothing is released."""

import asyncio
import gzip
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from api.gateway import response_check
from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from protocol.documents.response_schema import make_response_schema
from protocol.httpsig import sign_answer
from tests.gateway.city import OTHER_NODE, openapi
from tests.gateway.conftest import SECRET_NAME, Raw, World, wait_until


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    """A grant on an interface that the raw server serves."""
    found = world.city.grant(world.city.interface(node=OTHER_NODE, max_rows=2))
    world.state.publish()
    return found


@pytest.fixture(autouse=True)
def _silent_afterwards(world: World) -> Iterator[None]:
    yield
    world.raw.answer = None


def _intent(head: bytes) -> bytes:
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "sanlian-intent":
            return bytes.fromhex(value.strip())
    raise AssertionError("the call has no intent")


def _message(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    if "content-length" not in headers:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _send(make: Callable[[bytes], bytes]) -> Raw:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(make(head))
        await writer.drain()

    return answer


def envelope(rows: int = 1) -> bytes:
    """Return a good body."""
    records = [{"name": SECRET_NAME, "address": "x", "id": "1"} for _ in range(rows)]
    return canonical_json({"data": {"records": records}, "salt": secrets.token_hex(32)})


def _data(records: object) -> bytes:
    return canonical_json({"data": {"records": records}, "salt": secrets.token_hex(32)})


def signed(
    head: bytes,
    key: PrivateKey,
    body: bytes,
    *,
    status: int = 200,
    intent: bytes | None = None,
    away_s: int = 0,
    changes: dict[str, str] | None = None,
) -> bytes:
    """Return a provider's answer, signed well but for the changes."""
    leaf = _intent(head) if intent is None else intent
    created = int(time.time()) + away_s
    headers = sign_answer(key, status=status, body=body, intent_leaf=leaf, created=created)
    return _message(status, {**headers, **(changes or {})}, body)


async def _hang(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    await writer.drain()
    await asyncio.sleep(30)


async def _drip(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b"{")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _endless(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(160_000):  # ten gigabytes, were they taken
        writer.write(piece)
        await writer.drain()


async def _endless_header(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(2000):
        writer.write(b"y" * 4096)
        await writer.drain()


def _short(world: World) -> Raw:
    """Less than content-length says."""
    return _send(
        lambda h: signed(
            h, world.city.provider_key, envelope(), changes={"content-length": "99999"}
        )
    )


FAULTS: dict[str, tuple[Callable[[World], Raw], str, int]] = {
    "hangs": (lambda _: _hang, "PROVIDER_TIMEOUT", 504),
    "drips": (lambda _: _drip, "PROVIDER_TIMEOUT", 504),
    "endless body": (lambda _: _endless, "PROVIDER_RESPONSE_TOO_LARGE", 502),
    "endless header": (lambda _: _endless_header, "PROVIDER_UNREACHABLE", 502),
    "ends before content-length": (_short, "PROVIDER_UNREACHABLE", 502),
    "closes at once": (lambda _: _send(lambda _h: b""), "PROVIDER_UNREACHABLE", 502),
    "is not HTTP": (lambda _: _send(lambda _h: b"SSH-2.0-x\r\n\r\n"), "PROVIDER_UNREACHABLE", 502),
    "HTML": (
        lambda _: _send(lambda _h: _message(200, {"content-type": "text/html"}, b"<html>")),
        "PROVIDER_NOT_JSON", 502),
    "redirect": (
        lambda w: _send(lambda _h: _message(302, {"location": w.url + "/health"}, b"")),
        "PROVIDER_REDIRECTED", 502),
    "unsigned JSON": (
        lambda _: _send(lambda _h: _message(200, {"content-type": "application/json"}, b"{}")),
        "PROVIDER_SIGNATURE_INVALID", 502),
    "unsigned error": (
        lambda _: _send(lambda _h: _message(403, {"content-type": "application/json"}, b"{}")),
        "PROVIDER_FAILED", 502),
    "signed error": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, envelope(), status=500)),
        "PROVIDER_FAILED", 502),
    "signed by an unknown key": (
        lambda _: _send(lambda h: signed(h, PrivateKey.generate(), envelope())),
        "PROVIDER_KEY_UNKNOWN", 502),
    "signed by the officer": (
        lambda w: _send(lambda h: signed(h, w.city.provider_officer, envelope())),
        "PROVIDER_KEY_UNKNOWN", 502),
    "signed by another department": (
        lambda w: _send(lambda h: signed(h, w.city.system, envelope())),
        "PROVIDER_KEY_UNKNOWN", 502),
    "answer of another time": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, envelope(), away_s=-3600)),
        "PROVIDER_SIGNATURE_INVALID", 502),
    "answer to another intent": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, envelope(), intent=bytes(32))),
        "PROVIDER_SIGNATURE_INVALID", 502),
    "intent swapped in the header": (
        lambda w: _send(
            lambda h: signed(
                h, w.city.provider_key, envelope(), intent=bytes(32),
                changes={"sanlian-intent": _intent(h).hex()})),
        "PROVIDER_SIGNATURE_INVALID", 502),
    "body changed after signing": (
        lambda w: _send(
            lambda h: signed(h, w.city.provider_key, envelope()).replace(
                SECRET_NAME.encode(), SECRET_NAME.lower().encode())),
        "PROVIDER_SIGNATURE_INVALID", 502),
    "compressed": (
        lambda w: _send(
            lambda h: signed(
                h, w.city.provider_key, gzip.compress(b" " * 10**7),
                changes={"content-encoding": "gzip"})),
        "PROVIDER_NOT_JSON", 502),
    "signed nonsense": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, b"{]")),
        "PROVIDER_NOT_JSON", 502),
    "member twice": (
        lambda w: _send(
            lambda h: signed(h, w.city.provider_key, b'{"data":1,"data":2,"salt":"x"}')),
        "PROVIDER_NOT_JSON", 502),
    "without salt": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, b'{"data":{}}')),
        "PROVIDER_NOT_JSON", 502),
    "deeply nested": (
        lambda w: _send(
            lambda h: signed(h, w.city.provider_key, b"[" * 50_000 + b"]" * 50_000)),
        "PROVIDER_NOT_JSON", 502),
    "too many rows": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, envelope(3))),
        "TOO_MANY_ROWS", 502),
    "another type than described": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, _data([{"name": 7}]))),
        "ANSWER_NOT_AS_DESCRIBED", 502),
    "object for a list": (
        lambda w: _send(lambda h: signed(h, w.city.provider_key, _data({"a": {"name": "x"}}))),
        "ANSWER_NOT_AS_DESCRIBED", 502),
}  # fmt: skip  # a table reads better in rows


@pytest.mark.parametrize(("make", "code", "status"), FAULTS.values(), ids=FAULTS.keys())
def test_failure_is_an_outcome(
    world: World, grant: bytes, make: Callable[[World], Raw], code: str, status: int
) -> None:
    world.raw.answer = make(world)
    before = len(world.events())
    answer = world.ask(grant)
    assert (answer.json()["code"], answer.status_code) == (code, status), answer.text
    outcome = world.receipt(answer)
    assert (outcome["event"], outcome["result"], outcome["code"]) == ("outcome", "failed", code)
    assert (outcome["rows"], outcome["bytes"], outcome["response_digest"]) == (0, 0, None)
    assert int(outcome["items"], 16) == 0
    assert SECRET_NAME not in answer.text
    events = [r["event"] for r in world.events()[before:]]
    assert [e for e in events if e != "rejected"] == ["intent", "outcome"]


def test_good_answer_of_the_raw_provider_is_released(world: World, grant: bytes) -> None:
    """The faults above fail for their fault alone."""
    world.raw.answer = _send(lambda h: signed(h, world.city.provider_key, envelope(2)))
    answer = world.ask(grant)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"records": [{"name": SECRET_NAME}, {"name": SECRET_NAME}]}


def test_replayed_answer_of_an_earlier_call(world: World, grant: bytes) -> None:
    kept: list[bytes] = []

    def make(head: bytes) -> bytes:
        if not kept:
            kept.append(signed(head, world.city.provider_key, envelope()))
        return kept[0]

    world.raw.answer = _send(make)
    assert world.ask(grant).status_code == 200
    assert world.ask(grant).json()["code"] == "PROVIDER_SIGNATURE_INVALID"


def test_revoked_provider_key(world: World, grant: bytes) -> None:
    key = PrivateKey.generate()
    person = world.city.store.find_person(
        world.city.store.find_key(world.city.provider_key.public_key.key_id).person  # type: ignore[union-attr]  # it exists
    )
    assert person is not None
    world.city.act(
        "KeyAdded",
        [world.city.provider_head, key],
        {"key_x": key.public_key.x, "key_y": key.public_key.y, "valid_until": 0},
        target=person.id,
        revision=person.revision,
    )
    world.state.publish()
    world.raw.answer = _send(lambda h: signed(h, key, envelope()))
    assert world.ask(grant).status_code == 200
    world.city.revoke_key(world.city.provider_head, key.public_key.key_id)
    world.state.publish()
    assert world.ask(grant).json()["code"] == "PROVIDER_KEY_UNKNOWN"


def test_service_that_raises_tells_nothing(world: World) -> None:
    grant = world.city.grant(world.city.interface(openapi("get", "/broken")))
    world.state.publish()
    answer = world.ask(grant)
    assert answer.json()["code"] == "PROVIDER_FAILED"
    assert SECRET_NAME not in answer.text
    assert world.receipt(answer)["provider_response"]["status"] == 500


def test_provider_that_is_down(world: World) -> None:
    grant = world.city.grant(world.city.interface(node="node-down"))
    world.state.publish()
    answer = world.ask(grant)
    assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_UNREACHABLE")
    assert world.receipt(answer)["event"] == "outcome"


def test_busy_provider_is_denied_before_the_intent(world: World, grant: bytes) -> None:
    """Calls beyond the limit reach neither quota nor provider; the limit is given back.

    One department has three of the four places.
    """
    world.raw.answer = _hang
    answers: list[str] = []

    def send() -> None:
        body, headers = world.sign(grant)
        answer = httpx.post(world.url + "/v1/data", content=body, headers=headers, timeout=30)
        answers.append(answer.json()["code"])

    threads = [threading.Thread(target=send) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(answers)) == ["PROVIDER_BUSY", "PROVIDER_TIMEOUT"]
    assert answers.count("PROVIDER_TIMEOUT") == 3
    world.raw.answer = _send(lambda h: signed(h, world.city.provider_key, envelope()))
    assert world.ask(grant).status_code == 200


def test_caller_that_goes_away_still_leaves_an_outcome(world: World, grant: bytes) -> None:
    calls = len(world.raw.requests)
    go_on = threading.Event()

    async def late(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(go_on.wait, 10)
        writer.write(signed(head, world.city.provider_key, envelope()))
        await writer.drain()

    world.raw.answer = late
    body, headers = world.sign(grant)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            world.url + "/v1/data",
            content=body,
            headers=headers,
            timeout=httpx.Timeout(10, read=0.3),
        )
    assert len(world.raw.requests) == calls + 1
    go_on.set()
    intents = [r["seq"] for r in world.events() if r["event"] == "intent"]
    wait_until(lambda: any(r.get("intent") == intents[-1] for r in world.events()))
    (end,) = (r for r in world.events() if r.get("intent") == intents[-1])
    assert (end["event"], end["result"]) == ("outcome", "released")


def test_log_that_cannot_be_written_releases_nothing(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the intent cannot be written: no call. Then the outcome cannot: no data."""
    real = SQLiteDialect_pysqlite.do_commit
    left = [0]

    def fail(dialect: SQLiteDialect_pysqlite, connection: Any) -> None:
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        real(dialect, connection)

    world.raw.answer = _send(lambda h: signed(h, world.city.provider_key, envelope()))
    for commits, calls in ((0, 0), (1, 1)):
        before = len(world.raw.requests)
        with monkeypatch.context() as patch:
            left[0] = commits
            patch.setattr(SQLiteDialect_pysqlite, "do_commit", fail)
            answer = world.ask(grant)
        assert (answer.status_code, answer.json()["code"]) == (503, "LOG_WRITE_FAILED")
        assert SECRET_NAME not in answer.text
        assert len(world.raw.requests) == before + calls
    assert world.ask(grant).status_code == 200
    assert any(r["event"] == "interrupted" for r in world.events())


def _with_name(world: World, schema: dict[str, object]) -> bytes:
    """Return a grant on an interface whose names have this schema."""
    text = json.loads(openapi())
    text["paths"]["/persons"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ] = {
        "properties": {
            "records": {"items": {"properties": {"name": schema, "address": {"type": "string"}}}}
        }
    }
    grant = world.city.grant(world.city.interface(canonical_json(text), node=OTHER_NODE))
    world.state.publish()
    return grant


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({"pattern": f"^{SECRET_NAME}$"}, None),
        ({"pattern": "^(([A-Z0-9-]+)+)+!$"}, "ANSWER_NOT_AS_DESCRIBED"),
        ({"pattern": "^(?!x)"}, "CHECK_FAILED"),
        ({"pattern": "([A-Z]{1000}){1000}"}, "CHECK_FAILED"),
        ({"type": "text"}, "CHECK_FAILED"),
        ({"anyOf": [{"pattern": "x"}] * 50 + [{"type": "string"}]}, None),
    ],
)
def test_each_answer_is_compared_within_limits(
    world: World, schema: dict[str, object], code: str | None
) -> None:
    world.raw.answer = _send(lambda h: signed(h, world.city.provider_key, envelope(20)))
    grant = _with_name(world, schema)
    began = time.monotonic()
    answer = world.ask(grant)
    assert answer.json().get("code") == code
    assert time.monotonic() - began < 1  # the rest of the way included
    if code:
        outcome = world.receipt(answer)
        assert (outcome["result"], outcome["code"]) == ("failed", code)
        assert SECRET_NAME not in answer.text


def test_no_pattern_stops_the_gateway_for_long() -> None:
    """What a provider registers and answers is applied in the process that serves everybody."""
    text = secrets.token_bytes(1024 * 1024).translate(b"ab" * 128).decode() * 8
    began = time.monotonic()
    compared = 0
    for pattern in ("a[ab]{200}[0-9]", "a[ab]{2000}[0-9]", "a(a|b|ab|ba){100}[0-9]", "a.{9}a"):
        negated = {"items": {"not": {"pattern": pattern}}}
        schema = make_response_schema({"openapi": "3.1.0"}, negated)
        size = min(len(text), response_check.MAX_WORK // schema.width)
        assert response_check.answer_problem(schema, [text[:size]], size) != "CHECK_FAILED"
        if size < len(text):
            found = response_check.answer_problem(schema, [text], len(text))
            assert found == "CHECK_FAILED"
        compared += size
    assert compared > len(text)
    assert time.monotonic() - began < 15, "about a second each"


def test_an_answer_too_large_for_its_schema_is_not_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = _with_name(world, {"enum": [SECRET_NAME, *range(800)]})
    world.raw.answer = _send(lambda h: signed(h, world.city.provider_key, envelope(200)))
    assert world.ask(grant).status_code == 200
    monkeypatch.setattr(response_check, "MAX_WORK", 1 << 20)
    assert world.ask(grant).json()["code"] == "CHECK_FAILED"
