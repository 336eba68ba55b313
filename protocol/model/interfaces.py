"""Interfaces and their versions (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass
from enum import StrEnum


class InterfaceState(StrEnum):
    """State of an interface; each but RETIRED may have a version pending."""

    REGISTERED = "REGISTERED"
    ONLINE = "ONLINE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class Side(StrEnum):
    """Who suspended an interface or a grant; only that side resumes it."""

    PROVIDER = "PROVIDER"
    AUTHORITY = "AUTHORITY"


@dataclass(frozen=True, slots=True)
class InterfaceVersion:
    """One version of an interface.

    Attributes:
        number: number of the version, from 1.
        entry_version: entry version that it is bound to.
        rate_per_minute: most data requests a minute, 0 = no limit.
        max_rows: most rows in a response, 0 = no limit.
        items: mask of the items it returns.
        document: digest of the interface document.
        node: name of the exchange node.
        test_result: 0 not tested, 1 passed, 2 failed.
        test_log: id of the log of the gateway that tested it, zeros before.
        test_report: commitment to the report of the test, zeros before.
        act_id: act that registered it.
        block_number: block of the last change.
    """

    number: int
    entry_version: int
    rate_per_minute: int
    max_rows: int
    items: int
    document: bytes
    node: str
    test_result: int
    test_log: bytes
    test_report: bytes
    act_id: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface through which an entry's items are shared.

    Attributes:
        id: id of the act that first registered it.
        department: id of the provider.
        entry: id of the entry that it serves.
        state: REGISTERED, ONLINE, SUSPENDED or RETIRED.
        current: the version online, if any.
        pending: the version that waits to go online, if any.
        suspended_by: the side that suspended it, while SUSPENDED.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    department: bytes
    entry: bytes
    state: InterfaceState
    current: InterfaceVersion | None
    pending: InterfaceVersion | None
    suspended_by: Side | None
    revision: int
    block_number: int
