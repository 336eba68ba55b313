"""Two gateways as processes on one PostgreSQL, as behind a balancer; one of them is killed."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from crypto.canonical import canonical_json
from crypto.keyfile import dump_private_key, load_private_key
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.audit.offline import check_logs
from ledger.db import models as table
from ledger.db.engine import make_engine, write_transaction
from ledger.db.migrate import upgrade
from ledger.db.store import SqlStore
from ledger.log.reader import LogReader
from protocol.deployment import Deployment
from protocol.description import Role
from protocol.httpsig import CLOSING_PATH, OBSERVATIONS_PATH, RESTRICTION_PATH, sign_request
from protocol.observation import encode_batch, sign_observation
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from protocol.restriction import restriction_body
from protocol.trust import TrustRoot
from sanlian_client.middleware import SanlianProvider
from tests.gateway.city import ADDRESSES, BASIS, CHAIN_ID, NODE, ORIGIN, SCENARIO, City
from tests.gateway.conftest import serve_asgi, wait_until
from tests.gateway.test_gateway_observed import members
from tests.ports import free_port
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
PASSPHRASE = "a passphrase of this test"
AUTHORITY = "gateway.city.example"
ORIGINS = (ORIGIN, "city.example/gateway-2")


class Slow:
    """A department's service that takes its time, and notes whom it served."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.served: list[str] = []

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.served.append(scope["query_string"].decode())
        await asyncio.sleep(self.delay_s)
        body = b'{"records":[{"name":"n"}]}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def init_gateway(gateways: "Gateways", home: Path, origin: str, **env: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it complained about."""
    first = gateways.homes[ORIGINS[0]]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ledger.cli", "init-gateway", "--home", str(home)),
            *("--deployment", str(first / "deployment.json"), "--trust", str(first / "trust.json")),
            *("--origin", origin),
        ],
        cwd=ROOT,
        env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


