"""Rates, shares and pauses that are the gateway's own."""

import threading
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway import limits as limits_module
from api.gateway.breaker import Breaker, Passage, Way
from api.gateway.forward import Forwarder
from api.gateway.limits import Limits
from api.gateway.outbound import OutboundPolicy
from crypto.errors import RequestRefused
from crypto.sm2 import PrivateKey
from tests.gateway.conftest import World

A, B, C, D = (bytes([n]) * 32 for n in range(4))
P = ("http://provider", A)
OTHER = ("http://provider", B)


class Clock:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def code_of(call: Callable[[], object]) -> str:
    """Return the code that a call is refused with, or empty."""
    try:
        call()
    except RequestRefused as error:
        return error.code
    return ""


def test_rates_are_per_grant_and_department() -> None:
    limits = Limits(grant_rate=2, department_rate=3, department_places=1)

    def ask(grant: bytes, department: bytes, time_s: int = 60, interface_rate: int = 0) -> str:
        return code_of(
            lambda: limits.check_rates(
                interface=A,
                interface_rate=interface_rate,
                grant=grant,
                department=department,
                time_s=time_s,
            )
        )

    assert [ask(A, C) for _ in range(3)] == ["", "", "GRANT_RATE_EXCEEDED"]
    assert ask(B, C) == "DEPARTMENT_RATE_EXCEEDED"
    assert ask(B, D) == ""
    assert [ask(A, C, 120) for _ in range(2)] == ["", ""]
    assert [ask(B, D, 120, 1), ask(B, D, 121, 1)] == ["", "RATE_EXCEEDED"]


def test_a_department_has_its_places_and_no_more() -> None:
    limits = Limits(grant_rate=0, department_rate=0, department_places=2)
    assert [code_of(lambda: limits.enter(A)) for _ in range(3)] == ["", "", "DEPARTMENT_BUSY"]
    assert code_of(lambda: limits.enter(B)) == ""
    limits.leave(A)
    assert [code_of(lambda: limits.enter(A)) for _ in range(2)] == ["", "DEPARTMENT_BUSY"]


def test_nonces_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MAX_NONCES_KEPT", 3)
    limits = Limits(grant_rate=0, department_rate=0, department_places=1)
    for number in range(4):
        limits.keep_nonce(A, str(number))
    refused = [code_of(lambda n=n: limits.check_nonce(A, str(n))) for n in range(4)]  # type: ignore[misc]
    assert refused == ["", *["NONCE_REPLAYED"] * 3]
    assert code_of(lambda: limits.check_nonce(B, "3")) == ""


def passage_of(breaker: Breaker, way: Way = P) -> Passage:
    """Return the passage of a call that must be let through."""
    passage = breaker.enter(way)
    assert passage is not None
    return passage


def end(breaker: Breaker, passage: Passage, *, has_answered: bool) -> None:
    """End a call that was made."""
    breaker.report(passage, has_answered=has_answered)
    breaker.leave(passage)


def test_a_pause_begins_after_failures_one_after_another() -> None:
    clock = Clock()
    breaker = Breaker(2, 10.0, clock)
    for has_answered in (False, True, False, False):
        end(breaker, passage_of(breaker), has_answered=has_answered)
    assert breaker.enter(P) is None
    passage_of(breaker, OTHER)
    clock.now = 9.9
    assert breaker.enter(P) is None
    clock.now = 10.0
    trial = passage_of(breaker)
    assert breaker.enter(P) is None  # one call on trial
    breaker.leave(trial)  # it was never made
    end(breaker, passage_of(breaker), has_answered=False)
    clock.now = 19.9
    assert breaker.enter(P) is None
    clock.now = 20.0
    end(breaker, passage_of(breaker), has_answered=True)
    passage_of(breaker)
    passage_of(breaker)


def test_calls_made_before_a_pause_let_no_second_trial_through() -> None:
    clock = Clock()
    breaker = Breaker(2, 10.0, clock)
    old = [passage_of(breaker) for _ in range(5)]
    for passage in old[:2]:
        end(breaker, passage, has_answered=False)
    clock.now = 10.0
    trial = passage_of(breaker)
    breaker.leave(old[2])
    assert breaker.enter(P) is None
    end(breaker, old[3], has_answered=False)  # its failure begins the pause anew
    clock.now = 20.0
    assert breaker.enter(P) is None
    breaker.leave(trial)
    trial = passage_of(breaker)
    end(breaker, old[4], has_answered=True)  # whoever answers is called again
    passage_of(breaker)
    breaker.leave(trial)
    passage_of(breaker)


