"""Lists page without loss or repetition; migrations make what the models say."""

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text

from crypto.errors import LedgerError, RequestRefused
from ledger.db import models
from ledger.db.engine import make_engine, read_transaction
from ledger.db.migrate import upgrade
from ledger.reads import departments
from ledger.reads.page import CURSOR_PATTERN, MAX_LIMIT, decode_cursor, encode_cursor


def fresh(path: Path) -> Engine:
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    return engine


def test_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "a.db")
    upgrade(engine)  # again changes nothing
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, models.Base.metadata) == []
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    with pytest.raises(LedgerError) as newer:
        upgrade(engine)
    assert newer.value.code == "DATABASE_SCHEMA"
    engine.dispose()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    fresh(tmp_path / "a.db").dispose()
    reader = make_engine(f"sqlite:///{tmp_path / 'a.db'}", read_only=True)
    with reader.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(text("DELETE FROM keys"))
    reader.dispose()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return fresh(tmp_path_factory.mktemp("reads") / "a.db")


_PLACES = st.lists(
    st.tuples(st.integers(0, 6), st.binary(min_size=32, max_size=32)),
    unique_by=lambda place: place[1],
    max_size=25,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(places=_PLACES, late=_PLACES, limit=st.integers(1, 7))
def test_pages_hold_every_row_once(
    engine: Engine, places: list[tuple[int, bytes]], late: list[tuple[int, bytes]], limit: int
) -> None:
    late = [(9 + position, one) for position, one in late if one not in dict(map(reversed, places))]
    _fill(engine, places)
    seen: list[str] = []
    cursor = None
    first = True
    while first or cursor is not None:
        with read_transaction(engine) as connection:
            page = departments.list_departments(connection, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        seen += [item["id"] for item in page.items]
        cursor = page.next_cursor
        if first:  # rows that come while somebody pages stand at the end
            _fill(engine, late, clear=False)
        first = False
    expected = [one.hex() for _, one in sorted(places)]
    assert seen[: len(expected)] == expected
    assert seen[len(expected) :] in ([], [one.hex() for _, one in sorted(late)])


def _fill(engine: Engine, places: list[tuple[int, bytes]], *, clear: bool = True) -> None:
    with engine.begin() as connection:
        if clear:
            connection.execute(text("DELETE FROM departments"))
        if places:
            connection.execute(
                insert(models.Department),
                [
                    {
                        "id": one,
                        "level": 3,
                        "kind": 1,
                        "region": 0,
                        "parent": bytes(32),
                        "uscc": "",
                        "uscc_override": 0,
                        "name": "",
                        "ended_day": 0,
                        "successor": bytes(32),
                        "revision": 1,
                        "block_number": 1,
                        "position": position,
                    }
                    for position, one in places
                ],
            )


def test_limits_and_cursors_from_outside(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        for limit in (0, -1, MAX_LIMIT + 1):
            with pytest.raises(RequestRefused) as refused:
                departments.list_departments(connection, limit=limit)
            assert refused.value.code == "LIMIT_INVALID"
        good = encode_cursor(1, bytes(32))
        for cursor in (
            "",
            "x",
            good[:-1],
            good + "A",
            "é",
            good * 9,
            encode_cursor(2**63, bytes(32)),
        ):
            with pytest.raises(RequestRefused) as refused:
                departments.list_departments(connection, cursor=cursor)
            assert refused.value.code == "CURSOR_INVALID"


@given(number=st.integers(0, 2**63 - 1), one=st.binary(min_size=32, max_size=32))
@settings(max_examples=50, derandomize=True)
def test_cursor_is_its_place(number: int, one: bytes) -> None:
    cursor = encode_cursor(number, one)
    assert re.search(CURSOR_PATTERN, cursor)
    assert decode_cursor(cursor) == (number, one)