class Gateways:
    """Two homes under one authority: ledger and logs in one database, each with its own key."""

    def __init__(self, directory: Path, server: Server, provider_port: int) -> None:
        self.url = server.url(server.make_database())
        self.engine = make_engine(self.url)
        upgrade(self.engine)
        with write_transaction(self.engine) as connection, Session(connection) as session:
            self.city = City(SqlStore(session))
            self.homes = {one: directory / one.rsplit("/", maxsplit=1)[1] for one in ORIGINS}
            self._make_first(self.homes[ORIGINS[0]])
            second = self._make_second(self.homes[ORIGINS[1]])
            self.city.enrol(self.city.head, Role.GATEWAY, second)
            self.city.act(
                "LogRegistered",
                [self.city.authority[0], second],
                {"gateway_key": second.public_key.key_id, "origin": ORIGINS[1]},
            )
            self.interface = self.city.interface()
            self.grant = self.city.grant(self.interface)
            self._publish(session)
        self.keys = dict(zip(ORIGINS, (self.city.gateway, second), strict=True))
        self.ports = {origin: free_port() for origin in ORIGINS}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = httpx.Client(timeout=60)
        self.twofold = ""
        for origin, home in self.homes.items():
            self._write_settings(origin, home, provider_port)

    def _make_first(self, home: Path) -> None:
        (home / "keys").mkdir(parents=True)
        pem = dump_private_key(self.city.gateway, PASSPHRASE, iterations=1000)
        (home / "keys" / "gateway.pem").write_bytes(pem)
        deployment = Deployment(
            chain_id=CHAIN_ID,
            contracts=ADDRESSES,
            block=1,
            example=False,
            platform_key=self.city.gateway.public_key,
            gateway_key=self.city.gateway.public_key,
            origin=ORIGINS[0],
        )
        (home / "deployment.json").write_bytes(deployment.to_bytes())
        witness = (self.city.auditor.public_key,)
        trust = TrustRoot(
            chain_id=CHAIN_ID, contracts=ADDRESSES, witnesses=witness, witness_threshold=1
        )
        (home / "trust.json").write_bytes(trust.to_bytes())

    def _make_second(self, home: Path) -> PrivateKey:
        """Make the other home as an operator does; return its new key."""
        assert init_gateway(self, home, ORIGINS[1]) == (0, "")
        pem = (home / "keys" / "gateway.pem").read_bytes()
        return load_private_key(pem, PASSPHRASE)

    def _write_settings(self, origin: str, home: Path, provider_port: int) -> None:
        (home / "providers.json").write_text(
            json.dumps({NODE: f"http://127.0.0.1:{provider_port}"})
        )
        settings = {
            "gateway_port": self.ports[origin],
            "gateway_authority": AUTHORITY,
            "database_url": self.url,
            "log_database_url": self.url,
            "providers_file": str(home / "providers.json"),
            "allow_loopback_providers": True,
            "head_max_age_s": 86400,
        }
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
        (home / "settings.toml").write_text("".join(lines))

    def _publish(self, session: Session) -> None:
        number = self.city.block
        values = {"number": number, "hash": sm3(number.to_bytes(8, "big")), "time": 1}
        session.add(table.Block(**values, parent_hash=bytes(32)))
        head = session.get(table.Head, 1)
        if head is None:
            head = table.Head(id=1, outbox_epoch=0, finding_code="", finding="")
            session.add(head)
        for name, value in {**values, "polled_at": int(time.time())}.items():
            setattr(head, name, value)
        for digest, data in self.city.documents.items():
            if session.get(table.Document, digest) is None:
                row = {"digest": digest, "kind": "interface", "title": "x", "data": data}
                session.add(table.Document(**row, block_number=number))
        session.flush()

    def make_grant(self, quota: int) -> bytes:
        """Make a grant with a quota, in new blocks that both gateways come to see."""
        with write_transaction(self.engine) as connection, Session(connection) as session:
            self.city.store = SqlStore(session)
            grant = self.city.grant(self.interface, quota=quota)
            self._publish(session)
        wait_until(lambda: all(self.health(o)["block_number"] == self.city.block for o in ORIGINS))
        return grant

    def health(self, origin: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.address(origin) + "/health").json()
        return found

    def address(self, origin: str) -> str:
        return f"http://127.0.0.1:{self.ports[origin]}"

    def start(self, origin: str, *command: str) -> None:
        home = self.homes[origin]
        self.processes[origin] = subprocess.Popen(
            [sys.executable, "-m", *(command or ("api.gateway",)), "--home", str(home)],
            cwd=ROOT,
            env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE},
            stderr=(home / "gateway.err").open("ab"),
        )

    def wait(self, origin: str) -> None:
        def is_ready() -> bool:
            assert self.processes[origin].poll() is None, (
                self.homes[origin] / "gateway.err"
            ).read_text()
            try:
                return self.health(origin)["status"] == "ok"
            except httpx.TransportError:
                return False

        wait_until(is_ready, 90)

    def stop(self, origin: str, number: int) -> int:
        process = self.processes.pop(origin)
        process.send_signal(number)
        return process.wait(30)

    def sign(
        self, grant: bytes, *, key: PrivateKey | None = None, **changes: Any
    ) -> tuple[bytes, dict[str, str]]:
        salt = secrets.token_hex(32)
        body = canonical_json({"parameters": {"number": secrets.token_hex(8)}, "salt": salt})
        body = changes.pop("body", body)
        options = {
            "authority": AUTHORITY,
            "path": "/v1/data",
            "created": int(time.time()),
            "nonce": secrets.token_hex(16),
            "grant": grant,
            "basis": BASIS,
            "scenario": SCENARIO,
            **changes,
        }
        _, headers = sign_request(key or self.city.system, body, **options)
        return body, {**headers, "host": AUTHORITY}

    def post(
        self, origin: str, body: bytes, headers: dict[str, str], path: str = "/v1/data"
    ) -> httpx.Response:
        return self.http.post(self.address(origin) + path, content=body, headers=headers)

    def ask(self, origin: str, grant: bytes, **changes: Any) -> httpx.Response:
        return self.post(origin, *self.sign(grant, **changes))

    def check(self, origin: str, answer: httpx.Response) -> dict[str, Any]:
        """Check that an answer's receipt is this gateway's and that its log has the record."""
        receipt = Receipt.from_header(answer.headers["sanlian-receipt"])
        key = self.keys[origin].public_key
        record, _ = verify_receipt(receipt, origin=origin, public_key=key)
        reader = LogReader.open(self.url, origin)
        assert reader.get_record(receipt.index) == receipt.record
        reader.close()
        return record

    def events(self, origin: str) -> list[dict[str, Any]]:
        reader = LogReader.open(self.url, origin)
        records = [parse_record(data) for _, data in reader.records()]
        reader.close()
        return records


@pytest.fixture(scope="module")
def slow() -> Slow:
    return Slow()


