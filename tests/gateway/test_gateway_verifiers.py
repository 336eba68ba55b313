"""Processes that check signatures beside the event loop: right answers, whoever dies."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from api.gateway import verifiers
from api.gateway.verifier import BATCH, MAX_BATCH_SIZE, check_batch, encode_job
from api.gateway.verifiers import Verifiers
from crypto.sm2 import PrivateKey
from tests.gateway.conftest import wait_until
from tests.gateway.test_gateway_process import Home

KEY = PrivateKey.generate()
SIGNED = [(b"message %d" % number, KEY.sign(b"message %d" % number)) for number in range(8)]


def with_verifiers(use: Callable[[Verifiers], Awaitable[None]], count: int = 1) -> None:
    """Use verifiers in an event loop of their own."""

    async def go() -> None:
        found = Verifiers(count)
        await found.start()
        try:
            await asyncio.wait_for(use(found), 60)
        finally:
            found.close()

    asyncio.run(go())


async def check_all(found: Verifiers, times: int = 25) -> None:
    """Check good and bad signatures at the same time, and that each gets its own answer."""
    calls, wanted = [], []
    for number in range(times * len(SIGNED)):
        message, signature = SIGNED[number % len(SIGNED)]
        holds = number % 3 != 0
        calls.append(found.is_valid(KEY.public_key, message if holds else b"x", signature))
        wanted.append(holds)
    assert await asyncio.gather(*calls) == wanted


def processes(found: Verifiers) -> list["subprocess.Popen[bytes]"]:
    return [one._popen for one in found._processes]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_gets_its_own_answer(count: int) -> None:
    async def use(found: Verifiers) -> None:
        assert len(processes(found)) == count
        await check_all(found)
        await check_all(found, 1)

    with_verifiers(use, count)


def test_a_process_that_is_killed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifiers, "RESTART_PAUSE_S", 0.1)

    async def use(found: Verifiers) -> None:
        await check_all(found, 1)
        (first,) = processes(found)
        os.kill(first.pid, signal.SIGSTOP)
        waiting = asyncio.create_task(check_all(found, 20))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        first.kill()
        await waiting
        assert first.poll() == -signal.SIGKILL, "it was waited for"
        await asyncio.to_thread(wait_until, lambda: bool(processes(found)))
        (second,) = processes(found)
        assert second.pid != first.pid
        await check_all(found, 1)

    with_verifiers(use)


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(found: Verifiers) -> None:
        await check_all(found, 1)
        monkeypatch.setattr(verifiers, "BATCH_TIMEOUT_S", 0.2)
        (process,) = processes(found)
        os.kill(process.pid, signal.SIGSTOP)
        await check_all(found, 5)
        assert process.poll() == -signal.SIGKILL

    with_verifiers(use)


def test_closed_while_it_works_nobody_waits_for_ever() -> None:
    async def use(found: Verifiers) -> None:
        (process,) = processes(found)
        os.kill(process.pid, signal.SIGSTOP)
        waiting = asyncio.create_task(check_all(found, 10))
        await asyncio.sleep(0.1)
        found.close()
        await waiting
        await asyncio.to_thread(process.wait, 10)

    with_verifiers(use)


@pytest.mark.parametrize("answer", ["b'\\1' * 500", "b''"], ids=["too much", "nothing"])
def test_a_process_that_answers_otherwise(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """What is no answer to the batch is none: the signatures are checked here."""
    program = f"import socket; s = socket.socket(fileno=0); s.recv(9); s.sendall({answer})"

    def start(stdin: socket.socket) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", program], stdin=stdin.fileno())

    monkeypatch.setattr(verifiers, "_start", start)
    with_verifiers(lambda found: check_all(found, 2))


def test_a_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANLIAN_KEY_PASSPHRASE", "a planted passphrase")
    own, other = socket.socketpair()
    process = verifiers._start(other)
    other.close()
    message, signature = SIGNED[0]
    job = encode_job(KEY.public_key.to_bytes(), signature.to_bytes(), message)
    own.sendall(BATCH.pack(len(job)) + job)
    assert own.recv(1) == b"\1"
    assert b"SANLIAN_" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    own.close()
    assert process.wait(10) == 0


def test_a_batch_of_any_content() -> None:
    message, signature = SIGNED[0]
    key = KEY.public_key.to_bytes()
    good = encode_job(key, signature.to_bytes(), message)
    off_curve = encode_job(b"\1" * 64, signature.to_bytes(), message)
    out_of_range = encode_job(key, bytes(64), message)
    empty = encode_job(key, signature.to_bytes(), b"")
    assert check_batch(good + off_curve + out_of_range + empty + good) == b"\1\0\0\0\1"
    assert check_batch(b"") == b""


def test_a_process_ends_with_its_gateway_and_refuses_what_is_too_large() -> None:
    for last in (b"", BATCH.pack(MAX_BATCH_SIZE + 1)):
        own, other = socket.socketpair()
        process = verifiers._start(other)
        other.close()
        message, signature = SIGNED[0]
        job = encode_job(KEY.public_key.to_bytes(), signature.to_bytes(), message)
        own.sendall(BATCH.pack(len(job)) + job)
        assert own.recv(10) == b"\1"
        own.sendall(last)
        if not last:
            own.close()
        begun = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 5
        own.close()


def test_a_gateway_with_processes_and_without_them_answers_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    settings = tmp_path / "settings.toml"
    settings.write_text(
        settings.read_text()
        + "request_verifiers = 2\nhead_max_age_s = 3600\nprovider_failures = 0\n"
    )
    home.start()
    assert home.process is not None
    children = [
        int(one)
        for one in Path(f"/proc/{home.process.pid}/task/{home.process.pid}/children")
        .read_text()
        .split()
    ]
    try:
        # No provider runs: the outcome says so, and it follows a signature that held.
        answer = home.ask()
        assert answer.json()["code"] == "PROVIDER_UNREACHABLE"
        assert "sanlian-receipt" in answer.headers
        refused = home.ask({"sanlian-case": "another"})
        assert (refused.status_code, refused.json()["code"]) == (422, "SIGNATURE_INVALID")
        assert "sanlian-receipt" not in refused.headers
        assert [one["event"] for one in home.events()] == ["opened", "intent", "outcome"]
    finally:
        home.stop(signal.SIGKILL)
        home.engine.dispose()
    wait_until(lambda: not any(Path(f"/proc/{one}/cmdline").exists() for one in children))
