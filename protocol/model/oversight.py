"""Oversight reports of chief data officers (docs/protocol.md, 3.4)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OversightReport:
    """What a chief data officer states of a period; days as protocol.calendar counts them.

    Attributes:
        id: id of the act.
        department: id of the officer's department.
        person: id of the officer.
        from_day: first day of the period.
        until_day: last day of the period.
        report_kind: 1 figures of docs/performance.md, 2 other.
        report_digest: SM3 of the report's bytes.
        findings: commitment to sealed findings, zeros if there are none.
        day: day on which it was recorded.
        revision: always 1.
        block_number: block of the act.
    """

    id: bytes
    department: bytes
    person: bytes
    from_day: int
    until_day: int
    report_kind: int
    report_digest: bytes
    findings: bytes
    day: int
    revision: int
    block_number: int
