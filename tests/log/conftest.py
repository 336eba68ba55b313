import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.sm2 import PrivateKey
from ledger.log.entries import Nonce
from ledger.log.writer import LogWriter
from protocol.httpsig import sign_request

ORIGIN = "city.example/gateway-1"
LOG_ID = bytes.fromhex("ab" * 32)


def wait_until(predicate: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class Drafts:
    """Makes drafts of records with real signatures of one requester."""

    def __init__(self) -> None:
        self.key = PrivateKey.generate()
        self.grant = secrets.token_bytes(32)

    def intent(self, nonce: str | None = None) -> tuple[dict[str, Any], Nonce]:
        value = nonce or secrets.token_hex(16)
        request, _ = sign_request(
            self.key,
            b"{}",
            authority="127.0.0.1:8441",
            path="/v1/data",
            created=int(time.time()),
            nonce=value,
            grant=self.grant,
        )
        zeros = "0" * 64
        draft = {
            "event": "intent",
            "request": request.to_record(),
            "department": zeros,
            "source": "127.0.0.1",
            "block": {"number": 1, "hash": zeros},
            "grant_revision": 1,
            "provider": zeros,
            "entry": zeros,
            "entry_version": 1,
            "interface": zeros,
            "interface_version": 1,
            "items": zeros,
        }
        return draft, Nonce(self.key.public_key.key_id, bytes.fromhex(value))

    def outcome(self, intent: int, leaf: bytes) -> dict[str, Any]:
        return {
            "event": "outcome",
            "intent": intent,
            "intent_leaf": leaf.hex(),
            "result": "failed",
            "code": "PROVIDER_TIMEOUT",
            "items": "0" * 64,
            "rows": 0,
            "bytes": 0,
            "latency_ms": 1,
            "response_digest": None,
            "provider_response": None,
        }


@pytest.fixture
def drafts() -> Drafts:
    return Drafts()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for a log, of each kind; sqlite_only and postgres_only choose one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'logs' / 'gateway.db'}"
    server = request.getfixturevalue("postgres")
    return str(server.url(server.make_database()))


sqlite_only = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture
def open_log(url: str, key: PrivateKey) -> Iterator[Callable[..., LogWriter]]:
    opened: list[LogWriter] = []

    def make(**options: Any) -> LogWriter:
        given = {"origin": ORIGIN, "log_id": LOG_ID, "key": key, **options}
        writer = LogWriter(url, **given)
        opened.append(writer)
        return writer

    yield make
    for writer in opened:
        writer.close()
