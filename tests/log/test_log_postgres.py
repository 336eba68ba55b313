"""Logs of several gateways in one PostgreSQL database: what is exact over all of them."""

import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from crypto.errors import LedgerError, RequestRefused, SanlianError
from crypto.merkle import leaf_hash, root_of
from crypto.sm2 import PrivateKey
from ledger.log import postgres as log_postgres
from ledger.log import store
from ledger.log.entries import Known, Once, Quota
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.checkpoint import verify_checkpoint
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from tests.log.conftest import Drafts, wait_until
from tests.log.test_log_many import draft as observed_draft
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
ORIGINS = ("city.example/gateway-1", "city.example/gateway-2")
LOG_IDS = {origin: bytes([number]) * 32 for number, origin in enumerate(ORIGINS)}


class Gateways:
    """Two logs in one database, each with a key of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.database = server.make_database()
        self.url = server.url(self.database)
        self.keys = {origin: PrivateKey.generate() for origin in ORIGINS}
        self.writers: list[LogWriter] = []

    def open(self, origin: str, **options: Any) -> LogWriter:
        given = {"log_id": LOG_IDS[origin], "key": self.keys[origin], **options}
        writer = LogWriter(self.url, origin=origin, **given)
        self.writers.append(writer)
        return writer

    def records(self, origin: str) -> list[dict[str, Any]]:
        """Return a log's records, of which the signed tree is checked."""
        reader = LogReader.open(self.url, origin)
        found = [data for _, data in reader.records()]
        key = self.keys[origin].public_key
        newest = verify_checkpoint(reader.get_checkpoint(), origin=origin, public_key=key)
        assert (newest.size, newest.root) == (len(found), root_of(map(leaf_hash, found)))
        assert reader.root() == newest.root
        reader.close()
        return [parse_record(data) for data in found]

    def run(self, statement: str) -> None:
        with self.server.connect(self.database) as connection:
            connection.execute(statement)

    def run_in_log(self, statement: str) -> None:
        """Change the first log's tables."""
        self.run(f'SET search_path TO "log:{ORIGINS[0]}"; {statement}')

    def kill_sessions(self) -> None:
        """End all connections to the database, as a server that is started again does."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def gateways(postgres: Server) -> Iterator[Gateways]:
    found = Gateways(postgres)
    yield found
    for writer in found.writers:
        writer.close()


def outcome_of(call: Any) -> str:
    try:
        call.result(60)
    except SanlianError as error:
        return error.code
    return ""


def test_a_quota_is_exact_over_two_gateways(gateways: Gateways) -> None:
    writers = [gateways.open(origin) for origin in ORIGINS]
    drafts = [Drafts() for _ in range(8)]
    grants = [secrets.token_bytes(32) for _ in range(3)]

    def work(number: int) -> list[str]:
        mine, found = drafts[number], []
        for turn in range(60):
            # Each thread takes the grants in an order of its own.
            mine.grant = grants[(number * turn + turn) % 3]
            draft, nonce = mine.intent()
            quota = Quota(mine.grant, 100)
            found.append(outcome_of(writers[number % 2].append(draft, nonce=nonce, quota=quota)))
        return found

    with ThreadPoolExecutor(8) as pool:
        codes = [code for found in pool.map(work, range(8)) for code in found]
    assert sorted(set(codes)) == ["", "QUOTA_EXCEEDED"]
    assert codes.count("") == 300, "of 480 that were asked for"
    records = [one for origin in ORIGINS for one in gateways.records(origin)]
    for grant in grants:
        asked = [r for r in records if r.get("request", {}).get("grant") == grant.hex()]
        assert len(asked) == 100
    reader = LogReader.open(gateways.url, ORIGINS[1])
    assert [reader.quota_used(grant) for grant in grants] == [100, 100, 100]
    reader.close()
    for origin in ORIGINS:
        served = [r for r in gateways.records(origin) if r["event"] == "intent"]
        assert served, "both took part"


def test_a_nonce_counts_once_over_two_gateways(gateways: Gateways, drafts: Drafts) -> None:
    writers = [gateways.open(origin) for origin in ORIGINS]
    draft, nonce = drafts.intent()
    writers[0].append(draft, nonce=nonce).result(20)
    with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
        writers[1].append(draft, nonce=nonce).result(20)
    # At the same moment at both: one of them has it.
    for _ in range(40):
        draft, nonce = drafts.intent()
        found = [writer.append(draft, nonce=nonce) for writer in writers]
        assert sorted(outcome_of(one) for one in found) == ["", "NONCE_REPLAYED"]
    assert gateways.records(ORIGINS[1])[0]["event"] == "opened"


def test_an_observed_record_is_known_with_its_log(gateways: Gateways) -> None:
    writers = [gateways.open(origin) for origin in ORIGINS]
    singles = [writers[0].append({"event": "heartbeat"}) for _ in range(5)]
    (first,) = writers[0].append_many([observed_draft("a")], time_ms=7).result(20)
    assert isinstance(first, Receipt)
    assert all(outcome_of(one) == "" for one in singles)
    (again,) = writers[1].append_many([observed_draft("a")], time_ms=8).result(20)
    assert again == Known(first.index, ORIGINS[0])
    assert writers[0].append_many([observed_draft("a")], time_ms=8).result(20) == [
        Known(first.index)
    ]
    (other,) = writers[1].append_many([observed_draft("a", "p-2")], time_ms=8).result(20)
    assert getattr(other, "code", "") == "OBSERVATION_DIFFERS"


def test_batches_and_requests_of_many_keys_do_not_block_each_other(gateways: Gateways) -> None:
    """More keys in a flush than are locked one by one, in both gateways at once, for some time."""
    writers = [gateways.open(origin) for origin in ORIGINS]
    keys = [PrivateKey.generate() for _ in range(log_postgres.MAX_LOCKS + 40)]
    signed = [(observed_draft("x")[0], Once(k.public_key.key_id, "x", bytes(32))) for k in keys]
    results: list[list[Any]] = []

    def hand_in(number: int) -> None:
        for turn in range(4):
            batch = [
                (value, Once(once.key_id, f"{number}-{turn}", once.digest))
                for value, once in (signed if number == 0 else reversed(signed))
            ]
            results.append(writers[number].append_many(batch, time_ms=7).result(60))

    def ask(number: int) -> None:
        mine = Drafts()
        for _ in range(60):
            draft, nonce = mine.intent()
            quota = Quota(mine.grant, 10**6)
            assert outcome_of(writers[number].append(draft, nonce=nonce, quota=quota)) == ""

    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(call, number) for call in (hand_in, ask) for number in (0, 1)]
        for task in tasks:
            task.result(120)
    assert len(results) == 8
    assert all(isinstance(one, Receipt) for found in results for one in found)


def test_a_log_has_one_writer(gateways: Gateways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_postgres, "LOCK_WAIT_S", 0.3)
    first = gateways.open(ORIGINS[0])
    with pytest.raises(LedgerError, match="LOG_IN_USE"):
        gateways.open(ORIGINS[0])
    gateways.open(ORIGINS[1])
    first.close()
    gateways.open(ORIGINS[0])


def test_a_lost_connection_is_replaced_and_the_log_goes_on(
    gateways: Gateways, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_postgres, "LOCK_WAIT_S", 0.3)
    writer = gateways.open(ORIGINS[0])
    draft, nonce = drafts.intent()
    intent = writer.append(draft, nonce=nonce, quota=Quota(drafts.grant, 2)).result(20)
    gateways.kill_sessions()
    lost = writer.append({"event": "heartbeat"})
    assert outcome_of(lost) == "LOG_WRITE_FAILED"
    # The same intent is still ours: its outcome ends it.
    writer.append(drafts.outcome(intent.index, leaf_hash(intent.record))).result(20)
    assert writer.is_healthy
    events = [r["event"] for r in gateways.records(ORIGINS[0])]
    assert events == ["opened", "intent", "outcome"]
    with pytest.raises(LedgerError, match="LOG_IN_USE"):  # the lock was taken again
        gateways.open(ORIGINS[0])


def test_who_lost_the_lock_to_another_writes_no_more(
    gateways: Gateways, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_postgres, "LOCK_WAIT_S", 0.3)
    old = gateways.open(ORIGINS[0])
    draft, nonce = drafts.intent()
    intent = old.append(draft, nonce=nonce).result(20)
    gateways.kill_sessions()
    new = gateways.open(ORIGINS[0])
    for _ in range(2):
        assert outcome_of(old.append({"event": "heartbeat"})) == "LOG_WRITE_FAILED"
        assert not old.is_healthy
    new.append({"event": "heartbeat"}).result(20)
    new.close()
    # Nobody has it any more: it goes on behind what the other wrote, also about its own intent.
    ended = old.append(drafts.outcome(intent.index, leaf_hash(intent.record)))
    assert outcome_of(ended) == "INTENT_CLOSED"
    old.append({"event": "heartbeat"}).result(20)
    events = [r["event"] for r in gateways.records(ORIGINS[0])]
    assert events == ["opened", "intent", "interrupted", "heartbeat", "heartbeat"]


def test_a_database_that_lost_records_is_not_gone_on_from(gateways: Gateways) -> None:
    writer = gateways.open(ORIGINS[0])
    for _ in range(3):
        writer.append({"event": "heartbeat"}).result(20)
    # A copy without the last record, as a standby that had not got it yet.
    gateways.kill_sessions()
    gateways.run_in_log(
        "DELETE FROM records WHERE seq = 3; DELETE FROM checkpoints WHERE size = 4;"
        "DELETE FROM nodes WHERE place >= 4"
    )
    for _ in range(3):
        assert outcome_of(writer.append({"event": "heartbeat"})) == "LOG_WRITE_FAILED"
    assert not writer.is_healthy
    assert len(gateways.records(ORIGINS[0])) == 3


def test_other_identity_is_refused(gateways: Gateways) -> None:
    gateways.open(ORIGINS[0]).close()
    for other in ({"log_id": bytes([9]) * 32}, {"key": PrivateKey.generate()}):
        with pytest.raises(LedgerError, match="LOG_OTHER_IDENTITY"):
            gateways.open(ORIGINS[0], **other)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET bytes = bytes || '\\x20' WHERE seq = 7",
        "DELETE FROM records WHERE seq = 7",
        "UPDATE nodes SET hash = decode(repeat('00', 32), 'hex') WHERE place = 9",
        "DELETE FROM checkpoints",
    ],
)
def test_damage_is_refused_at_start(gateways: Gateways, statement: str) -> None:
    writer = gateways.open(ORIGINS[0])
    for future in [writer.append({"event": "heartbeat"}) for _ in range(20)]:
        future.result(20)
    writer.close()
    gateways.run_in_log(statement)
    with pytest.raises(LedgerError, match="LOG_DAMAGED"):
        gateways.open(ORIGINS[0])


def test_a_server_that_may_lose_commits_is_refused(postgres: Server) -> None:
    server = Server(postgres.binaries, "-c", "fsync=off")
    try:
        gateways = Gateways(server)
        with pytest.raises(LedgerError, match="DATABASE_UNSAFE"):
            gateways.open(ORIGINS[0])
    finally:
        server.close()


def test_commits_wait_for_the_disk_whatever_the_role_says(gateways: Gateways) -> None:
    gateways.run(f'ALTER DATABASE "{gateways.database}" SET synchronous_commit = off')
    writer = gateways.open(ORIGINS[0])
    with writer._core.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


def test_an_unreachable_database_is_told(gateways: Gateways, tmp_path: Path) -> None:
    for url in (
        f"postgresql+psycopg://tests@/x?host={tmp_path}",
        gateways.server.url("no_such_database"),
    ):
        with pytest.raises(LedgerError, match="LOG_DATABASE_UNREACHABLE"):
            LogWriter(url, origin=ORIGINS[0], log_id=bytes(32), key=PrivateKey.generate())
        with pytest.raises(LedgerError, match="LOG_DATABASE_UNREACHABLE"):
            LogReader.open(url, ORIGINS[0])


def test_a_reader_cannot_write_and_needs_a_log(gateways: Gateways) -> None:
    gateways.open(ORIGINS[0])
    reader = LogReader.open(gateways.url, ORIGINS[0])
    with reader._engine.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.exec_driver_sql("DELETE FROM records")
    reader.close()
    with pytest.raises(LedgerError, match="LOG_MISSING"):
        LogReader.open(gateways.url, ORIGINS[1])
    with pytest.raises(LedgerError, match="LOG_DATABASE_UNSUPPORTED"):
        LogReader.open(gateways.url)
    gateways.open(ORIGINS[1])
    found = log_postgres.find_origins(create_engine(gateways.url).url)
    assert found == list(ORIGINS)


def test_migrations_make_the_tables_of_the_model(gateways: Gateways) -> None:
    gateways.open(ORIGINS[0])
    shared = {"nonces", "quotas", "observations", "numbers", "not_sent"}
    engine = create_engine(gateways.url)
    for schema, is_shared in ((f"log:{ORIGINS[0]}", False), (log_postgres.SHARED_SCHEMA, True)):
        model = MetaData()
        for table in store.metadata.sorted_tables:
            if (table.name in shared) == is_shared:
                table.to_metadata(model)
        with engine.connect() as connection:
            connection.exec_driver_sql(f'SET search_path TO "{schema}"')
            connection.dialect.default_schema_name = schema
            assert compare_metadata(MigrationContext.configure(connection), model) == []
    engine.dispose()


def test_a_killed_server_loses_nothing_that_was_told(postgres: Server) -> None:
    server = Server(postgres.binaries)
    gateways = Gateways(server)
    try:
        writers = {origin: gateways.open(origin) for origin in ORIGINS}
        told: dict[str, list[Receipt]] = {origin: [] for origin in ORIGINS}
        ended = threading.Event()

        def work(origin: str) -> None:
            while not ended.is_set():
                with_receipt = writers[origin].append({"event": "heartbeat"})
                if outcome_of(with_receipt) == "":
                    told[origin].append(with_receipt.result())

        with ThreadPoolExecutor(8) as pool:
            tasks = [pool.submit(work, origin) for origin in ORIGINS for _ in range(4)]
            wait_until(lambda: all(len(one) > 200 for one in told.values()), 60)
            server.stop(signal.SIGKILL)
            server.start()
            before = {origin: len(one) for origin, one in told.items()}
            wait_until(lambda: all(len(told[o]) > before[o] + 50 for o in ORIGINS), 60)
            ended.set()
            for task in tasks:
                task.result(60)
        for origin in ORIGINS:
            reader = LogReader.open(gateways.url, origin)
            for receipt in told[origin]:
                key = gateways.keys[origin].public_key
                verify_receipt(receipt, origin=origin, public_key=key)
                assert reader.get_record(receipt.index) == receipt.record
            reader.close()
            gateways.records(origin)
    finally:
        for writer in gateways.writers:
            writer.close()
        server.close()


def test_a_gateway_that_stands_still_holds_up_the_others_for_a_bounded_time(
    gateways: Gateways, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped inside its transaction loses its session, and the locks with it."""
    monkeypatch.setattr(log_postgres, "IDLE_TIMEOUT_S", 1)
    stuck, other = (gateways.open(origin) for origin in ORIGINS)
    held, go_on = threading.Event(), threading.Event()
    real = stuck._core.engine.dialect.do_commit

    def hold(connection: Any) -> None:
        held.set()
        assert go_on.wait(60)
        real(connection)

    monkeypatch.setattr(stuck._core.engine.dialect, "do_commit", hold)
    draft, nonce = drafts.intent()
    first = stuck.append(draft, nonce=nonce, quota=Quota(drafts.grant, 1))
    assert held.wait(20)
    begun = time.monotonic()
    draft, nonce = drafts.intent()
    other.append(draft, nonce=nonce, quota=Quota(drafts.grant, 1)).result(20)
    assert 0.5 < time.monotonic() - begun < 15
    go_on.set()
    assert outcome_of(first) == "LOG_WRITE_FAILED"
    stuck.append({"event": "heartbeat"}).result(20)
    assert [r["event"] for r in gateways.records(ORIGINS[0])] == ["opened", "heartbeat"]


