"""What is sent to the gateway to hurt it: bounded, and other departments keep being served."""

import errno
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event, Semaphore
from typing import Any

import httpx
import pytest

from api.gateway.app import make_app
from api.gateway.large_bodies import MAX_LARGE_BODIES, MAX_OF_ONE_DEPARTMENT
from api.gateway.server import gateway_config
from api.server import MAX_HEAD_BYTES, PunctualProtocol
from crypto.sm2 import PrivateKey
from ledger.log import statements
from protocol.description import Role
from protocol.httpsig import OBSERVATIONS_PATH, sign_request
from tests.gateway.conftest import World, wait_until


@pytest.fixture
def grant(world: World) -> bytes:
    made = world.city.grant(world.city.interface())
    world.state.publish()
    return made


def connect(world: World) -> socket.socket:
    """Open a connection to the gateway."""
    host, _, port = world.authority.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def answer_of(connection: socket.socket) -> bytes:
    """Return what comes until the gateway closes the connection."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def test_a_head_bomb(world: World, grant: bytes) -> None:
    bombs = {
        "one header": b"x: " + b"1" * (4 * MAX_HEAD_BYTES),
        "many headers": b"".join(b"x-%d: 1\r\n" % n for n in range(MAX_HEAD_BYTES // 4)),
        "a path": b"",
    }
    for name, head in bombs.items():
        path = b"/" + b"a" * (4 * MAX_HEAD_BYTES if name == "a path" else 1)
        with connect(world) as raw:
            raw.sendall(b"POST " + path + b" HTTP/1.1\r\nhost: x\r\n" + head)
            answer = answer_of(raw)
        assert answer.startswith(b"HTTP/1.1 400 "), name
    assert world.ask(grant).status_code == 200


def _send_on(connection: socket.socket) -> None:
    for _ in range(3000):
        connection.sendall(b"x: " + b"1" * 1000 + b"\r\n")
        time.sleep(0.01)


def test_an_endless_head_is_cut(world: World, grant: bytes) -> None:
    with connect(world) as raw:
        raw.sendall(b"POST /v1/data HTTP/1.1\r\nhost: x\r\n")
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it comes
            _send_on(raw)
    assert world.ask(grant).status_code == 200


def test_slow_heads_do_not_keep_connections(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PunctualProtocol, "head_timeout_s", 0.5)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(world)) for _ in range(300)]
        for connection in slow:
            connection.sendall(b"POST /v1/data HTTP/1.1\r\nhost: x\r\nx: ")
        assert world.ask(grant).status_code == 200
        for connection in slow:
            assert answer_of(connection) == b""


def test_reading_the_log_s_tree_holds_up_nobody_else(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask for proofs, as slowly as the disk finds them."""
    begun, go_on, looked = Semaphore(0), Event(), 0
    reader = world.gateway.reader
    assert reader is not None

    def slow(_old: int, _new: int) -> list[bytes]:
        begun.release()
        assert go_on.wait(60)
        return []

    def refresh() -> None:
        nonlocal looked
        looked += 1

    monkeypatch.setattr(reader, "consistency", slow)
    monkeypatch.setattr(world.state, "refresh", refresh)
    asked = 40
    with ThreadPoolExecutor(asked) as pool:
        url = world.url + "/log/consistency?old=0&new=1"
        answers = [pool.submit(httpx.get, url, timeout=60) for _ in range(asked)]
        try:
            assert begun.acquire(timeout=20)
            time.sleep(0.5)
            before = looked
            wait_until(lambda: looked >= before + 3)
            # A call that itself needs a thread, for a body that has to be looked at closely.
            body, headers = world.sign(bytes(32), path="/v1/observations", basis="-", scenario="-")
            assert world.post(body, headers, "/v1/observations").json()["code"] == "ROLE_MISSING"
            assert world.ask(grant).status_code == 200
        finally:
            go_on.set()
        assert {one.result(60).status_code for one in answers} == {200}


