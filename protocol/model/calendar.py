"""Years of working days, as the authority published them (docs/protocol.md, 3.5)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """The working days of a year.

    Attributes:
        id: id of the act that published it.
        year: calendar year.
        working_days: bit i is set when day i of the year (0 is 1 January) is a working day.
        source: SM3 of the State Council's notice.
        reason: commitment to the reason of the last correction, zeros before any.
        revision: number of acts that changed it; above 1 it was corrected.
        block_number: block of the last change.
    """

    id: bytes
    year: int
    working_days: int
    source: bytes
    reason: bytes
    revision: int
    block_number: int
