"""Where the model's state is kept."""

from typing import Protocol

from protocol.model.calendar import CalendarYear
from protocol.model.claims import OPEN_CLAIMS, Claim, ClaimState
from protocol.model.corrections import Correction
from protocol.model.disputes import Dispute
from protocol.model.entries import Entry, EntryVersion
from protocol.model.interfaces import Interface, InterfaceVersion
from protocol.model.logs import Anchor, Log
from protocol.model.oversight import OversightReport
from protocol.model.refreshes import Refresh
from protocol.model.registry import (
    Authority,
    CertificateBinding,
    Department,
    HeadKeyProposal,
    Key,
    Person,
    Successor,
)
from protocol.model.requests import Request
from protocol.model.third_parties import Consent


class Store(Protocol):
    """State of one deployment. Values are immutable; putting one replaces the one of its id.

    ``find_*`` return None for what does not exist. Contracts are named as in
    protocol.description.CONTRACTS.
    """

    def find_authority(self) -> Authority | None:
        """Return the authority as it stands."""

    def put_authority(self, authority: Authority) -> None:
        """Keep the authority."""

    def find_department(self, department_id: bytes) -> Department | None:
        """Return a department."""

    def put_department(self, department: Department) -> None:
        """Keep a department."""

    def find_person(self, person_id: bytes) -> Person | None:
        """Return a person."""

    def put_person(self, person: Person) -> None:
        """Keep a person."""

    def find_key(self, key_id: bytes) -> Key | None:
        """Return a key."""

    def put_key(self, key: Key) -> None:
        """Keep a key."""

    def find_calendar_year(self, year: int) -> CalendarYear | None:
        """Return the published working days of a year."""

    def find_calendar_publication(self, publication_id: bytes) -> CalendarYear | None:
        """Return the year that this act published."""

    def put_calendar_year(self, calendar_year: CalendarYear) -> None:
        """Keep a year's working days."""

    def find_certificate(self, key_id: bytes) -> CertificateBinding | None:
        """Return the certificate that a key is bound to."""

    def put_certificate(self, binding: CertificateBinding) -> None:
        """Keep the certificate that a key is bound to."""

    def find_proposal(self, person_id: bytes) -> HeadKeyProposal | None:
        """Return the newest proposal of a head's key."""

    def put_proposal(self, proposal: HeadKeyProposal) -> None:
        """Keep a proposal; it becomes its head's newest."""

    def find_successor(self, contract: bytes) -> Successor | None:
        """Return the successor of the contract with this address."""

    def put_successor(self, successor: Successor) -> None:
        """Keep a successor."""

    def find_entry(self, entry_id: bytes) -> Entry | None:
        """Return an entry with its current and pending version."""

    def put_entry(self, entry: Entry) -> None:
        """Keep an entry."""

    def find_entry_version(self, entry_id: bytes, number: int) -> EntryVersion | None:
        """Return the version of this number; a pending one may still be replaced."""

    def put_entry_version(self, entry_id: bytes, version: EntryVersion) -> None:
        """Keep a version, published or pending, under its number."""

    def find_claim(self, claim_id: bytes) -> Claim | None:
        """Return a claim."""

    def find_source_claim(self, element: bytes) -> Claim | None:
        """Return the one claim to an element that is SOURCE."""

    def find_open_claim(self, element: bytes, department: bytes) -> Claim | None:
        """Return the one claim of a department to an element that is SOURCE or CONFLICT."""

    def put_claim(self, claim: Claim) -> None:
        """Keep a claim."""

    def find_refresh(self, entry_id: bytes) -> Refresh | None:
        """Return the newest refresh of an entry's data."""

    def put_refresh(self, refresh: Refresh) -> None:
        """Keep a refresh; it becomes its entry's newest."""

    def put_oversight_report(self, report: OversightReport) -> None:
        """Keep an oversight report."""

    def find_interface(self, interface_id: bytes) -> Interface | None:
        """Return an interface with its current and pending version."""

    def put_interface(self, interface: Interface) -> None:
        """Keep an interface."""

    def find_interface_version(self, interface_id: bytes, number: int) -> InterfaceVersion | None:
        """Return the version of this number; a pending one may still be replaced."""

    def put_interface_version(self, interface_id: bytes, version: InterfaceVersion) -> None:
        """Keep a version, online or pending, under its number."""

    def find_request(self, request_id: bytes) -> Request | None:
        """Return a request with its grant."""

    def put_request(self, request: Request) -> None:
        """Keep a request."""

    def find_correction(self, correction_id: bytes) -> Correction | None:
        """Return a correction."""

    def put_correction(self, correction: Correction) -> None:
        """Keep a correction."""

    def find_dispute(self, dispute_id: bytes) -> Dispute | None:
        """Return a dispute."""

    def put_dispute(self, dispute: Dispute) -> None:
        """Keep a dispute."""

    def find_consent(self, consent_id: bytes) -> Consent | None:
        """Return a consent to a third party."""

    def put_consent(self, consent: Consent) -> None:
        """Keep a consent to a third party."""

    def find_newest_dispute(self, request_id: bytes) -> Dispute | None:
        """Return the dispute over a request that was opened last."""

    def find_log(self, log_id: bytes) -> Log | None:
        """Return a log."""

    def find_log_by_origin(self, origin: str) -> Log | None:
        """Return the log with this origin."""

    def put_log(self, log: Log) -> None:
        """Keep a log."""

    def find_anchor(self, log_id: bytes) -> Anchor | None:
        """Return the newest anchor of a log."""

    def put_anchor(self, anchor: Anchor) -> None:
        """Keep an anchor; it becomes its log's newest."""

    def nonce(self, contract: str, key_id: bytes) -> int:
        """Return how many acts of this key the named contract has accepted."""

    def put_nonce(self, contract: str, key_id: bytes, nonce: int) -> None:
        """Keep that number."""


class MemoryStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._authority: Authority | None = None
        self.departments: dict[bytes, Department] = {}
        self.persons: dict[bytes, Person] = {}
        self.keys: dict[bytes, Key] = {}
        self.certificates: dict[bytes, CertificateBinding] = {}
        self.proposals: dict[bytes, HeadKeyProposal] = {}
        self.successors: dict[bytes, Successor] = {}
        self.entries: dict[bytes, Entry] = {}
        self.claims: dict[bytes, Claim] = {}
        self.interfaces: dict[bytes, Interface] = {}
        self.requests: dict[bytes, Request] = {}
        self.logs: dict[bytes, Log] = {}
        self.corrections: dict[bytes, Correction] = {}
        self.disputes: dict[bytes, Dispute] = {}
        self.consents: dict[bytes, Consent] = {}
        self._newest_disputes: dict[bytes, Dispute] = {}
        self.calendar_years: dict[bytes, CalendarYear] = {}
        self._publications: dict[int, bytes] = {}
        self.refreshes: dict[bytes, Refresh] = {}
        self.oversight_reports: dict[bytes, OversightReport] = {}
        self._element_claims: dict[bytes, tuple[bytes, ...]] = {}
        self._entry_versions: dict[tuple[bytes, int], EntryVersion] = {}
        self._interface_versions: dict[tuple[bytes, int], InterfaceVersion] = {}
        self._newest_proposals: dict[bytes, HeadKeyProposal] = {}
        self._origins: dict[str, Log] = {}
        self._anchors: dict[bytes, Anchor] = {}
        self._nonces: dict[tuple[str, bytes], int] = {}

    def find_authority(self) -> Authority | None:
        """Return the authority as it stands."""
        return self._authority

    def put_authority(self, authority: Authority) -> None:
        """Keep the authority."""
        self._authority = authority

    def find_department(self, department_id: bytes) -> Department | None:
        """Return a department."""
        return self.departments.get(department_id)

    def put_department(self, department: Department) -> None:
        """Keep a department."""
        self.departments[department.id] = department

    def find_person(self, person_id: bytes) -> Person | None:
        """Return a person."""
        return self.persons.get(person_id)

    def put_person(self, person: Person) -> None:
        """Keep a person."""
        self.persons[person.id] = person

    def find_key(self, key_id: bytes) -> Key | None:
        """Return a key."""
        return self.keys.get(key_id)

    def put_key(self, key: Key) -> None:
        """Keep a key."""
        self.keys[key.id] = key

    def find_calendar_year(self, year: int) -> CalendarYear | None:
        """Return the published working days of a year."""
        return self.calendar_years.get(self._publications.get(year, b""))

    def find_calendar_publication(self, publication_id: bytes) -> CalendarYear | None:
        """Return the year that this act published."""
        return self.calendar_years.get(publication_id)

    def put_calendar_year(self, calendar_year: CalendarYear) -> None:
        """Keep a year's working days."""
        self.calendar_years[calendar_year.id] = calendar_year
        self._publications[calendar_year.year] = calendar_year.id

    def find_certificate(self, key_id: bytes) -> CertificateBinding | None:
        """Return the certificate that a key is bound to."""
        return self.certificates.get(key_id)

    def put_certificate(self, binding: CertificateBinding) -> None:
        """Keep the certificate that a key is bound to."""
        self.certificates[binding.key_id] = binding

    def find_proposal(self, person_id: bytes) -> HeadKeyProposal | None:
        """Return the newest proposal of a head's key."""
        return self._newest_proposals.get(person_id)

    def put_proposal(self, proposal: HeadKeyProposal) -> None:
        """Keep a proposal."""
        self.proposals[proposal.id] = proposal
        self._newest_proposals[proposal.person] = proposal

    def find_successor(self, contract: bytes) -> Successor | None:
        """Return the successor of the contract with this address."""
        return self.successors.get(contract)

    def put_successor(self, successor: Successor) -> None:
        """Keep a successor."""
        self.successors[successor.contract] = successor

    def find_entry(self, entry_id: bytes) -> Entry | None:
        """Return an entry."""
        return self.entries.get(entry_id)

    def put_entry(self, entry: Entry) -> None:
        """Keep an entry."""
        self.entries[entry.id] = entry

    def find_entry_version(self, entry_id: bytes, number: int) -> EntryVersion | None:
        """Return the version of this number."""
        return self._entry_versions.get((entry_id, number))

    def put_entry_version(self, entry_id: bytes, version: EntryVersion) -> None:
        """Keep a version."""
        self._entry_versions[entry_id, version.number] = version

    def find_claim(self, claim_id: bytes) -> Claim | None:
        """Return a claim."""
        return self.claims.get(claim_id)

    def _claims_of(self, element: bytes) -> list[Claim]:
        return [self.claims[id_] for id_ in self._element_claims.get(element, ())]

    def find_source_claim(self, element: bytes) -> Claim | None:
        """Return the one claim to an element that is SOURCE."""
        found = (c for c in self._claims_of(element) if c.state is ClaimState.SOURCE)
        return next(found, None)

    def find_open_claim(self, element: bytes, department: bytes) -> Claim | None:
        """Return the one claim of a department to an element that is SOURCE or CONFLICT."""
        found = (
            c
            for c in self._claims_of(element)
            if c.department == department and c.state in OPEN_CLAIMS
        )
        return next(found, None)

    def put_claim(self, claim: Claim) -> None:
        """Keep a claim."""
        if claim.id not in self.claims:
            # A new tuple: copies of this store keep theirs.
            known = self._element_claims.get(claim.element, ())
            self._element_claims[claim.element] = (*known, claim.id)
        self.claims[claim.id] = claim

    def find_refresh(self, entry_id: bytes) -> Refresh | None:
        """Return the newest refresh of an entry's data."""
        return self.refreshes.get(entry_id)

    def put_refresh(self, refresh: Refresh) -> None:
        """Keep a refresh in the place of earlier ones."""
        self.refreshes[refresh.entry] = refresh

    def put_oversight_report(self, report: OversightReport) -> None:
        """Keep an oversight report."""
        self.oversight_reports[report.id] = report

    def find_interface(self, interface_id: bytes) -> Interface | None:
        """Return an interface."""
        return self.interfaces.get(interface_id)

    def put_interface(self, interface: Interface) -> None:
        """Keep an interface."""
        self.interfaces[interface.id] = interface

    def find_interface_version(self, interface_id: bytes, number: int) -> InterfaceVersion | None:
        """Return the version of this number."""
        return self._interface_versions.get((interface_id, number))

    def put_interface_version(self, interface_id: bytes, version: InterfaceVersion) -> None:
        """Keep a version."""
        self._interface_versions[interface_id, version.number] = version

    def find_request(self, request_id: bytes) -> Request | None:
        """Return a request."""
        return self.requests.get(request_id)

    def put_request(self, request: Request) -> None:
        """Keep a request."""
        self.requests[request.id] = request

    def find_correction(self, correction_id: bytes) -> Correction | None:
        """Return a correction."""
        return self.corrections.get(correction_id)

    def put_correction(self, correction: Correction) -> None:
        """Keep a correction."""
        self.corrections[correction.id] = correction

    def find_dispute(self, dispute_id: bytes) -> Dispute | None:
        """Return a dispute."""
        return self.disputes.get(dispute_id)

    def put_dispute(self, dispute: Dispute) -> None:
        """Keep a dispute."""
        self.disputes[dispute.id] = dispute
        self._newest_disputes[dispute.request] = dispute

    def find_consent(self, consent_id: bytes) -> Consent | None:
        """Return a consent to a third party."""
        return self.consents.get(consent_id)

    def put_consent(self, consent: Consent) -> None:
        """Keep a consent to a third party."""
        self.consents[consent.id] = consent

    def find_newest_dispute(self, request_id: bytes) -> Dispute | None:
        """Return the dispute over a request that was opened last."""
        return self._newest_disputes.get(request_id)

    def find_log(self, log_id: bytes) -> Log | None:
        """Return a log."""
        return self.logs.get(log_id)

    def find_log_by_origin(self, origin: str) -> Log | None:
        """Return the log with this origin."""
        return self._origins.get(origin)

    def put_log(self, log: Log) -> None:
        """Keep a log."""
        self.logs[log.id] = log
        self._origins[log.origin] = log

    def find_anchor(self, log_id: bytes) -> Anchor | None:
        """Return the newest anchor of a log."""
        return self._anchors.get(log_id)

    def put_anchor(self, anchor: Anchor) -> None:
        """Keep an anchor."""
        self._anchors[anchor.log] = anchor

    def nonce(self, contract: str, key_id: bytes) -> int:
        """Return how many acts of this key the named contract has accepted."""
        return self._nonces.get((contract, key_id), 0)

    def put_nonce(self, contract: str, key_id: bytes, nonce: int) -> None:
        """Keep that number."""
        self._nonces[contract, key_id] = nonce
