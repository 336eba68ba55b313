"""Rules of the sharing chain's acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol import deadlines
from protocol.calendar import day_at
from protocol.description import Role
from protocol.model.decision import is_interface_live
from protocol.model.interface_rules import find_side
from protocol.model.interfaces import Interface
from protocol.model.registry_rules import Rule
from protocol.model.requests import IN_FORCE, Clock, Request, RequestState, Term
from protocol.model.step import Step, refuse, state_invalid

#: Sharing class of what is shared without conditions.
UNCONDITIONAL = 1
_MAX_WAY = 3
#: Cause of a revocation that only the requester states, and nothing else.
CAUSE_PURPOSE_ENDED = 4


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


def _require_officer(step: Step, department: bytes) -> None:
    step.require_role(step.actor, Role.OFFICER, department)


def _read_term(step: Step) -> Term:
    act = step.act
    return Term(act.number("valid_from"), act.number("valid_until"), act.number("quota"))


def _require_asked(step: Step, requester: bytes) -> Interface:
    """Check what a request states, when it is filed and when it is supplemented."""
    act = step.act
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
    step.require_nonzero("quota")
    step.require_range("way", 1, _MAX_WAY)
    for name in ("items", "legal_basis", "scenario", "case"):
        step.require_nonzero(name)
    items = act.number("items")
    if items & interface.current.items != items:
        raise refuse("ITEMS_NOT_COVERED", "the interface does not have all of these items")
    return interface


def _answer_days(step: Step, interface: Interface) -> int:
    entry = step.store.find_entry(interface.entry)
    unconditional = (
        entry is not None
        and entry.current is not None
        and entry.current.sharing_class == UNCONDITIONAL
    )
    deadline = deadlines.ANSWER_UNCONDITIONAL if unconditional else deadlines.ANSWER_CONDITIONAL
    return deadline.working_days


def request_filed(step: Step) -> tuple[bytes, int]:
    """A department asks for items of an interface."""
    act = step.act
    step.require_new()
    requester = step.actor.department
    step.require_role(step.persons[0], Role.OPERATOR)
    step.require_role(step.persons[1], Role.OFFICER, requester)
    interface = _require_asked(step, requester)
    return _put(
        step,
        Request(
            id=step.act_id,
            requester=requester,
            provider=interface.department,
            interface=interface.id,
            interface_version=act.number("interface_version"),
            way=act.number("way"),
            state=RequestState.FILED,
            items=act.number("items"),
            term=_read_term(step),
            legal_basis=act.text("legal_basis"),
            scenario=act.text("scenario"),
            case=act.octets("case"),
            granted_items=0,
            granted_term=None,
            suspended_by=None,
            clock=Clock(_answer_days(step, interface), day_at(step.block_time)),
            reported_day=0,
            revision=0,
            block_number=step.block_number,
        ),
    )


def request_supplemented(step: Step) -> tuple[bytes, int]:
    """The requester adds what was missing, and may put right what it asked for."""
    act = step.act
    request = _get_request(step)
    step.require_role(step.persons[0], Role.OPERATOR)
    step.require_role(step.persons[1], Role.OFFICER)
    for person in step.persons:
        step.require_department(person, request.requester)
    _require_state(request, RequestState.SUPPLEMENT)
    step.require_value(
        "interface",
        "is not that of the request",
        ok=act.octets("interface") == request.interface,
    )
    _require_asked(step, request.requester)
    return _put(
        step,
        replace(
            request,
            state=RequestState.FILED,
            interface_version=act.number("interface_version"),
            way=act.number("way"),
            items=act.number("items"),
            term=_read_term(step),
            legal_basis=act.text("legal_basis"),
            scenario=act.text("scenario"),
            case=act.octets("case"),
            clock=replace(request.clock, supplemented_day=day_at(step.block_time)),
        ),
    )


def _answered(step: Step, request: Request, state: RequestState) -> Request:
    clock = replace(request.clock, answered_day=day_at(step.block_time))
    return replace(request, state=state, clock=clock)


def _provision_ended(step: Step, request: Request) -> Clock:
    """The provider's duty to provide ends with the grant."""
    day = request.clock.provision_day or day_at(step.block_time)
    return replace(request.clock, provision_day=day)


