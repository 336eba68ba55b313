"""Claims of departments to be the source of a data element (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass
from enum import StrEnum


class ClaimState(StrEnum):
    """State of a claim; SOURCE and CONFLICT are open."""

    SOURCE = "SOURCE"
    CONFLICT = "CONFLICT"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"


#: States in which a claim can still count.
OPEN_CLAIMS = frozenset({ClaimState.SOURCE, ClaimState.CONFLICT})


@dataclass(frozen=True, slots=True)
class Claim:
    """One department's claim to be the source of one data element of the city.

    Attributes:
        id: id of the act that made it.
        element: 32-byte city-wide code of the data element.
        entry: id of the entry that holds it.
        item: index of the item in the entry.
        department: id of the claiming department.
        state: SOURCE, CONFLICT, REJECTED or RELEASED.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    element: bytes
    entry: bytes
    item: int
    department: bytes
    state: ClaimState
    revision: int
    block_number: int
