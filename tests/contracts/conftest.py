"""Real contracts on a real Anvil, and a city of fixed keys that signs acts for them."""

from collections.abc import Iterator

import pytest
from eth_account import Account

from ledger.chain.deploy import Deployed
from ledger.chain.rpc import Rpc
from tests.contracts.chain import SENDER_KEY, deploy_city, started_chain
from tests.contracts.city import City


@pytest.fixture(scope="session")
def rpc() -> Iterator[Rpc]:
    """A chain of our own that makes a block of each transaction."""
    with started_chain() as node:
        yield node


@pytest.fixture(scope="session")
def deployed(rpc: Rpc) -> Deployed:
    """The contracts, with a threshold of two of three authority keys."""
    return deploy_city(rpc)


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
