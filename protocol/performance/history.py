"""What the chain said up to a day: the state, and what the state alone does not keep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crypto.errors import ProtocolError
from protocol.calendar import day_at
from protocol.documents.pieces import Pieces
from protocol.ethereum import Event, PieceEvent
from protocol.evidence.chain import apply_event
from protocol.model import Applied, Entry, EntryVersion, MemoryStore
from protocol.model.clocks import change_due

_OF_ENTRIES = (
    "EntrySubmitted",
    "EntryPublished",
    "EntryReturned",
    "EntryRetired",
    "ChangeNoted",
    "UpdateExtended",
)


@dataclass(frozen=True, slots=True)
class Use:
    """What a use report says.

    Attributes:
        grant: id of the grant.
        until_day: last day that it covers.
        uses: number of uses.
    """

    grant: bytes
    until_day: int
    uses: int


@dataclass(frozen=True, slots=True)
class Review:
    """The authority's review of a submitted version.

    Attributes:
        version: the version as it was submitted.
        provider: id of the department whose entry it is of.
        ended_day: day of its publication or return, or of what made it void; 0 before.
        is_void: whether the entry was retired, or another version submitted, while it waited.
    """

    version: EntryVersion
    provider: bytes
    ended_day: int = 0
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """What a noted change demands.

    Attributes:
        department: id of the provider.
        change_day: day of the change.
        extended_day: day of the consent to a longer time, 0 if none.
        done_day: day of the submission, or of the entry's retirement; 0 while it waits.
        known_day: day since which the chain tells that it waits: that of the note, or of the
            return or replacement of a version that would have answered it; of an update that was
            late by then, the first day of its lateness, so that it counts once.
        is_void: whether the entry was retired without an update.
    """

    department: bytes
    change_day: int
    extended_day: int
    done_day: int
    known_day: int
    is_void: bool = False


class History:
    """Follows a chain's events in their order.

    Args:
        chain_id: id of the chain.
        contracts: 20-byte address of each contract by name.
        verify_signatures: False where the chain that holds the events is trusted.
    """

    def __init__(
        self, chain_id: int, contracts: Mapping[str, bytes], *, verify_signatures: bool = True
    ) -> None:
        self._chain_id = chain_id
        self._contracts = contracts
        self._verify_signatures = verify_signatures
        self._entries: dict[bytes, Entry] = {}
        self._known: dict[bytes, int] = {}
        self._reviews: dict[bytes, Review] = {}
        self._ended_updates: list[Update] = []
        self.store = MemoryStore()
        #: Documents as far as the chain holds them.
        self.documents = Pieces()
        #: Use reports in their order.
        self.uses: list[Use] = []

    def apply(self, event: Event, *, block_number: int, block_time: int) -> None:
        """Take the next event.

        Args:
            event: the event.
            block_number: block that holds it.
            block_time: time of that block, unix seconds.

        Raises:
            ProtocolError: the rule that does not hold.
            VerificationError: EVENT_DIFFERS.
        """
        if isinstance(event, PieceEvent):
            self.documents.add(event)
            return
        applied = apply_event(
            self.store,
            event,
            trust_chain_id=self._chain_id,
            contracts=self._contracts,
            block_number=block_number,
            block_time=block_time,
            check_nonce=True,
            verify_signatures=self._verify_signatures,
        )
        if applied is not None:
            self._note(applied, day_at(block_time))

    def _note(self, applied: Applied, day: int) -> None:
        act = applied.act
        if act.type.name == "UseReported":
            self.uses.append(Use(act.target, act.number("until_day"), act.number("uses")))
        elif act.type.name in _OF_ENTRIES:
            entry = self.store.entries[applied.target]
            self._note_entry(act.type.name, self._entries.get(entry.id, entry), entry, day)
            self._entries[entry.id] = entry

    def _note_entry(self, name: str, before: Entry, entry: Entry, day: int) -> None:
        """Keep what later acts overwrite: who retires an entry does not undo its lateness."""
        waited = before.pending
        if name == "ChangeNoted":
            self._known[entry.id] = self._late_since(before, day) or day
        elif waited is not None and name != "UpdateExtended":
            is_void = name in ("EntrySubmitted", "EntryRetired")
            self._reviews[waited.act_id] = Review(waited, entry.department, day, is_void=is_void)
            if name in ("EntrySubmitted", "EntryReturned") and _answers(waited, before):
                self._known[entry.id] = self._late_since(before, day) or day
        if name == "EntrySubmitted" and entry.pending is not None:
            self._reviews[entry.pending.act_id] = Review(entry.pending, entry.department)
        if (
            name in ("EntryPublished", "EntryRetired")
            and before.change_day
            and not entry.change_day
        ):
            update = self._update(before)
            if not update.done_day:
                update = replace(update, done_day=day, is_void=True)
            self._ended_updates.append(update)

    def _late_since(self, entry: Entry, day: int) -> int | None:
        """Return the first day of lateness of the update that an entry waited for before an act.

        None where it was not late, or where no published year decides that yet.
        """
        if not entry.change_day or entry.id not in self._known:
            return None
        update = self._update(entry)
        try:
            due = change_due(self.store, update.change_day, update.extended_day)
        except ProtocolError as error:
            if error.code != "CALENDAR_UNKNOWN":
                raise
            return None
        return max(due + 1, update.known_day) if (update.done_day or day) > due else None

    def _update(self, entry: Entry) -> Update:
        """Return the update that an entry waits for; a version under review answers it."""
        pending = entry.pending
        answered = pending is not None and _answers(pending, entry)
        return Update(
            entry.department,
            entry.change_day,
            entry.extended_day,
            pending.submitted_day if pending is not None and answered else 0,
            self._known[entry.id],
        )

    def reviews(self) -> list[Review]:
        """Return the review of every version that was submitted."""
        return list(self._reviews.values())

    def updates(self) -> list[Update]:
        """Return every update that a noted change demanded."""
        waiting = [self._update(x) for x in self.store.entries.values() if x.change_day]
        return [*self._ended_updates, *waiting]


def _answers(version: EntryVersion, entry: Entry) -> bool:
    """Return whether a version answers the change that waits; an earlier one does not."""
    return 0 < entry.change_day <= version.submitted_day
