"""The example, loaded once and stopped; each test works on a copy of its home."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from example_city.home import free_ports
from tests.whole.instance import Instance, copy_of


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home directory of an instance that was loaded, used once and stopped with Ctrl-C."""
    instance = Instance(tmp_path_factory.mktemp("whole") / "city", free_ports())
    try:
        instance.start()
        instance.ask()
        assert instance.interrupt() == 0
        assert instance.children() == []
    finally:
        instance.end()
    return instance.home


@pytest.fixture
def instance(loaded: Path, tmp_path: Path) -> Iterator[Instance]:
    """A stopped copy of the loaded instance; whatever runs of it at the end is killed."""
    found = copy_of(loaded, tmp_path / "city")
    yield found
    found.end()


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Callable[[Instance], Instance]]:
    """Copy a stopped instance; the copies are ended with the test."""
    made: list[Instance] = []

    def copy(source: Instance) -> Instance:
        made.append(copy_of(source.home, tmp_path / f"copy-{len(made)}"))
        return made[-1]

    yield copy
    for one in made:
        one.end()
