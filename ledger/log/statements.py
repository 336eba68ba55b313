"""The writer's statements, in as few calls as there can be.

The driver gives Python's interpreter lock away in every call and each time waits for it again, so
a flush is fast when it makes few calls, not when it makes short ones. Rows go in many to a
statement, by powers of two, so that only a few texts of each statement exist to be prepared; in
SQLite, where preparing is cheap, the last few go in one statement.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from ledger.log import store

LAST_SIZE = "SELECT max(size) FROM checkpoints"
#: Tables that a flush adds rows to.
GROWING = (
    store.records,
    store.nodes,
    store.nonces,
    store.observations,
    store.open_intents,
    store.checkpoints,
    store.kept,
)
_MAX_ROWS = 256
#: In SQLite: rows of the last statement, which may be any number up to it.
_MAX_LAST = 32
# MARKS stands for the question marks of the rows.
# Joined, as SQLite looks through the whole table for (a, b) IN (VALUES …).
_FIND_NONCES = (
    "WITH wanted(a, b) AS (VALUES MARKS)"
    " SELECT key_id, nonce FROM wanted JOIN nonces ON key_id = a AND nonce = b"
)
_FIND_OBSERVATIONS = (
    "WITH wanted(a, b) AS (VALUES MARKS)"
    " SELECT key_id, record, digest, seq, log FROM wanted JOIN observations"
    " ON key_id = a AND record = b"
)
_FIND_NUMBERS = (
    "WITH wanted(a, b, c) AS (VALUES MARKS) SELECT key_id, stream, sequence FROM wanted"
    " JOIN numbers ON key_id = a AND stream = b AND sequence = c"
)
_FIND_STATED = (
    "WITH wanted(a, b) AS (VALUES MARKS) SELECT a, b FROM wanted"
    " WHERE EXISTS (SELECT 1 FROM not_sent WHERE key_id = a AND stream = b)"
)
_FIND_QUOTAS = "SELECT grant_id, used FROM quotas WHERE grant_id IN MARKS"
_FIND_INTENTS = "SELECT seq, leaf FROM open_intents WHERE seq IN MARKS"
_END_INTENTS = "DELETE FROM open_intents WHERE seq IN MARKS"
_SET_QUOTAS = (
    "INSERT INTO quotas (grant_id, used) VALUES MARKS "
    "ON CONFLICT (grant_id) DO UPDATE SET used = excluded.used"
)


class Rows(Protocol):
    """Rows that a statement found."""

    def __iter__(self) -> Iterator[Any]: ...

    def first(self) -> Any:
        """Return the first row, None when there is none."""

    def scalar(self) -> Any:
        """Return the first value of the first row, None when there is none."""


class _Found(list[Any]):
    def first(self) -> Any:
        return self[0] if self else None

    def scalar(self) -> Any:
        return self[0][0] if self else None


def run(connection: Connection, text: str, values: Sequence[Any]) -> Rows:
    """Execute one of our statements, whose places of values are question marks.

    Raises:
        SQLAlchemyError: it cannot be executed.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(_with_percent(text), tuple(values))
    # A statement's way through SQLAlchemy takes longer than SQLite does for it.
    driver: Any = connection.connection.driver_connection
    try:
        return _Found(driver.execute(text, tuple(values)).fetchall())
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            text, None, error, sqlite3.Error, dialect=connection.dialect
        ) from error


@cache
def _with_percent(text: str) -> str:
    return text.replace("?", "%s")


def insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add rows whose values stand in the order of the table's columns."""
    for part in _parts(connection, rows):
        values = tuple(value for row in part for value in row)
        run(connection, _insert_text(table, len(part)), values)


def _find_rows(
    connection: Connection, template: str, columns: int, rows: Sequence[tuple[Any, ...]]
) -> Iterator[Any]:
    """Yield what a statement finds of wanted rows of so many columns."""
    for part in _parts(connection, rows):
        text = _text(template, _marks(columns, len(part)))
        yield from run(connection, text, tuple(value for row in part for value in row))


def find_nonces(
    connection: Connection, pairs: Sequence[tuple[bytes, bytes]]
) -> set[tuple[bytes, bytes]]:
    """Return which of these (key id, nonce) are recorded."""
    return {(a, b) for a, b in _find_rows(connection, _FIND_NONCES, 2, pairs)}


def find_numbers(
    connection: Connection, places: Sequence[tuple[bytes, str, int]]
) -> set[tuple[bytes, str, int]]:
    """Return which of these (key id, stream, number) are used."""
    return {(a, b, c) for a, b, c in _find_rows(connection, _FIND_NUMBERS, 3, places)}


def find_stated(
    connection: Connection, streams: Sequence[tuple[bytes, str]]
) -> set[tuple[bytes, str]]:
    """Return for which of these (key id, stream) numbers were stated to be unsent."""
    return {(a, b) for a, b in _find_rows(connection, _FIND_STATED, 2, streams)}


def find_observations(
    connection: Connection, pairs: Sequence[tuple[bytes, str]]
) -> dict[tuple[bytes, str], tuple[bytes, int, str | None]]:
    """Return digest, index and log of those (key id, platform's record id) that are kept."""
    found = _find_rows(connection, _FIND_OBSERVATIONS, 2, pairs)
    return {(a, b): (c, d, e) for a, b, c, d, e in found}


def find_quotas(connection: Connection, grants: Collection[bytes]) -> dict[bytes, int]:
    """Return how many uses of these grants are reserved; a grant without one is left out."""
    found: dict[bytes, int] = {}
    for part in _parts(connection, list(grants)):
        text = _text(_FIND_QUOTAS, _marks(len(part)))
        found.update((a, b) for a, b in run(connection, text, part))
    return found


def find_open_intents(connection: Connection, seqs: Collection[Any]) -> dict[int, bytes]:
    """Return the leaf hashes of those of these intents that are open."""
    found: dict[int, bytes] = {}
    for part in _parts(connection, [seq for seq in seqs if type(seq) is int]):
        text = _text(_FIND_INTENTS, _marks(len(part)))
        found.update((a, b) for a, b in run(connection, text, part))
    return found


def end_intents(connection: Connection, seqs: Sequence[int]) -> None:
    """Take intents off those that are open."""
    for part in _parts(connection, seqs):
        text = _text(_END_INTENTS, _marks(len(part)))
        run(connection, text, part)


def set_quotas(connection: Connection, used: Mapping[bytes, int]) -> None:
    """Write how many uses of grants are reserved."""
    for part in _parts(connection, list(used.items())):
        text = _text(_SET_QUOTAS, _marks(2, len(part)))
        run(connection, text, tuple(value for pair in part for value in pair))


def _parts(connection: Connection, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Divide rows into parts whose sizes are powers of two, the largest first, and a last one."""
    most_last = _MAX_LAST if connection.dialect.name == "sqlite" else 1
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = left if left <= most_last else min(_MAX_ROWS, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


@cache
def _insert_text(table: Table, rows: int) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = _marks(len(table.columns), rows)
    return _text("INSERT INTO TABLE (COLUMNS) VALUES MARKS", marks, TABLE=table.name, COLUMNS=names)


def _text(template: str, marks: str, **names: str) -> str:
    """Fill in marks and the names of our own tables; values are bound, never written in."""
    for place, name in names.items():
        template = template.replace(place, name)
    return template.replace("MARKS", marks)


@cache
def _marks(columns: int, rows: int = 1) -> str:
    return ", ".join(["(" + ", ".join("?" * columns) + ")"] * rows)
