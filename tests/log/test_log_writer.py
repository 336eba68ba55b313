"""The writer: receipts, nonces, quotas, order of commit and answer, faults of the commit."""

import asyncio
import errno
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from crypto.errors import LedgerError, ProtocolError, RequestRefused
from crypto.merkle import leaf_hash, verify_consistency
from crypto.sm2 import PrivateKey
from ledger.log import core as log_core
from ledger.log import statements, store
from ledger.log.entries import Nonce, Quota
from ledger.log.reader import LogReader
from ledger.log.recovery import AnchorPoint
from ledger.log.writer import LogWriter
from protocol.checkpoint import verify_checkpoint
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from tests.log.conftest import LOG_ID, ORIGIN, Drafts, sqlite_only, wait_until

Open = Callable[..., LogWriter]


def rejected(number: int) -> dict[str, Any]:
    return {
        "event": "rejected",
        "source": "10.0.0.1",
        "code": "SIGNATURE_INVALID",
        "minute": number,
        "count": 1,
    }


def events(reader: LogReader) -> list[str]:
    return [parse_record(data)["event"] for _, data in reader.records()]


def test_every_receipt_verifies_and_checkpoints_are_consistent(
    open_log: Open, url: str, key: PrivateKey
) -> None:
    writer = open_log()
    receipts = [f.result(20) for f in [writer.append(rejected(i)) for i in range(2500)]]
    reader = LogReader.open(url, ORIGIN)
    points = []
    for receipt in receipts:
        record, checkpoint = verify_receipt(receipt, origin=ORIGIN, public_key=key.public_key)
        assert record["minute"] == receipt.index - 1
        assert reader.get_record(receipt.index) == receipt.record
        points.append((checkpoint.size, checkpoint.root))
    sizes = sorted(set(points))
    assert len(sizes) < 1000, "records share a flush"
    for (old, old_root), (new, new_root) in itertools.pairwise(sizes):
        verify_consistency(old, new, old_root, new_root, reader.consistency(old, new))
    newest = verify_checkpoint(reader.get_checkpoint(), origin=ORIGIN, public_key=key.public_key)
    assert (newest.size, newest.root) == sizes[-1] == (2501, reader.root())
    for index in (0, 1, 777, 2500):
        verify_receipt(reader.receipt(index), origin=ORIGIN, public_key=key.public_key)
    reader.close()


def test_first_record_names_log_and_key(open_log: Open, url: str, key: PrivateKey) -> None:
    open_log()
    reader = LogReader.open(url, ORIGIN)
    record = parse_record(reader.get_record(0))
    assert record["event"] == "opened"
    assert record["log_id"] == LOG_ID.hex()
    assert record["gateway_key"] == key.public_key.key_id.hex()
    reader.close()


@sqlite_only
def test_migration_makes_the_tables_of_the_model(open_log: Open) -> None:
    writer = open_log()
    with writer._core.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), store.metadata) == []


