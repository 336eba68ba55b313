"""Disputes over sharing (docs/protocol.md, 3.4; Order 809 Art 28)."""

from dataclasses import dataclass
from enum import StrEnum


class DisputeState(StrEnum):
    """State of a dispute: who has it before them."""

    NEGOTIATION = "NEGOTIATION"
    AUTHORITY = "AUTHORITY"
    GOVERNMENT = "GOVERNMENT"
    DECIDED = "DECIDED"


class Ruling(StrEnum):
    """How a dispute ended."""

    REQUESTER = "REQUESTER"
    PROVIDER = "PROVIDER"
    PARTLY = "PARTLY"
    SETTLED = "SETTLED"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute over a request or grant.

    Attributes:
        id: id of the act that opened it.
        request: id of the request.
        requester: id of the department that asked for the data.
        provider: id of the department that was asked.
        state: see DisputeState.
        superior: lowest department above both parties, zeros where none is or before escalation.
        ruling: how it ended, None while it is open.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    request: bytes
    requester: bytes
    provider: bytes
    state: DisputeState
    superior: bytes
    ruling: Ruling | None
    revision: int
    block_number: int
