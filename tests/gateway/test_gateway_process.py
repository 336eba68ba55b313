"""The gateway as a process on a home directory: state from the ledger's database, signals."""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from api.gateway.state import LedgerState
from crypto.canonical import canonical_json
from crypto.keyfile import dump_private_key
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.db import models as table
from ledger.db.engine import make_engine, write_transaction
from ledger.db.migrate import upgrade
from ledger.db.store import SqlStore
from ledger.log.reader import LogReader
from protocol.checkpoint import Checkpoint
from protocol.deployment import Deployment
from protocol.httpsig import OBSERVATIONS_PATH, sign_request
from protocol.model import RequestState, apply_anchor
from protocol.observation import encode_batch, sign_observation
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from sanlian_client.middleware import SanlianProvider
from tests.gateway.city import ADDRESSES, BASIS, CHAIN_ID, NODE, ORIGIN, SCENARIO, City
from tests.gateway.conftest import serve_asgi, wait_until
from tests.gateway.test_gateway_observed import members
from tests.ports import free_port
from tests.tokens.soft_token import PIN, SoftToken, compile_module

ROOT = Path(__file__).parents[2]
PASSPHRASE = "a passphrase of this test"


def is_listening(port: int) -> bool:
    """Tell whether anybody takes connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Home:
    """A home directory whose ledger.db is written as the indexer writes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"sqlite:///{directory / 'ledger.db'}"
        self.log_url = f"sqlite:///{directory / 'logs' / 'gateway.db'}"
        self.engine = make_engine(self.url)
        upgrade(self.engine)
        with write_transaction(self.engine) as connection, Session(connection) as session:
            self.city = City(SqlStore(session))
            self.grant = self.city.grant(self.city.interface())
            self._publish(session)
        self.port, self.provider_port = free_port(), free_port()
        (directory / "keys").mkdir()
        pem = dump_private_key(self.city.gateway, PASSPHRASE, iterations=1000)
        (directory / "keys" / "gateway.pem").write_bytes(pem)
        providers = directory / "providers.json"
        providers.write_text(json.dumps({NODE: f"http://127.0.0.1:{self.provider_port}"}))
        (directory / "settings.toml").write_text(
            f"gateway_port = {self.port}\nallow_loopback_providers = true\n"
            f"providers_file = {json.dumps(str(providers))}\n"
        )
        self.deployment = Deployment(
            chain_id=CHAIN_ID,
            contracts=ADDRESSES,
            block=1,
            example=False,
            platform_key=self.city.gateway.public_key,
            gateway_key=self.city.gateway.public_key,
            origin=ORIGIN,
        )
        (directory / "deployment.json").write_bytes(self.deployment.to_bytes())
        self.process: subprocess.Popen[bytes] | None = None

    def _publish(self, session: Session) -> None:
        number = self.city.block
        block_hash = sm3(number.to_bytes(8, "big"))
        values = {"number": number, "hash": block_hash, "time": int(time.time())}
        session.add(table.Block(**values, parent_hash=bytes(32)))
        head = session.get(table.Head, 1)
        if head is None:
            head = table.Head(id=1, outbox_epoch=0, finding_code="", finding="")
            session.add(head)
        for name, value in {**values, "polled_at": int(time.time())}.items():
            setattr(head, name, value)
        for digest, data in self.city.documents.items():
            if session.get(table.Document, digest) is None:
                session.add(
                    table.Document(
                        digest=digest, kind="interface", title="x", data=data, block_number=number
                    )
                )
        session.flush()

    def revoke(self, grant: bytes) -> None:
        """Let the requester give a grant back, in a new block."""
        with write_transaction(self.engine) as connection, Session(connection) as session:
            self.city.store = SqlStore(session)
            request = self.city.store.find_request(grant)
            assert request is not None
            self.city.act(
                "GrantRevoked",
                [self.city.officer],
                {"reason": secrets.token_bytes(32), "cause": 4},
                target=grant,
                revision=request.revision,
            )
            self._publish(session)

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.gateway", "--home", str(self.directory)],
            cwd=ROOT,
            env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE, "SANLIAN_TOKEN_PIN": PIN},
            stderr=(self.directory / "gateway.err").open("ab"),
        )

        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.directory / "gateway.err").read_text()
            try:
                answer = httpx.get(f"http://127.0.0.1:{self.port}/health")
            except httpx.TransportError:
                return False
            return answer.json()["status"] == "ok"

        wait_until(is_ready, 90)  # a busy machine loads slowly

    def stop(self, number: int) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code

    def ask(self, changed: Mapping[str, str] | None = None) -> httpx.Response:
        """Send a good data request, or one whose headers were changed after they were signed."""
        authority = f"127.0.0.1:{self.port}"
        salt = secrets.token_hex(32)
        body = canonical_json({"parameters": {"number": "1"}, "salt": salt})
        _, headers = sign_request(
            self.city.system,
            body,
            authority=authority,
            path="/v1/data",
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=self.grant,
            basis=BASIS,
            scenario=SCENARIO,
        )
        url = f"http://{authority}/v1/data"
        sent = {**headers, **(changed or {})}
        return httpx.post(url, content=body, headers=sent, timeout=30)

    def health(self) -> dict[str, Any]:
        """Return what the process says of itself."""
        return dict(httpx.get(f"http://127.0.0.1:{self.port}/health").json())

    def events(self) -> list[dict[str, Any]]:
        """Return all records of the log."""
        reader = LogReader.open(self.log_url)
        records = [parse_record(data) for _, data in reader.records()]
        reader.close()
        return records


