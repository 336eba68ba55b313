"""The whole instance with ledger and log in PostgreSQL: both sides are killed under load."""

import signal
import threading
from pathlib import Path

import pytest

from example_city.home import free_ports
from tests.postgres import Server, require_binaries
from tests.whole.instance import Instance


@pytest.mark.full
def test_platform_and_database_are_killed_and_nothing_acknowledged_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(require_binaries())
    instance = Instance(tmp_path / "city", free_ports())
    try:
        url = server.url(server.make_database())
        monkeypatch.setenv("SANLIAN_DATABASE_URL", url)
        monkeypatch.setenv("SANLIAN_LOG_DATABASE_URL", url)
        instance.start()
        assert not list(instance.home.glob("*ledger.db*"))
        stop = threading.Event()
        threads = instance.load(stop)
        stop.wait(3)
        instance.kill()
        instance.start()
        # The same threads go on; now the database is away for a moment.
        stop.wait(2)
        server.stop(signal.SIGKILL)
        stop.wait(1)
        server.start()
        stop.wait(4)
        stop.set()
        for thread in threads:
            thread.join(60)
        instance.ask()
        instance.verify()
        assert instance.acknowledged
        assert instance.interrupt() == 0
    finally:
        instance.end()
        server.close()
