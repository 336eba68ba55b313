"""The client's numbers and statements against a real gateway."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import LedgerError, RequestRefused
from crypto.sm2 import PrivateKey
from sanlian_client.data import Gateway, Purpose, request_data
from sanlian_client.receipts import ReceiptStore
from sanlian_client.sequences import SETTLED_AFTER_S, Sequences, file_unsettled, state_not_sent
from tests.gateway.city import BASIS, ORIGIN, SCENARIO
from tests.gateway.conftest import World
from tests.ports import free_port


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


class Caller:
    """The requester's system with a stream of its own."""

    def __init__(self, world: World, directory: Path) -> None:
        self.key: PrivateKey = world.city.system
        self.url = f"http://{world.authority}"
        self.world, self.ahead = world, 0.0
        self.store = ReceiptStore(directory / "receipts")
        self.numbers = Sequences(
            directory, self.key.public_key.key_id, directory.name[-60:], clock=self.clock
        )
        self.gateway = self.at(self.url)

    def clock(self) -> float:
        return time.time() + self.ahead

    def at(self, url: str) -> Gateway:
        return Gateway(
            url,
            origin=ORIGIN,
            public_key=self.world.city.gateway.public_key,
            authority=self.world.authority,
        )

    def ask(self, grant: bytes, gateway: Gateway | None = None, **changes: Any) -> Any:
        return request_data(
            gateway or self.gateway,
            self.key,
            grant=grant,
            parameters={"number": "1"},
            purpose=Purpose("p-1", BASIS, SCENARIO),
            store=self.store,
            sequences=self.numbers,
            **changes,
        )

    def file(self, **options: bool) -> dict[str, list[tuple[int, int]]]:
        return {
            reason: ranges
            for reason, ranges, _ in file_unsettled(self.numbers, self.gateway, self.key, **options)
        }


@pytest.fixture
def caller(world: World, tmp_path: Path) -> Caller:
    return Caller(world, tmp_path)


def test_numbers_go_into_the_log_in_order(grant: bytes, caller: Caller) -> None:
    streams = [caller.ask(grant).request.stream for _ in range(3)]
    assert streams == [f"{caller.numbers.stream};{number}" for number in (1, 2, 3)]
    caller.ahead = SETTLED_AFTER_S
    assert caller.numbers.take_unsettled(unanswered=True) == {}


def test_what_never_left_is_stated(grant: bytes, caller: Caller) -> None:
    caller.ask(grant)
    with pytest.raises(LedgerError) as caught:
        caller.ask(grant, caller.at(f"http://127.0.0.1:{free_port()}"))
    assert caught.value.code == "SERVER_UNREACHABLE"
    assert caller.file() == {"not_sent": [(2, 2)]}
    assert caller.file() == {}, "it was stated"
    assert caller.ask(grant).request.stream == f"{caller.numbers.stream};3"
    assert [one["statement"]["sequences"] for one in caller.world.events()
            if one["event"] == "not_sent"][-1] == [[2, 2]]  # fmt: skip


def test_a_refusal_with_a_receipt_needs_no_statement(grant: bytes, caller: Caller) -> None:
    with pytest.raises(RequestRefused):
        caller.ask(b"\x09" * 32)
    caller.ahead = SETTLED_AFTER_S
    assert caller.numbers.take_unsettled(unanswered=True) == {}


def test_an_unanswered_number_that_was_recorded_is_forgotten(grant: bytes, caller: Caller) -> None:
    number = caller.numbers.give()
    caller.numbers.mark_sent(number.sequence)
    assert caller.world.ask(grant, stream=str(number)).status_code == 200  # the answer gets lost
    lost = caller.numbers.give()
    caller.numbers.mark_sent(lost.sequence)
    caller.ahead = SETTLED_AFTER_S
    assert caller.file() == {}, "only when it is asked for"
    assert caller.file(unanswered=True) == {"unanswered": [(2, 2)]}
    assert caller.file(unanswered=True) == {}


def test_a_false_statement_is_an_error(grant: bytes, caller: Caller) -> None:
    caller.ask(grant)
    with pytest.raises(RequestRefused) as caught:
        state_not_sent(
            caller.gateway,
            caller.key,
            stream=caller.numbers.stream,
            ranges=[(1, 1)],
            reason="not_sent",
        )
    assert caught.value.code == "SEQUENCE_RECORDED"


def test_a_lost_file_does_not_go_on(grant: bytes, caller: Caller) -> None:
    caller.ask(grant)
    for file in caller.numbers._path.parent.glob("*.json"):
        assert json.loads(file.read_bytes())["next"] == 2
        file.unlink()
    with pytest.raises(RequestRefused) as caught:
        caller.ask(grant)
    assert caught.value.code == "SEQUENCE_REPEATED"