@pytest.fixture(scope="module")
def gateways(
    tmp_path_factory: pytest.TempPathFactory, postgres: Server, slow: Slow
) -> Iterator[Gateways]:
    directory, provider_port = tmp_path_factory.mktemp("several"), free_port()
    found = Gateways(directory, postgres, provider_port)
    provider = SanlianProvider(
        slow,
        gateway_keys={origin: key.public_key for origin, key in found.keys.items()},
        department_id=found.city.provider,
        provider_key=found.city.provider_key,
        authority=f"127.0.0.1:{provider_port}",
        store_path=directory / "provider.db",
    )
    with serve_asgi(provider, provider_port):
        try:
            for origin in ORIGINS:
                found.start(origin)
            for origin in ORIGINS:
                found.wait(origin)
            yield found
        finally:
            for process in found.processes.values():
                process.kill()
                process.wait(20)
            found.http.close()
            found.engine.dispose()


@pytest.fixture(autouse=True)
def _both_run(gateways: Gateways, slow: Slow) -> Iterator[None]:
    yield
    slow.delay_s = 0.0
    # Whatever a test did: both logs hold together, by themselves and with each other.
    report = check_logs([], database=gateways.url)
    # But for the number that a caller gave to two requests.
    found = [(one.code, gateways.twofold in one.place) for one in report.findings]
    assert found == ([("SEQUENCE_CONTRADICTED", True)] if gateways.twofold else [])


def test_a_quota_is_exact_over_both(gateways: Gateways, slow: Slow) -> None:
    grant = gateways.make_grant(quota=40)
    slow.served.clear()

    def ask(number: int) -> tuple[str, httpx.Response]:
        origin = ORIGINS[number % 2]
        return origin, gateways.ask(origin, grant)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(72)))
    assert [a.status_code for _, a in answers].count(200) == 40
    assert len(slow.served) == 40
    refused = [answer.json()["code"] for _, answer in answers if answer.status_code != 200]
    assert refused == ["QUOTA_EXCEEDED"] * 32
    served = {o: sum(a.status_code == 200 for p, a in answers if p == o) for o in ORIGINS}
    assert all(served.values()), "both served"
    for origin, answer in answers:
        gateways.check(origin, answer)


def test_a_nonce_used_at_one_is_refused_at_the_other(gateways: Gateways, slow: Slow) -> None:
    body, headers = gateways.sign(gateways.grant)
    assert gateways.post(ORIGINS[0], body, headers).status_code == 200
    again = gateways.post(ORIGINS[1], body, headers)
    assert again.json()["code"] == "NONCE_REPLAYED"
    assert gateways.check(ORIGINS[1], again)["event"] == "denied"
    slow.served.clear()
    for _ in range(10):
        body, headers = gateways.sign(gateways.grant)
        with ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(gateways.post, o, body, headers) for o in ORIGINS * 2]
        codes = sorted(t.result().status_code for t in tasks)
        assert codes.count(200) == 1
    assert len(slow.served) == 10


def test_a_callers_number_counts_once_over_both(gateways: Gateways) -> None:
    stream = f"s-{secrets.token_hex(4)}"
    first = gateways.ask(ORIGINS[0], gateways.grant, stream=f"{stream};1")
    assert first.status_code == 200, first.text
    again = gateways.ask(ORIGINS[1], gateways.grant, stream=f"{stream};1")
    gateways.twofold = stream  # which the logs together show
    assert again.json()["code"] == "SEQUENCE_REPEATED"
    assert gateways.ask(ORIGINS[1], gateways.grant, stream=f"{stream};2").status_code == 200


