"""A batch pulled page by page through a real gateway process that is killed in between."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import LedgerError, OutcomeUnknown, ProtocolError, RequestRefused
from crypto.keyfile import dump_private_key
from crypto.sm3 import sm3
from ledger.db.engine import write_transaction
from ledger.db.store import SqlStore
from sanlian_client.cli import main
from sanlian_client.data import Gateway, Purpose
from sanlian_client.middleware import SanlianProvider
from sanlian_client.pull import Batch, pull_batch
from sanlian_client.receipts import ReceiptStore
from tests.gateway.city import BASIS, ORIGIN, SCENARIO
from tests.gateway.conftest import serve_asgi
from tests.gateway.test_gateway_process import PASSPHRASE, Home

ROWS, PAGE = 23, 5
REGION = "PLANTED-REGION-3141"


def described() -> bytes:
    """Return the interface document of a service with pages."""
    text = {"type": "string"}
    person = {"type": "object", "properties": {"name": text, "address": text}}
    answer = {
        "properties": {
            "records": {"type": "array", "items": person},
            "next": {"type": ["string", "null"]},
        }
    }
    operation = {
        "x-sanlian-records": "/records",
        "x-sanlian-items": {
            "0": ["/records/*/name", "/next"],
            "1": ["/records/*/address", "/next"],
        },
        "parameters": [
            {"name": "region", "in": "query", "required": True},
            {"name": "cursor", "in": "query"},
        ],
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": "register", "version": "1"},
            "paths": {"/register": {"get": operation}},
        }
    )


class Desk:
    """A register with pages, a gateway process before it, and a requester."""

    def __init__(self, directory: Path) -> None:
        self.home = Home(directory)
        settings = directory / "settings.toml"
        settings.write_text(settings.read_text() + "head_max_age_s = 3600\n")
        with write_transaction(self.home.engine) as connection, Session(connection) as session:
            city = self.home.city
            city.store = SqlStore(session)
            self.grant = city.grant(city.interface(described(), max_rows=PAGE))
            self.home._publish(session)
        self.killed: subprocess.Popen[bytes] | None = None
        self.receipts = ReceiptStore(directory / "receipts")
        self.before_answer: Callable[[int], None] = lambda _start: None
        self.next: Callable[[int], Any] = lambda end: str(end) if end < ROWS else None
        self.app = Starlette(routes=[Route("/register", self._answer, methods=["GET"])])

    async def _answer(self, request: Request) -> Response:
        assert request.query_params["region"] == REGION
        start = int(request.query_params.get("cursor", "0"))
        self.before_answer(start)
        names = [
            {"name": f"n{i}", "address": "x", "id": i}
            for i in range(start, min(start + PAGE, ROWS))
        ]
        return JSONResponse({"records": names, "next": self.next(start + PAGE)})

    def kill(self) -> None:
        """End the gateway at once."""
        self.killed, self.home.process = self.home.process, None
        assert self.killed is not None
        self.killed.kill()
        self.killed.wait(20)

    def restart(self) -> None:
        """Start the gateway once the one before is gone; another thread may have killed it."""
        assert self.killed is not None
        self.killed.wait(20)
        self.home.start()

    def pull(self, directory: Path, **options: Any) -> Batch:
        url = f"http://127.0.0.1:{self.home.port}"
        key = self.home.city.gateway.public_key
        with Gateway(url, origin=ORIGIN, public_key=key) as gateway:
            return pull_batch(
                gateway,
                self.home.city.system,
                **{
                    "grant": self.grant,
                    "parameters": {"region": REGION},
                    "purpose": Purpose("p-1", BASIS, SCENARIO),
                    "store": self.receipts,
                    "directory": directory,
                    **options,
                },
            )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("batch")
    desk = Desk(directory)
    home = desk.home
    provider = SanlianProvider(
        desk.app,
        gateway_keys={ORIGIN: home.city.gateway.public_key},
        department_id=home.city.provider,
        provider_key=home.city.provider_key,
        authority=f"127.0.0.1:{home.provider_port}",
        store_path=directory / "provider.db",
    )
    with serve_asgi(provider, home.provider_port):
        home.start()
        yield desk
        if home.process is not None:
            home.stop(signal.SIGTERM)
    home.engine.dispose()


@pytest.fixture(autouse=True)
def _clean(desk: Desk) -> Iterator[None]:
    yield
    desk.before_answer = lambda _start: None
    desk.next = lambda end: str(end) if end < ROWS else None
    if desk.home.process is None:
        desk.restart()


def names_in(directory: Path) -> list[str]:
    manifest = json.loads((directory / "manifest.json").read_bytes())
    pages = [json.loads((directory / page["file"]).read_bytes()) for page in manifest["pages"]]
    assert manifest["complete"] is True
    return [record["name"] for page in pages for record in page["records"]]


EVERYBODY = [f"n{i}" for i in range(ROWS)]


def test_every_page_is_listed_with_its_outcome(desk: Desk, tmp_path: Path) -> None:
    done = desk.pull(tmp_path)
    assert (done.pages, done.rows, done.pulled) == (5, ROWS, 5)
    assert names_in(tmp_path) == EVERYBODY
    data = (tmp_path / "manifest.json").read_bytes()
    assert done.manifest_digest == sm3(data)
    assert REGION.encode() not in data
    manifest: Any = parse_canonical(data, max_bytes=10**6)
    records = desk.home.events()
    for page in manifest["pages"]:
        outcome = records[page["outcome"]]
        assert (outcome["event"], outcome["rows"]) == ("outcome", page["rows"])
        text = (tmp_path / page["file"]).read_bytes()
        assert sm3(text).hex() == page["sm3"]
        assert b"address" not in text  # item 1 was not granted
    again = desk.pull(tmp_path)
    assert (again.pulled, again.manifest_digest) == (0, done.manifest_digest)


@pytest.mark.parametrize("stop_at", [0, 2 * PAGE, 4 * PAGE])
def test_killed_in_the_middle_of_a_page_and_between(
    desk: Desk, tmp_path: Path, stop_at: int
) -> None:
    def kill(start: int) -> None:
        if start == stop_at:
            desk.before_answer = lambda _start: None
            desk.kill()

    desk.before_answer = kill
    with pytest.raises(OutcomeUnknown):
        desk.pull(tmp_path)
    desk.restart()
    assert desk.home.events()[-1]["event"] == "interrupted"

    def kill_after(_pages: int, rows: int) -> None:
        if rows < ROWS:
            desk.kill()

    if stop_at < 4 * PAGE:
        with pytest.raises(LedgerError, match="SERVER_UNREACHABLE"):
            desk.pull(tmp_path, on_page=kill_after)
        desk.restart()
        stop_at += PAGE
    assert desk.pull(tmp_path).pulled == 5 - stop_at // PAGE
    assert names_in(tmp_path) == EVERYBODY


def begun(desk: Desk, directory: Path) -> None:
    """Pull two pages."""

    def stop(pages: int, _rows: int) -> None:
        if pages == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.pull(directory, on_page=stop)


def test_another_batch_does_not_go_on(desk: Desk, tmp_path: Path) -> None:
    begun(desk, tmp_path)
    with pytest.raises(LedgerError, match="BATCH_DIFFERS"):
        desk.pull(tmp_path, parameters={"region": "another"})
    with pytest.raises(LedgerError, match="BATCH_DIFFERS"):
        desk.pull(tmp_path, grant=bytes(32))
    assert desk.pull(tmp_path).pulled == 3


def test_what_was_altered_here_is_noticed(desk: Desk, tmp_path: Path) -> None:
    begun(desk, tmp_path)
    page, manifest = tmp_path / "page-000002.json", tmp_path / "manifest.json"
    whole, listed = page.read_bytes(), manifest.read_bytes()
    page.write_bytes(whole + b" ")
    with pytest.raises(LedgerError, match="BATCH_DAMAGED"):
        desk.pull(tmp_path)
    page.write_bytes(whole)
    for data in (b"{", b"[]", b"{}", listed.replace(b"false", b"true"), listed[:-1]):
        manifest.write_bytes(data)
        with pytest.raises(LedgerError, match="BATCH_DAMAGED"):
            desk.pull(tmp_path)
    # A page that was written and not listed is asked for again.
    manifest.write_bytes(listed)
    (tmp_path / "page-000003.json").write_bytes(b"half a pa")
    desk.pull(tmp_path)
    assert names_in(tmp_path) == EVERYBODY


@pytest.mark.parametrize("bad", ["5", "x" * 1025, ""])
def test_bad_cursors_end(desk: Desk, tmp_path: Path, bad: str) -> None:
    desk.next = lambda end: str(end) if end == PAGE else bad
    with pytest.raises(LedgerError, match="PAGE_CURSOR_INVALID"):
        desk.pull(tmp_path)


def test_a_cursor_of_another_type_is_not_as_described(desk: Desk, tmp_path: Path) -> None:
    desk.next = lambda end: end
    with pytest.raises(RequestRefused, match="ANSWER_NOT_AS_DESCRIBED"):
        desk.pull(tmp_path)


def test_without_end(desk: Desk, tmp_path: Path) -> None:
    desk.next = lambda end: f"{end:05d}"
    with pytest.raises(LedgerError, match="BATCH_TOO_LONG"):
        desk.pull(tmp_path, max_pages=3)
    with pytest.raises(ProtocolError, match="BODY_MALFORMED"):
        desk.pull(tmp_path / "x", parameters={"cursor": "1"})


def test_the_command(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "system.pem"
    key.touch(0o600)
    key.write_bytes(dump_private_key(desk.home.city.system, PASSPHRASE, iterations=1000))
    command = ["data", "pull", desk.grant.hex(), str(tmp_path / "batch")]
    command += ["--parameters", json.dumps({"region": REGION}), "--cursor", "cursor"]
    command += ["--next", "next", "--basis", BASIS, "--scenario", SCENARIO]
    command += ["--receipts", str(tmp_path / "receipts"), "--key", str(key)]
    command += ["--passphrase", PASSPHRASE, "--gateway", f"http://127.0.0.1:{desk.home.port}"]
    command += ["--deployment", str(desk.home.directory / "deployment.json")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "5 pages" in done.output
    assert names_in(tmp_path / "batch") == EVERYBODY
