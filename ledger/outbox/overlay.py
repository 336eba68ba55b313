"""The state as it would be once the acts that wait were recorded; nothing of it is kept."""

from collections.abc import Callable
from typing import TypeVar

from protocol.model import (
    Anchor,
    Authority,
    CalendarYear,
    CertificateBinding,
    Claim,
    Consent,
    Correction,
    Department,
    Dispute,
    Entry,
    EntryVersion,
    HeadKeyProposal,
    Interface,
    InterfaceVersion,
    Key,
    Log,
    MemoryStore,
    Person,
    Refresh,
    Request,
    Store,
    Successor,
)

_Value = TypeVar("_Value")


def _first(own: _Value | None, below: Callable[[], _Value | None]) -> _Value | None:
    return below() if own is None else own


class OverlayStore(MemoryStore):
    """A store in memory over another one, which it never changes."""

    def __init__(self, base: Store) -> None:
        """Create an empty overlay.

        Args:
            base: the recorded state; may be replaced by another view of the same block.
        """
        super().__init__()
        self.base = base
        self._counted: dict[tuple[str, bytes], int] = {}

    def find_authority(self) -> Authority | None:
        """Return the authority as it stands."""
        return _first(super().find_authority(), self.base.find_authority)

    def find_department(self, department_id: bytes) -> Department | None:
        """Return a department."""
        own = super().find_department(department_id)
        return _first(own, lambda: self.base.find_department(department_id))

    def find_person(self, person_id: bytes) -> Person | None:
        """Return a person."""
        return _first(super().find_person(person_id), lambda: self.base.find_person(person_id))

    def find_key(self, key_id: bytes) -> Key | None:
        """Return a key."""
        return _first(super().find_key(key_id), lambda: self.base.find_key(key_id))

    def find_calendar_year(self, year: int) -> CalendarYear | None:
        """Return the published working days of a year."""
        own = super().find_calendar_year(year)
        return _first(own, lambda: self.base.find_calendar_year(year))

    def find_calendar_publication(self, publication_id: bytes) -> CalendarYear | None:
        """Return the year that this act published."""
        own = super().find_calendar_publication(publication_id)
        return _first(own, lambda: self.base.find_calendar_publication(publication_id))

    def find_certificate(self, key_id: bytes) -> CertificateBinding | None:
        """Return the certificate that a key is bound to."""
        own = super().find_certificate(key_id)
        return _first(own, lambda: self.base.find_certificate(key_id))

    def find_proposal(self, person_id: bytes) -> HeadKeyProposal | None:
        """Return the newest proposal of a head's key."""
        own = super().find_proposal(person_id)
        return _first(own, lambda: self.base.find_proposal(person_id))

    def find_successor(self, contract: bytes) -> Successor | None:
        """Return the successor of the contract with this address."""
        own = super().find_successor(contract)
        return _first(own, lambda: self.base.find_successor(contract))

    def find_entry(self, entry_id: bytes) -> Entry | None:
        """Return an entry."""
        return _first(super().find_entry(entry_id), lambda: self.base.find_entry(entry_id))

    def find_entry_version(self, entry_id: bytes, number: int) -> EntryVersion | None:
        """Return the version of this number."""
        own = super().find_entry_version(entry_id, number)
        return _first(own, lambda: self.base.find_entry_version(entry_id, number))

    def find_claim(self, claim_id: bytes) -> Claim | None:
        """Return a claim."""
        return _first(super().find_claim(claim_id), lambda: self.base.find_claim(claim_id))

    def _unless_changed(self, claim: Claim | None) -> Claim | None:
        """Return a claim of the state below, unless an act that waits has changed it."""
        return None if claim is None or claim.id in self.claims else claim

    def find_source_claim(self, element: bytes) -> Claim | None:
        """Return the one claim to an element that is SOURCE."""
        own = super().find_source_claim(element)
        return _first(own, lambda: self._unless_changed(self.base.find_source_claim(element)))

    def find_open_claim(self, element: bytes, department: bytes) -> Claim | None:
        """Return the one claim of a department to an element that is SOURCE or CONFLICT."""
        own = super().find_open_claim(element, department)
        return _first(
            own, lambda: self._unless_changed(self.base.find_open_claim(element, department))
        )

    def find_refresh(self, entry_id: bytes) -> Refresh | None:
        """Return the newest refresh of an entry's data."""
        return _first(super().find_refresh(entry_id), lambda: self.base.find_refresh(entry_id))

    def find_interface(self, interface_id: bytes) -> Interface | None:
        """Return an interface."""
        own = super().find_interface(interface_id)
        return _first(own, lambda: self.base.find_interface(interface_id))

    def find_interface_version(self, interface_id: bytes, number: int) -> InterfaceVersion | None:
        """Return the version of this number."""
        own = super().find_interface_version(interface_id, number)
        return _first(own, lambda: self.base.find_interface_version(interface_id, number))

    def find_request(self, request_id: bytes) -> Request | None:
        """Return a request."""
        own = super().find_request(request_id)
        return _first(own, lambda: self.base.find_request(request_id))

    def find_correction(self, correction_id: bytes) -> Correction | None:
        """Return a correction."""
        own = super().find_correction(correction_id)
        return _first(own, lambda: self.base.find_correction(correction_id))

    def find_dispute(self, dispute_id: bytes) -> Dispute | None:
        """Return a dispute."""
        own = super().find_dispute(dispute_id)
        return _first(own, lambda: self.base.find_dispute(dispute_id))

    def find_consent(self, consent_id: bytes) -> Consent | None:
        """Return a consent to a third party."""
        own = super().find_consent(consent_id)
        return _first(own, lambda: self.base.find_consent(consent_id))

    def find_newest_dispute(self, request_id: bytes) -> Dispute | None:
        """Return the dispute over a request that was opened last."""
        own = super().find_newest_dispute(request_id)
        return _first(own, lambda: self.base.find_newest_dispute(request_id))

    def find_log(self, log_id: bytes) -> Log | None:
        """Return a log."""
        return _first(super().find_log(log_id), lambda: self.base.find_log(log_id))

    def find_log_by_origin(self, origin: str) -> Log | None:
        """Return the log with this origin."""
        own = super().find_log_by_origin(origin)
        return _first(own, lambda: self.base.find_log_by_origin(origin))

    def find_anchor(self, log_id: bytes) -> Anchor | None:
        """Return the newest anchor of a log."""
        return _first(super().find_anchor(log_id), lambda: self.base.find_anchor(log_id))

    def nonce(self, contract: str, key_id: bytes) -> int:
        """Return how many acts of this key the named contract has accepted."""
        own = self._counted.get((contract, key_id))
        return self.base.nonce(contract, key_id) if own is None else own

    def put_nonce(self, contract: str, key_id: bytes, nonce: int) -> None:
        """Keep that number."""
        self._counted[contract, key_id] = nonce
