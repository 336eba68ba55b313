"""Disposals are recorded first; the gateway files their acts when it runs, once and in order."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from api.gateway import disposals
from api.gateway.disposals import DisposalFiler
from api.gateway.submit import ActSubmitter
from crypto.merkle import leaf_hash
from ledger.log.reader import LogReader
from protocol.acts import Act
from protocol.disposals import disposal_values
from protocol.records import parse_record
from tests.gateway.conftest import World, wait_until

DRAFTS = (
    {"event": "disposed", "period": "2020-01", "key": None, "cause": "retention_over"},
    {"event": "kept_disposed", "period": "2020-02", "record": None, "cause": "retention_over"},
    {"event": "kept_disposed", "period": "2020-02", "record": 1, "cause": "erasure_demanded"},
)

RUN = DisposalFiler.run.__qualname__


def filers(world: World) -> list[bool]:
    """Return of each filer that the gateway runs whether it has ended."""
    found = [(task, cast("Any", task.get_coro())) for task in world.gateway._tasks]
    return [task.done() for task, coroutine in found if coroutine.__qualname__ == RUN]


@pytest.fixture
def told(world: World) -> Iterator[list[bytes]]:
    """Records of disposals, written as the commands do while the gateway is stopped."""
    assert world.gateway.writer is not None
    # The world's own filer ends with nothing to file; it must not read what is written here.
    wait_until(lambda: filers(world) == [True])
    for draft in DRAFTS:
        world.gateway.writer.append(draft).result(20)
    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    yield [data for _, data in reader.disposals()]
    reader.close()


def filed(world: World) -> list[Act]:
    acts = world.city.acts.values()
    return [act for act in acts if act.type.name == "ParametersDisposed"]


def test_acts_follow_the_records(
    world: World, told: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disposals, "INTERVAL_S", 0.02)
    monkeypatch.setattr(disposals, "AGAIN_S", 0.03)
    reader, log_id = world.gateway.reader, world.gateway.log_id
    assert reader is not None
    settings, key = world.gateway.settings, world.gateway.key
    world.api.refuse_with = "NOT_NOW"

    async def file() -> None:
        async with ActSubmitter(settings.resolved_api_url, key, world.gateway.deployment) as acts:
            await DisposalFiler(reader, acts, world.state, log_id).run()

    thread = threading.Thread(target=lambda: asyncio.run(file()), daemon=True)
    thread.start()
    thread.join(0.5)
    # The api does not take them: tried again for as long as it takes.
    assert thread.is_alive()
    assert filed(world) == []
    world.api.refuse_with = ""
    for count in range(1, len(DRAFTS) + 1):
        wait_until(lambda count=count: len(filed(world)) == count)
        # The next one waits until the chain shows the one before; filed again, none counts twice.
        thread.join(0.1)
        assert len(filed(world)) == count
        world.state.publish()
    thread.join(10)
    assert not thread.is_alive()
    assert [act.values for act in filed(world)] == [disposal_values(data) for data in told]
    for act, data in zip(filed(world), told, strict=True):
        assert act.target == log_id
        assert act.octets("record_leaf") == leaf_hash(data)
        assert act.number("record") == parse_record(data)["seq"]
    assert [act.number("disposed_kind") for act in filed(world)] == [1, 2, 3]
    assert [act.number("period") for act in filed(world)] == [202001, 202002, 202002]
    log = world.city.store.find_log(log_id)
    assert log is not None
    assert log.revision == 1 + len(DRAFTS)
    # Started again there is nothing left to file.
    asyncio.run(file())
    assert len(filed(world)) == len(DRAFTS)
