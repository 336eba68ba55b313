"""Fixtures: a fresh chain with contracts for each test that asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_city import City, Node, deploy, key

from ledger.chain.rpc import Rpc


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A fresh chain with contracts, and an empty database that has followed genesis."""
    node = Node(tmp_path / "node")
    node.start()
    try:
        rpc = Rpc(node.url)
        city = City(node, rpc, deploy(rpc), tmp_path, key("platform"))
        city.open()
        city.catch_up()
        yield city
        city.engine.dispose()
        rpc.close()
    finally:
        node.stop()
