"""What tests of several parts share."""

from collections.abc import Iterator

import pytest

from tests.postgres import Server, require_binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for all tests of a process."""
    server = Server(require_binaries())
    yield server
    server.close()
