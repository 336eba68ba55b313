"""Statutory deadlines of State Council Order 809, in working days, in one place.

contracts/registry/Deadlines.sol holds the same numbers; a test holds the two together.
"""

from dataclasses import dataclass
from typing import Literal

Party = Literal["provider", "authority"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long someone has by law.

    Attributes:
        name: name of the constant, the same in Solidity.
        article: article of Order 809.
        working_days: working days after the day of receipt, which is not counted.
        who: whose duty it is.
        what: what has to be done, or what the extension lengthens.
    """

    name: str
    article: int
    working_days: int
    who: Party
    what: str


ENTRY_UPDATE = Deadline("ENTRY_UPDATE", 16, 10, "provider", "update an entry that changed")
ENTRY_UPDATE_EXTENSION = Deadline(
    "ENTRY_UPDATE_EXTENSION", 16, 5, "provider", "the same, with the authority's consent"
)
ENTRY_REVIEW = Deadline("ENTRY_REVIEW", 17, 2, "authority", "review and publish an update")
ANSWER_UNCONDITIONAL = Deadline(
    "ANSWER_UNCONDITIONAL", 21, 1, "provider", "answer a request for unconditionally shared data"
)
ANSWER_CONDITIONAL = Deadline(
    "ANSWER_CONDITIONAL", 21, 10, "provider", "answer a request for conditionally shared data"
)
ANSWER_EXTENSION = Deadline(
    "ANSWER_EXTENSION", 21, 10, "provider", "the same, with the authority's consent"
)
PROVISION = Deadline("PROVISION", 22, 20, "provider", "provide the data after consent")
CORRECTION = Deadline("CORRECTION", 26, 10, "provider", "verify, correct and report")

DEADLINES: tuple[Deadline, ...] = (
    ENTRY_UPDATE,
    ENTRY_UPDATE_EXTENSION,
    ENTRY_REVIEW,
    ANSWER_UNCONDITIONAL,
    ANSWER_CONDITIONAL,
    ANSWER_EXTENSION,
    PROVISION,
    CORRECTION,
)
