"""The ledger's database in PostgreSQL: snapshots, one writer at a time, and what reads it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, insert, select, text

from crypto.errors import LedgerError
from ledger.db import models
from ledger.db import models as table
from ledger.db.engine import make_engine, read_transaction, write_transaction
from ledger.db.migrate import upgrade
from tests.postgres import Server


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.url(postgres.make_database())


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = make_engine(url)
    upgrade(made)
    yield made
    made.dispose()


def add_block(connection: object, number: int) -> None:
    connection.execute(  # type: ignore[attr-defined]
        insert(table.Block).values(
            number=number, hash=number.to_bytes(32, "big"), time=1, parent_hash=bytes(32)
        )
    )


def count(connection: object) -> int:
    return connection.scalar(select(func.count()).select_from(table.Block)) or 0  # type: ignore[attr-defined]


def test_migrations_make_what_the_models_say(engine: Engine) -> None:
    upgrade(engine)  # again changes nothing
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, models.Base.metadata) == []


def test_a_reader_sees_one_snapshot(engine: Engine) -> None:
    with read_transaction(engine) as reading:
        assert count(reading) == 0
        with write_transaction(engine) as writing:
            add_block(writing, 1)
        assert count(reading) == 0
    with read_transaction(engine) as reading:
        assert count(reading) == 1


def test_writers_queue_and_see_what_the_one_before_wrote(engine: Engine) -> None:
    inside = threading.Semaphore(1)

    def add_one() -> None:
        with write_transaction(engine) as connection:
            assert inside.acquire(blocking=False), "two writers at a time"
            add_block(connection, count(connection) + 1)
            inside.release()

    with ThreadPoolExecutor(8) as pool:
        for task in [pool.submit(add_one) for _ in range(80)]:
            task.result(60)
    with read_transaction(engine) as connection:
        assert count(connection) == 80


def test_what_failed_is_not_there(engine: Engine) -> None:
    def fail() -> None:
        with write_transaction(engine) as connection:
            add_block(connection, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with write_transaction(engine) as connection:
        assert count(connection) == 0


def test_a_reader_cannot_write(engine: Engine, url: str) -> None:
    reader = make_engine(url, read_only=True)
    with reader.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute(text("DELETE FROM keys"))
    with pytest.raises(Exception, match="read-only"), write_transaction(reader) as connection:
        add_block(connection, 1)
    reader.dispose()


def test_other_databases_and_servers_that_lose_commits_are_refused(postgres: Server) -> None:
    for bad in ("postgresql+pg8000://localhost/x", "mysql://localhost/x"):
        with pytest.raises(LedgerError, match="DATABASE_UNSUPPORTED"):
            make_engine(bad)
    server = Server(postgres.binaries, "-c", "full_page_writes=off")
    try:
        engine = make_engine(server.url(server.make_database()))
        with pytest.raises(LedgerError, match="DATABASE_UNSAFE"):
            upgrade(engine)
        engine.dispose()
    finally:
        server.close()


def test_a_server_that_is_started_again_is_used_again(engine: Engine, postgres: Server) -> None:
    postgres.stop()
    with pytest.raises(Exception, match="connection"), read_transaction(engine) as connection:
        count(connection)
    postgres.start()
    with write_transaction(engine) as connection:
        add_block(connection, 1)
    with read_transaction(engine) as connection:
        assert count(connection) == 1
