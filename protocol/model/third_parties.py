"""Consents that data are passed on to a third party (docs/protocol.md, 3.4; Order 809 Art 25)."""

from dataclasses import dataclass
from enum import StrEnum


class ConsentState(StrEnum):
    """State of a consent."""

    CONSENTED = "CONSENTED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Consent:
    """A provider's consent that a requester passes granted data on.

    Attributes:
        id: id of the act that gave it.
        grant: id of the grant.
        provider: id of the department that consents.
        third_party: id of a department, or commitment to who it is.
        third_party_kind: 1 department, 2 outside the ledger.
        items: mask of the items that may be passed on.
        valid_until: last second of validity, unix time.
        purpose: commitment to the sealed purpose.
        state: CONSENTED or REVOKED.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    grant: bytes
    provider: bytes
    third_party: bytes
    third_party_kind: int
    items: int
    valid_until: int
    purpose: bytes
    state: ConsentState
    revision: int
    block_number: int
