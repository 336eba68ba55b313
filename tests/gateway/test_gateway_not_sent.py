"""Numbers are used once, and statements of those that were not sent are kept and held to."""

import secrets
import time
from typing import Any

import httpx
import pytest

from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from protocol.evidence.decision import verify_not_sent, verify_request
from protocol.httpsig import NOT_SENT_PATH, sign_request
from tests.gateway.conftest import World


class Caller:
    """A caller with a stream of its own."""

    def __init__(self, world: World) -> None:
        self.world, self.key = world, world.city.system
        self.stream = f"s-{secrets.token_hex(8)}"

    def state(self, *ranges: tuple[int, int], **changes: Any) -> httpx.Response:
        key = changes.pop("key", self.key)
        signed = {name: changes.pop(name) for name in ("created", "grant") if name in changes}
        body = canonical_json(
            {
                "reason": "not_sent",
                "salt": secrets.token_hex(32),
                "sequences": [list(one) for one in ranges],
                "stream": self.stream,
                **changes,
            }
        )
        options = {"created": int(time.time()), "grant": bytes(32), **signed}
        _, headers = sign_request(
            key,
            body,
            authority=self.world.authority,
            path=NOT_SENT_PATH,
            nonce=secrets.token_hex(16),
            **options,
        )
        return self.world.post(body, headers, NOT_SENT_PATH)

    def ask(self, grant: bytes, number: int) -> httpx.Response:
        return self.world.ask(grant, stream=f"{self.stream};{number}")


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


def code_of(world: World, answer: httpx.Response) -> str:
    """Return the code of a refusal that left a record."""
    record = world.receipt(answer)
    assert record["event"] == "denied"
    assert record["code"] == answer.json()["code"]
    return str(record["code"])


def test_a_statement_is_recorded_and_verifies(world: World, caller: Caller) -> None:
    answer = caller.state((1, 4), (6, 6))
    assert answer.status_code == 200, answer.text
    record = world.receipt(answer)
    assert record["event"] == "not_sent"
    assert record["statement"]["sequences"] == [[1, 4], [6, 6]]
    assert answer.json() == {"recorded": record["seq"]}
    assert world.state.snapshot is not None
    verify_not_sent(world.state.snapshot.store, record, verify_request(record))


def test_the_same_statement_again_gets_the_first_receipt(world: World, caller: Caller) -> None:
    first = world.receipt(caller.state((1, 4)))
    size = world.gateway.writer.size  # type: ignore[union-attr]  # it is open
    assert world.receipt(caller.state((1, 4))) == first
    assert world.gateway.writer.size == size  # type: ignore[union-attr]


def test_a_number_with_a_record_cannot_be_stated(
    world: World, grant: bytes, caller: Caller
) -> None:
    assert caller.ask(grant, 2).status_code == 200
    answer = caller.state((1, 4))
    assert code_of(world, answer) == "SEQUENCE_RECORDED"
    assert answer.json()["details"] == {"sequence": 2}
    assert caller.state((1, 1), (3, 4)).status_code == 200


def test_a_stated_number_is_refused(world: World, grant: bytes, caller: Caller) -> None:
    caller.state((3, 5))
    caller.state((1, 9))  # overlaps
    calls = len(world.seen)
    for number in (1, 3, 5, 9):
        assert code_of(world, caller.ask(grant, number)) == "SEQUENCE_STATED"
    assert len(world.seen) == calls
    assert caller.ask(grant, 10).status_code == 200


def test_a_number_is_used_once(world: World, grant: bytes, caller: Caller) -> None:
    assert caller.ask(grant, 1).status_code == 200
    calls = len(world.seen)
    assert code_of(world, caller.ask(grant, 1)) == "SEQUENCE_REPEATED"
    assert len(world.seen) == calls
    other = world.ask(grant, stream=f"{caller.stream}-2;1")
    assert other.status_code == 200


def test_a_refused_request_uses_its_number(world: World, grant: bytes, caller: Caller) -> None:
    refused = world.ask(secrets.token_bytes(32), stream=f"{caller.stream};1")
    assert code_of(world, refused) == "GRANT_UNKNOWN"
    assert code_of(world, caller.ask(grant, 1)) == "SEQUENCE_REPEATED"
    assert code_of(world, caller.state((1, 1))) == "SEQUENCE_RECORDED"


def test_another_keys_statement_holds_for_its_own_numbers(
    world: World, grant: bytes, caller: Caller
) -> None:
    assert caller.state((1, 9), key=world.city.stranger_system).status_code == 200
    assert caller.ask(grant, 1).status_code == 200


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown reason": ({"reason": "lost"}, "NOT_SENT_MALFORMED"),
    "range backwards": ({"sequences": [[2, 1]]}, "NOT_SENT_MALFORMED"),
    "too many numbers": ({"sequences": [[1, 100_001]]}, "NOT_SENT_MALFORMED"),
    "other member": ({"other": 1}, "BODY_MALFORMED"),
    "with a grant": ({"grant": b"\x01" * 32}, "BODY_MALFORMED"),
    "signed long ago": ({"created": 1}, "CLOCK_SKEW"),
}


@pytest.mark.parametrize(("changes", "code"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(world: World, caller: Caller, changes: dict[str, Any], code: str) -> None:
    assert code_of(world, caller.state((1, 2), **changes)) == code
    assert world.events()[-1]["event"] == "denied"


def test_a_statement_of_a_key_that_nobody_registered(world: World, caller: Caller) -> None:
    assert code_of(world, caller.state((1, 2), key=PrivateKey.generate())) == "KEY_UNKNOWN"
