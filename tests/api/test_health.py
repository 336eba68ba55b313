"""Health says what is wrong, by code, with status 503."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from api.problems import CODES, make_problem, problem_response
from api.routes.health import measure
from ledger.chain.worker import FatalFinding, Worker
from ledger.db.engine import make_engine, write_transaction
from ledger.db.migrate import upgrade
from ledger.db.models import Head


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def put_head(engine: Engine, **values: Any) -> None:
    row = {
        "id": 1,
        "number": 7,
        "hash": bytes(32),
        "time": 1,
        "polled_at": int(time.time()),
        "outbox_epoch": 0,
        "finding_code": "",
        "finding": "",
    }
    with write_transaction(engine) as connection:
        connection.execute(insert(Head).values(**row))
        if values:
            connection.execute(update(Head).values(**values))


class Failing(Worker):
    """A loop that meets a finding."""

    name = "failing"

    def step(self) -> bool:
        raise FatalFinding("CHAIN_DIVERGED", "the chain is another one")


def test_well(engine: Engine, empty: Any) -> None:
    put_head(engine)
    health = measure(replace(empty.services, engine=engine))
    assert (health.status, health.reasons, health.head_number) == ("ok", [], 7)


def test_before_genesis(engine: Engine, empty: Any) -> None:
    health = measure(replace(empty.services, engine=engine))
    assert (health.status, health.reasons) == ("failing", ["HEAD_UNKNOWN"])


def test_old_head(engine: Engine, empty: Any) -> None:
    put_head(engine, polled_at=int(time.time()) - 1000)
    health = measure(replace(empty.services, engine=engine, head_max_age_s=60))
    assert health.reasons == ["HEAD_STALE"]
    assert health.head_age_s is not None
    assert health.head_age_s >= 1000


def test_finding(engine: Engine, empty: Any) -> None:
    put_head(engine, finding_code="INDEX_DISAGREES")
    assert measure(replace(empty.services, engine=engine)).reasons == ["INDEX_DISAGREES"]


def test_a_thread_that_ended(engine: Engine, empty: Any, serving: Any) -> None:
    put_head(engine)
    worker = Failing(interval_s=0.01)
    worker.start()
    worker.stop()
    services = replace(empty.services, engine=engine, worker_states=lambda: [worker.state()])
    with serving(services) as client:
        response = client.get("/health")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["WORKER_STOPPED"]
    assert response.json()["workers"][0]["error_code"] == "CHAIN_DIVERGED"


def test_database_that_is_gone(tmp_path: Path, empty: Any) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'no' / 'folder' / 'ledger.db'}")
    health = measure(replace(empty.services, engine=engine))
    assert (health.status, health.reasons) == ("failing", ["DATABASE_UNAVAILABLE"])


class Reading(Worker):
    """A loop that reads a database."""

    name = "reading"

    def __init__(self, engine: Engine) -> None:
        super().__init__(interval_s=0.01)
        self._engine = engine

    def step(self) -> bool:
        with self._engine.connect():
            return False


def test_a_thread_names_the_fault_of_its_database(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    worker = Reading(make_engine(f"sqlite:///{folder / 'ledger.db'}"))
    worker.start()
    try:
        deadline = time.monotonic() + 20
        while not worker.state().failures:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert worker.state().error_code == "DATABASE_UNAVAILABLE"
        folder.mkdir()
        while worker.state().failures:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert worker.state().error_code == ""
    finally:
        worker.stop()


def test_reasons_are_codes() -> None:
    reasons = ("DATABASE_UNAVAILABLE", "HEAD_UNKNOWN", "HEAD_STALE", "WORKER_STOPPED")
    assert set(reasons) <= set(CODES)


@pytest.mark.parametrize("code", ["OUTBOX_FULL", "OUTBOX_KEY_FULL", "RATE_LIMITED", "REPORT_BUSY"])
def test_what_passes_says_when_to_come_again(code: str) -> None:
    assert int(problem_response(make_problem(code)).headers["retry-after"]) > 0
