"""Providers that die in the middle of an answer: recorded, said clearly, and nobody else waits."""

import asyncio
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from protocol.receipt import Receipt
from tests.gateway.city import OTHER_NODE
from tests.gateway.conftest import SECRET_NAME, Raw, World, wait_until
from tests.gateway.test_gateway_provider import envelope, signed
from tests.gateway.verifying import require_sound

#: A provider as a process of its own: it sends the head and half of a body, then waits.
HALF = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = server.accept()
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n")
    peer.sendall(b"content-length: 1000\\r\\n\\r\\n" + b"{" * 500)
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    """A grant on an interface that the raw server serves."""
    found = world.city.grant(world.city.interface(node=OTHER_NODE))
    world.state.publish()
    return found


@pytest.fixture(scope="module")
def good_grant(world: World) -> bytes:
    """A grant on an interface whose provider is well."""
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


@pytest.fixture(autouse=True)
def _silent_afterwards(world: World) -> Iterator[None]:
    yield
    world.raw.answer = None


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a reset and no end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def _whole(world: World, head: bytes) -> bytes:
    return signed(head, world.city.provider_key, envelope(20))


def _after(share: float, end: Callable[[asyncio.StreamWriter], None]) -> Callable[[World], Raw]:
    """Send a share of a good, signed answer, then end so."""

    def make(world: World) -> Raw:
        async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
            data = _whole(world, head)
            writer.write(data[: int(len(data) * share)])
            await writer.drain()
            await asyncio.sleep(0.05)
            end(writer)

        return answer

    return make


def _stall(world: World) -> Raw:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        data = _whole(world, head)
        writer.write(data[: -len(data) // 2])
        await writer.drain()
        await asyncio.sleep(30)

    return answer


def _chunk(world: World) -> Raw:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        lines, _, body = _whole(world, head).partition(b"\r\n\r\n")
        kept = [x for x in lines.split(b"\r\n") if not x.startswith(b"content-length")]
        writer.write(b"\r\n".join([*kept, b"transfer-encoding: chunked", b"", b""]))
        writer.write(f"{len(body):x}\r\n".encode() + body)  # neither its end nor the last chunk
        await writer.drain()

    return answer


def _unframed(world: World) -> Raw:
    """Without a length, half of a body looks whole; only the signature tells."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        lines, _, body = _whole(world, head).partition(b"\r\n\r\n")
        kept = [x for x in lines.split(b"\r\n") if not x.startswith(b"content-length")]
        writer.write(b"\r\n".join([*kept, b"connection: close", b"", b""]))
        writer.write(body[: len(body) // 2])
        await writer.drain()

    return answer


DEATHS: dict[str, tuple[Callable[[World], Raw], str, int]] = {
    "closes in the head": (
        _after(0.05, lambda writer: writer.close()), "PROVIDER_UNREACHABLE", 502),
    "resets in the head": (_after(0.05, _reset), "PROVIDER_UNREACHABLE", 502),
    "closes in the body": (
        _after(0.7, lambda writer: writer.close()), "PROVIDER_UNREACHABLE", 502),
    "resets in the body": (_after(0.7, _reset), "PROVIDER_UNREACHABLE", 502),
    "stalls in the body": (_stall, "PROVIDER_TIMEOUT", 504),
    "ends inside a chunk": (_chunk, "PROVIDER_UNREACHABLE", 502),
    "ends without a length": (_unframed, "PROVIDER_SIGNATURE_INVALID", 502),
}  # fmt: skip  # a table reads better in rows


class Others:
    """A department that goes on asking another provider."""

    def __init__(self, world: World, grant: bytes) -> None:
        self.answers: list[httpx.Response] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(world, grant))

    def _ask(self, world: World, grant: bytes) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._stop.is_set():
                body, headers = world.sign(grant)
                answer = http.post(world.url + "/v1/data", content=body, headers=headers)
                self.answers.append(answer)

    def __enter__(self) -> "Others":
        self._thread.start()
        wait_until(lambda: len(self.answers) > 0)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(30)


def _receipts(answers: list[httpx.Response]) -> list[Receipt]:
    return [Receipt.from_header(one.headers["sanlian-receipt"]) for one in answers]


@pytest.mark.parametrize("death", DEATHS)
def test_an_answer_that_breaks_off(
    world: World, grant: bytes, good_grant: bytes, death: str
) -> None:
    make, code, status = DEATHS[death]
    world.raw.answer = make(world)
    with Others(world, good_grant) as others:
        answers = [world.ask(grant) for _ in range(2)]
        served = len(others.answers)
        wait_until(lambda: len(others.answers) > served)
    for answer in answers:
        problem = answer.json()
        assert (problem["code"], answer.status_code) == (code, status), answer.text
        assert problem["detail"]
        assert SECRET_NAME not in answer.text
        outcome = world.receipt(answer)
        assert (outcome["event"], outcome["result"], outcome["code"]) == ("outcome", "failed", code)
        assert (outcome["rows"], outcome["bytes"], outcome["response_digest"]) == (0, 0, None)
    assert {one.status_code for one in others.answers} == {200}
    # Two calls that stall take three seconds, in which nobody else waits.
    assert served > (10 if code == "PROVIDER_TIMEOUT" else 0)
    key = world.city.gateway.public_key
    require_sound(world.log_file, key, _receipts([*answers, *others.answers]))


def test_a_provider_that_is_killed_in_the_middle(
    world: World, grant: bytes, good_grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's address leads to a process that gets SIGKILL after half of its body."""
    data = world.gateway.data
    assert data is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setitem(data._providers, OTHER_NODE, f"http://127.0.0.1:{port}")
    answers: list[httpx.Response] = []
    with subprocess.Popen(
        [sys.executable, "-c", HALF, str(port)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None

        def is_listening() -> bool:
            return f":{port:04X} " in Path("/proc/net/tcp").read_text()

        wait_until(is_listening)
        thread = threading.Thread(target=lambda: answers.append(world.ask(grant)))
        thread.start()
        assert process.stdout.readline() == b"half\n"
        began = time.monotonic()
        process.send_signal(signal.SIGKILL)
        thread.join(20)
        assert time.monotonic() - began < 1, "it waited for the time limit"
        assert process.wait(20) == -signal.SIGKILL
    (answer,) = answers
    assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_UNREACHABLE")
    assert world.receipt(answer)["result"] == "failed"
    gone, good = world.ask(grant), world.ask(good_grant)
    assert (gone.json()["code"], good.status_code) == ("PROVIDER_UNREACHABLE", 200)
    key = world.city.gateway.public_key
    require_sound(world.log_file, key, _receipts([answer, gone, good]))