def test_a_batch_handed_in_at_both_is_kept_once_with_the_first_receipts(
    gateways: Gateways,
) -> None:
    key = gateways.city.provider_key
    body = encode_batch([sign_observation(key, members()) for _ in range(20)], "ab" * 32)

    def hand_in(origin: str) -> httpx.Response:
        _, headers = sign_request(
            key,
            body,
            authority=AUTHORITY,
            path=OBSERVATIONS_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        return gateways.post(origin, body, {**headers, "host": AUTHORITY}, OBSERVATIONS_PATH)

    first = hand_in(ORIGINS[1])
    assert (first.status_code, first.text.count('"index":')) == (200, 20), first.text
    assert hand_in(ORIGINS[0]).content == first.content
    assert all(r["event"] != "observed" for r in gateways.events(ORIGINS[0]))


def test_a_transfer_is_closed_where_all_its_parts_are(gateways: Gateways) -> None:
    grant = gateways.make_grant(quota=1000)

    def pull(origin: str) -> int:
        seq: int = gateways.check(origin, gateways.ask(origin, grant))["seq"]
        return seq

    def close(origin: str, first: int, last: int) -> httpx.Response:
        told = {"first": first, "last": last, "manifest": "cd" * 32, "offer": None}
        body = canonical_json({**told, "parts": 2, "rows": 2, "salt": secrets.token_hex(32)})
        _, headers = gateways.sign(grant, path=CLOSING_PATH, basis="-", scenario="-", body=body)
        return gateways.post(origin, body, headers, CLOSING_PATH)

    here, there = pull(ORIGINS[0]), pull(ORIGINS[1])
    for origin in ORIGINS:
        answer = close(origin, min(here, there), max(here, there))
        assert answer.json()["code"] == "CLOSING_WRONG"
        assert gateways.check(origin, answer)["event"] == "denied"
    closed = close(ORIGINS[0], here, pull(ORIGINS[0]))
    assert closed.status_code == 200, closed.text
    assert gateways.check(ORIGINS[0], closed)["event"] == "closed"


def test_networks_declared_at_one_count_at_the_other(gateways: Gateways) -> None:
    grant = gateways.make_grant(quota=1000)

    def declare(origin: str, networks: list[str]) -> None:
        body = restriction_body(networks, secrets.token_hex(32))
        _, headers = sign_request(
            gateways.city.officer,
            body,
            authority=AUTHORITY,
            path=RESTRICTION_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=grant,
        )
        answer = gateways.post(origin, body, {**headers, "host": AUTHORITY}, RESTRICTION_PATH)
        assert answer.status_code == 200, answer.text

    def code_at(origin: str) -> str:
        answer = gateways.ask(origin, grant)
        return "" if answer.status_code == 200 else answer.json()["code"]

    assert code_at(ORIGINS[1]) == ""
    declare(ORIGINS[0], ["10.1.0.0/16"])
    assert code_at(ORIGINS[0]) == "SOURCE_NOT_ALLOWED"
    wait_until(lambda: code_at(ORIGINS[1]) == "SOURCE_NOT_ALLOWED", 10)
    # The newest of a side counts, in whichever log it is.
    declare(ORIGINS[1], ["127.0.0.0/8"])
    assert code_at(ORIGINS[1]) == ""
    wait_until(lambda: code_at(ORIGINS[0]) == "", 10)
    declare(ORIGINS[0], [])
    declare(ORIGINS[1], ["10.1.0.0/16"])
    # Also at a gateway that starts only now.
    gateways.stop(ORIGINS[0], signal.SIGTERM)
    gateways.start(ORIGINS[0])
    gateways.wait(ORIGINS[0])
    assert code_at(ORIGINS[0]) == "SOURCE_NOT_ALLOWED"


def test_one_is_killed_and_the_other_keeps_serving(gateways: Gateways, slow: Slow) -> None:
    """SIGKILL with calls in work; what it had answered is in its log, and it goes on from there."""
    dead, alive = ORIGINS
    grant = gateways.make_grant(quota=100_000)
    slow.delay_s = 0.05
    ended = threading.Event()
    answers: list[tuple[str, httpx.Response]] = []
    failed: list[str] = []

    def load(origin: str) -> None:
        while not ended.is_set():
            try:
                answer = gateways.ask(origin, grant)
                if answer.status_code == 200:
                    answers.append((origin, answer))
                else:  # it listens before its log is open
                    failed.append(origin)
                    assert answer.json()["code"] == "GATEWAY_NOT_READY", answer.text
            except httpx.TransportError:
                failed.append(origin)
                time.sleep(0.02)

    def count(origin: str) -> int:
        return sum(one == origin for one, _ in answers)

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(load, origin) for origin in ORIGINS for _ in range(4)]
        try:
            wait_until(lambda: all(count(one) >= 30 for one in ORIGINS), 60)
            assert gateways.stop(dead, signal.SIGKILL) == -signal.SIGKILL
            before = count(alive)
            wait_until(lambda: count(alive) >= before + 40, 60)
            gateways.start(dead)
            gateways.wait(dead)
            before = count(dead)
            wait_until(lambda: count(dead) >= before + 20, 60)
        finally:
            ended.set()
        for task in tasks:
            task.result(60)
    assert alive not in failed
    for origin, answer in answers:
        gateways.check(origin, answer)
    events = gateways.events(dead)
    intents = {r["seq"] for r in events if r["event"] == "intent"}
    assert {r["intent"] for r in events if r["event"] in {"outcome", "interrupted"}} == intents
    interrupted = [r for r in events if r["event"] == "interrupted"]
    assert 1 <= len(interrupted) <= 4, "the calls that were in work, no others"
    # Each call of the provider has its intent, and no use of the grant was lost or counted twice.
    uses = [r for o in ORIGINS for r in gateways.events(o) if r["event"] == "intent"]
    reader = LogReader.open(gateways.url, alive)
    assert reader.quota_used(grant) == sum(r["request"]["grant"] == grant.hex() for r in uses)
    reader.close()