def test_counts_wait_for_a_log_that_can_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway: Any = world.gateway
    before, code, failed = len(world.events()), "SIGNATURE_MISSING", 0

    def counted() -> int:
        rows = [event for event in world.events()[before:] if event["event"] == "rejected"]
        return sum(row["count"] for row in rows if row["code"] == code)

    with monkeypatch.context() as patch:

        def fail(*_rows: object) -> None:
            nonlocal failed
            failed += 1
            raise OSError(errno.ENOSPC, "no space left on device")

        patch.setattr(statements, "insert", fail)
        for _ in range(3):
            assert world.post(b"{}", {}).json()["code"] == code
        gateway._write_rejected(before_minute=None)
        wait_until(lambda: failed == 1 and not gateway.writer.is_healthy)
        assert world.http.get(world.url + "/health").json()["status"] == "log_failing"
        assert counted() == 0
        # Nor is it tried each second meanwhile: the log finds out by itself.
        world.gateway.gatekeeper.rejected.add("10.9.9.9", code, 60)  # type: ignore[union-attr]
        time.sleep(1.5)
        assert failed == 1
    wait_until(lambda: counted() >= 1)  # the count of a past minute comes by itself
    assert gateway.writer.is_healthy
    gateway._write_rejected(before_minute=None)
    wait_until(lambda: counted() == 4)


def test_connections_of_one_address_are_few_and_counted(world: World, grant: bytes) -> None:
    protocol: Any = gateway_config(make_app(world.gateway), world.gateway.settings).http
    most = protocol.held.most_of_one
    host, _, port = world.authority.rpartition(":")
    more, before = 7, len(world.events())
    with ExitStack() as stack:
        for _ in range(most + more):
            source = ("127.0.9.1", 0)
            made = socket.create_connection((host, int(port)), 20, source_address=source)
            stack.enter_context(made)
        answer = answer_of(made)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b'"TOO_MANY_CONNECTIONS"' in answer
        with httpx.Client() as other:
            body, headers = world.sign(grant)
            assert other.post(world.url + "/v1/data", content=body, headers=headers).is_success
    writer: Any = world.gateway
    writer._write_rejected(before_minute=None)

    def counted() -> int:
        rows = [event for event in world.events()[before:] if event["event"] == "rejected"]
        return sum(row["count"] for row in rows if row["code"] == "TOO_MANY_CONNECTIONS")

    wait_until(lambda: counted() == more)
    rows = [event for event in world.events()[before:] if event["event"] == "rejected"]
    assert {row["source"] for row in rows if row["code"] == "TOO_MANY_CONNECTIONS"} == {"127.0.9.1"}
    assert len(rows) <= 3  # by source, code and minute, however many there were


