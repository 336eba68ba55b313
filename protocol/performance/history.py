"""What the chain said up to a day: the state, and what the state alone does not keep."""

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.documents.pieces import Pieces
from protocol.ethereum import Event, PieceEvent
from protocol.evidence.chain import apply_event
from protocol.model import Applied, EntryVersion, MemoryStore


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
        self._versions: dict[tuple[bytes, int], None] = {}
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
            self._note(applied)

    def _note(self, applied: Applied) -> None:
        act = applied.act
        if act.type.name == "EntrySubmitted":
            entry = self.store.entries[applied.target]
            if entry.pending is not None:
                self._versions[entry.id, entry.pending.number] = None
        elif act.type.name == "UseReported":
            self.uses.append(Use(act.target, act.number("until_day"), act.number("uses")))

    def versions(self) -> list[tuple[bytes, EntryVersion]]:
        """Return (entry id, version) of every version, also of those that were returned."""
        found = []
        for entry, number in self._versions:
            version = self.store.find_entry_version(entry, number)
            if version is not None:
                found.append((entry, version))
        return found
