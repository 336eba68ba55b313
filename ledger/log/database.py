"""Where an access log is kept: a SQLite file of its own, or a schema in PostgreSQL."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from crypto.errors import LedgerError
from ledger.log import postgres, store


class LogDatabase(Protocol):
    """What the writer needs of the place where its log is kept.

    Attributes:
        engine: engine with one connection, for writing.
        is_shared: whether other logs keep nonces, quotas and numbers in the same tables.
        log: origin that such rows name; None where all rows are of one log.
    """

    engine: Engine
    is_shared: bool
    log: str | None

    def lock(self, connection: Connection, owners: Collection[bytes]) -> None:
        """Keep other logs' writers from what belongs to these keys and grants."""


class _File:
    is_shared = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.log: str | None = None

    def lock(self, connection: Connection, owners: Collection[bytes]) -> None:
        """Do nothing: nobody else writes a file."""


def parse_url(url: str) -> URL:
    """Return a database's URL.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED.
    """
    try:
        return make_url(url)
    except ArgumentError as error:
        raise LedgerError("LOG_DATABASE_UNSUPPORTED", "this is no database's URL") from error


def is_postgres(url: str) -> bool:
    """Return whether a log with this URL is in PostgreSQL."""
    return parse_url(url).get_backend_name() == "postgresql"


@contextmanager
def open_writer_database(url: str, origin: str) -> Iterator[LogDatabase]:
    """Open a log's database for writing, made and migrated where needed; hold its writer's lock.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        origin: origin of the log; in PostgreSQL it is found by it.

    Raises:
        LedgerError: LOG_IN_USE, LOG_DATABASE_UNSUPPORTED, DATABASE_SCHEMA; of PostgreSQL
            LOG_DATABASE_UNREACHABLE, DATABASE_UNSAFE.
    """
    if is_postgres(url):
        with postgres.open_writer(parse_url(url), origin) as log:
            yield log
        return
    with ExitStack() as stack:
        stack.enter_context(store.writer_lock(url))
        engine = store.open_writer_engine(url)
        stack.callback(engine.dispose)
        stack.callback(store.Checkpointer(url).close)
        yield _File(engine)


def open_reader_engine(url: str, origin: str) -> Engine:
    """Return an engine that cannot write, for a log that a writer made.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        origin: origin of the log; a SQLite file holds one log and is not asked for it.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED, LOG_MISSING, LOG_DATABASE_UNREACHABLE.
    """
    if is_postgres(url):
        return postgres.open_reader_engine(parse_url(url), origin)
    return store.open_reader_engine(url)
