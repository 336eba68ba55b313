"""SIGKILL at every step of a data request, by the table in docs/operation.md, and failing disks.

After each fault the audit of chain and log finds nothing, with the receipts of all who hold any.
"""

import concurrent.futures
import contextlib
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from typing import Any

import httpx
import pytest

from crypto.canonical import canonical_json
from crypto.errors import OutcomeUnknown
from example_city.home import free_ports, read_loaded
from example_city.plan import BASIS
from example_city.story import SCENARIO
from example_city.units import MEDICAL, unit_key
from ledger.deployment import load_deployment
from protocol.httpsig import DATA_PATH, sign_request
from protocol.receipt import Receipt, verify_receipt
from tests.whole.dying_gateway import STEPS, log_pid
from tests.whole.instance import ROOT, copy_of, wait_until
from tests.whole.parts import ORDER, Parts


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    events: tuple[str, ...]
    has_answer: bool
    again: str


def read_table() -> dict[str, Row]:
    """Read the table of steps in docs/operation.md."""
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    lines = text.partition("| killed at |")[2].split("\n\n")[0].splitlines()[2:]
    found = {}
    for line in lines:
        step, events, caller, again = (one.strip() for one in line.strip("|").split("|"))
        assert caller in ("nothing", "data and receipt")
        found[step] = Row(
            () if events == "nothing" else tuple(events.split(", ")),
            caller != "nothing",
            again.strip("`"),
        )
    return found


TABLE = read_table()


@dataclass(slots=True)
class City:
    """The running city, and the receipts that its requester was given."""

    parts: Parts
    folder: Path

    def sign(self) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a data request with a nonce of its own."""
        salt = secrets.token_hex(32)
        body = canonical_json({"parameters": {"parent": "441500"}, "salt": salt})
        _, headers = sign_request(
            unit_key(MEDICAL, "system"),
            body,
            authority=f"127.0.0.1:{self.parts.ports.gateway}",
            path=DATA_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes.fromhex(read_loaded(self.parts.home)["grant"]),
            basis=BASIS,
            scenario=SCENARIO,
        )
        return body, headers

    def send(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Send it; a receipt in the answer is verified and kept."""
        url = self.parts.gateway_url + DATA_PATH
        answer = httpx.post(url, content=body, headers=headers, timeout=30)
        if "sanlian-receipt" in answer.headers:
            receipt = Receipt.from_header(answer.headers["sanlian-receipt"])
            info = load_deployment(self.parts.home / "deployment.json")
            verify_receipt(receipt, origin=info.origin, public_key=info.gateway_key)
            (self.folder / f"caller-{receipt.index}.json").write_bytes(receipt.to_bytes())
        return answer

    def ask(self) -> httpx.Response:
        """Sign and send a data request."""
        return self.send(*self.sign())

    def since(self, size: int) -> list[dict[str, Any]]:
        """Return the records from this one on; refusals without a signature are none of ours."""
        return [r for r in self.parts.records()[size:] if r["event"] != "rejected"]

    def plan(self, *faults: str) -> None:
        """Say what happens to the next data request, see tests.whole.dying_gateway."""
        path = self.parts.home / "processes" / "faults"
        path.with_suffix(".new").write_text("\n".join(faults))
        path.with_suffix(".new").replace(path)

    def require_sound(self) -> None:
        """Let the chain catch up; then the audit finds nothing."""
        self.parts.await_anchored()
        self.parts.require_sound(self.folder)


