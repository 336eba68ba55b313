"""Share requests, and the grant that a request becomes (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass
from enum import StrEnum

from protocol.model.interfaces import Side


class RequestState(StrEnum):
    """State of a request; the grant exists from AGREED on."""

    FILED = "FILED"
    SUPPLEMENT = "SUPPLEMENT"
    AGREED = "AGREED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    PROVIDED = "PROVIDED"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"
    DISPOSED = "DISPOSED"


#: States in which a grant releases data, if its term and its interface allow.
IN_FORCE = frozenset({RequestState.AGREED, RequestState.PROVIDED})


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
class Clock:
    """What the due days of a request follow from; days as in protocol.calendar, 0 for not yet.

    Attributes:
        answer_days: working days for the answer.
        extension_days: working days by which the answer was extended.
        filed_day: day of filing.
        asked_day: day of the notice of what is missing.
        supplemented_day: day of the supplement.
        extended_day: day of the extension.
        answered_day: day of agreement, refusal or withdrawal.
        provision_day: day on which the data were provided, or the grant ended before.
    """

    answer_days: int
    filed_day: int
    extension_days: int = 0
    asked_day: int = 0
    supplemented_day: int = 0
    extended_day: int = 0
    answered_day: int = 0
    provision_day: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A share request and its grant; both have the same id.

    Attributes:
        id: id of the act that filed it.
        requester: id of the department that asks.
        provider: id of the department that is asked.
        interface: id of the interface.
        interface_version: version that the signers saw.
        way: how the data are to be provided, 1 service interface, 2 batch exchange, 3 file
            download (Art 20).
        state: see RequestState.
        items: mask of the items asked for.
        term: term asked for.
        legal_basis: code of the legal basis.
        scenario: code of the scenario.
        case: commitment to the sealed scenario document.
        granted_items: mask of the items granted, 0 before the agreement.
        granted_term: term granted, None before the agreement.
        suspended_by: the side that suspended it, while SUSPENDED.
        clock: what its due days follow from.
        reported_day: last day that a use report covers, 0 before the first.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    requester: bytes
    provider: bytes
    interface: bytes
    interface_version: int
    way: int
    state: RequestState
    items: int
    term: Term
    legal_basis: str
    scenario: str
    case: bytes
    granted_items: int
    granted_term: Term | None
    suspended_by: Side | None
    clock: Clock
    reported_day: int
    revision: int
    block_number: int
