"""Keys over time as a state machine: whatever happens, contract and model agree and nothing bricks.

Every step is an act of somebody who may be anybody, or time that passes. After each step the
invariants hold that the authority's safety rests on.
"""

import itertools
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from protocol.acts import ZERO_ID
from protocol.description import Role
from protocol.model import (
    KeyState,
    MemoryStore,
    ProposalState,
    proposal_state,
    state_of,
)
from tests.contracts.city import (
    AUTHORITY,
    CITY_HEAD,
    DELAY_S,
    City,
    digest,
    key,
    key_words,
)
from tests.contracts.integrity import verify_departments, verify_keys
from tests.contracts.machine import Machine, run_machine
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared

HEAD = "civil affairs head"
FIRST = (*AUTHORITY, CITY_HEAD, HEAD, "civil affairs operator", "gateway")
ENDS = (0, 0, 0, 400, 5_000)
LOSSES = st.integers(1, 4)
WHO = st.integers(0, 1 << 16)


class KeyMachine(Machine):
    """The contract, and the model that must say the same."""

    def __init__(self, built: City, base: MemoryStore, seen: dict[tuple[str, str], int]) -> None:
        super().__init__(built, base, seen)
        self.names = list(FIRST)
        self.numbers = itertools.count()

    # who

    def one(self, who: int) -> str:
        """Pick a key that was ever registered."""
        return self.names[who % len(self.names)]

    def some(self, who: int) -> tuple[str, ...]:
        """Pick authority persons: mostly as many usable ones as the threshold says."""
        authority = self.store.find_authority()
        assert authority is not None
        usable = [n for n in self.names if self.is_usable(n, Role.AUTHORITY)]
        start, count = who % len(usable), authority.threshold + (who % 7 == 0)
        turned = usable[start:] + usable[:start]
        return tuple([*turned, CITY_HEAD][:count])

    def is_usable(self, name: str, role: Role) -> bool:
        """Whether the model says that a key counts now and its person has a role."""
        found = self.store.find_key(key(name).public_key.key_id)
        person = self.store.find_person(found.person) if found is not None else None
        return (
            found is not None
            and person is not None
            and bool(person.roles & role)
            and state_of(self.store, found, person, self.city.now()) is KeyState.ACTIVE
        )

    def stored(self, name: str) -> KeyState | None:
        """Return the state that acts left a key in."""
        found = self.store.find_key(key(name).public_key.key_id)
        return None if found is None else found.state

    def new(self) -> str:
        """Return the name of a new key."""
        return f"machine {next(self.numbers)}"

    def id_of(self, name: str) -> bytes:
        """Return a key's id."""
        return key(name).public_key.key_id

    def person_of(self, name: str) -> bytes:
        """Return the person of a key."""
        found = self.store.find_key(self.id_of(name))
        return self.id_of(name) if found is None else found.person

    # what

    def act(
        self, name: str, signers: tuple[str, ...], target: bytes = ZERO_ID, /, **values: Any
    ) -> bool:
        """Let contract and model decide; they say the same. Return whether they accepted."""
        return self.twins.record(self.city.sign(name, signers, target, **values)) is not None

    @rule(seconds=st.sampled_from((60, 450, DELAY_S, 100_000)))
    def wait(self, seconds: int) -> None:
        self.twins.pass_time(seconds)

    @rule(who=WHO, other=WHO, until=st.sampled_from(ENDS))
    def rotate(self, who: int, other: int, until: int) -> None:
        name, new = self.one(who), self.new()
        target = name if other % 4 else self.one(other)
        words = {**key_words(new), "valid_until": until and self.city.now() + until}
        if self.act("KeyRotated", (name, new), self.id_of(target), **words):
            self.names.append(new)

    @rule(who=WHO, other=WHO, reason=LOSSES, act=st.sampled_from(("KeySuspended", "KeyRevoked")))
    def stop(self, who: int, other: int, reason: int, act: str) -> None:
        name = self.one(who)
        target = name if other % 2 else self.one(other)
        self.act(act, (name,), self.id_of(target), reason_code=reason)

    @rule(who=WHO, other=WHO)
    def resume(self, who: int, other: int) -> None:
        suspended = [n for n in self.names if self.stored(n) is KeyState.SUSPENDED]
        target = suspended[other % len(suspended)] if suspended else self.one(other)
        signer = (CITY_HEAD, HEAD, self.one(who))[who % 3]
        self.act("KeyResumed", (signer,), self.id_of(target))

    @rule(who=WHO, other=WHO)
    def resume_authority(self, who: int, other: int) -> None:
        suspended = [n for n in self.names if self.stored(n) is KeyState.SUSPENDED]
        target = suspended[other % len(suspended)] if suspended else self.one(other)
        self.act("AuthorityKeyResumed", self.some(who), self.id_of(target))

    @rule(who=WHO, other=WHO, until=st.sampled_from(ENDS))
    def add(self, who: int, other: int, until: int) -> None:
        new = self.new()
        words = {**key_words(new), "valid_until": until and self.city.now() + until}
        if self.act("KeyAdded", (self.one(who), new), self.person_of(self.one(other)), **words):
            self.names.append(new)

    @rule(who=WHO, other=WHO, end=st.sampled_from((-1, 300, 10_000)))
    def bind(self, who: int, other: int, end: int) -> None:
        words = {"issuer": digest("i"), "serial": 1, "certificate": digest("c")}
        name = self.one(who)
        target = self.id_of(name if other % 3 else self.one(other))
        self.act("CertificateBound", (name,), target, **words, not_after=self.city.now() + end)

    @rule(who=WHO, number=st.integers(0, 4))
    def set_threshold(self, who: int, number: int) -> None:
        self.act("ThresholdSet", self.some(who), self.id_of(CITY_HEAD), threshold=number)

    @rule(who=WHO)
    def add_person(self, who: int) -> None:
        new = self.new()
        if self.act("AuthorityPersonAdded", (*self.some(who), new), **key_words(new)):
            self.names.append(new)

    @rule(who=WHO, other=WHO, reason=LOSSES)
    def remove_person(self, who: int, other: int, reason: int) -> None:
        target = self.person_of(self.one(other))
        self.act("AuthorityPersonRemoved", self.some(who), target, reason_code=reason)

    @rule(who=WHO, head=st.sampled_from((CITY_HEAD, HEAD)), until=st.sampled_from((0, 9_000)))
    def propose(self, who: int, head: str, until: int) -> None:
        new = self.new()
        words = {**key_words(new), "valid_until": until and self.city.now() + until}
        self.act(
            "HeadKeyProposed", (*self.some(who), new), self.person_of(head), **words, reason_code=2
        )
        if self.store.find_proposal(self.person_of(head)) is not None:
            self.names.append(new)  # it may be tried out from now on

    @precondition(lambda self: self.store.proposals)
    @rule(who=WHO, other=WHO, act=st.sampled_from(("HeadKeyObjected", "HeadKeyReplaced")))
    def decide(self, who: int, other: int, act: str) -> None:
        proposals = sorted(self.store.proposals.values(), key=lambda x: x.id)
        one = proposals[other % len(proposals)]
        if act == "HeadKeyReplaced" and who % 4:
            signer = self.some(who)[0]
        else:
            heads = [n for n in self.names if self.person_of(n) == one.person and who % 3]
            signer = heads[who % len(heads)] if heads else self.one(who)
        if act == "HeadKeyReplaced" and other % 3:
            self.wait(DELAY_S)
        self.act(act, (signer,), one.person, key=one.public_key.key_id)

    @rule(who=WHO, level=st.sampled_from((3, 4)))
    def found_department(self, who: int, level: int) -> None:
        new = self.new()
        words = {**self.city.department_values(new, level=level), **key_words(new)}
        if self.act("DepartmentRegistered", (*self.some(who), new), **words):
            self.names.append(new)

    @rule(who=WHO, other=WHO, act=st.sampled_from(("DepartmentChanged", "DepartmentEnded")))
    def change_department(self, who: int, other: int, act: str) -> None:
        # The newest first: once those of the city have ended little can happen.
        departments = list(self.store.departments)[:: 1 if other % 8 == 0 else -1]
        target, another = departments[0], departments[other % len(departments)]
        words: dict[str, Any] = {"successor": another if other % 3 else ZERO_ID}
        if act == "DepartmentChanged":
            level = self.store.departments[target].level
            parent = another if other % 2 else ZERO_ID
            words = self.city.department_values("changed", level=level, parent=parent)
        self.act(act, self.some(who), target, **words, reason=digest("reason"))

    # what always holds

    @invariant()
    def the_authority_can_always_act(self) -> None:
        verify_keys(self.city, self.store)
        verify_departments(self.city, self.store)

    @invariant()
    def a_pending_key_is_nobodys(self) -> None:
        now = self.city.now()
        for one in self.store.proposals.values():
            pending = self.store.find_proposal(one.person) == one and (
                proposal_state(one, now) is ProposalState.PENDING
            )
            if pending and self.store.find_key(one.public_key.key_id) is None:
                record = self.city.read("Registry", "keyRecord", one.public_key.key_id)[0]
                assert not any(record[2])


def test_keys_over_time(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(KeyMachine, built, replayed, examples=12, steps=25)
    # A machine whose acts were all refused would have shown nothing.
    assert len({name for name, code in seen if not code}) >= 9, seen


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_keys_over_a_long_time(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(KeyMachine, built, replayed, examples=150, steps=50)
    assert len({name for name, code in seen if not code}) >= 12, seen