@pytest.fixture(scope="module")
def running(loaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    home = tmp_path_factory.mktemp("steps")
    parts = Parts(copy_of(loaded, home / "city").home, free_ports())
    # However slowly a busy machine starts again, a request that is repeated is not too old.
    parts.modules["gateway"] = "tests.whole.dying_gateway"
    parts.settings |= {"clock_skew_s": "300", "head_max_age_s": "600"}
    try:
        parts.start()
        yield City(parts, home)
    finally:
        parts.end()


@pytest.fixture
def city(running: City) -> Iterator[City]:
    """The city; afterwards whatever was killed runs again, and nothing more is planned."""
    yield running
    running.parts.home.joinpath("processes", "faults").unlink(missing_ok=True)
    for name in ORDER:
        popen = running.parts.popens.get(name)
        if popen is None or popen.poll() is not None:
            running.parts.start_part(name)


def test_the_table_has_every_step() -> None:
    assert tuple(TABLE) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_the_gateway_is_killed(city: City, step: str) -> None:
    row, parts = TABLE[step], city.parts
    assert city.ask().status_code == 200
    size = len(parts.records())
    city.plan(f"{step}:gateway")
    body, headers = city.sign()
    answer = None
    with contextlib.suppress(httpx.TransportError):
        answer = city.send(body, headers)
    assert parts.popens["gateway"].wait(20) == -signal.SIGKILL
    assert (answer is not None) == row.has_answer
    parts.start_part("gateway")
    found = city.since(size)
    assert tuple(r["event"] for r in found) == row.events
    if row.events:
        first, last = found
        assert f'nonce="{first["request"]["nonce"]}"' in headers["signature-input"]
        assert last["intent"] == first["seq"]
    if answer is not None:
        assert answer.status_code == 200
        assert answer.json()["data"]["records"]
    again = city.send(body, headers)
    assert (again.json().get("code") or "served") == row.again
    assert "sanlian-receipt" in again.headers
    assert city.ask().status_code == 200
    city.require_sound()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(("intent after commit", "outcome before commit"), id="some"),
        pytest.param(STEPS, id="every", marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("victim", ["front", "log"])
def test_one_of_the_gateways_processes_is_killed(
    city: City, victim: str, steps: tuple[str, ...]
) -> None:
    """The other one ends by itself, and nobody has data whose outcome is not in the log."""
    parts = city.parts
    for step in steps:
        size = len(parts.records())
        written_by = log_pid(parts.popens["gateway"].pid)
        city.plan(f"{step}:{victim}")
        body, headers = city.sign()
        answer = None
        with contextlib.suppress(httpx.TransportError):
            answer = city.send(body, headers)
        code = parts.popens["gateway"].wait(30)
        assert code == (-signal.SIGKILL if victim == "front" else 1), step
        wait_until(lambda pid=written_by: not Path(f"/proc/{pid}").exists())
        # At once: the lock is free, or is awaited.
        parts.start_part("gateway")
        events = [r["event"] for r in city.since(size)]
        assert events in ([], ["intent", "interrupted"], ["intent", "outcome"]), step
        if answer is not None and answer.status_code == 200:
            assert events == ["intent", "outcome"], step
        elif answer is not None:
            assert answer.json()["code"] in {"LOG_WRITE_FAILED", "LOG_CLOSED"}, step
        again = city.send(body, headers)
        assert again.json().get("code") == ("NONCE_REPLAYED" if events else None), step
    city.require_sound()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["node", "api"])
def test_another_process_is_killed_at_every_step(city: City, victim: str) -> None:
    """The node, or the process that alone writes the ledger's database: requests go on."""
    parts = city.parts
    for step in STEPS:
        size = len(parts.records())
        city.plan(f"{step}:{victim}")
        answer = city.ask()
        assert answer.status_code == 200, (step, answer.text)
        assert parts.popens[victim].wait(20) == -signal.SIGKILL, step
        assert [r["event"] for r in city.since(size)] == ["intent", "outcome"]
        parts.start_part(victim)
    wait_until(lambda: parts.health()["head_age_s"] < 5)
    city.require_sound()


def _refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_WRITE_FAILED")
    assert "data" not in answer.json()
    assert "sanlian-receipt" not in answer.headers


@pytest.mark.parametrize(
    ("step", "events"),
    [
        ("intent before commit", []),
        ("intent after commit", ["intent", "interrupted"]),
        ("outcome before commit", ["intent", "interrupted"]),
        ("outcome after commit", ["intent", "outcome"]),
    ],
)
def test_a_write_that_failed_may_have_persisted(city: City, step: str, events: list[str]) -> None:
    """The caller is told that the log failed; what did persist is closed, and not told twice."""
    size = len(city.parts.records())
    city.plan(f"{step}:fail")
    body, headers = city.sign()
    _refused(city.send(body, headers))
    again = city.send(body, headers)
    assert again.json().get("code") == ("NONCE_REPLAYED" if events else None)
    found = [r["event"] for r in city.since(size)]
    assert sorted(found) == sorted([*events, *(["denied"] if events else ["intent", "outcome"])])
    assert city.ask().status_code == 200
    city.require_sound()


@contextlib.contextmanager
def _full_disk(city: City, name: str) -> Iterator[None]:
    """The system lets no file of a part grow, and later it does again."""
    pids = [city.parts.popens[name].pid]
    if name == "gateway":
        pids.append(log_pid(pids[0]))
    hard = [prlimit(pid, RLIMIT_FSIZE, (4096, RLIM_INFINITY))[1] for pid in pids]
    try:
        yield
    finally:
        for pid, limit in zip(pids, hard, strict=True):
            prlimit(pid, RLIMIT_FSIZE, (RLIM_INFINITY, limit))


def test_a_full_disk(city: City) -> None:
    """Nothing is released without a record; with space again the gateway goes on by itself."""
    assert city.ask().status_code == 200
    size = len(city.parts.records())
    with _full_disk(city, "gateway"):
        for _ in range(3):
            _refused(city.ask())
        assert city.since(size) == []
    assert city.ask().status_code == 200
    assert city.parts.health()["status"] == "ok"
    assert [r["event"] for r in city.since(size)] == ["intent", "outcome"]
    city.require_sound()


def test_a_slow_disk(city: City) -> None:
    """Each flush takes a second; those who come meanwhile share the next, and a kill loses none."""
    size = len(city.parts.records())
    city.plan("commit:slow")
    assert city.ask().status_code == 200
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda _: city.ask(), range(16)))
        took_s = time.monotonic() - began
        assert {one.status_code for one in answers} == {200}
        # Alone, each would take two flushes.
        assert 2 <= took_s < 16
        lost = [pool.submit(city.ask) for _ in range(8)]
        wait_until(lambda: city.since(size)[-1]["event"] == "intent")
        city.parts.kill_part("gateway")
        concurrent.futures.wait(lost)
    city.parts.start_part("gateway")
    found = city.since(size)
    assert [r["event"] for r in found].count("outcome") >= 17
    intents = [r["seq"] for r in found if r["event"] == "intent"]
    assert intents == sorted(r["intent"] for r in found if r["event"] in ("outcome", "interrupted"))
    assert "interrupted" in [r["event"] for r in found]
    city.require_sound()


