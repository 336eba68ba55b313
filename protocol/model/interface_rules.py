"""Rules of the interface chain's acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.description import Role
from protocol.model.decision import NOT_SHARED, is_entry_live
from protocol.model.entries import Entry, EntryVersion
from protocol.model.interfaces import Interface, InterfaceState, InterfaceVersion, Side
from protocol.model.registry import Person
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse, state_invalid

PASSED, FAILED = 1, 2


def find_side(step: Step, person: Person, provider: bytes) -> Side:
    """Return on which side the actor suspends or resumes.

    Raises:
        ProtocolError: ROLE_MISSING, DEPARTMENT_MISMATCH.
    """
    if person.roles & Role.AUTHORITY:
        return Side.AUTHORITY
    step.require_role(person, Role.OFFICER, provider)
    return Side.PROVIDER


def _get_interface(step: Step) -> Interface:
    interface = step.store.find_interface(step.act.target)
    if interface is None:
        raise refuse("TARGET_UNKNOWN", "this interface does not exist")
    step.require_revision(interface.revision)
    return interface


def _put(step: Step, interface: Interface) -> tuple[bytes, int]:
    changed = replace(interface, revision=interface.revision + 1, block_number=step.block_number)
    step.store.put_interface(changed)
    return changed.id, changed.revision


def _get_shared_entry(step: Step, entry_id: bytes) -> tuple[Entry, EntryVersion]:
    entry = step.store.find_entry(entry_id)
    if entry is None or entry.current is None or not is_entry_live(step.store, entry_id):
        raise refuse("ENTRY_NOT_LIVE", "the entry is not live")
    return entry, entry.current


def _require_shared(version: EntryVersion) -> None:
    if version.sharing_class == NOT_SHARED:
        raise refuse("ENTRY_NOT_SHARED", "the entry is not shared")


def interface_registered(step: Step) -> tuple[bytes, int]:
    """A first or a further version of an interface."""
    act = step.act
    found: Interface | None = None
    if act.target == ZERO_ID:
        step.require_new()
    else:
        found = _get_interface(step)
    step.require_role(step.actor, Role.OPERATOR, found.department if found else None)
    if found is not None and found.state is InterfaceState.RETIRED:
        raise state_invalid("the interface is retired")
    entry_id = act.octets("entry")
    if found is not None:
        step.require_value(
            "entry", "is not the one that the interface serves", ok=found.entry == entry_id
        )
    entry, current = _get_shared_entry(step, entry_id)
    step.require_role(step.actor, Role.OPERATOR, entry.department)
    _require_shared(current)
    if act.number("entry_version") != current.number:
        raise refuse("VERSION_NOT_CURRENT", "the entry's version is not the current one")
    items = act.number("items")
    step.require_nonzero("items")
    if items & current.items != items:
        raise refuse("ITEMS_NOT_COVERED", "the entry does not have all of these items")
    step.require_nonzero("document")
    step.require_nonzero("node")
    number = 1 if found is None or found.current is None else found.current.number + 1
    version = InterfaceVersion(
        number=number,
        entry_version=act.number("entry_version"),
        rate_per_minute=act.number("rate_per_minute"),
        max_rows=act.number("max_rows"),
        items=items,
        document=act.octets("document"),
        node=act.text("node"),
        test_result=0,
        test_log=ZERO_ID,
        test_report=ZERO_ID,
        act_id=step.act_id,
        block_number=step.block_number,
    )
    interface = Interface(
        id=found.id if found else step.act_id,
        department=entry.department,
        entry=entry_id,
        state=found.state if found else InterfaceState.REGISTERED,
        current=found.current if found else None,
        pending=version,
        suspended_by=found.suspended_by if found else None,
        revision=found.revision if found else 0,
        block_number=step.block_number,
    )
    step.store.put_interface_version(interface.id, version)
    return _put(step, interface)


def interface_online(step: Step) -> tuple[bytes, int]:
    """The pending version becomes the current one."""
    interface = _get_interface(step)
    step.require_role(step.actor, Role.OFFICER, interface.department)
    pending = interface.pending
    if pending is None or interface.state is InterfaceState.RETIRED:
        raise state_invalid("no version is pending")
    step.require_value(
        "document",
        "is not that of the pending version",
        ok=step.act.octets("document") == pending.document,
    )
    if pending.test_result != PASSED:
        raise refuse("INTERFACE_NOT_TESTED", "no gateway has tested this version with success")
    _, current = _get_shared_entry(step, interface.entry)
    _require_shared(current)
    if pending.items & current.items != pending.items:
        raise refuse("ITEMS_NOT_COVERED", "the entry does not have all of these items")
    state = interface.state
    return _put(
        step,
        replace(
            interface,
            state=state if state is InterfaceState.SUSPENDED else InterfaceState.ONLINE,
            current=pending,
            pending=None,
        ),
    )


def interface_suspended(step: Step) -> tuple[bytes, int]:
    """The interface pauses."""
    interface = _get_interface(step)
    side = find_side(step, step.actor, interface.department)
    if interface.state is not InterfaceState.ONLINE:
        raise state_invalid("the interface is not online")
    step.require_nonzero("reason")
    return _put(step, replace(interface, state=InterfaceState.SUSPENDED, suspended_by=side))


def interface_resumed(step: Step) -> tuple[bytes, int]:
    """The pause ends."""
    interface = _get_interface(step)
    side = find_side(step, step.actor, interface.department)
    if interface.state is not InterfaceState.SUSPENDED:
        raise state_invalid("the interface is not suspended")
    if interface.suspended_by is not side:
        raise refuse("SUSPENDED_BY_OTHER", "the other side suspended it")
    return _put(step, replace(interface, state=InterfaceState.ONLINE, suspended_by=None))


def interface_retired(step: Step) -> tuple[bytes, int]:
    """The interface ends."""
    interface = _get_interface(step)
    step.require_role(step.actor, Role.OFFICER, interface.department)
    if interface.state is InterfaceState.RETIRED:
        raise state_invalid("the interface is retired already")
    step.require_nonzero("reason")
    return _put(
        step,
        replace(interface, state=InterfaceState.RETIRED, pending=None, suspended_by=None),
    )


def interface_tested(step: Step) -> tuple[bytes, int]:
    """A gateway called the pending version and compared its answer with its document."""
    interface = _get_interface(step)
    act = step.act
    step.require_role(step.actor, Role.GATEWAY)
    if interface.pending is None:
        raise state_invalid("no version is pending")
    step.require_value(
        "document",
        "is not that of the pending version",
        ok=act.octets("document") == interface.pending.document,
    )
    step.require_range("test_result", PASSED, FAILED)
    # Any head can enrol a gateway; only the authority registers a gateway's log.
    log = step.store.find_log(act.octets("log"))
    step.require_value(
        "log", "is not the signer's", ok=log is not None and log.gateway_key == act.key_id
    )
    step.require_nonzero("report")
    tested = replace(
        interface.pending,
        test_result=act.number("test_result"),
        test_log=act.octets("log"),
        test_report=act.octets("report"),
        block_number=step.block_number,
    )
    step.store.put_interface_version(interface.id, tested)
    return _put(step, replace(interface, pending=tested))


INTERFACE_RULES: dict[str, Rule] = {
    "InterfaceRegistered": interface_registered,
    "InterfaceOnline": interface_online,
    "InterfaceSuspended": interface_suspended,
    "InterfaceResumed": interface_resumed,
    "InterfaceRetired": interface_retired,
    "InterfaceTested": interface_tested,
}
