"""The gateway's health tells how old the unanchored tail and the head are."""

import time
from typing import Any

import pytest

from protocol.checkpoint import Checkpoint
from protocol.model import apply_anchor
from tests.gateway.city import ORIGIN
from tests.gateway.conftest import World, wait_until

MEMBERS = {"head_age_s", "anchored_size", "unanchored_records", "unanchored_age_s"}


def health(world: World) -> dict[str, Any]:
    found = world.http.get(world.url + "/health").json()
    assert set(found) >= MEMBERS
    return dict(found)


def anchor(world: World) -> int:
    """Anchor the whole log, as the chain does, and return how many records that covers."""
    reader, city = world.gateway.reader, world.city
    assert reader is not None
    size, root = reader.size(), reader.root()
    city.block += 1
    apply_anchor(
        city.store,
        city.log_id,
        size,
        root,
        city.gateway.sign(Checkpoint(ORIGIN, size, root).text().encode()),
        block_number=city.block,
        block_time=int(time.time()),
    )
    world.state.publish()
    return size


@pytest.fixture
def grant(world: World) -> bytes:
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


def test_the_tail_grows_and_is_anchored(world: World, grant: bytes) -> None:
    first = world.events()[0]["time_ms"] / 1000
    assert world.ask(grant).status_code == 200
    before = health(world)
    size = len(world.events())
    assert (before["anchored_size"], before["unanchored_records"]) == (0, size)
    assert before["log_size"] == size
    wait_until(lambda: health(world)["unanchored_age_s"] >= int(time.time() - first) >= 2)
    assert health(world)["unanchored_age_s"] <= time.time() - first
    covered = anchor(world)
    after = health(world)
    assert (after["anchored_size"], after["unanchored_records"]) == (covered, 0)
    assert after["unanchored_age_s"] == 0


def test_the_age_is_that_of_the_oldest_record(world: World, grant: bytes) -> None:
    assert world.ask(grant).status_code == 200
    covered = anchor(world)
    wait_until(lambda: health(world)["unanchored_age_s"] == 0)
    oldest = time.time()
    assert world.ask(grant).status_code == 200
    wait_until(lambda: health(world)["unanchored_age_s"] >= 2)
    assert world.ask(grant).status_code == 200
    found = health(world)
    assert (found["anchored_size"], found["unanchored_records"]) == (covered, 4)
    assert 2 <= found["unanchored_age_s"] <= time.time() - oldest


def test_the_age_of_the_head(world: World) -> None:
    assert health(world)["head_age_s"] <= 1
    world.state.age_s = 3600
    try:
        assert 3600 <= health(world)["head_age_s"] <= 3602
    finally:
        world.state.age_s = 0
