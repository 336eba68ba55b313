"""Files downloaded in parts through a real gateway process that is killed in between."""

import hashlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from crypto.canonical import canonical_json, parse_json
from crypto.errors import LedgerError, OutcomeUnknown, ProtocolError, RequestRefused, SanlianError
from crypto.errors import VerificationError as Unproven
from crypto.keyfile import dump_private_key
from crypto.sm3 import Sm3, sm3
from ledger.db.engine import write_transaction
from ledger.db.store import SqlStore
from protocol.documents import parse_interface_document
from sanlian_client.cli import main
from sanlian_client.data import Gateway, Purpose
from sanlian_client.download import Download, download_file
from sanlian_client.file_service import FileService, describe_files
from sanlian_client.middleware import SanlianProvider
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import Closing, close_transfer
from tests.gateway.city import BASIS, ORIGIN, SCENARIO
from tests.gateway.conftest import serve_asgi
from tests.gateway.test_gateway_process import PASSPHRASE, Home

PART = 64 * 1024
WHOLE = random.Random(7).randbytes(9 * PART + 1234)  # noqa: S311 - bytes for a test


class Desk:
    """A provider's files, a gateway process before them, and a requester."""

    def __init__(self, directory: Path) -> None:
        self.home = Home(directory)
        self.files = directory / "files"
        self.files.mkdir()
        settings = directory / "settings.toml"
        settings.write_text(settings.read_text() + "head_max_age_s = 3600\n")
        (self.files / "register.bin").write_bytes(WHOLE)
        with write_transaction(self.home.engine) as connection, Session(connection) as session:
            city = self.home.city
            city.store = SqlStore(session)
            interface = city.interface(describe_files("register"))
            self.grant = city.grant(interface)
            self.without = city.grant(interface, items=0b10)
            self.home._publish(session)
        self.service = FileService(self.files)
        self.before_answer: Callable[[int], None] = lambda _offset: None
        self.killed: subprocess.Popen[bytes] | None = None
        self.receipts = ReceiptStore(directory / "receipts")
        self.path = directory / "here.bin"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()

        async def again() -> Any:
            return message

        self.before_answer(parse_json(message["body"], max_bytes=65536).get("offset", -1))
        await self.service(scope, again, send)

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

    def download(self, **options: Any) -> Download:
        url = f"http://127.0.0.1:{self.home.port}"
        key = self.home.city.gateway.public_key
        with Gateway(url, origin=ORIGIN, public_key=key) as gateway:
            return download_file(
                gateway,
                self.home.city.system,
                **{
                    "grant": self.grant,
                    "name": "register.bin",
                    "purpose": Purpose("p-1", BASIS, SCENARIO),
                    "store": self.receipts,
                    "path": self.path,
                    "part_size": PART,
                    **options,
                },
            )

    def close(self, closing: Closing) -> int:
        """Record the end of a transfer and return its index."""
        key = self.home.city.gateway.public_key
        with Gateway(f"http://127.0.0.1:{self.home.port}", origin=ORIGIN, public_key=key) as one:
            return close_transfer(one, self.home.city.system, self.grant, closing).index

    def names(self) -> list[str]:
        return sorted(one.name for one in self.path.parent.glob("here.bin*"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("files")
    desk = Desk(directory)
    home = desk.home
    provider = SanlianProvider(
        desk,
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
    desk.before_answer = lambda _offset: None
    (desk.files / "register.bin").write_bytes(WHOLE)
    for one in desk.path.parent.glob("here.bin*"):
        one.unlink()
    if desk.home.process is None:
        desk.restart()


def test_every_part_has_its_outcome(desk: Desk) -> None:
    before = len(desk.home.events())
    ends: list[Closing] = []
    done = desk.download(on_whole=ends.append)
    assert (done.size, done.digest, done.parts, done.resumed_at) == (len(WHOLE), sm3(WHOLE), 10, 0)
    assert desk.path.read_bytes() == WHOLE
    assert desk.path.stat().st_mode & 0o777 == 0o600
    assert desk.names() == ["here.bin"]
    events = desk.home.events()[before:]
    assert [one["event"] for one in events] == ["intent", "outcome"] * 10
    assert all(one["result"] == "released" for one in events[1::2])
    outcomes = [one["seq"] for one in events[1::2]]
    assert ends == [Closing(outcomes[0], outcomes[-1], 10, 0, done.digest)]
    assert desk.close(ends[0]) == desk.close(ends[0]) == len(desk.home.events()) - 1
    closed = desk.home.events()[-1]
    assert (closed["event"], closed["statement"]["parts"]) == ("closed", 10)
    with pytest.raises(LedgerError, match="FILE_EXISTS"):
        desk.download()


@pytest.mark.parametrize("stop_at", [0, 4 * PART, 9 * PART])
def test_killed_between_parts_and_in_the_middle_of_one(desk: Desk, stop_at: int) -> None:
    def kill(offset: int) -> None:
        if offset == stop_at:
            desk.before_answer = lambda _offset: None
            desk.kill()

    desk.before_answer = kill
    with pytest.raises(OutcomeUnknown):
        desk.download()
    assert not desk.path.exists()
    with pytest.raises(LedgerError, match="SERVER_UNREACHABLE"):
        desk.download()
    desk.restart()
    last = desk.home.events()[-1]
    assert last["event"] == "interrupted"

    def kill_after(done: int, size: int) -> None:
        if done < size:
            desk.kill()

    if stop_at < 9 * PART:
        with pytest.raises(SanlianError):
            desk.download(on_part=kill_after)
        desk.restart()
        stop_at += PART
    done = desk.download()
    assert (done.resumed_at, done.parts) == (stop_at, 10 - stop_at // PART)
    assert desk.path.read_bytes() == WHOLE


def test_a_file_that_changes_is_begun_anew(desk: Desk) -> None:
    def change(offset: int) -> None:
        if offset == 3 * PART:
            (desk.files / "register.bin").write_bytes(WHOLE[::-1])

    desk.before_answer = change
    with pytest.raises(Unproven, match="FILE_CHANGED"):
        desk.download()
    assert desk.names() == []
    desk.before_answer = lambda _offset: None
    assert desk.download().parts == 10
    assert desk.path.read_bytes() == WHOLE[::-1]


def test_a_file_that_became_shorter(desk: Desk) -> None:
    def cut(offset: int) -> None:
        if offset == 3 * PART:
            (desk.files / "register.bin").write_bytes(WHOLE[:PART])

    desk.before_answer = cut
    with pytest.raises(Unproven, match="FILE_CHANGED"):
        desk.download()


def test_what_was_altered_here_is_noticed(desk: Desk) -> None:
    def stop(done: int, _size: int) -> None:
        if done == 2 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.download(on_part=stop)
    part = desk.path.with_name("here.bin.part")
    part.write_bytes(b"x" + part.read_bytes()[1:])
    with pytest.raises(Unproven, match="FILE_DIGEST_MISMATCH"):
        desk.download()
    assert desk.names() == []


def test_whole_but_not_in_its_place_yet(desk: Desk) -> None:
    desk.path.with_name("here.bin.part").write_bytes(WHOLE)
    about = {
        "type": "sanlian/download/v1",
        "grant": desk.grant.hex(),
        "name": "register.bin",
        "size": len(WHOLE),
        "digest": sm3(WHOLE).hex(),
        "first": 2,
        "last": 4,
        "parts": 2,
    }
    desk.path.with_name("here.bin.part.json").write_bytes(canonical_json(about))
    ends: list[Closing] = []
    assert desk.download(on_whole=ends.append).parts == 0
    assert ends == [Closing(2, 4, 2, 0, sm3(WHOLE))]
    assert desk.path.read_bytes() == WHOLE


def test_parts_of_another_download_do_not_count(desk: Desk) -> None:
    desk.path.with_name("here.bin.part").write_bytes(b"something else")
    desk.path.with_name("here.bin.part.json").write_bytes(canonical_json({"type": "x"}))
    assert (desk.download().resumed_at, desk.path.read_bytes()) == (0, WHOLE)


def test_an_empty_file(desk: Desk) -> None:
    (desk.files / "register.bin").write_bytes(b"")
    assert desk.download().size == 0
    assert desk.path.read_bytes() == b""


def test_too_large(desk: Desk) -> None:
    with pytest.raises(LedgerError, match="FILE_TOO_LARGE"):
        desk.download(max_size=len(WHOLE) - 1)
    assert desk.names() == []


@pytest.mark.parametrize("name", ["nothing.bin", "link.bin", "folder", "pipe"])
def test_what_is_no_file_of_the_directory(desk: Desk, name: str) -> None:
    (desk.files.parent / "secret.bin").write_bytes(b"secret")
    for make in (
        lambda: (desk.files / "link.bin").symlink_to(desk.files.parent / "secret.bin"),
        (desk.files / "folder").mkdir,
        lambda: os.mkfifo(desk.files / "pipe"),
    ):
        with suppress(FileExistsError):
            make()
    with pytest.raises(RequestRefused, match="PROVIDER_FAILED"):
        desk.download(name=name)


@pytest.mark.parametrize("name", ["", "../secret.bin", "/etc/passwd", ".hidden", "a" * 129])
def test_names_that_are_none(desk: Desk, name: str) -> None:
    with pytest.raises(ProtocolError, match="FILE_NAME_MALFORMED"):
        desk.download(name=name)


def test_a_grant_without_the_file_s_item(desk: Desk) -> None:
    """The provider's service refuses by itself; the gateway would drop everything besides."""
    with pytest.raises(RequestRefused, match="PROVIDER_FAILED"):
        desk.download(grant=desk.without)


def test_the_command(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "system.pem"
    key.touch(0o600)
    key.write_bytes(dump_private_key(desk.home.city.system, PASSPHRASE, iterations=1000))
    path = tmp_path / "register.bin"
    command = ["data", "download", desk.grant.hex(), "register.bin", str(path)]
    command += ["--basis", BASIS, "--scenario", SCENARIO, "--part-size", str(4 * PART)]
    command += ["--receipts", str(tmp_path / "receipts"), "--key", str(key)]
    command += ["--passphrase", PASSPHRASE, "--gateway", f"http://127.0.0.1:{desk.home.port}"]
    command += ["--deployment", str(desk.home.directory / "deployment.json")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert sm3(WHOLE).hex() in done.output
    assert path.read_bytes() == WHOLE
    assert len(list((tmp_path / "receipts").glob("*.json"))) == 3


def test_the_described_interface_is_one() -> None:
    document = parse_interface_document(describe_files("文件", path="/f", item=9))
    assert (document.method, document.path, document.mask) == ("POST", "/f", 1 << 9)
    assert document.required == {"file", "offset", "length"}
    assert json.loads(describe_files("文件"))["info"]["title"] == "文件"


def test_digest_in_pieces() -> None:
    context = Sm3()
    for start in range(0, len(WHOLE), 1000):
        context.update(WHOLE[start : start + 1000])
    assert context.digest() == sm3(WHOLE) == hashlib.new("sm3", WHOLE).digest()
