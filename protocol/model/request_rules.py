"""Rules of the sharing chain's acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.decision import is_interface_live
from protocol.model.interface_rules import find_side
from protocol.model.registry_rules import Rule
from protocol.model.requests import Request, RequestState, Term
from protocol.model.step import Step, refuse, state_invalid


def _get_request(step: Step) -> Request:
    request = step.store.find_request(step.act.target)
    if request is None:
        raise refuse("TARGET_UNKNOWN", "this request does not exist")
    step.require_revision(request.revision)
    return request


def _put(step: Step, request: Request) -> tuple[bytes, int]:
    changed = replace(request, revision=request.revision + 1, block_number=step.block_number)
    step.store.put_request(changed)
    return changed.id, changed.revision


def _require_state(request: Request, *states: RequestState) -> None:
    if request.state not in states:
        raise state_invalid(f"the request is {request.state}")


def _read_term(step: Step) -> Term:
    act = step.act
    return Term(act.number("valid_from"), act.number("valid_until"), act.number("quota"))


def request_filed(step: Step) -> tuple[bytes, int]:
    """A department asks for items of an interface."""
    act = step.act
    step.require_new()
    requester = step.actor.department
    step.require_role(step.persons[0], Role.OPERATOR)
    step.require_role(step.persons[1], Role.OFFICER, requester)
    interface_id = act.octets("interface")
    interface = step.store.find_interface(interface_id)
    if (
        interface is None
        or interface.current is None
        or not is_interface_live(step.store, interface_id)
    ):
        raise refuse("INTERFACE_NOT_LIVE", "the interface is not live")
    if interface.department == requester:
        raise refuse("OWN_DATA", "the data are the requester's own")
    if act.number("interface_version") != interface.current.number:
        raise refuse("VERSION_NOT_CURRENT", "the interface's version is not the current one")
    term = _read_term(step)
    step.require_value(
        "valid_until",
        "is past or before valid_from",
        ok=term.valid_from <= term.valid_until and term.valid_until > step.block_time,
    )
    for name in ("quota", "items", "legal_basis", "scenario", "case"):
        step.require_nonzero(name)
    items = act.number("items")
    if items & interface.current.items != items:
        raise refuse("ITEMS_NOT_COVERED", "the interface does not have all of these items")
    return _put(
        step,
        Request(
            id=step.act_id,
            requester=requester,
            provider=interface.department,
            interface=interface_id,
            interface_version=interface.current.number,
            state=RequestState.FILED,
            items=items,
            term=term,
            legal_basis=act.text("legal_basis"),
            scenario=act.text("scenario"),
            case=act.octets("case"),
            granted_items=0,
            granted_term=None,
            suspended_by=None,
            revision=0,
            block_number=step.block_number,
        ),
    )


def request_agreed(step: Step) -> tuple[bytes, int]:
    """The provider grants what was asked for, or less."""
    act = step.act
    request = _get_request(step)
    step.require_role(step.actor, Role.OFFICER, request.provider)
    _require_state(request, RequestState.FILED)
    interface = step.store.find_interface(request.interface)
    entry = step.store.find_entry(interface.entry) if interface is not None else None
    if (
        interface is None
        or interface.current is None
        or entry is None
        or entry.current is None
        or not is_interface_live(step.store, request.interface)
    ):
        raise refuse("INTERFACE_NOT_LIVE", "the interface is not live")
    step.require_nonzero("items")
    term, asked = _read_term(step), request.term
    step.require_value(
        "valid_from", "lies before the term asked for", ok=term.valid_from >= asked.valid_from
    )
    step.require_value(
        "valid_until",
        "lies behind the term asked for, or before valid_from",
        ok=term.valid_from <= term.valid_until <= asked.valid_until,
    )
    step.require_range("quota", 1, asked.quota)
    items = act.number("items")
    if items & request.items & interface.current.items & entry.current.items != items:
        raise refuse("ITEMS_NOT_COVERED", "not all of these items were asked for and are served")
    return _put(
        step,
        replace(request, state=RequestState.AGREED, granted_items=items, granted_term=term),
    )


def request_refused(step: Step) -> tuple[bytes, int]:
    """The provider refuses."""
    request = _get_request(step)
    step.require_role(step.actor, Role.OFFICER, request.provider)
    _require_state(request, RequestState.FILED)
    step.require_nonzero("reason")
    return _put(step, replace(request, state=RequestState.REFUSED))


def grant_suspended(step: Step) -> tuple[bytes, int]:
    """The grant pauses."""
    request = _get_request(step)
    side = find_side(step, step.actor, request.provider)
    _require_state(request, RequestState.AGREED)
    step.require_nonzero("reason")
    return _put(step, replace(request, state=RequestState.SUSPENDED, suspended_by=side))


def grant_resumed(step: Step) -> tuple[bytes, int]:
    """The pause ends."""
    request = _get_request(step)
    side = find_side(step, step.actor, request.provider)
    _require_state(request, RequestState.SUSPENDED)
    if request.suspended_by is not side:
        raise refuse("SUSPENDED_BY_OTHER", "the other side suspended it")
    return _put(step, replace(request, state=RequestState.AGREED, suspended_by=None))


def grant_revoked(step: Step) -> tuple[bytes, int]:
    """The grant ends."""
    request = _get_request(step)
    step.require_role(step.actor, Role.OFFICER)
    if step.actor.department not in (request.provider, request.requester):
        raise refuse("DEPARTMENT_MISMATCH", "a signer belongs to another department")
    _require_state(request, RequestState.AGREED, RequestState.SUSPENDED)
    step.require_nonzero("reason")
    return _put(step, replace(request, state=RequestState.REVOKED, suspended_by=None))


REQUEST_RULES: dict[str, Rule] = {
    "RequestFiled": request_filed,
    "RequestAgreed": request_agreed,
    "RequestRefused": request_refused,
    "GrantSuspended": grant_suspended,
    "GrantResumed": grant_resumed,
    "GrantRevoked": grant_revoked,
}
