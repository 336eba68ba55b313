"""Engines: SQLite in WAL mode with full synchronisation, or PostgreSQL by its URL.

SQLite's own transactions are used: readers begin deferred and see one snapshot, writers begin
immediate, so that two writers queue for the lock instead of failing when they upgrade.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_MS = 15_000
_WRITE = "sanlian_write"


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine; nothing is opened yet.

    Args:
        url: SQLAlchemy URL of a SQLite file or another database.
        read_only: open a SQLite file with ``mode=ro``; it must exist.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
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


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a connection with a transaction that holds the write lock from its start.

    When the block ends without an error the transaction is durable.
    """
    with engine.connect() as plain:
        connection = plain.execution_options(**{_WRITE: True})
        with connection.begin():
            yield connection


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose reads all see one snapshot."""
    with engine.connect() as connection, connection.begin():
        yield connection
