"""Killed at any instant, nothing acknowledged is lost; the verifier is the judge."""

import json
import random
import sqlite3
import threading

import pytest

from ledger.log.reader import LogReader
from protocol.records import parse_record
from tests.whole.instance import Instance


def _rounds(instance: Instance, count: int, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - moments of a test, nothing secret
    for _ in range(count):
        instance.start()
        stop = threading.Event()
        threads = instance.load(stop)
        stop.wait(rng.uniform(0.5, 4.0))
        instance.kill()
        stop.set()
        for thread in threads:
            thread.join(60)
        _require_calls_recorded(instance)
    instance.start()
    instance.verify()
    assert instance.acknowledged
    _require_ends(instance)
    assert instance.interrupt() == 0
    assert instance.children() == []


def _records(instance: Instance) -> list[dict[str, object]]:
    reader = LogReader.open(f"sqlite:///{instance.home / 'logs' / 'gateway.db'}")
    try:
        return [parse_record(data) for _, data in reader.records()]
    finally:
        reader.close()


def _require_calls_recorded(instance: Instance) -> None:
    """No call that reached a provider, for a request or a test, is without a record."""
    called = {r["seq"] for r in _records(instance) if r["event"] in ("intent", "test")}
    for database in (instance.home / "providers").glob("*.db"):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            used = connection.execute("SELECT receipt FROM intents").fetchall()
        finally:
            connection.close()
        assert {json.loads(receipt)["index"] for (receipt,) in used} <= called


def _require_ends(instance: Instance) -> None:
    """Every intent has an outcome, or a record that says it was interrupted."""
    records = _records(instance)
    ended = [r["intent"] for r in records if r["event"] in ("outcome", "interrupted")]
    assert len(ended) == len(set(ended))
    intents = {r["seq"] for r in records if r["event"] == "intent"}
    assert intents == set(ended)
    assert len(intents) > 1


def test_killed_under_load(instance: Instance) -> None:
    _rounds(instance, 3, seed=3)


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_killed_under_load_twenty_times(instance: Instance) -> None:
    _rounds(instance, 20, seed=20)