@sqlite_only
def test_connection_syncs_every_commit(open_log: Open) -> None:
    writer = open_log()
    with writer._core.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_receipt_never_precedes_its_commit(
    open_log: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the commit is held back no future is done; another connection sees nothing."""
    writer = open_log()
    reached, go_on = threading.Event(), threading.Event()
    real = writer._core.engine.dialect.do_commit
    committed: list[bool] = []

    def slow(connection: Any) -> None:
        reached.set()
        assert go_on.wait(20)
        real(connection)
        committed.append(True)

    monkeypatch.setattr(writer._core.engine.dialect, "do_commit", slow)
    order: list[bool] = []
    future = writer.append(rejected(1))
    future.add_done_callback(lambda _future: order.append(bool(committed)))
    assert reached.wait(20)
    reader = LogReader.open(url, ORIGIN)
    assert not future.done()
    assert reader.size() == 1
    go_on.set()
    future.result(20)
    assert order == [True]
    assert reader.size() == 2
    reader.close()


def test_nonce_is_accepted_once_also_after_a_restart(open_log: Open, drafts: Drafts) -> None:
    writer = open_log()
    draft, nonce = drafts.intent()
    first, second = writer.append(draft, nonce=nonce), writer.append(draft, nonce=nonce)
    first.result(20)
    with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
        second.result(20)
    other = Nonce(b"\x01" * 32, nonce.value)
    writer.append(draft, nonce=other).result(20)
    writer.close()
    with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
        open_log().append(draft, nonce=nonce).result(20)


def test_quota_holds_under_concurrency_and_after_a_restart(
    open_log: Open, url: str, drafts: Drafts
) -> None:
    writer = open_log()
    quota = Quota(drafts.grant, 5)
    futures: list[Future[Receipt]] = []

    def ask() -> None:
        for _ in range(4):
            draft, nonce = drafts.intent()
            futures.append(writer.append(draft, nonce=nonce, quota=quota))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems = [f.exception(20) for f in futures]
    assert sum(p is None for p in problems) == 5
    assert {p.code for p in problems if isinstance(p, RequestRefused)} == {"QUOTA_EXCEEDED"}
    writer.close()
    again = open_log()
    draft, nonce = drafts.intent()
    with pytest.raises(RequestRefused, match="QUOTA_EXCEEDED"):
        again.append(draft, nonce=nonce, quota=quota).result(20)
    again.append(draft, nonce=nonce, quota=Quota(drafts.grant, 6)).result(20)
    reader = LogReader.open(url, ORIGIN)
    assert reader.quota_used(drafts.grant) == 6
    reader.close()


def test_a_malformed_record_fails_alone(open_log: Open) -> None:
    writer = open_log()
    futures = [writer.append(d) for d in (rejected(1), {"event": "rejected"}, rejected(2))]
    futures[0].result(20)
    with pytest.raises(ProtocolError, match="RECORD_MALFORMED"):
        futures[1].result(20)
    futures[2].result(20)
    assert writer.size == 3


def test_an_intent_ends_once_and_only_with_its_own_leaf(open_log: Open, drafts: Drafts) -> None:
    writer = open_log()
    draft, nonce = drafts.intent()
    intent = writer.append(draft, nonce=nonce).result(20)
    leaf = leaf_hash(intent.record)
    with pytest.raises(LedgerError, match="INTENT_CLOSED"):
        writer.append(drafts.outcome(intent.index + 7, leaf)).result(20)
    draft, nonce = drafts.intent()
    other = writer.append(draft, nonce=nonce).result(20)
    writer.append(drafts.outcome(other.index, leaf_hash(other.record))).result(20)
    with pytest.raises(LedgerError, match="INTENT_CLOSED"):
        writer.append(drafts.outcome(other.index, leaf_hash(other.record))).result(20)


def test_restart_ends_intents_without_outcome(open_log: Open, url: str, drafts: Drafts) -> None:
    writer = open_log()
    draft, nonce = drafts.intent()
    lost = writer.append(draft, nonce=nonce).result(20)
    draft, nonce = drafts.intent()
    done = writer.append(draft, nonce=nonce).result(20)
    writer.append(drafts.outcome(done.index, leaf_hash(done.record))).result(20)
    writer.close()
    open_log().close()
    open_log()
    reader = LogReader.open(url, ORIGIN)
    assert events(reader) == ["opened", "intent", "intent", "outcome", "interrupted"]
    last = parse_record(reader.get_record(4))
    assert (last["intent"], last["intent_leaf"]) == (lost.index, leaf_hash(lost.record).hex())
    assert reader.find_end(lost.index) == 4
    assert reader.find_records(grant=drafts.grant) == [2, 1]
    reader.close()


@pytest.mark.parametrize("persists", [False, True], ids=["not persisted", "did persist"])
def test_failed_commit_leaves_memory_and_file_consistent(
    open_log: Open,
    url: str,
    key: PrivateKey,
    drafts: Drafts,
    monkeypatch: pytest.MonkeyPatch,
    *,
    persists: bool,
) -> None:
    writer = open_log()
    real = writer._core.engine.dialect.do_commit
    faults = [True]

    def fail(connection: Any) -> None:
        if faults:
            faults.pop()
            if persists:
                real(connection)
            raise writer._core.engine.dialect.loaded_dbapi.OperationalError("disk I/O error")
        real(connection)

    monkeypatch.setattr(writer._core.engine.dialect, "do_commit", fail)
    draft, nonce = drafts.intent()
    with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
        writer.append(draft, nonce=nonce, quota=Quota(drafts.grant, 9)).result(20)
    assert writer.size == (2 if persists else 1)
    retry = writer.append(draft, nonce=nonce, quota=Quota(drafts.grant, 9))
    if persists:
        with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
            retry.result(20)
    else:
        retry.result(20)
    receipt = writer.append(rejected(3)).result(20)
    verify_receipt(receipt, origin=ORIGIN, public_key=key.public_key)
    reader = LogReader.open(url, ORIGIN)
    # A persisted intent that nobody was told of is ended by the next flush.
    expected = ["opened", "intent", "interrupted", "rejected"]
    assert events(reader) == (expected if persists else ["opened", "intent", "rejected"])
    assert reader.quota_used(drafts.grant) == 1
    reader.close()
    writer.close()
    open_log()


def test_outcome_that_cannot_be_written_ends_as_interrupted(
    open_log: Open, url: str, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_log()
    draft, nonce = drafts.intent()
    intent = writer.append(draft, nonce=nonce).result(20)
    with monkeypatch.context() as patch:

        def fail(_connection: Any) -> None:
            raise writer._core.engine.dialect.loaded_dbapi.OperationalError(
                "database or disk is full"
            )

        patch.setattr(writer._core.engine.dialect, "do_commit", fail)
        outcome = drafts.outcome(intent.index, leaf_hash(intent.record))
        with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
            writer.append(outcome).result(20)
    writer.append(rejected(1)).result(20)
    reader = LogReader.open(url, ORIGIN)
    assert events(reader) == ["opened", "intent", "interrupted", "rejected"]
    reader.close()


def test_a_log_that_can_be_read_but_not_written_is_not_healthy(
    open_log: Open, url: str, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_core, "RETRY_S", 0.05)
    writer = open_log()
    draft, nonce = drafts.intent()
    writer.append(draft, nonce=nonce).result(20)
    assert writer.is_healthy
    tries = 0
    with monkeypatch.context() as patch:

        def fail(*_rows: object) -> None:
            nonlocal tries
            tries += 1
            raise OSError(errno.ENOSPC, "no space left on device")

        patch.setattr(statements, "insert", fail)
        with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
            writer.append(rejected(1)).result(20)
        # It was read again since, and what was refused without writing changes nothing.
        assert not writer.is_healthy
        with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
            writer.append(draft, nonce=nonce).result(20)
        assert not writer.is_healthy
        # Nobody asks anything any more: it keeps trying.
        before = tries
        wait_until(lambda: tries >= before + 3)
        assert not writer.is_healthy
    wait_until(lambda: writer.is_healthy)
    reader = LogReader.open(url, ORIGIN)
    time.sleep(0.3)  # as long as six further tries
    assert events(reader) == ["opened", "intent", "heartbeat"], "one heartbeat, once it can"
    reader.close()


def test_a_log_that_cannot_be_written_is_not_begun(
    open_log: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be read, and is empty: no record comes before `opened`."""
    with monkeypatch.context() as patch:

        def fail(*_rows: object) -> None:
            raise OSError(errno.ENOSPC, "no space left on device")

        patch.setattr(statements, "insert", fail)
        with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
            open_log()
    open_log().append(rejected(1)).result(20)
    reader = LogReader.open(url, ORIGIN)
    assert events(reader) == ["opened", "rejected"]
    reader.close()


@sqlite_only
def test_locked_file_refuses_and_recovers(
    open_log: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.05)
    writer = open_log()
    intruder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
        writer.append(rejected(1)).result(20)
    assert not writer.is_healthy
    intruder.execute("ROLLBACK")
    intruder.close()
    writer.append(rejected(2)).result(20)
    assert writer.is_healthy
    assert writer.size == 2


def test_full_queue_is_busy_but_takes_outcomes(
    open_log: Open, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_log(queue_limit=3)
    draft, nonce = drafts.intent()
    intent = writer.append(draft, nonce=nonce).result(20)
    held, go_on = threading.Event(), threading.Event()
    real = writer._core.engine.dialect.do_commit

    def slow(connection: Any) -> None:
        held.set()
        assert go_on.wait(20)
        real(connection)

    monkeypatch.setattr(writer._core.engine.dialect, "do_commit", slow)
    first = writer.append(rejected(0))
    assert held.wait(20)
    waiting = [writer.append(rejected(i)) for i in range(3)]
    with pytest.raises(LedgerError, match="LOG_BUSY"):
        writer.append(rejected(9))
    owed = writer.append(drafts.outcome(intent.index, leaf_hash(intent.record)))
    go_on.set()
    for future in (first, *waiting, owed):
        future.result(20)


def test_heartbeat_when_nothing_else_comes(open_log: Open, url: str) -> None:
    open_log(heartbeat_interval_s=0.05)
    reader = LogReader.open(url, ORIGIN)
    wait_until(lambda: reader.size() >= 3)
    assert events(reader)[1:3] == ["heartbeat", "heartbeat"]
    reader.close()


def test_close_writes_what_waits_and_refuses_more(open_log: Open, url: str) -> None:
    writer = open_log()
    futures = [writer.append(rejected(i)) for i in range(500)]
    writer.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(LedgerError, match="LOG_CLOSED"):
        writer.append(rejected(1))
    reader = LogReader.open(url, ORIGIN)
    assert reader.size() == 501
    reader.close()


def test_asyncio_callers(open_log: Open) -> None:
    writer = open_log()

    async def ask() -> list[Receipt]:
        futures = [asyncio.wrap_future(writer.append(rejected(i))) for i in range(50)]
        return await asyncio.gather(*futures)

    assert sorted(r.index for r in asyncio.run(ask())) == list(range(1, 51))


def test_one_writer_only(open_log: Open) -> None:
    open_log()
    with pytest.raises(LedgerError, match="LOG_IN_USE"):
        open_log()


def test_only_a_file_or_a_postgresql_database_holds_logs(key: PrivateKey) -> None:
    for bad in ("sqlite://", "postgresql+pg8000://localhost/x", "mysql://localhost/x", "nothing"):
        with pytest.raises(LedgerError, match="LOG_DATABASE_UNSUPPORTED"):
            LogWriter(bad, origin=ORIGIN, log_id=LOG_ID, key=key)


def _fill(open_log: Open) -> None:
    writer = open_log()
    for future in [writer.append(rejected(i)) for i in range(20)]:
        future.result(20)
    writer.close()


TAMPERING = {
    "a record was changed": "UPDATE records SET bytes ="
    " CAST(replace(bytes, '10.0.0.1', '10.0.0.2') AS BLOB) WHERE seq = 7",
    "a record is text": "UPDATE records SET bytes = CAST(bytes AS TEXT) WHERE seq = 7",
    "a leaf is a number": "UPDATE records SET leaf = 7 WHERE seq = 7",
    "a record is missing": "DELETE FROM records WHERE seq = 7",
    "the last record is missing": "DELETE FROM records WHERE seq = 20",
    "a leaf was changed": "UPDATE records SET leaf = zeroblob(32) WHERE seq = 7",
    "a node was changed": "UPDATE nodes SET hash = zeroblob(32) WHERE place = 9",
    "a node is missing": "DELETE FROM nodes WHERE place = 37",
    "the checkpoints are missing": "DELETE FROM checkpoints",
    "the last checkpoint's root was changed": "UPDATE checkpoints SET root = zeroblob(32)"
    " WHERE size = (SELECT max(size) FROM checkpoints)",
    "the last checkpoint's signature was changed": "UPDATE checkpoints SET note ="
    " substr(note, 1, length(note) - 10) || 'AAAAAAAA=' || char(10)"
    " WHERE size = (SELECT max(size) FROM checkpoints)",
}


@sqlite_only
@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_damage_is_refused_at_start(open_log: Open, url: str, statement: str) -> None:
    _fill(open_log)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(LedgerError, match="LOG_DAMAGED"):
        open_log()


@sqlite_only
def test_a_file_that_is_no_database_is_refused(open_log: Open, url: str) -> None:
    _fill(open_log)
    with open(url.removeprefix("sqlite:///"), "r+b") as file:
        file.write(b"\xff" * 4096)
    with pytest.raises(LedgerError):
        open_log()


@sqlite_only
def test_other_identity_is_refused(open_log: Open) -> None:
    _fill(open_log)
    for other in (
        {"origin": "city.example/gateway-2"},
        {"log_id": bytes(32)},
        {"key": PrivateKey.generate()},
    ):
        with pytest.raises(LedgerError, match="LOG_OTHER_IDENTITY"):
            open_log(**other)


def test_anchor_on_chain_decides_whether_the_log_may_go_on(open_log: Open, url: str) -> None:
    _fill(open_log)
    reader = LogReader.open(url, ORIGIN)
    root = reader.root(10)
    reader.close()
    open_log(anchor=AnchorPoint(10, root)).close()
    with pytest.raises(LedgerError, match="LOG_ANCHOR_DIFFERS"):
        open_log(anchor=AnchorPoint(11, root))
    with pytest.raises(LedgerError, match="LOG_BEHIND_ANCHOR"):
        open_log(anchor=AnchorPoint(22, root))


@sqlite_only
def test_transactions_take_the_write_lock_when_they_begin(open_log: Open) -> None:
    writer = open_log()
    statements: list[str] = []
    event.listen(
        writer._core.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_rest: statements.append(statement),
    )
    writer.append(rejected(1)).result(20)
    assert statements[0] == "BEGIN IMMEDIATE"


def test_reader_says_what_it_does_not_have(open_log: Open, url: str, tmp_path: Any) -> None:
    open_log()
    reader = LogReader.open(url, ORIGIN)
    for call, code in (
        (lambda: reader.get_record(5), "LOG_RECORD_UNKNOWN"),
        (lambda: reader.inclusion(0, 9), "LOG_SIZE_UNKNOWN"),
        (lambda: reader.inclusion(1, 1), "LOG_RECORD_UNKNOWN"),
        (lambda: reader.consistency(1, 9), "LOG_SIZE_UNKNOWN"),
        (lambda: reader.consistency(1, 0), "LOG_SIZE_UNKNOWN"),
        (lambda: reader.root(2), "LOG_SIZE_UNKNOWN"),
        (lambda: reader.get_checkpoint(7), "LOG_CHECKPOINT_UNKNOWN"),
    ):
        with pytest.raises(LedgerError) as caught:
            call()
        assert caught.value.code == code
    reader.close()
    with pytest.raises(LedgerError, match="LOG_MISSING"):
        LogReader.open(f"sqlite:///{tmp_path / 'none.db'}")


@sqlite_only
def test_the_write_ahead_file_is_worked_off_beside_the_writer(
    open_log: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_INTERVAL_S", 0.05)
    path = Path(url.removeprefix("sqlite:///"))
    writer = open_log()
    for number in range(30):
        writer.append(rejected(number)).result(20)
    size = path.stat().st_size
    deadline = time.monotonic() + 20
    while path.stat().st_size == size:
        writer.append(rejected(0)).result(20)
        assert time.monotonic() < deadline, "nothing was moved into the database"
        time.sleep(0.05)


def test_callers_in_a_loop_get_receipts_of_one_flush(open_log: Open) -> None:
    writer = open_log()

    async def write() -> list[Receipt]:
        return await asyncio.gather(*(writer.write(rejected(number)) for number in range(50)))

    receipts = asyncio.run(write())
    assert [receipt.index for receipt in receipts] == list(range(1, 51))
    assert len({receipt.checkpoint for receipt in receipts}) == 1


def test_whoever_writes_while_the_log_closes_is_told(open_log: Open) -> None:
    writer = open_log()

    async def write() -> list[object]:
        waiting = [asyncio.ensure_future(writer.write(rejected(number))) for number in range(3)]
        asyncio.get_running_loop().call_soon(writer.close)
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    for result in asyncio.run(write()):
        assert isinstance(result, Receipt) or getattr(result, "code", "") == "LOG_CLOSED"

    async def late() -> None:
        await writer.write(rejected(0))

    with pytest.raises(LedgerError, match="closed"):
        asyncio.run(late())
