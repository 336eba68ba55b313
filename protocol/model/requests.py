"""Share requests, and the grant that a request becomes (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass
from enum import StrEnum

from protocol.model.interfaces import Side


class RequestState(StrEnum):
    """State of a request; the grant exists from AGREED on."""

    FILED = "FILED"
    AGREED = "AGREED"
    REFUSED = "REFUSED"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Term:
    """Time and number of uses.

    Attributes:
        valid_from: first second of validity, unix time.
        valid_until: last second of validity, unix time.
        quota: total number of data requests.
    """

    valid_from: int
    valid_until: int
    quota: int


@dataclass(frozen=True, slots=True)
class Request:
    """A share request and its grant; both have the same id.

    Attributes:
        id: id of the act that filed it.
        requester: id of the department that asks.
        provider: id of the department that is asked.
        interface: id of the interface.
        interface_version: version that the signers saw.
        state: FILED, AGREED, REFUSED, SUSPENDED or REVOKED.
        items: mask of the items asked for.
        term: term asked for.
        legal_basis: code of the legal basis.
        scenario: code of the scenario.
        case: commitment to the sealed scenario document.
        granted_items: mask of the items granted, 0 before the agreement.
        granted_term: term granted, None before the agreement.
        suspended_by: the side that suspended it, while SUSPENDED.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    requester: bytes
    provider: bytes
    interface: bytes
    interface_version: int
    state: RequestState
    items: int
    term: Term
    legal_basis: str
    scenario: str
    case: bytes
    granted_items: int
    granted_term: Term | None
    suspended_by: Side | None
    revision: int
    block_number: int
