"""Access logs in one PostgreSQL database that several gateways share.

Each log has a schema of its own, named by its origin, and one writer, which holds the log's
advisory lock on its only connection. What must be exact over all gateways is in one schema more:
nonces, quotas, callers' numbers, statements of unsent ones, and ids of observed records.

All of that belongs to a key or to a grant. So a flush first takes the locks of the keys and grants
that its records are about, in rising order, and keeps them until its commit: what it then reads
nobody else changes. More than MAX_LOCKS of them are taken as one lock over all, which every other
flush shares.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.numeric import Int8BinaryDumper
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from crypto.errors import LedgerError
from ledger.db.migrate import upgrade
from ledger.db.postgres import (
    CONNECT,
    SERVER_KEEPALIVE,
    is_supported,
    lock_number,
    require_durable,
    set_config,
)
from protocol.checkpoint import ORIGIN_PATTERN

MIGRATIONS = Path(__file__).parent / "migrations"
SHARED_SCHEMA = "logs_shared"
#: Advisory locks that one flush takes by themselves.
MAX_LOCKS = 256
#: How long a writer waits for its log's lock: the session of a killed one may still be ending.
LOCK_WAIT_S = 5.0
#: How long a flush waits for another gateway's, and how long one that stands still is waited for.
FLUSH_LOCK_TIMEOUT_S = 30
IDLE_TIMEOUT_S = 20

_PREFIX = "log:"


def schema_of(origin: str) -> str:
    """Return the name of a log's schema.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED when this is no origin.
    """
    if ORIGIN_PATTERN.fullmatch(origin) is None:
        raise LedgerError(
            "LOG_DATABASE_UNSUPPORTED", "a log in PostgreSQL is found by the origin of its gateway"
        )
    return _PREFIX + origin


def require_driver(url: URL) -> None:
    """Refuse a PostgreSQL URL for another driver.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED.
    """
    if not is_supported(url):
        raise LedgerError(
            "LOG_DATABASE_UNSUPPORTED",
            "an access log's PostgreSQL database has a URL like postgresql+psycopg://host/name",
        )


class PostgresLog:
    """The database of one log, open for its writer.

    Args:
        url: SQLAlchemy URL.
        origin: origin of the log.
    """

    is_shared = True

    def __init__(self, url: URL, origin: str) -> None:
        self.log: str | None = origin
        self._schema = schema_of(origin)
        self.engine = create_engine(
            url, connect_args=CONNECT, poolclass=StaticPool, isolation_level="READ COMMITTED"
        )
        event.listen(self.engine, "connect", self._prepare)

    def lock(self, connection: Connection, owners: Collection[bytes]) -> None:
        """Keep other gateways from what these keys and grants own until the transaction ends.

        Args:
            connection: connection in the writer's transaction, which has read nothing yet.
            owners: 32-byte ids.
        """
        # Ids are digests: their first bytes are as good as any number made of them.
        numbers = sorted({int.from_bytes(one[:8], "big", signed=True) for one in owners})
        if len(numbers) > MAX_LOCKS:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (lock_number("all"),))
        elif numbers:
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock_shared(%s)", (lock_number("all"),)
            )
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n", (numbers,)
            )

    def _prepare(self, connection: psycopg.Connection[Any], _record: object) -> None:
        """Make a new connection the writer's; a lost one is replaced by another that asks again."""
        try:
            connection.adapters.register_dumper(int, Int8BinaryDumper)
            set_config(connection, search_path=_path(connection, self._schema, SHARED_SCHEMA))
            set_config(
                connection,
                lock_timeout=f"{FLUSH_LOCK_TIMEOUT_S}s",
                idle_in_transaction_session_timeout=f"{IDLE_TIMEOUT_S}s",
                **SERVER_KEEPALIVE,
            )
            require_durable(connection)
            connection.commit()
            self._take_lock(connection)
        except BaseException:
            connection.close()
            raise

    def _take_lock(self, connection: psycopg.Connection[Any]) -> None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            row = connection.execute(
                "SELECT pg_try_advisory_lock(%s)", (lock_number(self._schema),)
            ).fetchone()
            connection.commit()
            if row is not None and row[0]:
                return
            if time.monotonic() > deadline:
                raise LedgerError("LOG_IN_USE", "another process writes this access log")
            time.sleep(0.05)


