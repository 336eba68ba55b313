"""A chain of our own with the contracts of the tests' city on it, for tests and benchmarks."""

import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from crypto.errors import LedgerError
from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_call
from ledger.chain.deploy import Deployed, deploy_contracts
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, DELAY_S, key, wait_until

SENDER_KEY = sm3(b"contracts tests: sender")
START_S = 1_790_000_000
BUILDER = "0x00000000000000000000000000000000005a0003"
BUILD_GAS = 20_000_000


def _is_up(rpc: Rpc) -> bool:
    try:
        return int(rpc.call("eth_chainId"), 16) == CHAIN_ID
    except LedgerError:
        return False


@contextmanager
def started_chain() -> Iterator[Rpc]:
    """The embedded engine's node, alone; it makes a block of each transaction."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    limits = ["--base-fee", "0", "--gas-price", "0", "--gas-limit", "300000000", "--accounts", "0"]
    quiet = ["--no-cors", "--disable-console-log", "--disable-default-create2-deployer", "--quiet"]
    chain = ["--hardfork", "paris", "--order", "fifo", "--disable-min-priority-fee"]
    options = ["--host", "127.0.0.1", *limits, *quiet, *chain]
    command = [str(find_anvil()), *options, "--port", str(port)]
    command += ["--chain-id", str(CHAIN_ID), "--timestamp", str(START_S)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    node = Rpc(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: process.poll() is not None or _is_up(node))
        assert process.poll() is None, "anvil ended"
        yield node
    finally:
        node.close()
        process.terminate()
        process.wait(10)


def deploy_city(rpc: Rpc) -> Deployed:
    """Create the contracts, with a threshold of two of three authority keys."""
    return deploy_contracts(
        rpc,
        SENDER_KEY,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
        replacement_delay_s=DELAY_S,
    )


def build_tables(rpc: Rpc, sm: bytes, points: Iterable[tuple[int, int]]) -> None:
    """Have Sm compute the table of each key."""
    rpc.call("anvil_impersonateAccount", BUILDER)
    for x, y in points:
        sent = {"from": BUILDER, "to": "0x" + sm.hex(), "gas": hex(BUILD_GAS), "gasPrice": "0x0"}
        data = "0x" + encode_call("Sm", "buildTable", x, y).hex()
        found = rpc.call("eth_sendTransaction", {**sent, "data": data})
        receipt = wait_until(partial(rpc.call, "eth_getTransactionReceipt", found))
        assert int(receipt["status"], 16) == 1, receipt
