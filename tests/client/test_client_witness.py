"""A witness between a real node (Anvil) and a small real log."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from client_rig import ORIGIN, Log, serve, wait_until

from crypto.canonical import canonical_json
from crypto.errors import LedgerError
from crypto.merkle import consistency_path
from crypto.sm2 import PrivateKey, PublicKey, Signature, verify
from protocol.checkpoint import block_statement, cosign_checkpoint, verify_cosignature
from protocol.description import CONTRACTS
from sanlian_client.keys import load_key, make_key
from sanlian_client.witness import ForkFound, Witness
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
CHAIN_ID = 31338
WITH_TRANSACTIONS = False


def find_anvil() -> str:
    packaged = ROOT / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    found = os.environ.get("SANLIAN_ANVIL") or (
        str(packaged) if packaged.exists() else shutil.which("anvil")
    )
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs anvil")
        pytest.skip("anvil is not installed")
    return found


class Node:
    """Anvil, mined block by block."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        flags = "--no-mining --no-cors --hardfork paris --base-fee 0 --gas-price 0 --accounts 0"
        arguments = [*flags.split(), "--chain-id", str(CHAIN_ID), "--timestamp", "1700000000"]
        self.process = subprocess.Popen(
            [find_anvil(), "--host", "127.0.0.1", "--port", str(self.port), "--quiet", *arguments],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self.is_up)

    def is_up(self) -> bool:
        try:
            self.call("eth_chainId")
        except httpx.TransportError:
            return False
        return True

    def call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx.post(self.url, json=body, trust_env=False).json()["result"]

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.call("evm_mine")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def node() -> Iterator[Node]:
    running = Node()
    try:
        yield running
    finally:
        running.stop()


