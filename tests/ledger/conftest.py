"""Fixtures: a chain with contracts for each test that asks for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_city import City, Node, deploy, key

from ledger.chain.rpc import Rpc
from protocol.deployment import Deployment
from tests.postgres import Server

#: Kind of database of tests that choose none.
DATABASE = os.environ.get("SANLIAN_TEST_DATABASE", "sqlite")


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Deployment]:
    """Directory of a stopped node whose chain holds the contracts; tests work on copies."""
    directory = tmp_path_factory.mktemp("founded") / "node"
    node = Node(directory)
    node.start()
    rpc = Rpc(node.url)
    try:
        return directory, deploy(rpc)
    finally:
        rpc.close()
        node.stop()


@pytest.fixture
def city(
    request: pytest.FixtureRequest, tmp_path: Path, founded: tuple[Path, Deployment]
) -> Iterator[City]:
    """A chain with contracts, and an empty database that has followed genesis."""
    make_url = None
    if getattr(request, "param", DATABASE) == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        make_url = lambda: server.url(server.make_database())  # noqa: E731 - as short as it gets
    directory, deployment = founded
    shutil.copytree(directory, tmp_path / "node")
    node = Node(tmp_path / "node")
    node.start()
    try:
        rpc = Rpc(node.url)
        city = City(node, rpc, deployment, tmp_path, key("platform"), make_url)
        city.open()
        city.catch_up()
        yield city
        city.engine.dispose()
        rpc.close()
    finally:
        node.stop()
