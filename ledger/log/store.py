"""Tables of access logs, and connections to a log in a SQLite file.

One file per log, in WAL mode with synchronous=FULL, written by one process. The tree is
kept as its complete subtrees, which never change, so that every table but the quotas only grows,
and most of them at their end.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from crypto.errors import LedgerError
from ledger.db.migrate import upgrade

MIGRATIONS = Path(__file__).parent / "migrations"
#: Statements that the writer keeps prepared: of each kind one by number of rows (statements.py).
STATEMENTS_KEPT = 512
BUSY_TIMEOUT_S = 5.0
#: How long a writer waits for the file's lock: the process of a killed gateway may still be ending.
LOCK_WAIT_S = 5.0
_LOCK_POLL_S = 0.05
MAX_WAL_PAGES = 16_384
CHECKPOINT_INTERVAL_S = 1.0

_LOGGER = logging.getLogger(__name__)

metadata = MetaData()
# In SQLite this alone, as a primary key, is the number of the row itself; any other type has an
# index beside the table.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

records = Table(
    "records",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("event", String(16), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    # Of the signed request that the record is about; null for records of the log itself.
    Column("key_id", LargeBinary(32)),
    Column("nonce", LargeBinary(16)),
    Column("grant_id", LargeBinary(32)),
    # Outcomes and interruptions: index of their intent. An intent ends once.
    Column("intent_seq", BigInteger),
)


def _index(
    name: str, column: Column[Any], where: ColumnElement[bool], *, unique: bool = False
) -> None:
    """Index those records alone for which a condition holds: the others cost a flush nothing."""
    Index(name, column, unique=unique, sqlite_where=where, postgresql_where=where)


_index(
    "uq_records_intent_seq",
    records.c.intent_seq,
    records.c.intent_seq.is_not(None),
    unique=True,
)
_index("ix_records_grant_id", records.c.grant_id, records.c.grant_id.is_not(None))
_index("ix_records_key_id", records.c.key_id, records.c.key_id.is_not(None))
_index("ix_records_restricted", records.c.seq, records.c.event == "restricted")
_index("ix_records_offered", records.c.seq, records.c.event == "offered")
_index("ix_records_disposals", records.c.seq, records.c.event.in_(("disposed", "kept_disposed")))

#: Complete subtrees of the tree by their places (crypto.merkle.place_of).
nodes = Table(
    "nodes",
    metadata,
    Column("place", _NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
)

nonces = Table(
    "nonces",
    metadata,
    Column("key_id", LargeBinary(32), primary_key=True),
    Column("nonce", LargeBinary(16), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

quotas = Table(
    "quotas",
    metadata,
    Column("grant_id", LargeBinary(32), primary_key=True),
    Column("used", BigInteger, nullable=False),
    CheckConstraint("used >= 0", name="ck_quotas_used"),
    sqlite_with_rowid=False,
)

observations = Table(
    "observations",
    metadata,
    Column("key_id", LargeBinary(32), primary_key=True),
    # Another platform's own id of its record; with the key it is written once.
    Column("record", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    # Origin of the log that has it, where logs share the table.
    Column("log", String(30)),
    sqlite_with_rowid=False,
)

#: Numbers of callers' streams, each with the first record that has it.
numbers = Table(
    "numbers",
    metadata,
    Column("key_id", LargeBinary(32), primary_key=True),
    Column("stream", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Ranges of numbers that their callers stated to be unsent; those of a stream are apart.
not_sent = Table(
    "not_sent",
    metadata,
    Column("key_id", LargeBinary(32), primary_key=True),
    Column("stream", String(64), primary_key=True),
    Column("last", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

open_intents = Table(
    "open_intents",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary(32), nullable=False),
)


#: Envelopes of parameters that must be kept, by their intent; the keys are elsewhere.
kept = Table(
    "kept",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("bytes", LargeBinary, nullable=False),
)


def _connect_arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise LedgerError(
            "LOG_DATABASE_UNSUPPORTED", "an access log is in a SQLite file or a PostgreSQL database"
        )
    return {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}


def open_writer_engine(url: str) -> Engine:
    """Create the file where it does not exist, migrate it, and return the writer's engine.

    The engine has one connection, and its transactions take the write lock when they begin.

    Args:
        url: SQLAlchemy URL of a SQLite file.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED.
    """
    parsed = make_url(url)
    arguments = _connect_arguments(parsed)
    Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    arguments["cached_statements"] = STATEMENTS_KEPT
    engine = create_engine(parsed, connect_args=arguments, poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction control is off: "begin" below states it.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # Checkpointer does it before; only a file that it cannot work on grows so far.
        connection.execute(f"PRAGMA wal_autocheckpoint={MAX_WAL_PAGES}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA trusted_schema=OFF")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    upgrade(engine, MIGRATIONS)
    return engine


def open_reader_engine(url: str) -> Engine:
    """Return an engine that cannot write, for a file that a writer made.

    Args:
        url: SQLAlchemy URL of a SQLite file.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED, LOG_MISSING.
    """
    parsed = make_url(url)
    arguments = _connect_arguments(parsed)
    if not Path(str(parsed.database)).exists():
        raise LedgerError("LOG_MISSING", "there is no access log at this place")
    engine = create_engine(parsed, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")

    return engine


class Checkpointer:
    """Moves what was committed from the write-ahead file into the database, beside the writer.

    By itself SQLite does it in the middle of a commit, and everybody whose record is in that flush
    waits for it. Nothing depends on it: what is not moved yet stays in the write-ahead file.

    Args:
        url: SQLAlchemy URL of the log's SQLite file.
    """

    def __init__(self, url: str) -> None:
        path = quote(str(make_url(url).database))
        self._uri = f"file:{path}?mode=rw"  # never makes a file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(CHECKPOINT_INTERVAL_S):
            try:
                connection = sqlite3.connect(self._uri, timeout=BUSY_TIMEOUT_S, uri=True)
                try:
                    connection.execute("PRAGMA synchronous=FULL")
                    # Passive: it waits for nobody, and nobody for it.
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                finally:
                    connection.close()
            except sqlite3.Error as error:
                _LOGGER.warning("the log's write-ahead file stays: %s", type(error).__name__)


@contextmanager
def writer_lock(url: str) -> Iterator[None]:
    """Hold the right to write a log for as long as the context lasts.

    Args:
        url: SQLAlchemy URL of the log's SQLite file.

    Raises:
        LedgerError: LOG_IN_USE when another process holds it for longer than LOCK_WAIT_S,
            LOG_DATABASE_UNSUPPORTED.
    """
    parsed = make_url(url)
    _connect_arguments(parsed)
    path = Path(f"{parsed.database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise LedgerError("LOG_IN_USE", "another process writes this access log") from error
            time.sleep(_LOCK_POLL_S)
        else:
            return
