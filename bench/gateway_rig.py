"""Processes of bench.gateway: a city's state, a provider, gateways in three kinds, and the load.

Every process is a fork of the measuring one, so that all share one city whose keys were made once.
"""

import asyncio
import gc
import json
import multiprocessing
import os
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from api.gateway.app import make_app
from api.gateway.gateway import Gateway
from api.gateway.server import gateway_config, tune_process
from api.gateway.state import Snapshot
from crypto.canonical import fast_canonical
from crypto.sm2 import PrivateKey, PublicKey, is_valid
from ledger.log.process import LogProcess
from ledger.log.writer import LogWriter
from ledger.settings import Settings
from protocol.acts import Act
from protocol.deployment import Deployment
from protocol.documents import InterfaceDocument, parse_interface_document
from protocol.httpsig import GroupSigner, prepare_answer, sign_request
from protocol.model import MemoryStore
from protocol.receipt import Receipt
from tests.gateway.city import ADDRESSES, BASIS, CHAIN_ID, NODE, ORIGIN, SCENARIO, City

KINDS = ("full", "verified", "bare")
MAX_CONNECTIONS = 256
START_TIMEOUT_S = 20.0
_FORK = multiprocessing.get_context("fork")
_RECORDS = [{"id": str(i), "name": f"name-{i}", "address": f"address-{i}"} for i in range(3)]


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class CityState:
    """The city's state in memory, as fresh as if the node had just been seen."""

    def __init__(self, city: City, store: MemoryStore) -> None:
        self._city, self._store = city, store
        self._parsed: dict[bytes, InterfaceDocument] = {}

    @property
    def snapshot(self) -> Snapshot:
        """The state."""
        number = self._city.block
        return Snapshot(self._store, number, number.to_bytes(32, "big"), int(time.time()), "")

    def refresh(self) -> None:
        """Nothing to read."""

    def find_interface_document(self, digest: bytes) -> InterfaceDocument | None:
        """Return an interface's description, parsed once, as the ledger's state does."""
        if digest not in self._parsed:
            self._parsed[digest] = parse_interface_document(self._city.documents[digest])
        return self._parsed[digest]

    def find_document_text(self, digest: bytes) -> Any:
        """Return an interface's whole description."""
        return json.loads(self._city.documents[digest])

    def find_act(self, act_id: bytes) -> Act | None:
        """Return an act."""
        return self._city.acts.get(act_id)

    def find_cosignatures(self, *_checkpoint: object) -> list[str]:
        """Nobody has cosigned."""
        return []


