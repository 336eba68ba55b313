"""Each fault gives a clear message and a recovery that loses nothing acknowledged."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.db.engine import make_engine
from ledger.log.reader import LogReader
from ledger.rebuild import find_differences
from tests.whole.instance import Instance, sanlian, wait_until


def _journal(instance: Instance) -> Path:
    files = sorted((instance.home / "node").glob("journal*"))
    assert files, list((instance.home / "node").iterdir())
    return files[0]


def _pid_of(instance: Instance, module: str) -> int:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if module in line and str(instance.home) in line:
                return int(directory.name)
    raise AssertionError(f"{module} does not run")


def test_second_start_continues(instance: Instance) -> None:
    instance.start()
    instance.see_blocks()
    blocks = len(instance.blocks)
    instance.ask()
    instance.enrol(2)
    instance.verify()
    assert instance.interrupt() == 0
    assert instance.children() == []
    instance.start()
    instance.verify()
    assert len(instance.blocks) > blocks
    assert "loading the example" not in instance.output.read_text()


def test_torn_journal_and_truncated_snapshot(instance: Instance) -> None:
    instance.start()
    act = instance.enrol(2)
    with instance.platform() as platform:
        platform.wait_for(act)
    assert instance.interrupt() == 0
    snapshots = [p for p in (instance.home / "node").iterdir() if "snapshot" in p.name]
    assert snapshots
    for snapshot in snapshots:
        os.truncate(snapshot, snapshot.stat().st_size // 2)
    with _journal(instance).open("ab") as stream:
        stream.write(b"\x00\x00\x01\x00torn")
    instance.start()
    instance.verify()
    said = (instance.home / "processes" / "node.log").read_text()
    assert "snapshot" in said
    assert "torn" in said


def test_damaged_journal_is_refused(instance: Instance) -> None:
    path = _journal(instance)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssertionError, match="JOURNAL_DAMAGED"):
        instance.start()


def test_lost_node_comes_back(instance: Instance) -> None:
    instance.start()
    os.kill(_pid_of(instance, "ledger.chain.engines.embedded"), signal.SIGKILL)
    act = instance.enrol(3)  # acknowledged while no node answers
    with instance.platform() as platform:
        assert platform.wait_for(act).status == "recorded"
    assert "node ended and is started again" in instance.output.read_text()
    instance.ask()
    instance.verify()


def test_database_rebuilt_from_the_chain(
    instance: Instance, copies: Callable[[Instance], Instance]
) -> None:
    before = copies(instance)
    for path in instance.home.glob("ledger.db*"):
        path.unlink()
    code, text = sanlian("rebuild", "--home", str(instance.home), "--node", "")
    assert code == 0, text
    old, new = (
        make_engine(f"sqlite:///{one.home / 'ledger.db'}", read_only=True)
        for one in (before, instance)
    )
    try:
        assert find_differences(old, new) == ()
        with old.connect() as one, new.connect() as two:
            for table in ("departments", "persons", "keys", "entries", "interfaces", "requests"):
                query = f"SELECT count(*) FROM {table}"  # noqa: S608 - names from above
                assert one.exec_driver_sql(query).scalar() == two.exec_driver_sql(query).scalar()
                assert one.exec_driver_sql(query).scalar()
    finally:
        old.dispose()
        new.dispose()
    instance.start()
    instance.ask()
    instance.enrol(2)
    instance.verify()


def test_altered_access_record_is_named(instance: Instance) -> None:
    database = instance.home / "logs" / "gateway.db"
    with sqlite3.connect(database) as connection:
        seq, data = connection.execute(
            "SELECT seq, bytes FROM records WHERE event = 'outcome'"
        ).fetchone()
        altered = data.replace(b'"rows":4', b'"rows":5')
        assert altered != data
        connection.execute("UPDATE records SET bytes = ? WHERE seq = ?", (altered, seq))
    code, text = sanlian("audit", "--home", str(instance.home))
    assert code == 1
    assert f"record {seq}:" in text


def test_deleted_tail_of_the_log_stops_the_gateway(
    instance: Instance, copies: Callable[[Instance], Instance]
) -> None:
    instance.start()
    assert instance.interrupt() == 0
    rolled_back = copies(instance)
    reader = LogReader.open(f"sqlite:///{rolled_back.home / 'logs' / 'gateway.db'}")
    size = reader.size()
    reader.close()
    instance.start()
    instance.ask(3)
    with instance.platform() as platform:

        def is_anchored() -> bool:
            (log,) = platform.read_all("logs")
            anchor = log["anchor"]
            return anchor is not None and int(anchor["size"]) > size

        wait_until(is_anchored)
    assert instance.interrupt() == 0
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        path = instance.home / "logs" / name
        path.unlink(missing_ok=True)
        if (rolled_back.home / "logs" / name).exists():
            shutil.copy(rolled_back.home / "logs" / name, path)
    with pytest.raises(AssertionError, match="LOG_BEHIND_ANCHOR"):
        instance.start()
