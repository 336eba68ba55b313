"""Connections are bounded: whoever only holds them loses them, whoever asks is served."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from api_waiting import wait_until
from starlette.types import Receive, Scope, Send

from api.connections import CODE, Connections, source_of
from api.server import PunctualProtocol, server_config
from ledger.settings import Settings
from protocol.networks import parse_networks

MOST = 16
OF_ONE = 4
#: More than the system takes for a connection.
LARGE = 32 * 1024 * 1024
IDLE, SLOW_BODY, LARGE_ANSWER, WHOLE = (
    b"",
    b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{",
    b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n",
)


@dataclass
class Served:
    """A small server with few connections, and what it tells."""

    refused: list[tuple[str, str]] = field(default_factory=list)
    waiting: int = 0
    finished: int = 0
    port: int = 0
    held: Connections | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    released: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body; answer at once, or on /wait when released."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body", False):
                break
        if scope["path"] == "/wait":
            self.waiting += 1
            while not self.released:  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.02)
        body = b"x" * LARGE if scope["path"] == "/large" else b"ok"
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
        self.finished += 1

    def connect(self, number: int, sent: bytes = IDLE) -> socket.socket:
        """Connect from an address of loopback."""
        source = (f"127.0.1.{number}", 0)
        made = socket.create_connection(("127.0.0.1", self.port), 10, source_address=source)
        self.stack.callback(made.close)
        if sent:
            made.sendall(sent)
        return made

    def ask(self, number: int) -> bytes:
        """Connect and ask for an answer."""
        return self.connect(number, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").recv(65536)

    def wait_for(self, number: int) -> None:
        """Wait until the server has so many connections."""
        wait_until(lambda: self.held is not None and len(self.held) == number)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    config = server_config(
        made,
        Settings(),
        port=0,
        max_connections=MOST,
        on_refused=lambda source, code: made.refused.append((source, code)),
    )
    protocol: Any = config.http
    made.held = protocol.held
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made.port = listener.getsockname()[1]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield made
        finally:
            made.stack.close()
            server.should_exit = True
            made.released = True
            thread.join(20)
            assert not thread.is_alive()


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def require_refused(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert b"connection: close" in head
    assert json.loads(body)["code"] == CODE


def test_one_address_has_a_quarter(served: Served) -> None:
    for _ in range(OF_ONE):
        served.connect(1)
    served.wait_for(OF_ONE)
    refused = served.connect(1)
    require_refused(refused.recv(65536))
    assert refused.recv(1) == b""
    assert served.ask(2).startswith(b"HTTP/1.1 200 ")
    assert served.refused == [("127.0.1.1", CODE)]


def test_who_went_away_gives_back_the_place(served: Served) -> None:
    for _ in range(3):
        for connection in [served.connect(1) for _ in range(OF_ONE)]:
            connection.close()
        served.wait_for(0)
    assert served.ask(1).startswith(b"HTTP/1.1 200 ")
    assert served.refused == []


@pytest.mark.parametrize("kind", [IDLE, SLOW_BODY], ids=["idle", "half a body"])
def test_room_is_made_by_the_oldest_of_the_largest(served: Served, kind: bytes) -> None:
    held = [served.connect(5, kind)]
    held += [served.connect(1 + n % 3, kind) for n in range(3 * OF_ONE)]
    held += [served.connect(6 + n % 3, kind) for n in range(MOST - 3 * OF_ONE - 1)]
    served.wait_for(MOST)
    assert served.ask(9).startswith(b"HTTP/1.1 200 ")
    assert [one for one in held if not is_open(one)] == [held[1]]
    assert served.refused == [("127.0.1.1", CODE)]


def test_a_whole_request_is_never_ended(served: Served) -> None:
    working = [served.connect(1 + n % 4, WHOLE) for n in range(MOST)]
    wait_until(lambda: served.waiting == MOST)
    require_refused(served.connect(9).recv(65536))
    served.released = True
    assert all(one.recv(65536).startswith(b"HTTP/1.1 200 ") for one in working)


def test_who_reads_no_answer_is_ended(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PunctualProtocol, "reader_timeout_s", 0.3)
    silent = served.connect(1, LARGE_ANSWER)
    wait_until(lambda: served.finished == 1)
    served.wait_for(0)
    assert served.ask(1).startswith(b"HTTP/1.1 200 ")
    assert silent.fileno() >= 0


def test_who_reads_steadily_is_not(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PunctualProtocol, "reader_timeout_s", 2.0)
    reader = served.connect(1, LARGE_ANSWER)
    size = 0
    while size < LARGE:
        piece = reader.recv(1024 * 1024)
        assert piece, f"ended after {size} bytes"
        size += len(piece)
        time.sleep(0.02)


def test_room_is_made_by_those_who_read_no_answers(served: Served) -> None:
    for number in range(MOST):
        served.connect(1 + number % 4, LARGE_ANSWER)
    wait_until(lambda: all(one.owes_bytes for one in list(served.held._sources)))
    assert served.ask(9).startswith(b"HTTP/1.1 200 ")
    assert served.refused == [("127.0.1.1", CODE)]


# --- without a server ----------------------------------------------------------------------------


class One:
    """A connection that tells what happened to it."""

    def __init__(self, *, owes_bytes: bool = True) -> None:
        self.owes_bytes = owes_bytes
        self.is_cut = False

    def cut(self) -> None:
        """Remember it."""
        self.is_cut = True


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", "local"),
        ("local", "local"),
    ],
)
def test_what_is_one_source(peer: str, source: str) -> None:
    assert source_of(peer) == source
    assert source_of(source) == source


def test_many_addresses_of_one_network_are_one_source() -> None:
    held = Connections(40)
    taken = [held.enter(One(), f"2001:db8::{number:x}") for number in range(40)]
    assert taken.count(True) == 10
    assert held.enter(One(), "2001:db8:0:1::1")


def test_a_proxy_speaks_for_many_and_is_ended_last() -> None:
    held = Connections(8, proxies=parse_networks(["10.0.0.1/32"]))
    of_proxy = [One() for _ in range(6)]
    assert all(held.enter(one, "10.0.0.1") for one in of_proxy)
    direct = [One(), One()]
    assert all(held.enter(one, "192.0.2.1") for one in direct)
    assert held.enter(One(), "192.0.2.2")
    assert [one.is_cut for one in direct] == [True, False]
    assert held.enter(One(), "192.0.2.3")
    assert not any(one.is_cut for one in of_proxy)
    for one in [*of_proxy, *direct, *of_proxy]:
        held.leave(one)
    assert len(held) == 2


def test_who_asked_something_stays_longest() -> None:
    held = Connections(8)
    known = [One() for _ in range(2)]
    for one in known:
        assert held.enter(one, "192.0.2.1")
        held.know(one)
    silent = [One() for _ in range(6)]
    for number, one in enumerate(silent):
        assert held.enter(one, f"198.51.100.{number // 2}")
    # Each new connection asks at once: it never has more silent ones than those who only hold.
    newcomers = [One() for _ in range(6)]
    for number, one in enumerate(newcomers):
        assert held.enter(one, f"203.0.113.{number // 2}")
        held.know(one)
    assert all(one.is_cut for one in silent)
    assert not any(one.is_cut for one in [*known, *newcomers])
    # Now all have asked: one that rests gives way to somebody who has none.
    assert held.enter(One(), "203.0.113.9")
    assert known[0].is_cut


def test_who_only_holds_pushes_nobody_out_who_asked() -> None:
    held = Connections(8)
    known = [One() for _ in range(2)]
    for one in known:
        assert held.enter(one, "192.0.2.1")
        held.know(one)
    for number in range(6):
        assert held.enter(One(), f"198.51.100.{number // 2}")
    assert not any(held.enter(One(), f"198.51.100.{number}") for number in range(3))
    assert not any(one.is_cut for one in known)


def test_those_who_hold_as_much_do_not_push_each_other_out() -> None:
    held = Connections(8)
    first = [One() for _ in range(8)]
    for number, one in enumerate(first):
        assert held.enter(one, f"198.51.100.{number // 2}")
    refused = [held.enter(One(), f"198.51.100.{number}") for number in range(4)]
    assert refused == [False] * 4
    assert not any(one.is_cut for one in first)
    busy = Connections(2)
    assert busy.enter(One(owes_bytes=False), "192.0.2.1")
    assert busy.enter(One(owes_bytes=False), "192.0.2.2")
    assert not busy.enter(One(), "192.0.2.3")
