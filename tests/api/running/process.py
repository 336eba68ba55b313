"""A ledger in processes of its own: node and api, started and stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from api_waiting import wait_until
from eth_account import Account

from crypto.errors import LedgerError
from ledger.chain.artifacts import encode_call
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc
from ledger.settings import Settings
from ledger.setup import Founders, initialise, load_key
from protocol.checkpoint import Checkpoint, parse_note, sign_checkpoint
from tests.api.running.story import AUTHORITY, Story, key
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
CHAIN_ID = 880_001
ORIGIN = "api.test/gateway-1"
PASSPHRASE = "api test"


@dataclass
class Running:
    """A whole ledger in processes of its own."""

    settings: Settings
    story: Story
    api: subprocess.Popen[bytes]
    output: Path

    def anchor(self, checkpoint: Checkpoint) -> None:
        """Anchor a checkpoint from an account of nobody."""
        rpc = Rpc(self.settings.resolved_node_url)
        gateway = load_key(self.settings, "gateway")
        _, lines = parse_note(sign_checkpoint(checkpoint, gateway))
        payload = lines[0].payload
        call = encode_call(
            "Logs",
            "anchor",
            bytes.fromhex(self.story.ids["log"]),
            checkpoint.size,
            checkpoint.root,
            int.from_bytes(payload[:32], "big"),
            int.from_bytes(payload[32:], "big"),
        )
        account = Account.create()
        signed = account.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": 0,
                "gasPrice": 0,
                "gas": 5_000_000,
                "value": 0,
                "to": bytes.fromhex(self.story.deployment["contracts"]["Logs"][2:]),
                "data": call,
            }
        )
        try:
            rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        finally:
            rpc.close()


@contextmanager
def start(home: Path) -> Iterator[Running]:
    """Start node and api in a new home, and stop them afterwards."""
    try:
        find_anvil()
    except LedgerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    output = home / "api.log"
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (home / "node.log").open("wb") as log:
            node = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ledger.chain.engines.embedded"),
                    *("--directory", str(home / "node"), "--port", "0"),
                    *("--chain-id", str(CHAIN_ID), "--block-interval-ms", "20"),
                    *("--max-lead-s", "100000"),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        started.append(node)
        assert node.stdout is not None
        line = node.stdout.readline().decode()
        assert line, (home / "node.log").read_text()
        settings = Settings(
            home=home,
            node_url=line.split()[-1],
            api_port=free_port(),
            gateway_port=free_port(),
            key_passphrase=PASSPHRASE,
        )
        initialise(
            settings,
            Founders(
                head=key("city head").public_key,
                authority=tuple(key(name).public_key for name in AUTHORITY),
                threshold=2,
                witnesses=(key("witness").public_key,),
                witness_threshold=1,
                replacement_delay_s=2,
            ),
            origin=ORIGIN,
            example=True,
            say=lambda _: None,
        )
        with output.open("wb") as log:
            api = subprocess.Popen(
                [sys.executable, "-m", "api", "--home", str(home)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={
                    **os.environ,
                    "SANLIAN_NODE_URL": settings.node_url,
                    "SANLIAN_API_PORT": str(settings.api_port),
                    "SANLIAN_GATEWAY_PORT": str(settings.gateway_port),
                    "SANLIAN_KEY_PASSPHRASE": PASSPHRASE,
                },
            )
        started.append(api)
        url = f"http://127.0.0.1:{settings.api_port}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:

            def is_well() -> bool:
                assert api.poll() is None, output.read_text()
                try:
                    return http.get("/health").status_code == 200
                except httpx.TransportError:
                    return False

            wait_until(is_well, 60)
            yield Running(settings, Story(http, wait_until), api, output)
    finally:
        for process in reversed(started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(started):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