def test_a_database_that_is_away_is_told_and_come_back_to(
    gateways: Gateways, postgres: Server
) -> None:
    before = gateways.ask(ORIGINS[0], gateways.grant)
    assert before.status_code == 200
    postgres.stop(signal.SIGKILL)
    try:
        for origin in ORIGINS:
            refused = gateways.ask(origin, gateways.grant)
            assert (refused.status_code, refused.json()["code"]) == (503, "LOG_WRITE_FAILED")
            note = gateways.http.get(gateways.address(origin) + "/log/checkpoint")
            assert (note.status_code, note.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
            assert gateways.health(origin)["status"] == "log_failing"
    finally:
        postgres.start()
    for origin in ORIGINS:
        # The first may find its old connection gone; nobody need start anything again.
        wait_until(lambda origin=origin: gateways.ask(origin, gateways.grant).status_code == 200)  # type: ignore[misc]
        assert gateways.health(origin)["status"] == "ok"
        gateways.check(origin, gateways.ask(origin, gateways.grant))
    gateways.check(ORIGINS[0], before)


def test_a_second_process_of_one_home_does_not_write(gateways: Gateways) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "api.gateway", "--home", str(gateways.homes[ORIGINS[0]])],
        cwd=ROOT,
        env={
            **os.environ,
            "SANLIAN_KEY_PASSPHRASE": PASSPHRASE,
            "SANLIAN_GATEWAY_PORT": str(free_port()),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert b"LOG_IN_USE" in process.stderr
    assert gateways.ask(ORIGINS[0], gateways.grant).status_code == 200


def test_the_home_of_a_further_gateway_is_made_once_and_with_an_origin_of_its_own(
    gateways: Gateways, tmp_path: Path
) -> None:
    home = gateways.homes[ORIGINS[1]]
    before = (home / "deployment.json").read_bytes()
    for directory, origin, env, code in (
        (home, "city.example/gateway-3", {}, "ALREADY_DEPLOYED"),
        (tmp_path / "a", ORIGINS[0], {}, "ORIGIN_TAKEN"),
        (tmp_path / "a", "Not An Origin", {}, "ORIGIN_MALFORMED"),
        (tmp_path / "a", ORIGINS[1], {"SANLIAN_KEY_PASSPHRASE": ""}, "PASSPHRASE_MISSING"),
    ):
        status, text = init_gateway(gateways, directory, origin, **env)
        assert (status, code in text) == (1, True), text
    assert (home / "deployment.json").read_bytes() == before
    assert not (tmp_path / "a" / "deployment.json").exists()
    (tmp_path / "a" / "keys").mkdir()
    pem = (gateways.homes[ORIGINS[0]] / "keys" / "gateway.pem").read_bytes()
    (tmp_path / "a" / "keys" / "gateway.pem").write_bytes(pem)
    status, text = init_gateway(gateways, tmp_path / "a", "city.example/gateway-3")
    assert (status, "GATEWAY_KEY_TAKEN" in text) == (1, True), text


def test_a_home_runs_its_gateway_alone(gateways: Gateways) -> None:
    gateways.stop(ORIGINS[1], signal.SIGTERM)
    gateways.start(ORIGINS[1], "ledger.cli", "run", "--gateway-only")
    gateways.wait(ORIGINS[1])
    assert gateways.ask(ORIGINS[1], gateways.grant).status_code == 200
    output = sorted(one.stem for one in (gateways.homes[ORIGINS[1]] / "processes").iterdir())
    assert output == ["gateway", "lock"], "neither node nor api"
    assert gateways.stop(ORIGINS[1], signal.SIGTERM) == 0
    gateways.start(ORIGINS[1])
    gateways.wait(ORIGINS[1])


def test_all_logs_of_a_database_are_checked_by_command(gateways: Gateways) -> None:
    def check(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "ledger.cli", "completeness", *arguments],
            cwd=ROOT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    home = str(gateways.homes[ORIGINS[0]])
    status, text = check("--home", home, "--json")
    report = json.loads(text)
    assert status == bool(report["findings"])
    assert report["records"] >= sum(len(gateways.events(origin)) for origin in ORIGINS) - 2
    assert check()[0] == 2