def request_agreed(step: Step) -> tuple[bytes, int]:
    """The provider grants what was asked for, or less."""
    act = step.act
    request = _get_request(step)
    _require_officer(step, request.provider)
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
        replace(
            _answered(step, request, RequestState.AGREED), granted_items=items, granted_term=term
        ),
    )


def request_refused(step: Step) -> tuple[bytes, int]:
    """The provider refuses."""
    request = _get_request(step)
    _require_officer(step, request.provider)
    _require_state(request, RequestState.FILED)
    step.require_nonzero("reason")
    return _put(step, _answered(step, request, RequestState.REFUSED))


def supplement_asked(step: Step) -> tuple[bytes, int]:
    """The provider says, once, everything that is missing (Art 21)."""
    request = _get_request(step)
    _require_officer(step, request.provider)
    _require_state(request, RequestState.FILED)
    if request.clock.asked_day:
        raise state_invalid("the request was supplemented already")
    step.require_nonzero("missing")
    clock = replace(request.clock, asked_day=day_at(step.block_time))
    return _put(step, replace(request, state=RequestState.SUPPLEMENT, clock=clock))


def request_extended(step: Step) -> tuple[bytes, int]:
    """The provider may answer later, with the authority's consent (Art 21)."""
    request = _get_request(step)
    step.require_role(step.persons[0], Role.OFFICER)
    step.require_role(step.persons[1], Role.AUTHORITY)
    step.require_department(step.persons[0], request.provider)
    _require_state(request, RequestState.FILED)
    if request.clock.extension_days:
        raise state_invalid("the answer was extended already")
    step.require_range("extension_days", 1, deadlines.ANSWER_EXTENSION.working_days)
    step.require_nonzero("reason")
    clock = replace(
        request.clock,
        extension_days=step.act.number("extension_days"),
        extended_day=day_at(step.block_time),
    )
    return _put(step, replace(request, clock=clock))


def request_withdrawn(step: Step) -> tuple[bytes, int]:
    """The requester no longer asks."""
    request = _get_request(step)
    _require_officer(step, request.requester)
    _require_state(request, RequestState.FILED, RequestState.SUPPLEMENT)
    return _put(step, _answered(step, request, RequestState.WITHDRAWN))


def data_provided(step: Step) -> tuple[bytes, int]:
    """The provider says that the data can be had (Art 22)."""
    request = _get_request(step)
    _require_officer(step, request.provider)
    _require_state(request, RequestState.AGREED)
    # The requester stated the way (Art 20): in another one is not what was agreed on.
    step.require_range("way", request.way, request.way)
    clock = replace(request.clock, provision_day=day_at(step.block_time))
    return _put(step, replace(request, state=RequestState.PROVIDED, clock=clock))


def grant_renewed(step: Step) -> tuple[bytes, int]:
    """Both sides let the grant go on for longer, or for more uses."""
    act = step.act
    request = _get_request(step)
    step.require_role(step.persons[0], Role.OFFICER)
    step.require_role(step.persons[1], Role.OFFICER)
    step.require_department(step.persons[0], request.requester)
    step.require_department(step.persons[1], request.provider)
    _require_state(request, *IN_FORCE)
    if not is_interface_live(step.store, request.interface):
        raise refuse("INTERFACE_NOT_LIVE", "the interface is not live")
    granted = request.granted_term or request.term
    until, quota = act.number("valid_until"), act.number("quota")
    step.require_value(
        "valid_until",
        "is past, or before that of the grant",
        ok=until >= granted.valid_until and until > step.block_time,
    )
    step.require_value("quota", "is less than that of the grant", ok=quota >= granted.quota)
    step.require_nonzero("case")
    term = Term(granted.valid_from, until, quota)
    return _put(step, replace(request, granted_term=term))


