"""A real engine process on a free port, and transactions for it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from crypto.errors import LedgerError
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 777_001
ACCOUNT = Account.from_key(b"\x01" * 32)
# sstore(calldata word 0, 1); log1 with that word as topic
RUNTIME = bytes.fromhex("60016000355560003560006000a100")
INIT = bytes.fromhex(f"60{len(RUNTIME):02x}600c60003960{len(RUNTIME):02x}6000f3") + RUNTIME


def wait_until(predicate: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Return the predicate's first true value, or fail."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = predicate()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not true within {timeout_s} s")


def sign(nonce: int, to: str | None = None, data: bytes = INIT, **fields: Any) -> tuple[str, str]:
    """Return a raw transaction and its hash, both 0x-hex."""
    transaction = {
        "nonce": nonce,
        "gasPrice": 0,
        "gas": 1_000_000,
        "value": 0,
        "data": data,
        "chainId": CHAIN_ID,
        **fields,
    }
    if to is not None:
        transaction["to"] = bytes.fromhex(to[2:])
    signed = ACCOUNT.sign_transaction(transaction)
    return "0x" + signed.raw_transaction.hex(), "0x" + signed.hash.hex()


class Node:
    """One engine process."""

    def __init__(self, directory: Path, *arguments: str, port: int = 0) -> None:
        self.log = directory.with_name(f"{directory.name}.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ledger.chain.engines.embedded"),
                    *("--directory", str(directory), "--port", str(port)),
                    *("--chain-id", str(CHAIN_ID), "--block-interval-ms", "20"),
                    *("--max-lead-s", "100000", *arguments),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        self.url = line.split()[-1] if line else ""
        self.rpc = Rpc(self.url, 20.0) if self.url else None

    def __call__(self, method: str, *params: object) -> Any:
        assert self.rpc is not None, self.errors
        return self.rpc.call(method, *params)

    @property
    def errors(self) -> str:
        """Everything that it logged in this directory so far."""
        return self.log.read_text()

    @property
    def child(self) -> int:
        """Process id of Anvil."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return next(
            int(p) for p in children.split() if "anvil" in Path(f"/proc/{p}/cmdline").read_text()
        )

    def block(self, number: int) -> dict[str, Any]:
        """Return a block with the hashes of its transactions."""
        with_transactions = False
        answer: dict[str, Any] = self("eth_getBlockByNumber", hex(number), with_transactions)
        return answer

    def receipt(self, transaction_hash: str) -> dict[str, Any]:
        """Wait for a receipt."""
        answer: dict[str, Any] = wait_until(
            lambda: self("eth_getTransactionReceipt", transaction_hash)
        )
        return answer

    def record(self, nonce: int, **fields: Any) -> dict[str, Any]:
        """Send a transaction and wait for its receipt."""
        raw, transaction_hash = sign(nonce, **fields)
        assert self("eth_sendRawTransaction", raw) == transaction_hash
        return self.receipt(transaction_hash)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture(scope="session", autouse=True)
def _anvil() -> None:
    try:
        find_anvil()
    except LedgerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Start engines in one directory; whatever still runs at the end is killed."""
    nodes: list[Node] = []

    def run(*arguments: str) -> Node:
        nodes.append(Node(tmp_path / "node", *arguments))
        return nodes[-1]

    yield run
    for node in nodes:
        node.stop(signal.SIGKILL)


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Send one HTTP request with exactly these headers and return status and JSON body."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        lines = ["POST / HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        # The server may answer before it has read everything.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall("\r\n".join(lines).encode() + body)
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest) if rest.startswith((b"{", b"[")) else rest