@dataclass(slots=True)
class Rig:
    """What all processes share.

    Attributes:
        home: directory of this run.
        port: the gateways', one after another.
        provider_port: the provider's.
        grants: ids of grants that the requests use in turn.
    """

    home: Path
    city: City
    state: CityState
    port: int = field(default_factory=free_port)
    provider_port: int = field(default_factory=free_port)
    grants: list[bytes] = field(default_factory=list)

    @classmethod
    def make(cls, home: Path, *, gateway: PrivateKey | None = None, origin: str = ORIGIN) -> "Rig":
        """Make a city with one interface and some grants.

        Args:
            home: directory of this run.
            gateway: the gateway's key; without it a new one.
            origin: origin of its log.
        """
        store = MemoryStore()
        city = City(store, gateway=gateway, origin=origin)
        rig = cls(home, city, CityState(city, store))
        interface = city.interface()
        rig.grants = [city.grant(interface, items=0b11, quota=10_000_000) for _ in range(8)]
        (home / "providers.json").write_text(
            json.dumps({NODE: f"http://127.0.0.1:{rig.provider_port}"})
        )
        return rig

    def sign_requests(self, count: int) -> list[bytes]:
        """Return whole HTTP requests, each signed, with its own nonce and number of a stream."""
        made = []
        stream = f"bench-{secrets.token_hex(4)}"
        for number in range(count):
            parameters = {"number": f"{number:08d}", "year": "2026"}
            body = fast_canonical({"parameters": parameters, "salt": secrets.token_hex(32)})
            _, headers = sign_request(
                self.city.system,
                body,
                authority=f"127.0.0.1:{self.port}",
                path="/v1/data",
                created=int(time.time()),
                nonce=secrets.token_hex(16),
                grant=self.grants[number % len(self.grants)],
                person="p-1",
                basis=BASIS,
                scenario=SCENARIO,
                case=f"case-{number}",
                stream=f"{stream};{number + 1}",
            )
            lines = [
                "POST /v1/data HTTP/1.1",
                f"host: 127.0.0.1:{self.port}",
                f"content-length: {len(body)}",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            made.append("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return made


# --- processes ----------------------------------------------------------------------------------


@contextmanager
def started(run: Callable[[], None], port: int) -> Iterator[int]:
    """Run a server in a process of its own until the context ends; yield its process id."""
    # No daemon: a gateway has processes of its own.
    process = _FORK.Process(target=_child, args=(run,))
    process.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if not process.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("a process of the rig did not start") from None
                time.sleep(0.02)
        if process.pid is None:
            raise AssertionError
        yield process.pid
    finally:
        process.terminate()
        process.join(20)
        if process.is_alive():
            process.kill()
            process.join()


def _child(run: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run()


class _Provider(asyncio.Protocol):
    """A department's service at its cheapest: it signs its answers and checks nothing."""

    def __init__(self, signer: GroupSigner, public_key: PublicKey, delay_s: float) -> None:
        self._signer, self._public_key = signer, public_key
        self._delay_s = delay_s
        self._buffer = b""
        self._transport: asyncio.Transport
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # A GET has no body, so a call ends where its head ends.
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
            at = head.lower().index(b"\r\nsanlian-intent: ") + 18
            task = asyncio.create_task(self._answer(bytes.fromhex(head[at : at + 64].decode())))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, leaf: bytes) -> None:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        body = fast_canonical({"data": {"records": _RECORDS}, "salt": secrets.token_hex(32)})
        message = prepare_answer(
            self._public_key, status=200, body=body, intent_leaf=leaf, created=int(time.time())
        )
        headers = await self._signer.sign(message)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 200 OK\r\n"
                + f"content-length: {len(body)}\r\n{lines}\r\n".encode()
                + body
            )


def run_provider(rig: Rig, delay_s: float) -> None:
    """Serve the provider until SIGTERM."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        key = rig.city.provider_key
        signer = GroupSigner(key)
        server = await loop.create_server(
            lambda: _Provider(signer, key.public_key, delay_s),
            "127.0.0.1",
            rig.provider_port,
            backlog=512,
        )
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        server.close()

    uvloop.run(serve())


class _NoReceipt(Receipt):
    def to_header(self) -> str:
        return "-"


_NO_RECEIPT = _NoReceipt(b"", 0, (), "")


class _NoLog(LogWriter):
    """In the place of the log: it keeps nothing and gives no receipts."""

    async def write(self, *_draft: Any, **_options: Any) -> Receipt:
        return _NO_RECEIPT


def run_gateway(rig: Rig, kind: str) -> None:
    """Serve one kind of gateway until SIGTERM.

    Args:
        rig: what all share.
        kind: "full"; "verified": the same, but its log keeps nothing and gives no receipts;
            "bare": it passes on and back, without a look.
    """
    home = rig.home / f"{kind}-{secrets.token_hex(4)}"
    home.mkdir()
    settings = Settings(
        home=home,
        gateway_port=rig.port,
        providers_file=rig.home / "providers.json",
        allow_loopback_providers=True,
        max_connections_per_provider=MAX_CONNECTIONS,
        provider_failures=0,
    )
    if kind == "bare":
        app = _bare_proxy(rig)
    else:
        key = rig.city.gateway
        deployment = Deployment(
            chain_id=CHAIN_ID,
            contracts=ADDRESSES,
            block=1,
            example=False,
            platform_key=key.public_key,
            gateway_key=key.public_key,
            origin=rig.city.origin,
        )
        make_log = LogWriter if kind == "full" else _NoLog
        process = LogProcess.start(key) if kind == "full" and settings.log_process else None
        app = make_app(
            Gateway(settings, deployment, key, rig.state, make_log=make_log, log_process=process)
        )
    tune_process()
    uvicorn.Server(gateway_config(app, settings)).run()


def _bare_proxy(rig: Rig) -> ASGIApp:
    url = f"http://127.0.0.1:{rig.provider_port}/persons?number=1"
    headers = {"sanlian-intent": bytes(32).hex()}
    session: aiohttp.ClientSession | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal session
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body", False):
            pass
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        async with session.get(url, headers=headers) as response:
            body = await response.read()
        length = str(len(body)).encode()
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    return app


# --- load ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load.

    Attributes:
        elapsed_s: from the first request to the last answer.
        latencies_s: of each answer, from when its request was due.
        gateway_cpu_s: processor time of the gateway's processes meanwhile.
        statuses: number of answers by HTTP status.
    """

    elapsed_s: float
    latencies_s: list[float]
    gateway_cpu_s: float
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies_s) / self.elapsed_s

    def percentile(self, part: float) -> float:
        """Return a percentile of the latencies in seconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def put_load(
    rig: Rig, gateway_pid: int, requests: list[bytes], connections: int, rate: float | None = None
) -> Load:
    """Send requests over so many connections.

    Args:
        rig: what all share.
        gateway_pid: the gateway's process.
        requests: whole requests.
        connections: number of connections, each with one request at a time.
        rate: requests per second at even times; without it each connection sends its next request
            when it has its answer.
    """
    before = cpu_s(gateway_pid)
    run = _Run(deque(requests), rate)
    uvloop.run(run.go(rig.port, connections))
    cpu = cpu_s(gateway_pid) - before
    return Load(run.ended - run.begun, run.latencies, cpu, run.statuses)


class _Run:
    def __init__(self, waiting: deque[bytes], rate: float | None) -> None:
        self.waiting, self.rate = waiting, rate
        self.begun = self.ended = 0.0
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}
        self.total = len(waiting)
        self.idle: deque[_Caller] = deque()
        self.due: deque[tuple[float, bytes]] = deque()
        self.done: asyncio.Event = asyncio.Event()

    async def go(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        callers = []
        for _ in range(connections):
            _, caller = await loop.create_connection(lambda: _Caller(self), "127.0.0.1", port)
            callers.append(caller)
        gc.collect()
        gc.disable()
        self.begun = time.perf_counter()
        if self.rate is None:
            for caller in callers:
                self.next_for(caller)
        else:
            self.idle.extend(callers)
            self._tick(loop, 0)
        await self.done.wait()
        gc.enable()
        for caller in callers:
            caller.transport.abort()

    def _tick(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        """Make due whatever is due by now; its time counts from when it was due."""
        assert self.rate is not None
        now = time.perf_counter()
        while self.waiting and self.begun + number / self.rate <= now:
            self.due.append((self.begun + number / self.rate, self.waiting.popleft()))
            number += 1
        while self.due and self.idle:
            self.idle.popleft().send(*self.due.popleft())
        if self.waiting:
            loop.call_later(
                max(0.0, self.begun + number / self.rate - time.perf_counter()),
                self._tick,
                loop,
                number,
            )

    def next_for(self, caller: "_Caller") -> None:
        if self.rate is None and self.waiting:
            caller.send(time.perf_counter(), self.waiting.popleft())
        elif self.due:
            caller.send(*self.due.popleft())
        else:
            self.idle.append(caller)

    def answered(self, caller: "_Caller", status: int) -> None:
        self.latencies.append(time.perf_counter() - caller.since)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if len(self.latencies) == self.total:
            self.ended = time.perf_counter()
            self.done.set()
        else:
            self.next_for(caller)


class _Caller(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self.since = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._run.done.is_set():
            self._run.ended = time.perf_counter()
            self._run.statuses[0] = self._run.statuses.get(0, 0) + 1
            self._run.done.set()

    def send(self, since: float, request: bytes) -> None:
        self.since = since
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.lower().find(b"content-length: ", 0, end) + 16
        length = int(buffer[at : buffer.index(b"\r", at)])
        if len(buffer) < end + 4 + length:
            return
        self._buffer = b""
        self._run.answered(self, int(buffer[9:12]))


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children so far, in seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for entry in (pid, *_children(pid)):
        try:
            text = Path(f"/proc/{entry}/stat").read_text(encoding="ascii")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text(encoding="ascii").split()]
    return found


def verify_rate(count: int = 2_000) -> float:
    """Return SM2 signatures that one thread verifies per second."""
    key = PrivateKey.generate()
    signed = [(message, key.sign(message)) for message in (os.urandom(64) for _ in range(64))]
    for message, signature in signed:
        is_valid(key.public_key, message, signature)
    start = time.perf_counter()
    for number in range(count):
        is_valid(key.public_key, *signed[number % 64])
    return count / (time.perf_counter() - start)
