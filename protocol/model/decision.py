"""What is derived from the state: liveness, effective items, and why a data request is refused."""

from urllib.parse import unquote

from protocol.description import Role
from protocol.model.claims import OPEN_CLAIMS, Claim
from protocol.model.entries import Entry, EntryState
from protocol.model.interfaces import InterfaceState
from protocol.model.keys import key_problem
from protocol.model.registry import is_department_live
from protocol.model.requests import IN_FORCE, RequestState
from protocol.model.store import Store

#: Sharing class of what no interface serves.
NOT_SHARED = 3

#: Codes of grant_problem: what the state alone decides.
GRANT_PROBLEMS = frozenset(
    {
        "KEY_UNKNOWN",
        "KEY_NOT_ACTIVE",
        "KEY_EXPIRED",
        "ROLE_MISSING",
        "GRANT_UNKNOWN",
        "GRANT_NOT_YOURS",
        "GRANT_NOT_LIVE",
        "GRANT_SUSPENDED",
        "GRANT_REVOKED",
        "GRANT_DISPOSED",
        "GRANT_NOT_YET_VALID",
        "GRANT_EXPIRED",
        "INTERFACE_NOT_LIVE",
        "PURPOSE_MISMATCH",
        "NO_ITEMS",
    }
)


def is_entry_live(store: Store, entry_id: bytes) -> bool:
    """Return whether an entry has a current version, is not RETIRED, and its department is live."""
    entry = store.find_entry(entry_id)
    return entry is not None and _is_live(store, entry)


def _is_live(store: Store, entry: Entry) -> bool:
    return (
        entry.current is not None
        and entry.state is not EntryState.RETIRED
        and is_department_live(store, entry.department)
    )


def is_claim_in_entry(store: Store, claim: Claim) -> bool:
    """Return whether the claim's item stands in the current version of a live entry."""
    entry = store.find_entry(claim.entry)
    return (
        entry is not None
        and _is_live(store, entry)
        and entry.current is not None
        and entry.current.items >> claim.item & 1 == 1
    )


def is_claim_live(store: Store, claim: Claim) -> bool:
    """Return whether a claim counts: SOURCE or CONFLICT, its item in a live entry."""
    return claim.state in OPEN_CLAIMS and is_claim_in_entry(store, claim)


def find_source(store: Store, element: bytes) -> Claim | None:
    """Return the claim of an element's source department; None while it has none.

    Args:
        store: the state.
        element: 32-byte city-wide code of the data element.
    """
    claim = store.find_source_claim(element)
    return claim if claim is not None and is_claim_in_entry(store, claim) else None


def is_interface_live(store: Store, interface_id: bytes) -> bool:
    """Return whether an interface is ONLINE and its entry is live and, as it stands now, shared."""
    interface = store.find_interface(interface_id)
    entry = store.find_entry(interface.entry) if interface is not None else None
    return (
        interface is not None
        and interface.state is InterfaceState.ONLINE
        and entry is not None
        and _is_live(store, entry)
        and entry.current is not None
        and entry.current.sharing_class != NOT_SHARED
    )


def is_grant_live(store: Store, request_id: bytes, at_s: int) -> bool:
    """Return whether a grant is live at a time.

    Args:
        store: the state.
        request_id: id of the request, which is the id of the grant.
        at_s: unix seconds.
    """
    request = store.find_request(request_id)
    return (
        request is not None
        and request.state in IN_FORCE
        and request.granted_term is not None
        and request.granted_term.valid_from <= at_s <= request.granted_term.valid_until
        and is_department_live(store, request.requester)
        and is_interface_live(store, request.interface)
    )


def effective_items(store: Store, request_id: bytes) -> int:
    """Return the mask grant ∧ interface ∧ current entry; 0 where there is no such grant.

    Args:
        store: the state.
        request_id: id of the request, which is the id of the grant.
    """
    request = store.find_request(request_id)
    interface = store.find_interface(request.interface) if request is not None else None
    entry = store.find_entry(interface.entry) if interface is not None else None
    if (
        request is None
        or request.state not in (*IN_FORCE, RequestState.SUSPENDED)
        or interface is None
        or entry is None
        or interface.current is None
        or entry.current is None
    ):
        return 0
    return request.granted_items & interface.current.items & entry.current.items


def _is_code(header: str, code: str) -> bool:
    try:
        return unquote(header, errors="strict") == code
    except UnicodeDecodeError:
        return False


def grant_problem(
    store: Store, *, grant: bytes, key_id: bytes, basis: str, scenario: str, at_s: int
) -> str | None:
    """Return the code that refuses a data request at this state, or None when it may pass.

    The checks have this order: KEY_UNKNOWN, KEY_NOT_ACTIVE (suspended or revoked), KEY_EXPIRED,
    ROLE_MISSING, GRANT_UNKNOWN, GRANT_NOT_YOURS, GRANT_NOT_LIVE, GRANT_SUSPENDED, GRANT_REVOKED,
    GRANT_DISPOSED,
    GRANT_NOT_YET_VALID, GRANT_EXPIRED, INTERFACE_NOT_LIVE, PURPOSE_MISMATCH, NO_ITEMS.

    Args:
        store: the state.
        grant: id of the grant.
        key_id: id of the key that signed the data request.
        basis: header sanlian-basis.
        scenario: header sanlian-scenario.
        at_s: unix seconds; in a record, time_ms // 1000.
    """
    key = store.find_key(key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        return "KEY_UNKNOWN"
    problem = key_problem(store, key, person, at_s)
    if problem is not None:
        return problem
    if not person.roles & (Role.SYSTEM | Role.OPERATOR):
        return "ROLE_MISSING"
    request = store.find_request(grant)
    if request is None:
        return "GRANT_UNKNOWN"
    if request.requester != person.department:
        return "GRANT_NOT_YOURS"
    if request.state is RequestState.SUSPENDED:
        return "GRANT_SUSPENDED"
    if request.state is RequestState.REVOKED:
        return "GRANT_REVOKED"
    if request.state is RequestState.DISPOSED:
        return "GRANT_DISPOSED"
    if request.state not in IN_FORCE or request.granted_term is None:
        return "GRANT_NOT_LIVE"
    if at_s < request.granted_term.valid_from:
        return "GRANT_NOT_YET_VALID"
    if at_s > request.granted_term.valid_until:
        return "GRANT_EXPIRED"
    if not is_interface_live(store, request.interface):
        return "INTERFACE_NOT_LIVE"
    if not _is_code(basis, request.legal_basis) or not _is_code(scenario, request.scenario):
        return "PURPOSE_MISMATCH"
    if effective_items(store, grant) == 0:
        return "NO_ITEMS"
    return None
