"""Processes that verify beside the gateway: same verdicts, ended or killed without harm."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from api.gateway.workers import Workers
from crypto.errors import LedgerError
from protocol.receipt import Receipt
from tests.gateway.conftest import World
from tests.gateway.test_gateway_observed import Platform

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(2)
    yield found
    found.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_large_batch_gets_what_its_records_get_alone(world: World) -> None:
    platform = Platform(world)
    good = [platform.observe() for _ in range(150)]
    bad: dict[int, object] = {
        3: {**platform.observe(), "signature": platform.observe()["signature"]},
        40: platform.observe(time_ms=int(time.time() * 1000) + 3_600_000),
        41: platform.observe(key=world.city.system),
        90: "no record",
        91: {**platform.observe(), "key_id": "zz"},
        92: {**platform.observe(), "key_id": "00" * 32},
        93: {**platform.observe(), "key_id": ["a"]},
        94: {**platform.observe(), "record": deep(20)},
        149: {**platform.observe(), "more": 1},
    }
    values = [bad.get(place, value) for place, value in enumerate(good)]
    together = platform.receipts(platform.post(values))
    for place, found in enumerate(together):
        assert isinstance(found, Receipt) == (place not in bad)
    alone = {place: platform.codes(value)[0] for place, value in bad.items()}
    assert {place: together[place] for place in bad} == alone
    assert len(set(alone.values())) >= 5, alone
    again = platform.receipts(platform.post(values))
    assert again == together, "handed in again, each gets its first receipt"


def test_a_body_that_is_no_canonical_json_is_refused_whole(world: World) -> None:
    platform = Platform(world)
    salt = '"salt":"' + "ab" * 32 + '"'
    for body in (
        '{"observations":[{}],"observations":[{}],' + salt + "}",
        '{"observations": [{}],' + salt + "}",
        "{" + salt + ',"observations":[{}]}',
        '{"observations":[1e400],' + salt + "}",
        '{"observations":[' + "[" * 2000 + "]" * 2000 + "]," + salt + "}",
    ):
        platform.refused(platform.send(body.encode()), "BODY_MALFORMED")


def test_a_record_of_many_levels_is_refused_alone(world: World) -> None:
    platform = Platform(world)
    values = [{**platform.observe(), "record": deep(200)} for _ in range(80)]
    body = orjson.dumps({"observations": values, "salt": "ab" * 32}, option=orjson.OPT_SORT_KEYS)
    assert platform.receipts(platform.send(body)) == ["OBSERVATION_MALFORMED"] * 80


def test_processes_that_are_killed_come_back(workers: Workers) -> None:
    async def use() -> None:
        assert await workers.map(abs, [-1, -2, -3]) == [1, 2, 3]
        before = set(await workers.map(_pid, [0.2, 0.2]))
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert await workers.map(abs, [-4]) == [4]
        assert not before & set(await workers.map(_pid, [0.2, 0.2]))

    asyncio.run(use())


def test_work_that_kills_its_processes_is_given_up(workers: Workers) -> None:
    async def use() -> None:
        with pytest.raises(LedgerError) as caught:
            await workers.map(_die, [0])
        assert caught.value.code == "GATEWAY_BUSY"
        assert await workers.map(abs, [-5]) == [5]

    asyncio.run(use())


def test_processes_end_with_a_gateway_that_is_killed() -> None:
    program = (
        "import asyncio, time\n"
        "from api.gateway.workers import Workers\n"
        "from tests.gateway.test_gateway_workers import _pid\n"
        "if __name__ == '__main__':\n"
        "    print(*asyncio.run(Workers(2).map(_pid, [0.5, 0.5])), flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = f"{ROOT}{os.pathsep}{ROOT / 'client'}"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        pids = [int(one) for one in process.stdout.readline().split()]
        assert pids
        assert all(map(is_running, pids))
        process.kill()
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "they live on"
        time.sleep(0.05)


def _pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
