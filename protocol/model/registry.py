"""Departments, persons and keys, and the acts of the registry (docs/protocol.md, 2 and 3.4)."""

from dataclasses import dataclass
from enum import StrEnum

from crypto.sm2 import PublicKey
from protocol.description import Role


class KeyState(StrEnum):
    """State of a key."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Authority:
    """What genesis fixed: the authority's department and how many of its persons act together.

    Attributes:
        department: id of the authority's department.
        threshold: number of authority persons who sign a registration.
    """

    department: bytes
    threshold: int


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
    revision: int
    block_number: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person: roles in exactly one department.

    Attributes:
        id: id of the act that enrolled the person; key id for those of genesis.
        department: id of the department.
        roles: role bits; none once the person has ended.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    department: bytes
    roles: Role
    revision: int
    block_number: int


@dataclass(frozen=True, slots=True)
class Key:
    """A person's public key.

    Attributes:
        id: Z_A of the key.
        public_key: the key.
        person: id of its person.
        state: ACTIVE or REVOKED.
        reason_code: why it was revoked, 0 while ACTIVE.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    public_key: PublicKey
    person: bytes
    state: KeyState
    reason_code: int
    revision: int
    block_number: int