class Slow:
    """A service that answers when it is told to."""

    def __init__(self) -> None:
        self.called, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.called.set()
        await asyncio.to_thread(self.go_on.wait, 20)
        body = b'{"records":[{"name":"n"}]}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def home(tmp_path: Path, slow: Slow) -> Iterator[Home]:
    home = Home(tmp_path)
    provider = SanlianProvider(
        slow,
        gateway_keys={ORIGIN: home.city.gateway.public_key},
        department_id=home.city.provider,
        provider_key=home.city.provider_key,
        authority=f"127.0.0.1:{home.provider_port}",
        store_path=tmp_path / "provider.db",
    )
    with serve_asgi(provider, home.provider_port):
        yield home
        slow.go_on.set()
        if home.process is not None:
            home.process.kill()
            home.process.wait(20)
    home.engine.dispose()


def test_process_serves_follows_the_ledger_and_ends_calls_in_work(home: Home, slow: Slow) -> None:
    home.start()
    answer = home.ask()
    assert answer.status_code == 200, answer.text
    receipt = Receipt.from_header(answer.headers["sanlian-receipt"])
    verify_receipt(receipt, origin=ORIGIN, public_key=home.city.gateway.public_key)
    slow.called.clear()
    slow.go_on.clear()
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(home.ask()))
    thread.start()
    assert slow.called.wait(20)
    assert home.process is not None
    home.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not is_listening(home.port))
    slow.go_on.set()
    thread.join(20)
    assert answers[0].status_code == 200
    assert home.process.wait(30) in {0, -signal.SIGTERM}
    home.process = None
    events = [r["event"] for r in home.events()]
    assert events == ["opened", "intent", "outcome", "intent", "outcome"]
    home.start()
    home.revoke(home.grant)
    wait_until(lambda: home.ask().json().get("code") == "GRANT_REVOKED")
    home.stop(signal.SIGTERM)
    assert home.events()[-1]["block"]["number"] == home.city.block


def test_killed_in_the_middle_of_a_call(home: Home, slow: Slow) -> None:
    home.start()
    slow.go_on.clear()
    lost: list[Exception] = []

    def ask() -> None:
        try:
            home.ask()
        except httpx.TransportError as error:
            lost.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert slow.called.wait(20)
    assert home.stop(signal.SIGKILL) == -signal.SIGKILL
    thread.join(20)
    assert len(lost) == 1
    slow.go_on.set()
    home.start()
    events = [r["event"] for r in home.events()]
    assert events == ["opened", "intent", "interrupted"]
    assert home.ask().status_code == 200
    home.stop(signal.SIGTERM)


def test_the_age_of_the_tail_survives_the_process(home: Home) -> None:
    home.start()
    assert home.ask().status_code == 200
    assert home.stop(signal.SIGKILL) == -signal.SIGKILL
    first = home.events()[0]["time_ms"] / 1000
    time.sleep(max(0.0, first + 3 - time.time()))
    home.start()
    wait_until(lambda: home.health()["unanchored_age_s"] >= 3)
    found = home.health()
    assert (found["anchored_size"], found["unanchored_records"]) == (0, 3)
    assert found["unanchored_age_s"] <= time.time() - first
    home.stop(signal.SIGTERM)