def test_a_killed_gateway_goes_on_where_it_was(gateways: Gateways) -> None:
    """SIGKILL in the middle of flushes; the other one goes on, and all receipts are in the log."""
    origin = ORIGINS[0]
    other = gateways.open(ORIGINS[1])
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.log.burst", gateways.url),
            *(f"{gateways.keys[origin].to_int():x}", origin, LOG_IDS[origin].hex()),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        lines = [child.stdout.readline() for _ in range(300)]
    finally:
        child.kill()
    other.append({"event": "heartbeat"}).result(20)
    lines += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    assert child.wait(20) == -9
    writer = gateways.open(origin)
    writer.append({"event": "heartbeat"}).result(20)
    records = gateways.records(origin)
    reader = LogReader.open(gateways.url, origin)
    for line in lines:
        if line.endswith(b"\n"):
            receipt = Receipt.from_header(line.decode().strip())
            assert reader.get_record(receipt.index) == receipt.record
    reader.close()
    intents = [r["seq"] for r in records if r["event"] == "intent"]
    ended = [r["intent"] for r in records if r["event"] in {"outcome", "interrupted"}]
    assert sorted(ended) == intents
    assert any(r["event"] == "interrupted" for r in records)
    nonces = [r["request"]["nonce"] for r in records if r["event"] == "intent"]
    assert len(nonces) == len(set(nonces))
