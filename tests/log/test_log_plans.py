"""No statement of a running gateway looks through a table that grows with the log."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from crypto.merkle import leaf_hash
from ledger.log.entries import Quota
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.httpsig import sign_request
from protocol.tiles import Tile
from tests.log.conftest import ORIGIN, Drafts, sqlite_only
from tests.log.test_log_many import draft as observed

Open = Callable[..., LogWriter]
#: Those with an index of their own hold a few records of the log.
GROWING = re.compile(
    r"\bSCAN (records|nodes|checkpoints|nonces|observations|numbers|not_sent|kept|ends|intents)\b"
    r"(?! USING INDEX ix_records_(restricted|offered|disposals))"
)
#: Walked from one end, and left after the first rows that are wanted.
IN_ORDER = re.compile(r"ORDER BY \S*(seq|size)\b.* LIMIT \d", re.DOTALL)
COUNT = 40


@contextmanager
def traced() -> Iterator[list[str]]:
    """Collect every statement, with its values, of every SQLite connection made meanwhile."""
    seen: list[str] = []

    def trace(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(seen.append)

    event.listen(Pool, "connect", trace)
    try:
        yield seen
    finally:
        event.remove(Pool, "connect", trace)


def _numbered(drafts: Drafts, number: int) -> Any:
    draft, nonce = drafts.intent()
    request, _ = sign_request(
        drafts.key,
        b"{}",
        authority="127.0.0.1:8441",
        path="/v1/data",
        created=int(time.time()),
        nonce=nonce.value.hex(),
        grant=drafts.grant,
        stream=f"s;{number}",
    )
    return {**draft, "request": request.to_record()}, nonce


def _write(writer: LogWriter, drafts: Drafts) -> None:
    intents = []
    for number in range(1, COUNT):
        draft, nonce = _numbered(drafts, number)
        quota = Quota(drafts.grant, 10**9)
        intents.append(writer.append(draft, nonce=nonce, quota=quota).result(20))
    for intent in intents:
        writer.append(drafts.outcome(intent.index, leaf_hash(intent.record))).result(20)
    writer.append_many([observed(f"r-{i}") for i in range(COUNT)], time_ms=1).result(20)
    draft, nonce = drafts.intent()
    statement = {
        "reason": "not_sent",
        "salt": "00" * 32,
        "sequences": [[COUNT + 1, COUNT + 9]],
        "stream": "s",
    }
    told = {"event": "not_sent", "request": draft["request"], "statement": statement}
    members = {name: draft[name] for name in ("department", "source", "block")}
    writer.append({**told, **members}, nonce=nonce).result(20)


def _read(url: str, drafts: Drafts) -> None:
    reader = LogReader.open(url, ORIGIN)
    size = reader.size()
    reader.get_checkpoint()
    reader.get_checkpoint(size)
    reader.find_checkpoint(size)
    reader.consistency(2, size)
    reader.inclusion(3, size)
    reader.tile(Tile(0, 0, size % 256))
    reader.receipt(3)
    reader.first_receipts([3, 4])
    reader.get_record(3)
    reader.find_end(1)
    reader.find_last_block()
    reader.find_envelope(3)
    reader.find_records(grant=drafts.grant)
    reader.find_records(key_id=drafts.key.public_key.key_id)
    reader.offers(0, 10)
    reader.released(drafts.grant, drafts.key.public_key.key_id, first=0, last=size)
    reader.has_observation(bytes(32), "r-1")
    list(reader.restrictions())
    list(reader.disposals())
    reader.quota_used(drafts.grant)
    reader.close()


@sqlite_only
def test_nothing_grows_with_the_log(open_log: Open, url: str, drafts: Drafts) -> None:
    with traced() as seen:
        writer = open_log()
        _write(writer, drafts)
        _read(url, drafts)
    found = {}
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        for statement in dict.fromkeys(seen):
            if not statement.lstrip().startswith(("SELECT", "WITH", "DELETE", "UPDATE", "INSERT")):
                continue
            if "alembic" in statement or IN_ORDER.search(statement):
                continue
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            steps = [step for *_, step in plan if GROWING.search(step)]
            if steps:
                found[statement] = steps
    assert found == {}
    for table in ("nonces", "observations", "numbers", "not_sent", "nodes", "checkpoints"):
        assert any(re.search(rf"\b{table}\b", one) for one in seen), table
