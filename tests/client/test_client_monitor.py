"""A monitor before a log that behaves, and before logs that fork, shrink, stall and lie."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from client_rig import ORIGIN, Log, serve, wait_until

from crypto.canonical import canonical_json
from crypto.errors import LedgerError
from crypto.merkle import verify_consistency
from crypto.sm2 import PrivateKey, Signature
from protocol.checkpoint import cosign_checkpoint, parse_note, verify_checkpoint
from protocol.deployment import Deployment
from protocol.description import CONTRACTS
from protocol.ethereum import ANCHOR_TOPIC
from protocol.tiles import HEIGHT, WIDTH, Tile
from protocol.trust import TrustRoot
from sanlian_client.monitor import ForkFound, Limits, Monitor

ROOT = Path(__file__).parents[2]
CHAIN_ID = 31338
LOG_ID = "0c" * 32
CONTRACT = bytes.fromhex("11" * 20)
START = 1_800_000_000
LIMITS = Limits(
    stall_s=100, unanchored_s=50, unanchored_records=40, unreachable_s=30, cosigned_s=20
)


class Services:
    """A gateway's log endpoints, the api's anchors and a node's JSON-RPC, in one small server."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.log = Log(key)
        self.anchored: list[tuple[int, str]] = []
        self.head = 10
        self.shown: str | None = None
        self.lines: list[str] = []
        self.is_down = False
        self.chain_is_down = False
        self.change_tile: Callable[[Tile, bytes], bytes] = lambda _tile, data: data
        self.tiles_asked = 0

    def anchor(self, size: int | None = None) -> None:
        self.head += 1
        self.anchored.append((self.head, self.log.note(size)))

    def tile(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.tiles_asked += 1
        tile = Tile.from_path(path)
        level, first = HEIGHT * tile.level, tile.index * WIDTH
        if first + tile.width > len(self.log.records) >> level:
            return 404, {}, b'{"code":"LOG_SIZE_UNKNOWN","title":"no"}'
        places = range(first, first + tile.width)
        data = b"".join(self.log.node(level, place) for place in places)
        return 200, {}, self.change_tile(tile, data)

    def answer(self, method: str, path: str, _headers: dict[str, str], body: bytes) -> Any:
        parts = urlsplit(path)
        if method == "POST":
            return self.node(json.loads(body))
        if parts.path.startswith("/v1/logs") and self.chain_is_down:
            return 503, {}, b"{}"
        if parts.path == "/v1/logs":
            items: list[Any] = [{"id": LOG_ID, "origin": ORIGIN}]
            return 200, {}, canonical_json({"items": items, "next_cursor": None})
        if parts.path == f"/v1/logs/{LOG_ID}/anchors":
            items = [self.anchor_json(note) for _, note in reversed(self.anchored)]
            return 200, {}, canonical_json({"items": items, "next_cursor": None})
        if parts.path == "/v1/deployment":
            return 200, {}, make_deployment(self.key).to_bytes()
        if self.is_down:
            return 0, {}, b""
        if parts.path == "/log/checkpoint":
            size = parse_qs(parts.query).get("size")
            note = self.shown or self.log.note(int(size[0]) if size else None)
            return 200, {}, (note + "".join(self.lines)).encode()
        return self.tile(parts.path.removeprefix("/log/tile/"))

    def anchor_json(self, note: str) -> dict[str, Any]:
        checkpoint, (line,) = parse_note(note)
        return {
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "signature": line.payload.hex(),
        }

    def node(self, call: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if self.chain_is_down:
            return 503, {}, b"{}"
        result: Any = {"eth_chainId": hex(CHAIN_ID), "eth_blockNumber": hex(self.head)}.get(
            call["method"]
        )
        if call["method"] == "eth_getLogs":
            (wanted,) = call["params"]
            assert wanted["topics"] == ["0x" + ANCHOR_TOPIC.hex()]
            low, high = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
            result = [self.event(note) for at, note in self.anchored if low <= at <= high]
        return 200, {}, canonical_json({"jsonrpc": "2.0", "id": 1, "result": result})

    def event(self, note: str) -> dict[str, Any]:
        checkpoint, (line,) = parse_note(note)
        signature = Signature.from_bytes(line.payload)
        words = [checkpoint.size, int.from_bytes(checkpoint.root), signature.r, signature.s]
        return {
            "address": "0x" + CONTRACT.hex(),
            "topics": ["0x" + ANCHOR_TOPIC.hex(), "0x" + LOG_ID],
            "data": "0x" + "".join(f"{word:064x}" for word in words),
            "blockNumber": "0x1",
        }


def make_deployment(key: PrivateKey) -> Deployment:
    return Deployment(
        chain_id=CHAIN_ID,
        contracts=dict.fromkeys(CONTRACTS, CONTRACT),
        block=1,
        example=False,
        platform_key=key.public_key,
        gateway_key=key.public_key,
        origin=ORIGIN,
    )


class Rig:
    """Monitors of one directory, one after the other, with a clock of their own."""

    def __init__(self, services: Services, url: str, directory: Path) -> None:
        self.services, self.url, self.directory = services, url, directory
        self.now = START
        self.news: list[str] = []
        self.monitors: list[Monitor] = []

    def start(self, *, node: bool = False, **more: Any) -> Monitor:
        monitor = Monitor(
            self.directory,
            deployment=more.pop("deployment", make_deployment(self.services.key)),
            api_url=self.url,
            gateway_url=self.url,
            node_url=self.url if node else None,
            limits=LIMITS,
            say=self.news.append,
            clock=lambda: self.now,
            **more,
        )
        self.monitors.append(monitor)
        return monitor

    def later(self, monitor: Monitor, seconds: int) -> set[str]:
        """Look after so many seconds; return the kinds of standing alarms."""
        self.now += seconds
        while monitor.step():
            pass
        return set(monitor.alarms)

    def alarms(self) -> dict[str, Any]:
        value = json.loads((self.directory / "alarm.json").read_bytes())
        return {one["kind"]: one for one in value["alarms"]}


@pytest.fixture
def rig(gateway_key: PrivateKey, tmp_path: Path) -> Iterator[Rig]:
    services = Services(gateway_key)
    services.log.fill(5)
    with serve(services.answer) as url:
        found = Rig(services, url, tmp_path / "monitor")
        yield found
        for monitor in found.monitors:
            monitor.close()


def verify_fork(rig: Rig) -> dict[str, Any]:
    """Check with signatures and hashes alone that the alarm file proves a fork."""
    fork: dict[str, Any] = rig.alarms()["fork"]
    key = rig.services.key.public_key
    earlier, later = (
        verify_checkpoint(fork[name], origin=ORIGIN, public_key=key)
        for name in ("earlier", "later")
    )
    proof = fork["proof"]
    if proof is None:
        assert earlier.size == later.size
        assert earlier.root != later.root
    else:
        root = bytes.fromhex(proof["root"])
        path = [bytes.fromhex(one) for one in proof["path"]]
        assert proof["size"] == earlier.size
        verify_consistency(earlier.size, later.size, root, later.root, path)
        assert root != earlier.root
    with pytest.raises(ForkFound):
        rig.start()
    return fork


def fork_log(services: Services, keep: int, size: int) -> None:
    """Let the log have another history after its first records."""
    services.log.records = services.log.records[:keep]
    services.log.records.append(b"another record")
    services.log.fill(size - keep - 1)


@pytest.mark.parametrize("node", [False, True])
def test_a_log_that_grows_and_is_anchored(rig: Rig, *, node: bool) -> None:
    monitor = rig.start(node=node)
    assert rig.later(monitor, 0) == set()
    for count in (1, 30, 250, 1, 300):
        rig.services.log.fill(count)
        rig.services.anchor()
        assert rig.later(monitor, 60) == set()
        assert monitor.problem is None
    assert rig.news == []
    assert not (rig.directory / "alarm.json").exists()
    state = json.loads((rig.directory / "state.json").read_bytes())
    assert parse_note(state["anchor"])[0].size == parse_note(state["note"])[0].size == 587
    # Nothing new is asked of a log that did not grow.
    asked = rig.services.tiles_asked
    rig.later(monitor, 1)
    assert rig.services.tiles_asked == asked


def test_two_roots_of_one_size(rig: Rig) -> None:
    monitor = rig.start()
    rig.later(monitor, 0)
    fork_log(rig.services, 3, 5)
    with pytest.raises(ForkFound):
        monitor.step()
    assert verify_fork(rig)["proof"] is None
    assert rig.news == ["alarm fork: the gateway has signed two histories"]


@pytest.mark.parametrize(("before", "after"), [(5, 6), (5, 600), (8, 9), (256, 700), (300, 301)])
def test_growth_of_another_history(rig: Rig, before: int, after: int) -> None:
    rig.services.log.fill(before - 5)
    monitor = rig.start()
    rig.later(monitor, 0)
    fork_log(rig.services, 2, after)
    with pytest.raises(ForkFound):
        monitor.step()
    assert verify_fork(rig)["proof"] is not None


def test_a_fork_while_the_monitor_was_away(rig: Rig) -> None:
    monitor = rig.start()
    rig.later(monitor, 0)
    fork_log(rig.services, 2, 9)
    monitor = rig.start()
    with pytest.raises(ForkFound):
        monitor.step()
    verify_fork(rig)


def test_an_older_root_of_another_history(rig: Rig) -> None:
    """The log shows less than before, and what it shows is not what it signed as the beginning."""
    monitor = rig.start()
    rig.later(monitor, 0)
    other = Log(rig.services.key)
    other.fill(2)
    other.records[0] = other.records[1]
    rig.services.shown = other.note()
    with pytest.raises(ForkFound):
        monitor.step()
    fork = verify_fork(rig)
    assert [parse_note(fork[name])[0].size for name in ("earlier", "later")] == [2, 5]


@pytest.mark.parametrize("node", [False, True])
@pytest.mark.parametrize("size", [3, 5])
def test_an_anchor_of_another_history(rig: Rig, size: int, *, node: bool) -> None:
    records = list(rig.services.log.records)
    fork_log(rig.services, 1, size)
    rig.services.anchor()
    rig.services.log.records = records
    monitor = rig.start(node=node)
    with pytest.raises(ForkFound):
        monitor.step()
    verify_fork(rig)


def test_a_log_that_shrank(rig: Rig) -> None:
    rig.services.log.fill(5)
    rig.services.anchor()
    monitor = rig.start()
    rig.later(monitor, 0)
    records = list(rig.services.log.records)
    rig.services.log.records = records[:4]
    assert rig.later(monitor, 1) == {"shrunk"}
    # The alarm outlives the process, and is told once.
    monitor = rig.start()
    assert rig.later(monitor, 1) == {"shrunk"}
    assert len([line for line in rig.news if line.startswith("alarm ")]) == 1
    assert rig.alarms()["shrunk"]["since"] == START + 1
    # Another history of the same length would be a fork; this is what was signed.
    rig.services.log.records = records
    assert rig.later(monitor, 1) == set()
    assert rig.alarms() == {}
    assert "cleared shrunk" in rig.news


def test_a_log_below_its_anchor(rig: Rig) -> None:
    rig.services.log.fill(3)
    rig.services.anchor()
    rig.services.log.records = rig.services.log.records[:5]
    monitor = rig.start()
    assert rig.later(monitor, 0) == {"shrunk"}


def test_a_log_that_stalls(rig: Rig) -> None:
    monitor = rig.start()
    rig.services.anchor()
    assert rig.later(monitor, 0) == set()
    assert rig.later(monitor, 100) == set()
    assert rig.later(monitor, 1) == {"stalled"}
    rig.services.log.fill(1)
    assert rig.later(monitor, 1) == set()
    assert rig.news == ["alarm stalled: the log has not grown for 100 s", "cleared stalled"]


@pytest.mark.parametrize("node", [False, True])
def test_a_tail_that_is_too_old(rig: Rig, *, node: bool) -> None:
    monitor = rig.start(node=node)
    rig.services.anchor()
    rig.later(monitor, 0)
    for _ in range(5):
        rig.services.log.fill(1)
        assert rig.later(monitor, 10) == set()
    rig.services.log.fill(1)
    assert rig.later(monitor, 11) == {"unanchored"}
    # An anchor in the middle leaves a younger tail.
    rig.services.anchor(9)
    assert rig.later(monitor, 1) == set()
    assert rig.later(monitor, 40) == {"unanchored"}
    rig.services.anchor()
    assert rig.later(monitor, 1) == set()


def test_a_tail_that_is_too_long(rig: Rig) -> None:
    monitor = rig.start()
    rig.services.anchor()
    rig.services.log.fill(40)
    assert rig.later(monitor, 0) == set()
    rig.services.log.fill(1)
    assert rig.later(monitor, 1) == {"unanchored"}


def test_tiles_that_were_changed(rig: Rig) -> None:
    rig.services.anchor()
    rig.services.log.fill(1)
    monitor = rig.start()
    rig.later(monitor, 0)
    rig.services.log.fill(1)
    for change in (
        lambda _tile, data: bytes([data[0] ^ 1]) + data[1:],
        lambda _tile, data: data[:-32],
        lambda _tile, data: data + bytes(32),
        lambda _tile, _data: b"",
    ):
        rig.services.change_tile = change
        assert rig.later(monitor, 1) == {"unproven"}
    assert parse_note(monitor.note)[0].size == 6
    rig.services.change_tile = lambda _tile, data: data
    assert rig.later(monitor, 1) == set()
    assert parse_note(monitor.note)[0].size == 7


def test_a_checkpoint_of_somebody_else(rig: Rig) -> None:
    monitor = rig.start()
    rig.later(monitor, 0)
    foreign = Log(PrivateKey.generate())
    foreign.fill(9)
    rig.services.shown = foreign.note()
    assert rig.later(monitor, 1) == {"unproven"}
    # A promise of records whose hashes nobody can have.
    longer = Log(rig.services.key)
    longer.records = [*rig.services.log.records, b"x", b"y"]
    rig.services.shown = longer.note()
    assert rig.later(monitor, 1) == {"unproven"}
    rig.services.shown = None
    assert rig.later(monitor, 1) == set()


def test_servers_that_are_away(rig: Rig) -> None:
    monitor = rig.start()
    rig.services.anchor()
    assert rig.later(monitor, 0) == set()
    rig.services.is_down = True
    assert rig.later(monitor, 1) == set()
    assert monitor.problem is not None
    monitor = rig.start()
    assert rig.later(monitor, 30) == set()
    assert rig.later(monitor, 1) == {"unreachable"}
    rig.services.is_down = False
    rig.services.chain_is_down = True
    assert rig.later(monitor, 1) == set()
    assert rig.later(monitor, 31) == {"anchors_unreachable"}
    rig.services.chain_is_down = False
    assert rig.later(monitor, 1) == set()
    assert rig.news[-1] == "well again"


def test_an_alarm_of_the_log_stands_while_the_gateway_is_away(rig: Rig) -> None:
    rig.services.log.fill(1)
    monitor = rig.start()
    rig.later(monitor, 0)
    records = rig.services.log.records
    rig.services.log.records = records[:5]
    assert rig.later(monitor, 1) == {"shrunk"}
    rig.services.is_down = True
    assert rig.later(monitor, 1) == {"shrunk"}
    assert rig.alarms()["shrunk"]["message"]


def test_cosignatures_below_the_threshold_are_a_warning(rig: Rig) -> None:
    keys = [PrivateKey.generate() for _ in range(3)]
    witnesses = [key.public_key for key in keys[:2]]
    monitor = rig.start(witnesses=witnesses, threshold=2)
    rig.services.anchor()

    def sign(*signers: tuple[str, PrivateKey]) -> None:
        note = rig.services.log.note()
        rig.services.lines = [
            cosign_checkpoint(note, name=name, key=key, time=5) for name, key in signers
        ]

    sign(("one", keys[0]), ("two", keys[1]))
    assert rig.later(monitor, 0) == set()
    assert rig.later(monitor, 21) == set()
    # One witness twice, and one that nobody named, do not make two.
    sign(("one", keys[0]), ("again", keys[0]), ("three", keys[2]))
    assert rig.later(monitor, 21) == {"cosignatures"}
    assert not monitor.is_alarmed
    assert rig.alarms()["cosignatures"]["level"] == "warning"
    sign(("one", keys[0]), ("two", keys[1]))
    assert rig.later(monitor, 1) == set()


def test_old_anchors_are_all_read_from_a_node(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanlian_client.anchors.BLOCKS_PER_READ", 7)
    for _ in range(30):
        rig.services.log.fill(1)
        rig.services.anchor()
    monitor = rig.start(node=True)
    assert monitor.step() is True
    assert rig.later(monitor, 0) == set()
    state = json.loads((rig.directory / "state.json").read_bytes())
    assert state["block"] == rig.services.head + 1
    assert parse_note(state["anchor"])[0].size == 35
    rig.services.head = 5
    rig.later(monitor, 1)
    assert monitor.problem is not None
    assert monitor.problem.code == "NODE_BEHIND"


def test_what_is_remembered_is_bounded_and_never_too_young(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sanlian_client.monitor.MAX_SEEN", 3)
    rig.services.anchor()
    monitor = rig.start()
    for _ in range(6):
        rig.services.log.fill(1)
        rig.later(monitor, 1)
    state = json.loads((rig.directory / "state.json").read_bytes())
    assert state["seen"] == [[START + 1, 6], [START + 2, 7], [START + 3, 11]]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b"monitor-state/v1", b"monitor-state/v2"),
        lambda data: data.replace(b'"block":1', b'"block":-1'),
        lambda data: data.replace(b'"block":1', b'"block":true'),
        lambda data: data.replace(b'"seen":[', b'"seen":[[1],'),
        lambda data: data.replace(b"\\n5\\n", b"\\n6\\n"),
        lambda data: data.replace(CONTRACT.hex().encode(), b"11"),
        lambda _data: b"[]",
        lambda _data: b"",
    ],
)
@pytest.mark.parametrize("name", ["state.json", "alarm.json"])
def test_damaged_files(rig: Rig, name: str, change: Callable[[bytes], bytes]) -> None:
    monitor = rig.start()
    rig.later(monitor, 0)
    good = (rig.directory / "state.json").read_bytes()
    changed = change(good)
    assert changed != good
    (rig.directory / name).write_bytes(changed)
    with pytest.raises(LedgerError) as caught:
        rig.start()
    assert caught.value.code == "MONITOR_STATE_DAMAGED"


def test_a_directory_follows_one_log(rig: Rig) -> None:
    with pytest.raises(LedgerError, match="DEPLOYMENT_MISSING"):
        rig.start(deployment=None)
    rig.later(rig.start(), 0)
    rig.later(rig.start(deployment=None), 0)
    with pytest.raises(LedgerError, match="DEPLOYMENT_CHANGED"):
        rig.start(deployment=make_deployment(PrivateKey.generate()))


def test_it_ends_when_it_is_asked_to(rig: Rig) -> None:
    monitor, stop = rig.start(), threading.Event()
    thread = threading.Thread(target=monitor.run, args=(stop,), kwargs={"interval_s": 0.01})
    thread.start()
    wait_until((rig.directory / "state.json").exists)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def start(rig: Rig, *arguments: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "client")])
    fixed = ["--home", str(rig.directory), "--api", rig.url, "--gateway", rig.url]
    return subprocess.Popen(
        [sys.executable, "-m", "sanlian_client", "monitor", *fixed, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(rig: Rig, *arguments: str) -> tuple[int, str, str]:
    process = start(rig, "--once", *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_as_a_command(rig: Rig, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    contracts = dict.fromkeys(CONTRACTS, CONTRACT)
    witness = PrivateKey.generate().public_key
    trust.write_bytes(TrustRoot(CHAIN_ID, contracts, (witness,), 1).to_bytes())
    rig.services.anchor()
    checkpoint, _ = parse_note(rig.services.log.note())
    line = f"{ORIGIN} 5 {checkpoint.root.hex()}\n"
    assert run(rig) == (0, line, "")
    assert run(rig, "--node", rig.url, "--trust", str(trust)) == (0, line, "")

    process = start(rig, "--interval-s", "0.1")
    rig.services.log.fill(1)
    wait_until(lambda: b"\\n6\\n" in (rig.directory / "state.json").read_bytes())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0

    rig.services.log.fill(2)
    status, out, err = run(rig, "--unanchored-records", "1")
    assert (status, err.partition(":")[0]) == (1, "MONITOR_ALARM")
    assert out.startswith("alarm unanchored: ")
    rig.services.is_down = True
    assert run(rig, "--unanchored-records", "1")[0] == 1
    rig.services.anchor()
    rig.services.is_down = False
    assert run(rig)[0] == 0
    rig.services.is_down = True
    assert run(rig)[0] == 2
    rig.services.is_down = False
    fork_log(rig.services, 2, 9)
    for _ in range(2):
        status, _, err = run(rig)
        assert (status, err.partition(":")[0]) == (1, "MONITOR_FORK")
