"""A ledger for each module of tests."""

from collections.abc import Iterator

import pytest

from tests.api.running.beginning import begin
from tests.api.running.process import Running, start
from tests.api.running.story import Story


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger that has only been founded; story is the one on it."""
    with start(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def story(running: Running) -> Story:
    """The story of that ledger, begun."""
    return begin(running)
