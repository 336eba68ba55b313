"""Thousands of connections that send nothing good, beside a department that sends its requests.

    python -m bench.connections [--quick] [--json]

A process opens 4,000 connections (1,000 with --quick; fewer where the limit of open files is lower)
from eight addresses of loopback to a gateway with its log: a third says nothing, a third sends its
head byte by byte, a third sends half a body. What is closed is opened again some seconds later.
Meanwhile another address sends signed requests at an even rate. The same load is put on the same
gateway without these connections, before and in turn.
"""

import argparse
import asyncio
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
import uvloop

from bench.gateway_rig import Load, Rig, put_load, run_gateway, run_provider, started
from bench.report import Result, run

SOURCES: Final = tuple(f"127.0.1.{number}" for number in range(1, 9))
#: Open files of a process that are not these connections.
SPARE_FILES: Final = 200
RATE_PER_S: Final = 300.0
CALLERS: Final = 32
_OPENED_PER_S: Final = 1_000.0
_AGAIN_S: Final = 5.0
_SLOW_BYTE_S: Final = 1.0
_FORK = multiprocessing.get_context("fork")
_HEAD: Final = b"POST /v1/data HTTP/1.1\r\nhost: gateway\r\n"
_HALF_BODY: Final = _HEAD + b"content-length: 20000\r\n\r\n" + b"{" * 10_000


def measure(options: argparse.Namespace) -> list[Result]:
    """Measure the same load in turns, without and beside the held connections."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = min(1_000 if options.quick else 4_000, files - SPARE_FILES)
    seconds, turns = (3.0, 3) if options.quick else (10.0, 5)
    alone: list[Load] = []
    beside: list[Load] = []
    held: list[int] = []
    grown_mb: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sanlian-bench-") as name:
        rig = Rig.make(Path(name))
        count = int(RATE_PER_S * seconds)
        with (
            started(partial(run_provider, rig, 0.0), rig.provider_port),
            started(partial(run_gateway, rig, "full"), rig.port) as pid,
        ):
            _wait_until_it_serves(rig, pid)
            put_load(rig, pid, rig.sign_requests(200), CALLERS)
            for _ in range(turns):
                requests = rig.sign_requests(count)
                alone.append(put_load(rig, pid, requests, CALLERS, RATE_PER_S))
                before_mb = _memory_mb(pid)
                requests = rig.sign_requests(count)
                with _holding(rig.port, wanted) as opened:
                    beside.append(put_load(rig, pid, requests, CALLERS, RATE_PER_S))
                    held.append(opened.value)
                    grown_mb.append(_memory_mb(pid) - before_mb)
    served = sum(load.statuses.get(200, 0) for load in beside) / (count * turns)
    p99_alone, p99_beside = (
        statistics.median(load.percentile(0.99) for load in loads) * 1e3
        for loads in (alone, beside)
    )
    return [
        Result("connections_tried", wanted, "1"),
        Result("connections_held", statistics.median(held), "1", wanted),
        Result("served_while_held", served, "1", target=1.0),
        Result("p99_ratio_held", p99_beside / p99_alone, "1", target=2.0, at_most=True),
        Result("p99_held_ms", p99_beside, "ms", p99_alone),
        # Memory that was used once is used again: only the first turn shows growth.
        Result("memory_mb_per_1000", grown_mb[0] / max(held[0], 1) * 1_000, "MB"),
    ]


def _wait_until_it_serves(rig: Rig, pid: int) -> None:
    deadline = time.monotonic() + 20
    while put_load(rig, pid, rig.sign_requests(1), 1).statuses != {200: 1}:
        if time.monotonic() > deadline:
            raise RuntimeError("the gateway does not serve")
        time.sleep(0.1)


def _memory_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kib = next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024


@contextmanager
def _holding(port: int, count: int) -> Iterator[Any]:
    """Hold connections in a process of their own; yield the number that are open now."""
    opened, tried = _FORK.Value("i", 0), _FORK.Value("i", 0)
    process = _FORK.Process(target=_hold, args=(port, count, opened, tried), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 60
        while tried.value < count:
            if not process.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the connections cannot be opened")
            time.sleep(0.05)
        yield opened
    finally:
        process.terminate()
        process.join(20)


def _hold(port: int, count: int, opened: Any, tried: Any) -> None:
    uvloop.run(_Holder(port, opened, tried).go(count))


class _Holder:
    """Opens connections, and again those that were closed."""

    def __init__(self, port: int, opened: Any, tried: Any) -> None:
        self.port, self.opened, self.tried = port, opened, tried
        self._tasks: set[asyncio.Task[None]] = set()

    async def go(self, count: int) -> None:
        """Open all, and stay until the process is ended."""
        for number in range(count):
            self._tasks.add(asyncio.create_task(self._keep(number)))
            await asyncio.sleep(1 / _OPENED_PER_S)
        await asyncio.gather(*self._tasks)

    async def _keep(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        is_first = True
        while True:
            source = (SOURCES[number % len(SOURCES)], 0)
            try:
                _, held = await loop.create_connection(
                    partial(_Held, self, number % 3), "127.0.0.1", self.port, local_addr=source
                )
            except OSError:
                held = None
            if is_first:
                self.tried.value += 1
                is_first = False
            if held is not None:
                await held.lost.wait()
            # Not all at the same moment.
            await asyncio.sleep(_AGAIN_S * (0.5 + random.random()))  # noqa: S311


class _Held(asyncio.Protocol):
    """A connection that says nothing, is slow in its head, or sends half a body."""

    def __init__(self, holder: _Holder, kind: int) -> None:
        self._holder, self._kind = holder, kind
        self.lost = asyncio.Event()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._holder.opened.value += 1
        if self._kind == 1:
            self._transport.write(_HEAD + b"x: ")
            self._drip()
        elif self._kind == 2:
            self._transport.write(_HALF_BODY)

    def connection_lost(self, _error: Exception | None) -> None:
        self._holder.opened.value -= 1
        self.lost.set()

    def _drip(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"y")
            asyncio.get_running_loop().call_later(_SLOW_BYTE_S, self._drip)


def _versions() -> dict[str, str]:
    return {"uvicorn": uvicorn.__version__}


if __name__ == "__main__":
    sys.exit(run("connections", __doc__.splitlines()[0], measure, _versions))
