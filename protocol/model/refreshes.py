"""Statements that an entry's data was refreshed (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of the data behind an entry; days as protocol.calendar counts them.

    Attributes:
        id: id of the act.
        entry: id of the entry.
        department: id of its provider.
        from_day: first day that it covers.
        until_day: last day up to which the data is complete.
        rows: number of rows that the data has.
        day: day on which it was recorded.
        revision: always 1.
        block_number: block of the act.
    """

    id: bytes
    entry: bytes
    department: bytes
    from_day: int
    until_day: int
    rows: int
    day: int
    revision: int
    block_number: int
