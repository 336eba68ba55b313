"""Contracts and model side by side: what the state machines and the random acts share."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from crypto.errors import ProtocolError
from protocol.acts import SignedAct
from protocol.description import BY_CODE
from protocol.model import Applied, MemoryStore, apply_act
from tests.contracts.city import CHAIN_ID, NO_BODIES, City, Refused

DAY_S = 86_400


class Twins:
    """A built city and the model's state of it; what is done to them is undone at the end.

    One second passes with each block, so that a repeated run sees the same times: what Hypothesis
    may draw next must not depend on the wall clock.

    Attributes:
        city: the contracts, as `City.build` left them.
        store: the model's state.
        seen: how often each (act type, error code) came; the code is empty for recorded acts.
    """

    def __init__(self, built: City, base: MemoryStore) -> None:
        self._rpc = built.rpc
        head = self._rpc.call("eth_getBlockByNumber", "latest", NO_BODIES)
        assert head["hash"] == built.head, "another test left something on the chain"
        self._snapshot = self._rpc.call("evm_snapshot")
        self._rpc.call("anvil_setBlockTimestampInterval", 1)
        self.city = City(self._rpc, built.contracts, built.sender)
        self.city.ids.update(built.ids)
        self.store = copy.deepcopy(base)
        self.seen: dict[tuple[str, str], int] = {}

    def undo(self) -> None:
        """Take the chain back to how it was built."""
        self._rpc.call("anvil_removeBlockTimestampInterval")
        assert self._rpc.call("evm_revert", self._snapshot) is True

    def pass_time(self, seconds: int) -> None:
        """Make a block that is so much later."""
        self._rpc.call("evm_setNextBlockTimestamp", self.city.now() + seconds)
        self._rpc.call("evm_mine")

    def record(self, signed: SignedAct) -> Applied | None:
        """Give an act to contract and model, which must say the same.

        Returns:
            What it did; None where both refused it.
        """
        name = BY_CODE[int.from_bytes(signed.data[52:56], "big")].name
        at_s = self.city.now()
        told: tuple[Any, ...]
        try:
            outcome = self.city.record(signed)
            at_s = outcome.block_time
            told = ("", outcome.event.values["target"], outcome.event.values["revision"])
        except Refused as refused:
            told = (refused.code, refused.details.get("field"))
        done: Applied | None = None
        found: tuple[Any, ...]
        try:
            done = apply_act(
                self.store,
                signed,
                chain_id=CHAIN_ID,
                contracts=self.city.contracts,
                block_number=1,
                block_time=at_s,
            )
            found = ("", done.target, done.revision)
        except ProtocolError as error:
            found = (error.code, error.details.get("field"))
        assert found == told, name
        place = (name, told[0])
        self.seen[place] = self.seen.get(place, 0) + 1
        return done


@contextmanager
def twins(built: City, base: MemoryStore) -> Iterator[Twins]:
    """The two for the length of a block."""
    both = Twins(built, base)
    try:
        yield both
    finally:
        both.undo()


class Machine(RuleBasedStateMachine):
    """A state machine on Twins.

    Attributes:
        twins: contracts and model.
    """

    def __init__(self, built: City, base: MemoryStore, seen: dict[tuple[str, str], int]) -> None:
        super().__init__()
        self.twins = Twins(built, base)
        self.twins.seen = seen
        self.city, self.store = self.twins.city, self.twins.store

    def teardown(self) -> None:
        """Undo what this run did to the chain."""
        self.twins.undo()


def run_machine(
    machine: Callable[[City, MemoryStore, dict[tuple[str, str], int]], Machine],
    built: City,
    base: MemoryStore,
    *,
    examples: int,
    steps: int,
) -> dict[tuple[str, str], int]:
    """Run so many times so many steps, always the same ones.

    Returns:
        How often each (act type, error code) came in all runs.
    """
    seen: dict[tuple[str, str], int] = {}
    run_state_machine_as_test(
        lambda: machine(built, base, seen),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            # A run takes minutes; a failure shows its acts as it is.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return seen