class Services:
    """Log endpoints of a gateway and the api's cosignature endpoints, in one small server."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.log = Log(key)
        self.blocks: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.api_status = 201

    def answer(self, method: str, path: str, _headers: dict[str, str], body: bytes) -> Any:
        parts = urlsplit(path)
        if method == "POST":
            if self.api_status != 201:
                return self.api_status, {}, b'{"code":"AWAY","title":"later"}'
            kept = self.blocks if parts.path == "/v1/cosignatures" else self.lines
            kept.append(json.loads(body))
            return 201, {}, b"{}"
        if parts.path == "/log/checkpoint":
            note = self.log.note()
            other = cosign_checkpoint(note, name="other", key=PrivateKey.generate(), time=5)
            return 200, {}, (note + other).encode()
        if parts.path == "/log/consistency":
            sizes = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
            if sizes["new"] > len(self.log.records):
                return 404, {}, b'{"code":"LOG_SIZE_UNKNOWN","title":"no"}'
            proof = consistency_path(self.log.node, sizes["old"], sizes["new"])
            return 200, {}, canonical_json({"path": [one.hex() for one in proof]})
        if parts.path == "/v1/logs":
            item = {"id": "0c" * 32, "origin": ORIGIN}
            return 200, {}, canonical_json({"items": [item], "next_cursor": None})
        key = self.key.public_key.to_bytes().hex()
        info = {
            "chain_id": CHAIN_ID,
            "contracts": dict.fromkeys(CONTRACTS, "0x" + "11" * 20),
            "example": False,
            "type": "sanlian/deployment/v1",
            "block": 1,
            "platform_key": key,
            "gateway_key": key,
            "origin": ORIGIN,
            "supplement_stops_clock": True,
        }
        return 200, {}, canonical_json(info)


@pytest.fixture
def services(gateway_key: PrivateKey) -> Iterator[tuple[Services, str]]:
    found = Services(gateway_key)
    found.log.fill(3)
    with serve(found.answer) as url:
        yield found, url


def make(directory: Path, key: PrivateKey, node_url: str, url: str) -> Witness:
    return Witness(
        directory,
        name="audit-office",
        key=key,
        node_url=node_url,
        api_url=url,
        gateway_url=url,
        say=lambda _news: None,
    )


def verify_block(value: dict[str, Any], key: PublicKey, node: Node) -> None:
    block = node.call("eth_getBlockByNumber", hex(value["number"]), WITH_TRANSACTIONS)
    assert block["hash"] == "0x" + value["hash"]
    statement = block_statement(
        chain_id=CHAIN_ID,
        number=value["number"],
        block_hash=bytes.fromhex(value["hash"]),
        time=value["time"],
    )
    verify(key, statement, Signature.from_bytes(bytes.fromhex(value["signature"])))


def test_blocks_and_checkpoints_are_cosigned(
    services: tuple[Services, str], tmp_path: Path
) -> None:
    small, url = services
    key = PrivateKey.generate()
    with node() as chain:
        chain.mine(40)
        witness = make(tmp_path, key, chain.url, url)
        assert witness.witness_blocks() is False
        witness.witness_log()
        # What was signed is on disk before it is delivered.
        state = json.loads((tmp_path / "state.json").read_bytes())
        assert (state["number"], state["size"], len(small.blocks)) == (40, 3, 0)
        witness.deliver()
        assert [one["number"] for one in small.blocks] == list(range(9, 41))
        for one in (small.blocks[0], small.blocks[-1]):
            verify_block(one, key.public_key, chain)
        line = small.lines[0]
        assert line["log"] == "0c" * 32
        assert (
            line["note"]
            == small.log.note(3).partition("\n\n")[0] + "\n\n" + (line["note"].partition("\n\n")[2])
        )
        assert line["note"].count("— ") == 1
        verify_cosignature(
            line["note"] + line["line"], name="audit-office", public_key=key.public_key
        )
        witness.close()

        # A new process goes on where the old one ended; what the api missed is sent later.
        witness = make(tmp_path, key, chain.url, url)
        chain.mine(2)
        small.log.fill(4)
        small.api_status = 503
        witness.witness_blocks()
        witness.witness_log()
        with pytest.raises(Exception, match="AWAY"):
            witness.deliver()
        witness.close()
        small.api_status = 201
        witness = make(tmp_path, key, chain.url, url)
        witness.deliver()
        assert [one["number"] for one in small.blocks[32:]] == [41, 42]
        assert len(small.lines) == 2
        witness.witness_log()
        witness.deliver()
        assert len(small.lines) == 2  # nothing new, nothing signed
        witness.close()


def test_another_history_of_blocks_stops_it(services: tuple[Services, str], tmp_path: Path) -> None:
    small, url = services
    key = PrivateKey.generate()
    with node() as chain:
        chain.mine(5)
        witness = make(tmp_path, key, chain.url, url)
        witness.witness_blocks()
        witness.deliver()
        witness.close()
    delivered = len(small.blocks)
    with node() as other:
        witness = make(tmp_path, key, other.url, url)
        other.mine(3)
        with pytest.raises(LedgerError, match="NODE_BEHIND"):
            witness.witness_blocks()
        # The same number of blocks with another state: another hash.
        other.call("anvil_setBalance", "0x" + "22" * 20, "0x1")
        other.mine(4)
        with pytest.raises(ForkFound):
            witness.witness_blocks()
        witness.close()
        alarm = json.loads((tmp_path / "alarm.json").read_bytes())
        assert alarm["kind"] == "block"
        assert alarm["ours"]["number"] == alarm["theirs"]["number"] == 5
        assert alarm["ours"]["hash"] != alarm["theirs"]["hash"]
        with pytest.raises(ForkFound):
            make(tmp_path, key, other.url, url)
    assert len(small.blocks) == delivered


@pytest.mark.parametrize("case", ["rewritten", "same size", "shrunk"])
def test_another_history_of_the_log_stops_it(
    case: str, services: tuple[Services, str], tmp_path: Path
) -> None:
    small, url = services
    with node() as chain:
        witness = make(tmp_path, PrivateKey.generate(), chain.url, url)
        witness.witness_log()
        if case == "shrunk":
            del small.log.records[1:]
        else:
            small.log.records[1] = small.log.records[2]
            small.log.fill(2 if case == "rewritten" else 0)
        with pytest.raises(ForkFound):
            witness.witness_log()
        witness.close()
    alarm = json.loads((tmp_path / "alarm.json").read_bytes())
    assert alarm["kind"] == "checkpoint"
    assert alarm["ours"]["note"] != alarm["theirs"]["note"]
    assert len(small.lines) == 0


def test_servers_that_are_away_are_tried_again(
    services: tuple[Services, str], tmp_path: Path
) -> None:
    small, url = services
    with node() as chain:
        chain.mine(1)
        news: list[str] = []
        dead = f"http://127.0.0.1:{free_port()}"
        witness = Witness(
            tmp_path,
            name="w",
            key=PrivateKey.generate(),
            node_url=dead,
            api_url=url,
            gateway_url=url,
            say=news.append,
        )
        stop = threading.Event()
        thread = threading.Thread(target=witness.run, args=(stop,), kwargs={"interval_s": 0.05})
        thread.start()
        wait_until(lambda: any("SERVER_UNREACHABLE" in one for one in news))
        stop.set()
        thread.join(10)
        witness.close()
        assert not small.blocks


def start(home: Path, node_url: str, url: str) -> subprocess.Popen[bytes]:
    arguments = ["--home", str(home), "--name", "w", "--node", node_url, "--api", url]
    arguments += ["--gateway", url, "--interval-s", "0.1"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "client")])
    return subprocess.Popen(
        [sys.executable, "-m", "sanlian_client", "witness", "run", *arguments],
        env={**os.environ, "PYTHONPATH": paths, "SANLIAN_KEY_PASSPHRASE": "correct horse"},
        stderr=subprocess.PIPE,
    )


def test_as_a_process(services: tuple[Services, str], tmp_path: Path) -> None:
    small, url = services
    with node() as chain:
        chain.mine(1)
        process = start(tmp_path, chain.url, url)
        try:
            wait_until(lambda: len(small.blocks) == 1 and len(small.lines) == 1)
            chain.mine(1)
            wait_until(lambda: len(small.blocks) == 2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            path = tmp_path / "key.pem"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            key = load_key(path, "correct horse")
            verify_block(small.blocks[-1], key.public_key, chain)

            small.log.records[0] = small.log.records[1]
            process = start(tmp_path, chain.url, url)
            assert process.wait(20) == 1
            assert process.stderr is not None
            assert process.stderr.read().startswith(b"WITNESS_FORK: ")
        finally:
            process.kill()
            process.wait(10)


def test_an_existing_key_is_used(services: tuple[Services, str], tmp_path: Path) -> None:
    small, url = services
    key = make_key(tmp_path / "key.pem", "correct horse")
    with node() as chain:
        chain.mine(1)
        process = start(tmp_path, chain.url, url)
        try:
            wait_until(lambda: len(small.blocks) == 1)
            verify_block(small.blocks[0], key.public_key, chain)
        finally:
            process.terminate()
            process.wait(10)