def test_wrong_key_or_passphrase_does_not_start(home: Home) -> None:
    for key, passphrase, code in (
        (PrivateKey.generate(), PASSPHRASE, "LOG_OTHER_IDENTITY"),
        (home.city.gateway, "another", "KEYFILE_PASSPHRASE_WRONG"),
    ):
        pem = dump_private_key(key, PASSPHRASE, iterations=1000)
        (home.directory / "keys" / "gateway.pem").write_bytes(pem)
        done = subprocess.run(
            [sys.executable, "-m", "api.gateway", "--home", str(home.directory)],
            cwd=ROOT,
            env={**os.environ, "SANLIAN_KEY_PASSPHRASE": passphrase},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert code in done.stderr.decode()


def test_log_that_lost_records_ends_the_process(home: Home) -> None:
    home.start()
    assert home.ask().status_code == 200
    home.stop(signal.SIGTERM)
    reader = LogReader.open(home.log_url)
    root, note_size = reader.root(), reader.size()
    reader.close()
    text = Checkpoint(ORIGIN, note_size, root).text().encode()
    with write_transaction(home.engine) as connection, Session(connection) as session:
        home.city.block += 1
        apply_anchor(
            SqlStore(session),
            home.city.log_id,
            note_size,
            root,
            home.city.gateway.sign(text),
            block_number=home.city.block,
            block_time=int(time.time()),
        )
        home._publish(session)
    for path in (home.directory / "logs").iterdir():
        path.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "api.gateway", "--home", str(home.directory)],
        cwd=ROOT,
        env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE},
        stderr=subprocess.PIPE,
    )
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert b"LOG_BEHIND_ANCHOR" in errors


def test_state_is_a_copy_per_block(home: Home) -> None:
    state = LedgerState(make_engine(home.url, read_only=True))
    assert state.snapshot is None
    state.refresh()
    first = state.snapshot
    assert first is not None
    assert first.number == home.city.block
    home.revoke(home.grant)
    state.refresh()
    second = state.snapshot
    assert second is not None
    assert second.number == first.number + 1
    old, new = first.store.find_request(home.grant), second.store.find_request(home.grant)
    assert old is not None
    assert new is not None
    assert (old.state, new.state) == (RequestState.AGREED, RequestState.REVOKED)
    # A read model that is being rebuilt shows older blocks: the copy stays.
    with write_transaction(home.engine) as connection, Session(connection) as session:
        session.get_one(table.Head, 1).number = 3
        session.flush()
    state.refresh()
    assert state.snapshot == second


def test_documents_are_checked(home: Home) -> None:
    state = LedgerState(make_engine(home.url, read_only=True))
    (digest,) = home.city.documents
    found = state.find_interface_document(digest)
    assert found is not None
    assert found.path == "/persons"
    other = LedgerState(make_engine(home.url, read_only=True))
    with write_transaction(home.engine) as connection, Session(connection) as session:
        session.get_one(table.Document, digest).data = home.city.documents[digest] + b" "
        session.flush()
    assert other.find_interface_document(digest) is None
    assert other.find_interface_document(bytes(32)) is None


def test_a_gateway_whose_key_is_in_a_token(home: Home, tmp_path: Path) -> None:
    token = SoftToken(tmp_path / "token", compile_module(tmp_path))
    token.add("gateway", home.city.gateway)
    (home.directory / "keys" / "gateway.pem").unlink()
    with (home.directory / "settings.toml").open("a") as settings:
        settings.write(f"gateway_key = {json.dumps(token.text('object=gateway'))}\n")
        settings.write("head_max_age_s = 86400\n")  # however slowly all this goes
    home.start()
    answer = home.ask()
    assert answer.status_code == 200, answer.text
    receipt = Receipt.from_header(answer.headers["sanlian-receipt"])
    verify_receipt(receipt, origin=ORIGIN, public_key=home.city.gateway.public_key)
    before = len(home.events())
    token.switch("removed")
    refused = home.ask()
    assert (refused.status_code, refused.json()["code"]) == (503, "LOG_WRITE_FAILED")
    assert "data" not in refused.json()
    assert len(home.events()) == before, "a record was kept that no checkpoint signs"
    token.switch("removed", on=False)
    answer = home.ask()
    assert answer.status_code == 200, answer.text
    assert token.tries == 2
    home.stop(signal.SIGTERM)


def test_a_batch_survives_the_process_and_is_kept_once(home: Home) -> None:
    key = home.city.provider_key
    body = encode_batch([sign_observation(key, members()) for _ in range(50)], "ab" * 32)

    def hand_in() -> httpx.Response:
        _, headers = sign_request(
            key,
            body,
            authority=f"127.0.0.1:{home.port}",
            path=OBSERVATIONS_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        url = f"http://127.0.0.1:{home.port}{OBSERVATIONS_PATH}"
        return httpx.post(url, content=body, headers=headers, timeout=30)

    home.start()
    first = hand_in()
    assert (first.status_code, first.text.count('"index":')) == (200, 50)
    assert home.stop(signal.SIGKILL) == -signal.SIGKILL
    home.start()
    assert hand_in().content == first.content
    assert home.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
    assert [one["event"] for one in home.events()].count("observed") == 50