@contextmanager
def open_writer(url: URL, origin: str) -> Iterator[PostgresLog]:
    """Create and migrate the log's schemas where needed, and hold the right to write the log.

    Raises:
        LedgerError: LOG_IN_USE, LOG_DATABASE_UNSUPPORTED, LOG_DATABASE_UNREACHABLE,
            DATABASE_UNSAFE, DATABASE_SCHEMA.
    """
    require_driver(url)
    log = PostgresLog(url, origin)
    try:
        with _reachable():
            # The lock first: who may not write the log does not change its tables.
            log.engine.connect().close()
            _migrate(url, schema_of(origin))
        yield log
    finally:
        log.engine.dispose()


def open_reader_engine(url: URL, origin: str) -> Engine:
    """Return an engine that cannot write, for a log that a writer made.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED, LOG_DATABASE_UNREACHABLE, LOG_MISSING.
    """
    require_driver(url)
    schema = schema_of(origin)
    engine = create_engine(
        url, connect_args=CONNECT, pool_size=4, max_overflow=12, pool_pre_ping=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        set_config(
            connection,
            search_path=_path(connection, schema, SHARED_SCHEMA),
            default_transaction_read_only="on",
            **SERVER_KEEPALIVE,
        )
        connection.commit()

    try:
        with _reachable(), engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT to_regclass('checkpoints')").scalar()
            if found is None:
                raise LedgerError("LOG_MISSING", "there is no access log at this place")
    except BaseException:
        engine.dispose()
        raise
    return engine


def find_origins(url: URL) -> list[str]:
    """Return the origins of the logs in a database, in order.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED, LOG_DATABASE_UNREACHABLE.
    """
    require_driver(url)
    engine = create_engine(url, connect_args=CONNECT, poolclass=NullPool)
    with _reachable(), engine.connect() as connection:
        return list_origins(connection)


def list_origins(connection: Connection) -> list[str]:
    """Return the origins of the logs in a database that one is connected to, in order."""
    names = connection.exec_driver_sql("SELECT nspname FROM pg_namespace").scalars()
    return sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        # Without a state it came from the driver; 08, 28, 3D, 53 and 57: no connection, no
        # such user or database, no room, shutting down.
        if state is None or state[:2] in {"08", "28", "3D", "53", "57"}:
            raise LedgerError(
                "LOG_DATABASE_UNREACHABLE", "the access log's database cannot be used now"
            ) from error
        raise


def _migrate(url: URL, schema: str) -> None:
    """Bring a log's schema and the shared one to this program's tables, one process at a time."""
    for name, part in ((SHARED_SCHEMA, "shared"), (schema, "log")):
        engine = create_engine(url, connect_args=CONNECT, poolclass=StaticPool)

        @event.listens_for(engine, "connect")
        def _prepare(
            connection: psycopg.Connection[Any], _record: object, name: str = name
        ) -> None:
            connection.execute("SELECT pg_advisory_lock(%s)", (lock_number("migrate"),))
            connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name))
            )
            # Alone: what is visible in another schema would be taken for this one's.
            set_config(connection, search_path=_path(connection, name))
            connection.commit()

        try:
            upgrade(engine, MIGRATIONS, part=part)
        except SQLAlchemyError as error:
            raise LedgerError(
                "DATABASE_SCHEMA",
                "the access log's schema cannot be made: may this user create it?",
            ) from error
        finally:
            engine.dispose()


def _path(connection: psycopg.Connection[Any], *schemas: str) -> str:
    return ", ".join(sql.Identifier(one).as_string(connection) for one in schemas)
