"""Real contracts on a real Anvil, and a city of fixed keys that signs acts for them."""

import socket
import subprocess
from collections.abc import Iterator

import pytest
from eth_account import Account

from crypto.errors import LedgerError
from crypto.sm3 import sm3
from ledger.chain.deploy import Deployed, deploy_contracts
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc
from tests.contracts.city import AUTHORITY, CHAIN_ID, CITY_HEAD, DELAY_S, City, key, wait_until

SENDER_KEY = sm3(b"contracts tests: sender")
START_S = 1_790_000_000


def _is_up(rpc: Rpc) -> bool:
    try:
        return int(rpc.call("eth_chainId"), 16) == CHAIN_ID
    except LedgerError:
        return False


@pytest.fixture(scope="session")
def rpc() -> Iterator[Rpc]:
    """A chain of our own that makes a block of each transaction."""
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


@pytest.fixture(scope="session")
def deployed(rpc: Rpc) -> Deployed:
    """The contracts, with a threshold of two of three authority keys."""
    return deploy_contracts(
        rpc,
        SENDER_KEY,
        head_key=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
        replacement_delay_s=DELAY_S,
    )


@pytest.fixture(scope="session")
def built(rpc: Rpc, deployed: Deployed) -> City:
    """Two departments with an entry, an interface, requests, a grant and a log, made once."""
    city = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
    city.build()
    return city


@pytest.fixture
def city(rpc: Rpc, deployed: Deployed, built: City) -> Iterator[City]:
    """The city after `City.build`; what a test does is undone."""
    snapshot = rpc.call("evm_snapshot")
    city = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
    city.ids.update(built.ids)
    yield city
    assert rpc.call("evm_revert", snapshot) is True
