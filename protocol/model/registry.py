"""Departments, persons and keys, and the acts of the registry (docs/protocol.md, 2 and 3.4)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from crypto.sm2 import PublicKey
from protocol.description import Role


class KeyState(StrEnum):
    """State of a key."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"
    #: Never stored: it follows from the time.
    EXPIRED = "EXPIRED"


class ProposalState(StrEnum):
    """State of a proposal of a head's key."""

    PENDING = "PENDING"
    OBJECTED = "OBJECTED"
    REPLACED = "REPLACED"
    #: Never stored: it follows from the time.
    LAPSED = "LAPSED"


#: A proposal that nobody carries out for so long behind its delay has lapsed.
REPLACEMENT_WINDOW_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's department, and how its persons act together.

    Attributes:
        department: id of the authority's department.
        threshold: number of authority persons who sign an act of weight.
        persons: number of authority persons.
        active_keys: how many of them have an ACTIVE key; never below the threshold.
        replacement_delay_s: seconds between the proposal of a head's key and its replacement.
    """

    department: bytes
    threshold: int
    persons: int
    active_keys: int
    replacement_delay_s: int


@dataclass(frozen=True, slots=True)
class Department:
    """A department.

    Attributes:
        id: id of the act that registered it; the authority's is the key id of its head.
        level: 1 state, 2 province, 3 city, 4 county, 5 town, 6 village.
        kind: 1 department, 2 government, 3 zone, 4 institution, 5 bank.
        region: GB/T 2260 code or a local code, 0 for the authority's department.
        parent: id of the department above, zeros if none.
        uscc: unified social credit code, empty if unknown.
        uscc_override: 1 when the code was issued although its check character fails.
        name: name, empty for the authority's department.
        ended_day: day on which it ended, as protocol.calendar counts days; 0 while it has not.
        successor: id of the department that took over its duties, zeros if none.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    level: int
    kind: int
    region: int
    parent: bytes
    uscc: str
    uscc_override: int
    name: str
    ended_day: int
    successor: bytes
    revision: int
    block_number: int


class Departments(Protocol):
    """Where departments are found; a store is one."""

    def find_department(self, department_id: bytes, /) -> Department | None:
        """Return a department."""


def is_department_live(departments: Departments, department_id: bytes) -> bool:
    """Return whether a department exists and has not ended."""
    found = departments.find_department(department_id)
    return found is not None and not found.ended_day


@dataclass(frozen=True, slots=True)
class Person:
    """A person: roles in exactly one department.

    Attributes:
        id: id of the act that enrolled the person; key id for those of genesis.
        department: id of the department.
        roles: role bits; none once the person has ended.
        revision: number of acts that changed it.
        generation: number of times that a head's keys were replaced; keys of earlier ones are
            REVOKED.
        has_active_key: of an authority person: whether the one key is ACTIVE; else False.
        block_number: block of the last change.
    """

    id: bytes
    department: bytes
    roles: Role
    revision: int
    generation: int
    has_active_key: bool
    block_number: int


@dataclass(frozen=True, slots=True)
class Key:
    """A person's public key.

    Attributes:
        id: Z_A of the key.
        public_key: the key.
        person: id of its person.
        state: ACTIVE, SUSPENDED or REVOKED as acts left it; state_of says what it is at a time.
        reason_code: why it was suspended or revoked, 0 while ACTIVE.
        valid_until: last second of its validity, 0 for none.
        certificate_until: last second of the bound certificate, 0 where none ends the key.
        generation: its person's generation when it was registered.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    public_key: PublicKey
    person: bytes
    state: KeyState
    reason_code: int
    valid_until: int
    certificate_until: int
    generation: int
    revision: int
    block_number: int


@dataclass(frozen=True, slots=True)
class HeadKeyProposal:
    """A key that is to replace all keys of a head.

    Attributes:
        id: id of the act that proposed it.
        person: id of the head.
        public_key: the pending key.
        valid_until: last second of its validity, 0 for none.
        reason_code: why the old keys end.
        proposed_at: time of the block, unix seconds.
        ready_at: first second at which it may be carried out.
        state: PENDING, OBJECTED or REPLACED as acts left it; proposal_state says more.
        generation: the head's generation that it ends.
        block_number: block of the last change.
    """

    id: bytes
    person: bytes
    public_key: PublicKey
    valid_until: int
    reason_code: int
    proposed_at: int
    ready_at: int
    state: ProposalState
    generation: int
    block_number: int


@dataclass(frozen=True, slots=True)
class CertificateBinding:
    """The certificate that a key is bound to.

    Attributes:
        key_id: the key.
        issuer: SM3 of the issuer's name in DER.
        serial: serial number.
        certificate: SM3 of the certificate in DER.
        not_after: last second of the certificate, unix time.
        act_id: the act that bound it.
        block_number: block of that act.
    """

    key_id: bytes
    issuer: bytes
    serial: int
    certificate: bytes
    not_after: int
    act_id: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Successor:
    """The contract that follows one of this deployment.

    Attributes:
        contract: 20-byte address of the contract.
        successor: 20-byte address of its successor.
        act_id: the act that named it.
        block_number: block of that act.
    """

    contract: bytes
    successor: bytes
    act_id: bytes
    block_number: int


def state_of(departments: Departments, key: Key, person: Person, at_s: int) -> KeyState:
    """Return a key's state at a time. The end of a department ends all of its persons' keys.

    Args:
        departments: where the person's department is found.
        key: the key.
        person: its person.
        at_s: unix seconds.
    """
    if key.generation != person.generation or not is_department_live(
        departments, person.department
    ):
        return KeyState.REVOKED
    if key.state is not KeyState.ACTIVE:
        return key.state
    if any(until and at_s > until for until in (key.valid_until, key.certificate_until)):
        return KeyState.EXPIRED
    return KeyState.ACTIVE


def proposal_state(proposal: HeadKeyProposal, at_s: int) -> ProposalState:
    """Return a proposal's state at a time.

    Args:
        proposal: the proposal.
        at_s: unix seconds.
    """
    lapsed = at_s > proposal.ready_at + REPLACEMENT_WINDOW_S
    if proposal.state is ProposalState.PENDING and lapsed:
        return ProposalState.LAPSED
    return proposal.state
