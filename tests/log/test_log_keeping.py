"""Order 809 Art 29: records are kept. Nothing that the log's programs do takes one away."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from crypto.merkle import leaf_hash
from crypto.sm2 import PrivateKey
from ledger.log import core as log_core
from ledger.log.entries import Nonce
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.receipt import verify_receipt
from protocol.records import parse_record
from tests.log.conftest import ORIGIN, Drafts, wait_until

Open = Callable[..., LogWriter]
KEPT = ("records", "nodes", "checkpoints", "nonces")
TAKES_AWAY = re.compile(
    r"\b(DELETE FROM|UPDATE|REPLACE INTO|INSERT OR REPLACE INTO|DROP TABLE|TRUNCATE)\s+\"?(\w+)",
    re.IGNORECASE,
)
FOUR_YEARS_S = 4 * 366 * 86_400


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect every statement of every engine; of SQLite by the driver, below all programs."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    def trace(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(seen.append)

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Pool, "connect", trace)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        event.remove(Pool, "connect", trace)


def test_art_29_records_outlive_three_years_and_nothing_takes_them_away(
    open_log: Open, url: str, key: PrivateKey, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with statements() as seen:
        writer = open_log()
        intent, nonce = drafts.intent()
        first = writer.append(intent, nonce=nonce).result(20)
        writer.append(drafts.outcome(first.index, leaf_hash(first.record))).result(20)
        left, other = drafts.intent()
        writer.append(left, nonce=other).result(20)  # nobody ends it: the restart does
        writer.close()
        # Four years later: a restart, an interruption, a heartbeat, a further record.
        now = time.time_ns
        monkeypatch.setattr(log_core.time, "time_ns", lambda: now() + FOUR_YEARS_S * 10**9)
        writer = open_log(heartbeat_interval_s=0.05)
        wait_until(lambda: writer.size >= 6)
        again: Nonce = nonce
        with pytest.raises(Exception, match="NONCE_REPLAYED"):
            writer.append(intent, nonce=again).result(20)
        writer.close()
    taken = {
        table.lower()
        for statement in seen
        for _, table in TAKES_AWAY.findall(statement)
        if table.lower() in KEPT
    }
    assert taken == set()
    assert any("DELETE FROM open_intents" in one for one in seen), "the check sees statements"
    record, _ = verify_receipt(first, origin=ORIGIN, public_key=key.public_key)
    reader = LogReader.open(url, ORIGIN)
    assert reader.get_record(first.index) == first.record
    newest = max(parse_record(data)["time_ms"] for _, data in reader.records())
    assert newest - record["time_ms"] > FOUR_YEARS_S * 1000 - 60_000
    reader.close()
