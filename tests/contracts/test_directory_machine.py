"""Directory and interface chain: long walks of acts and days, contracts against the model.

Unlike test_model.py, most acts are meant to pass, so that the walks reach late states. After each
step the integrity across the chains is read from the contracts themselves.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.model import (
    ClaimState,
    Entry,
    EntryState,
    Interface,
    MemoryStore,
)
from tests.contracts.city import City, digest
from tests.contracts.integrity import verify_clocks, verify_integrity
from tests.contracts.machine import DAY_S, Machine, run_machine
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_rules import REASON

DEPARTMENTS = ("civil affairs", "housing")
ELEMENTS = tuple(digest(f"element {number}") for number in range(3))
MASKS = (0b0001, 0b0011, 0b0110, 0b1111)
#: The walks stay within the years that the city publishes.
LAST_DAY = 20_800

index = st.integers(0, 7)
mask = st.sampled_from(MASKS)
side = st.sampled_from(DEPARTMENTS)
class_ = st.sampled_from((1, 2, 2, 3))


def is_published(entry: Entry) -> bool:
    """Return whether an entry is PUBLISHED."""
    return entry.state is EntryState.PUBLISHED


class Walk(Machine):
    """One walk; it begins where City.build ends."""

    @initialize()
    def begin(self) -> None:
        """Give both departments an entry, so that they come into conflict."""
        self.submit(ZERO_ID, "housing", 0b1111, 2, 1)
        self.publish(0)

    # acts

    def do(self, name: str, signers: Sequence[str], target: bytes, **values: Any) -> None:
        """Record an act, or have it refused: by both alike."""
        self.twins.record(self.city.sign(name, signers, target, **values))

    def pick(self, ids: Sequence[bytes], at: int) -> bytes:
        """Return one of the ids, the newest most often."""
        return ids[-1 - at % len(ids)] if ids else digest("nothing")

    def entry(self, at: int, fits: Callable[[Entry], bool] = lambda _entry: True) -> bytes:
        """Return an entry that fits, or any while none does."""
        ids = [one.id for one in self.store.entries.values() if fits(one)]
        return self.pick(ids or list(self.store.entries), at)

    def interface(
        self, at: int, fits: Callable[[Interface], bool] = lambda _interface: True
    ) -> bytes:
        """Return an interface that fits, or any while none does."""
        ids = [one.id for one in self.store.interfaces.values() if fits(one)]
        return self.pick(ids or list(self.store.interfaces), at)

    def owner(self, found: Any) -> str:
        """Return the name of the department that owns something."""
        names = {self.city.ids[name]: name for name in DEPARTMENTS}
        return names[found.department] if found is not None else DEPARTMENTS[0]

    @rule(owner=side, items=mask, sharing=class_, grading=st.sampled_from((1, 1, 1, 2)))
    def new_entry(self, owner: str, items: int, sharing: int, grading: int) -> None:
        self.submit(ZERO_ID, owner, items, sharing, grading)

    @rule(at=index, items=mask, sharing=class_)
    def new_version(self, at: int, items: int, sharing: int) -> None:
        entry = self.entry(at)
        self.submit(entry, self.owner(self.store.find_entry(entry)), items, sharing, 1)

    def submit(self, target: bytes, owner: str, items: int, sharing: int, grading: int) -> None:
        words = self.city.entry_values(
            items=items,
            sensitive=0,
            sharing_class=sharing,
            grading=grading,
            basis=ZERO_ID if sharing == 1 else digest("basis"),
            document=digest(f"entry {len(self.city.sent)}"),
        )
        self.do("EntrySubmitted", (f"{owner} operator", f"{owner} head"), target, **words)

    @rule(at=index)
    def publish(self, at: int) -> None:
        entry = self.entry(at, lambda one: one.pending is not None)
        found = self.store.find_entry(entry)
        pending = found.pending if found is not None else None
        document = pending.document if pending is not None else digest("none")
        self.do("EntryPublished", ("authority 1",), entry, document=document)

    @rule(at=index)
    def give_back(self, at: int) -> None:
        entry = self.entry(at, lambda one: one.pending is not None)
        found = self.store.find_entry(entry)
        pending = found.pending if found is not None else None
        document = pending.document if pending is not None else digest("none")
        self.do("EntryReturned", ("authority 2",), entry, document=document, reason=REASON)

    @rule(at=index, rare=st.integers(0, 4))
    def retire(self, at: int, rare: int) -> None:
        if rare == 0:
            entry = self.entry(at)
            owner = self.owner(self.store.find_entry(entry))
            self.do("EntryRetired", (f"{owner} head",), entry, reason=REASON)

    @rule(at=index, back=st.integers(-1, 5), noted_by=st.sampled_from(("officer", "head", "")))
    def note_change(self, at: int, back: int, noted_by: str) -> None:
        entry = self.entry(at, is_published)
        owner = self.owner(self.store.find_entry(entry))
        signer = f"{owner} {noted_by}" if noted_by else "authority 3"
        day = day_at(self.city.now()) - back
        self.do("ChangeNoted", (signer,), entry, change_day=day, reason=REASON)

    @rule(at=index)
    def extend(self, at: int) -> None:
        entry = self.entry(at, lambda one: one.change_day > 0 and one.extended_day == 0)
        owner = self.owner(self.store.find_entry(entry))
        self.do("UpdateExtended", (f"{owner} head", "authority 1"), entry, reason=REASON)

    @rule(at=index, back=st.integers(-1, 3))
    def refresh(self, at: int, back: int) -> None:
        entry = self.entry(at, is_published)
        owner = self.owner(self.store.find_entry(entry))
        day = day_at(self.city.now()) - back
        words = {"entry": entry, "from_day": day - 1, "until_day": day, "rows": 7}
        self.do("DataRefreshed", (f"{owner} operator",), ZERO_ID, **words)

    @rule(at=index, item=st.integers(0, 4), element=st.sampled_from(ELEMENTS))
    def claim(self, at: int, item: int, element: bytes) -> None:
        self.claim_in(self.entry(at, is_published), item, element)

    def claim_in(self, entry: bytes, item: int, element: bytes) -> None:
        owner = self.owner(self.store.find_entry(entry))
        signers = (f"{owner} operator", f"{owner} head")
        words = {"entry": entry, "element": element, "item": item}
        self.do("ElementClaimed", signers, ZERO_ID, **words)

    @rule(at=index)
    def release(self, at: int) -> None:
        claim = self.pick(list(self.store.claims), at)
        owner = self.owner(self.store.find_claim(claim))
        self.do("ElementReleased", (f"{owner} head",), claim, reason=REASON)

    @rule(at=index, named=side)
    def decide(self, at: int, named: str) -> None:
        conflicts = [c.id for c in self.store.claims.values() if c.state is ClaimState.CONFLICT]
        claim = self.pick(conflicts or list(self.store.claims), at)
        words = {"source_department": self.city.ids[named], "reason": REASON}
        self.do("ConflictDecided", ("authority 1",), claim, **words)

    @rule(at=index, items=mask, again=st.booleans())
    def register(self, at: int, items: int, *, again: bool) -> None:
        target = self.interface(at) if again else ZERO_ID
        found = self.store.find_interface(target)
        entry = found.entry if found is not None else self.entry(at, is_published)
        of_entry = self.store.find_entry(entry)
        current = of_entry.current if of_entry is not None else None
        words = self.city.interface_values(
            entry=entry,
            entry_version=current.number if current is not None else 1,
            items=items,
            document=digest(f"interface {len(self.city.sent)}"),
        )
        self.do("InterfaceRegistered", (f"{self.owner(of_entry)} operator",), target, **words)

    @rule(at=index, result=st.sampled_from((1, 1, 1, 2)))
    def have_tested(self, at: int, result: int) -> None:
        interface = self.interface(at, lambda one: one.pending is not None)
        words = self.city.tested_values(document=self.waiting(interface), test_result=result)
        self.do("InterfaceTested", ("gateway",), interface, **words)

    @rule(at=index)
    def online(self, at: int) -> None:
        interface = self.interface(
            at, lambda one: one.pending is not None and one.pending.test_result == 1
        )
        owner = self.owner(self.store.find_interface(interface))
        document = self.waiting(interface)
        self.do("InterfaceOnline", (f"{owner} officer",), interface, document=document)

    @rule(at=index, rare=st.integers(0, 4))
    def retire_interface(self, at: int, rare: int) -> None:
        if rare == 0:
            interface = self.interface(at)
            owner = self.owner(self.store.find_interface(interface))
            self.do("InterfaceRetired", (f"{owner} officer",), interface, reason=REASON)

    @rule(at=index)
    def forward(self, at: int) -> None:
        """An interface goes on to its next state."""
        pending = [one.pending for one in self.store.interfaces.values() if one.pending is not None]
        if any(one.test_result == 1 for one in pending):
            self.online(at)
        elif pending:
            self.have_tested(at, 1)
        else:
            self.register(at, 0b0011, again=bool(at % 2))

    @rule(at=index, item=st.integers(0, 1))
    def contest(self, at: int, item: int) -> None:
        """A department claims what another one holds; the authority decides."""
        if any(claim.state is ClaimState.CONFLICT for claim in self.store.claims.values()):
            self.decide(at, DEPARTMENTS[at % 2])
            return
        held = [c for c in self.store.claims.values() if c.state is ClaimState.SOURCE]
        if held:
            claim = held[-1 - at % len(held)]
            rivals = [
                one.id
                for one in self.store.entries.values()
                if is_published(one) and one.department != claim.department
            ]
            self.claim_in(self.pick(rivals, at), item, claim.element)

    def waiting(self, interface: bytes) -> bytes:
        found = self.store.find_interface(interface)
        pending = found.pending if found is not None else None
        return pending.document if pending is not None else digest("none")

    @rule(at=index, by=st.sampled_from(("officer", "")), resume=st.booleans())
    def suspend(self, at: int, by: str, *, resume: bool) -> None:
        interface = self.interface(at)
        owner = self.owner(self.store.find_interface(interface))
        signer = f"{owner} {by}" if by else "authority 1"
        if resume:
            self.do("InterfaceResumed", (signer,), interface)
        else:
            self.do("InterfaceSuspended", (signer,), interface, reason=REASON)

    @precondition(lambda self: day_at(self.city.now()) < LAST_DAY)
    @rule(days=st.sampled_from((1, 3, 12)))
    def days_pass(self, days: int) -> None:
        self.twins.pass_time(days * DAY_S)

    # what holds after each step, as the contracts themselves say

    @invariant()
    def the_chains_hold_together(self) -> None:
        verify_integrity(self.city, self.store)

    @invariant()
    def clocks_agree(self) -> None:
        for entry in self.store.entries.values():
            verify_clocks(self.city, self.store, entry)


def test_walks(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(Walk, built, replayed, examples=12, steps=50)
    assert len({name for name, code in seen if not code}) >= 12, seen


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_many_long_walks(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(Walk, built, replayed, examples=80, steps=60)
    assert len({name for name, code in seen if not code}) == 16, seen