@given(st.lists(st.tuples(st.sampled_from("efal"), st.floats(0, 20)), max_size=60))
def test_one_trial_at_a_time_and_a_provider_that_answers_is_let_through(
    events: list[tuple[str, float]],
) -> None:
    clock = Clock()
    breaker = Breaker(3, 10.0, clock)
    failures, inside = 0, []
    trial: Passage | None = None
    for event, wait in events:
        clock.now += wait
        if event == "e":
            entered = breaker.enter(P)
            assert entered is None or trial is None or failures < 3
            assert entered is not None or failures >= 3
            if entered is not None:
                inside.append(entered)
                if failures >= 3:
                    trial = entered
        elif inside:
            passage = inside.pop(0)
            if event != "l":
                breaker.report(passage, has_answered=event == "a")
                failures = 0 if event == "a" else failures + 1
            breaker.leave(passage)
            if passage is trial or failures == 0:
                trial = None
    for passage in inside:
        breaker.leave(passage)
    clock.now += 10.0
    assert breaker.enter(P) is not None


@pytest.mark.parametrize(("places", "of_one"), [(1, 1), (2, 2), (4, 3), (32, 24)])
def test_a_department_leaves_places_at_a_provider(places: int, of_one: int) -> None:
    """However slowly the provider answers it, others have their turn."""
    forwarder = Forwarder(
        PrivateKey.generate(),
        timeout_s=1,
        max_bytes=1000,
        max_connections=places,
        breaker=Breaker(0, 1.0),
        policy=OutboundPolicy([], own_ports=set()),
    )
    url, other_url = "http://10.0.0.1:1", "http://10.0.0.2:1"
    first, second = b"1" * 32, b"2" * 32

    def take(url: str, department: bytes) -> list[Passage]:
        taken: list[Passage] = []
        with suppress(RequestRefused):
            while len(taken) <= places:
                taken.append(forwarder.reserve(url, department))
        with pytest.raises(RequestRefused, match="PROVIDER_BUSY"):
            forwarder.reserve(url, department)
        return taken

    of_first, of_second = take(url, first), take(url, second)
    assert [len(of_first), len(of_second)] == [of_one, places - of_one]
    assert len(take(other_url, first)) == of_one
    for passage in of_first + of_second:
        forwarder.release(passage)
    assert len(take(url, second)) == of_one


@pytest.fixture
def strict(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with tighter limits."""
    data = world.gateway.data
    assert data is not None
    strict = Limits(grant_rate=2, department_rate=0, department_places=3)
    monkeypatch.setattr(data, "_limits", strict)
    monkeypatch.setattr(data._forwarder, "_breaker", Breaker(2, 60.0))
    return world


def test_a_replay_takes_nothing_of_the_rate(strict: World) -> None:
    grant = strict.city.grant(strict.city.interface())
    strict.state.publish()
    body, headers = strict.sign(grant)
    codes = [strict.post(body, headers).json().get("code") for _ in range(5)]
    assert codes == [None, *["NONCE_REPLAYED"] * 4]
    codes = [strict.ask(grant).json().get("code") for _ in range(2)]
    assert codes[0] is None
    assert codes[1] in {"GRANT_RATE_EXCEEDED", None}  # None when a minute begins in between


def test_a_provider_that_is_down_is_paused(strict: World) -> None:
    grant = strict.city.grant(strict.city.interface(node="node-down"))
    other = strict.city.grant(strict.city.interface(node="node-down"))
    good = strict.city.grant(strict.city.interface())
    strict.state.publish()
    for _ in range(2):
        assert strict.ask(grant).json()["code"] == "PROVIDER_UNREACHABLE"
    answer = strict.ask(other)
    assert (answer.status_code, answer.json()["code"]) == (503, "PROVIDER_PAUSED")
    record = strict.receipt(answer)
    assert (record["event"], record["code"]) == ("denied", "PROVIDER_PAUSED")
    assert strict.ask(good).status_code == 200


def test_one_department_cannot_take_all_places(strict: World) -> None:
    grants = [strict.city.grant(strict.city.interface()) for _ in range(8)]
    strict.state.publish()
    answers: list[httpx.Response] = []

    def send(grant: bytes) -> None:
        body, headers = strict.sign(grant)
        answers.append(httpx.post(strict.url + "/v1/data", content=body, headers=headers))

    gatekeeper = strict.gateway.gatekeeper
    assert gatekeeper is not None
    data = strict.gateway.data
    assert data is not None
    department = strict.city.requester
    for _ in range(3):
        data._limits.enter(department)
    threads = [threading.Thread(target=send, args=(grant,)) for grant in grants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.json()["code"] for answer in answers} == {"DEPARTMENT_BUSY"}
    assert {strict.receipt(answer)["code"] for answer in answers} == {"DEPARTMENT_BUSY"}
    for _ in range(3):
        data._limits.leave(department)
    assert strict.ask(grants[0]).status_code == 200