def _workers(city: City) -> dict[str, str]:
    """Return the newest failure of each thread of the api."""
    health = httpx.get(f"http://127.0.0.1:{city.parts.ports.api}/health").json()
    return {worker["name"]: worker["error_code"] for worker in health["workers"]}


def test_a_full_disk_of_the_api(city: City) -> None:
    """No act is acknowledged that is not on disk, and data requests go on."""
    parts = city.parts
    with _full_disk(city, "api"):
        with pytest.raises(OutcomeUnknown):
            parts.enrol(2)
        assert parts.acknowledged == []
        wait_until(lambda: _workers(city)["indexer"] == "DATABASE_UNAVAILABLE")
        assert city.ask().status_code == 200
    parts.enrol(2)
    parts.verify()
    city.require_sound()


def test_a_full_disk_of_the_node(city: City) -> None:
    """Acts are acknowledged and wait, data requests go on; later both come on the chain."""
    parts = city.parts
    with _full_disk(city, "node"):
        act = parts.enrol(3)
        assert city.ask().status_code == 200
        with parts.platform() as platform, pytest.raises(OutcomeUnknown) as caught:
            platform.wait_for(act, 3)
        assert caught.value.code == "ACT_PENDING"
        assert parts.health()["unanchored_records"] >= 2
    parts.verify()
    city.require_sound()


def test_the_judge_is_not_blind(city: City, tmp_path: Path) -> None:
    """A receipt whose record is not in the log, in the same folder of receipts, is found."""
    assert city.ask().status_code == 200
    newest = max(city.folder.glob("caller-*.json"), key=lambda path: path.stat().st_mtime_ns)
    receipt = Receipt.from_bytes(newest.read_bytes())
    assert b'"rows":' in receipt.record
    altered = receipt.record.replace(b'"rows":', b'"rows":1')
    (tmp_path / newest.name).write_bytes(replace(receipt, record=altered).to_bytes())
    city.parts.await_anchored()
    with pytest.raises(AssertionError, match=rf"receipt {newest.name}"):
        city.parts.require_sound(tmp_path)
