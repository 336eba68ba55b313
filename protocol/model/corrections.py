"""Corrections (校核) of data (docs/protocol.md, 3.4; Order 809 Art 26)."""

from dataclasses import dataclass
from enum import StrEnum


class CorrectionState(StrEnum):
    """State of a correction."""

    FILED = "FILED"
    VERIFIED = "VERIFIED"
    CORRECTED = "CORRECTED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Correction:
    """Errors that a department found in data of another one.

    Attributes:
        id: id of the act that filed it.
        requester: id of the department that found them.
        provider: id of the department whose data they are in.
        subject: id of the grant or entry.
        subject_kind: 1 grant, 2 entry.
        items: mask of the items in error.
        errors: commitment to the sealed description.
        state: see CorrectionState.
        filed_day: day of filing.
        closed_day: day on which the provider closed it, 0 before.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    requester: bytes
    provider: bytes
    subject: bytes
    subject_kind: int
    items: int
    errors: bytes
    state: CorrectionState
    filed_day: int
    closed_day: int
    revision: int
    block_number: int