def _large(
    world: World, key: PrivateKey | None = None, *, created: int | None = None, host: str = ""
) -> bytes:
    """Return the head of a batch of 3 MiB, signed by a key or not, and more than 1 MiB of it."""
    size = 3 * 1024**2
    lines = [
        f"POST {OBSERVATIONS_PATH} HTTP/1.1",
        f"host: {host or world.authority}",
        f"content-length: {size}",
    ]
    if key is not None:
        _, headers = sign_request(
            key,
            b"x" * size,
            authority=world.authority,
            path=OBSERVATIONS_PATH,
            created=int(time.time()) if created is None else created,
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + b"x" * (1024**2 + 1)


def _whole(world: World, begun: bytes) -> bytes:
    """Send a large body to its end and return the answer."""
    with connect(world) as raw:
        raw.sendall(begun + b"x" * (2 * 1024**2 - 1))
        raw.shutdown(socket.SHUT_WR)
        return answer_of(raw)


def _holders(world: World, stack: ExitStack, begun: bytes, count: int) -> None:
    for _ in range(count):
        stack.enter_context(connect(world)).sendall(begun)


def _wait_until_busy(world: World, key: PrivateKey) -> None:
    """Wait until a large body of this key gets no place."""
    wait_until(lambda: b"GATEWAY_BUSY" in _whole(world, _large(world, key)))


def test_large_bodies_that_nobody_signed_take_no_place(world: World, grant: bytes) -> None:
    provider = world.city.provider_key
    revoked = world.city.enrol(world.city.provider_head, Role.PROVIDER)
    world.city.revoke_key(world.city.provider_head, revoked.public_key.key_id)
    world.state.publish()
    refused = {
        "SIGNATURE_MISSING": _large(world),
        "AUTHORITY_MISMATCH": _large(world, provider, host="elsewhere.example"),
        "CLOCK_SKEW": _large(world, provider, created=int(time.time()) - 3600),
        "KEY_UNKNOWN": _large(world, PrivateKey.generate()),
        "KEY_NOT_ACTIVE": _large(world, revoked),
        "ROLE_MISSING": _large(world, world.city.system),
        "SIGNATURE_INVALID": _large(world, provider).replace(b"created=1", b"created=2", 1),
    }
    before = world.gateway.gatekeeper
    assert before is not None
    with ExitStack() as stack:
        for begun in refused.values():
            _holders(world, stack, begun, MAX_LARGE_BODIES)
        for code, begun in refused.items():
            answer = _whole(world, begun)
            assert code.encode() in answer, (code, answer[:300])
        # With all of them still sending, whoever has a key is read to the end.
        assert b"BODY_MALFORMED" in _whole(world, _large(world, provider))
        assert world.ask(grant).status_code == 200
    counted = {draft["code"] for draft in before.rejected.take(None)}
    assert set(refused) <= counted


def test_a_department_leaves_large_places_to_others(world: World, grant: bytes) -> None:
    one = world.city.provider_key
    other = world.city.enrol(world.city.requester_head, Role.PROVIDER)
    world.state.publish()
    with ExitStack() as stack:
        _holders(world, stack, _large(world, one), MAX_OF_ONE_DEPARTMENT)
        _wait_until_busy(world, one)
        assert b"GATEWAY_BUSY" not in _whole(world, _large(world, other))
        _holders(world, stack, _large(world, other), MAX_LARGE_BODIES - MAX_OF_ONE_DEPARTMENT)
        _wait_until_busy(world, other)
        assert world.ask(grant).status_code == 200
    # Those who went away have given back their places.
    wait_until(lambda: b"BODY_MALFORMED" in _whole(world, _large(world, one)))


def test_a_large_head_does_not_break_into_an_answer(world: World, grant: bytes) -> None:
    body, headers = world.sign(grant)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v1/data HTTP/1.1\r\nhost: {world.authority}\r\ncontent-length: {len(body)}\r\n"
    with connect(world) as raw:
        raw.sendall((head + lines + "\r\n").encode() + body)
        with suppress(OSError):
            raw.sendall(b"GET / HTTP/1.1\r\nx: " + b"1" * (4 * MAX_HEAD_BYTES))
        answer = answer_of(raw)
    assert not answer or answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
    assert not answer.startswith(b"HTTP/1.1 400 ") or b"HTTP/1.1 200" not in answer


def test_pipelined_requests_are_answered_in_order(world: World, grant: bytes) -> None:
    signed = [world.sign(grant) for _ in range(5)]
    whole = b""
    for body, headers in signed:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(
            [
                "POST /v1/data HTTP/1.1",
                f"host: {world.authority}",
                f"content-length: {len(body)}",
                *lines,
            ]
        )
        whole += head.encode() + b"\r\n\r\n" + body
    last = whole.rpartition(b"POST /v1/data")[0]
    with connect(world) as raw:
        closing = b"connection: close\r\ncontent-length"
        raw.sendall(last + whole[len(last) :].replace(b"content-length", closing, 1))
        answer = answer_of(raw)
    assert answer.count(b"HTTP/1.1 200 OK") == 5


def test_an_unsigned_flood_is_counted_not_stored(world: World, grant: bytes) -> None:
    before = len(world.events())
    body, headers = world.sign(grant)
    headers["signature"] = "sanlian=:AAAA:"
    for _ in range(500):
        answer = world.post(body, headers)
        assert answer.json()["code"] == "SIGNATURE_MALFORMED"
    assert world.ask(grant).status_code == 200
    assert len(world.events()) - before <= 4

    def counted() -> int:
        rows = [event for event in world.events()[before:] if event["event"] == "rejected"]
        return sum(row["count"] for row in rows if row["code"] == "SIGNATURE_MALFORMED")

    writer: Any = world.gateway
    writer._write_rejected(before_minute=None)
    wait_until(lambda: counted() == 500)


def test_a_replay_storm_leaves_one_release_and_one_refusal(world: World, grant: bytes) -> None:
    before = len(world.events())
    body, headers = world.sign(grant)
    answers = [world.post(body, headers) for _ in range(200)]
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.json()["code"] for answer in answers[1:]} == {"NONCE_REPLAYED"}
    assert len({answer.headers["sanlian-receipt"] for answer in answers[1:]}) == 1
    events = [event["event"] for event in world.events()[before:]]
    assert sorted(events) == ["denied", "intent", "outcome"]
