"""Engines: SQLite in WAL mode with full synchronisation, or PostgreSQL by its URL.

SQLite's own transactions are used: readers begin deferred and see one snapshot, writers begin
immediate, so that two writers queue for the lock instead of failing when they upgrade. PostgreSQL
does the same by other means: readers are of level REPEATABLE READ, and writers queue for an
advisory lock, behind which every statement sees what the writer before committed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from crypto.errors import LedgerError
from ledger.db import postgres

BUSY_TIMEOUT_MS = 15_000
_WRITE = "sanlian_write"
_WRITE_LOCK = postgres.lock_number("ledger")


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine; nothing is opened yet.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        read_only: open a SQLite file with ``mode=ro``, and it must exist; in PostgreSQL no
            transaction of the engine can write.

    Raises:
        LedgerError: DATABASE_UNSUPPORTED; at the first connection DATABASE_UNSAFE.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _make_postgres(parsed, read_only=read_only)
    if parsed.get_backend_name() != "sqlite":
        raise LedgerError(
            "DATABASE_UNSUPPORTED", "the ledger is in a SQLite file or a PostgreSQL database"
        )
    if read_only:
        parsed = parsed.set(database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"})
        engine = create_engine(parsed, poolclass=NullPool)
    else:
        engine = create_engine(parsed, pool_size=8, max_overflow=24)
    timeout_ms = BUSY_TIMEOUT_MS

    @event.listens_for(engine, "connect")
    def set_pragmas(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # transactions begin where we say so
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={timeout_ms}")
        cursor.execute("PRAGMA foreign_keys=ON")
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_postgres(url: URL, *, read_only: bool) -> Engine:
    if not postgres.is_supported(url):
        raise LedgerError(
            "DATABASE_UNSUPPORTED",
            "a PostgreSQL database has a URL like postgresql+psycopg://host/name",
        )
    engine = create_engine(
        url,
        connect_args=postgres.CONNECT,
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        try:
            postgres.set_config(
                connection, lock_timeout=f"{BUSY_TIMEOUT_MS}ms", **postgres.SERVER_KEEPALIVE
            )
            if read_only:
                postgres.set_config(connection, default_transaction_read_only="on")
            else:
                postgres.require_durable(connection)
            connection.commit()
        except BaseException:
            connection.close()
            raise

    return engine


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a connection with a transaction that holds the write lock from its start.

    When the block ends without an error the transaction is durable.
    """
    with engine.connect() as plain:
        connection = plain.execution_options(**{_WRITE: True})
        is_postgres = connection.dialect.name == "postgresql"
        if is_postgres:
            # A snapshot of the whole transaction would be taken before the lock is there.
            connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            if is_postgres:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_WRITE_LOCK,))
            yield connection


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose reads all see one snapshot."""
    with engine.connect() as connection, connection.begin():
        yield connection