def grant_suspended(step: Step) -> tuple[bytes, int]:
    """The grant pauses."""
    request = _get_request(step)
    side = find_side(step, step.actor, request.provider)
    _require_state(request, *IN_FORCE)
    step.require_nonzero("reason")
    step.require_range("cause", 1, CAUSE_PURPOSE_ENDED - 1)
    return _put(step, replace(request, state=RequestState.SUSPENDED, suspended_by=side))


def grant_resumed(step: Step) -> tuple[bytes, int]:
    """The pause ends."""
    request = _get_request(step)
    side = find_side(step, step.actor, request.provider)
    _require_state(request, RequestState.SUSPENDED)
    if request.suspended_by is not side:
        raise refuse("SUSPENDED_BY_OTHER", "the other side suspended it")
    state = RequestState.PROVIDED if request.clock.provision_day else RequestState.AGREED
    return _put(step, replace(request, state=state, suspended_by=None))


def grant_revoked(step: Step) -> tuple[bytes, int]:
    """The grant ends."""
    request = _get_request(step)
    step.require_role(step.actor, Role.OFFICER)
    own = step.actor.department == request.requester
    if not own:
        step.require_department(step.actor, request.provider)
    _require_state(request, *IN_FORCE, RequestState.SUSPENDED)
    step.require_nonzero("reason")
    if own:
        step.require_range("cause", CAUSE_PURPOSE_ENDED, CAUSE_PURPOSE_ENDED)
    else:
        step.require_range("cause", 1, CAUSE_PURPOSE_ENDED - 1)
    return _put(
        step,
        replace(
            request,
            state=RequestState.REVOKED,
            suspended_by=None,
            clock=_provision_ended(step, request),
        ),
    )


def use_reported(step: Step) -> tuple[bytes, int]:
    """The requester reports what it did with the data (Art 29)."""
    act = step.act
    request = _get_request(step)
    step.require_role(step.actor, Role.OPERATOR, request.requester)
    _require_state(request, *IN_FORCE, RequestState.SUSPENDED, RequestState.REVOKED)
    first, last = act.number("from_day"), act.number("until_day")
    step.require_value("from_day", "is reported already", ok=first > request.reported_day)
    step.require_value(
        "until_day",
        "is before from_day or still to come",
        ok=first <= last <= day_at(step.block_time),
    )
    step.require_nonzero("report")
    return _put(step, replace(request, reported_day=last))


def data_disposed(step: Step) -> tuple[bytes, int]:
    """The requester has disposed of the data (Art 27)."""
    request = _get_request(step)
    _require_officer(step, request.requester)
    if request.state is not RequestState.REVOKED:
        _require_state(request, *IN_FORCE, RequestState.SUSPENDED)
        if request.granted_term is None or step.block_time <= request.granted_term.valid_until:
            raise state_invalid("the grant has not ended")
    step.require_nonzero("disposal")
    return _put(
        step,
        replace(
            request,
            state=RequestState.DISPOSED,
            suspended_by=None,
            clock=_provision_ended(step, request),
        ),
    )


REQUEST_RULES: dict[str, Rule] = {
    "RequestFiled": request_filed,
    "RequestAgreed": request_agreed,
    "RequestRefused": request_refused,
    "GrantSuspended": grant_suspended,
    "GrantResumed": grant_resumed,
    "GrantRevoked": grant_revoked,
    "SupplementAsked": supplement_asked,
    "RequestSupplemented": request_supplemented,
    "RequestExtended": request_extended,
    "RequestWithdrawn": request_withdrawn,
    "DataProvided": data_provided,
    "GrantRenewed": grant_renewed,
    "UseReported": use_reported,
    "DataDisposed": data_disposed,
}
