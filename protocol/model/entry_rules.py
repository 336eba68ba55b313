"""Rules of the directory's acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.description import Role
from protocol.model.entries import Entry, EntryState, EntryVersion
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse, state_invalid


def _get_entry(step: Step) -> Entry:
    entry = step.store.find_entry(step.act.target)
    if entry is None:
        raise refuse("TARGET_UNKNOWN", "this entry does not exist")
    step.require_revision(entry.revision)
    return entry


def entry_submitted(step: Step) -> tuple[bytes, int]:
    """A first or a further version of an entry."""
    act = step.act
    found: Entry | None = None
    if act.target == ZERO_ID:
        step.require_new()
    else:
        found = _get_entry(step)
    department = step.actor.department
    step.require_role(step.persons[0], Role.OPERATOR)
    step.require_role(step.persons[1], Role.HEAD)
    if found is not None:
        step.require_role(step.persons[0], Role.OPERATOR, found.department)
    step.require_role(step.persons[1], Role.HEAD, department)
    if found is not None and found.state is EntryState.RETIRED:
        raise state_invalid("the entry is retired")
    step.require_range("sharing_class", 1, 3)
    step.require_range("library", 1, 5)
    step.require_range("update_cycle", 1, 7)
    step.require_range("openness", 0, 2)
    step.require_range("mode", 1, 4)
    items, sensitive = act.number("items"), act.number("sensitive")
    step.require_nonzero("items")
    step.require_value("sensitive", "must lie within items", ok=sensitive & items == sensitive)
    for name in ("document", "secrecy_assessment", "privacy_assessment"):
        step.require_nonzero(name)
    step.require_value(
        "basis",
        "is for the classes 2 and 3",
        ok=(act.number("sharing_class") == 1) == (not any(act.octets("basis"))),
    )
    current = found.current if found else None
    version = EntryVersion(
        number=current.number + 1 if current else 1,
        sharing_class=act.number("sharing_class"),
        library=act.number("library"),
        update_cycle=act.number("update_cycle"),
        openness=act.number("openness"),
        mode=act.number("mode"),
        items=items,
        sensitive=sensitive,
        document=act.octets("document"),
        secrecy_assessment=act.octets("secrecy_assessment"),
        privacy_assessment=act.octets("privacy_assessment"),
        basis=act.octets("basis"),
        act_id=step.act_id,
        block_number=step.block_number,
    )
    entry = Entry(
        id=found.id if found else step.act_id,
        department=department,
        state=found.state if found else EntryState.SUBMITTED,
        current=current,
        pending=version,
        revision=found.revision + 1 if found else 1,
        block_number=step.block_number,
    )
    step.store.put_entry_version(entry.id, version)
    step.store.put_entry(entry)
    return entry.id, entry.revision


def entry_published(step: Step) -> tuple[bytes, int]:
    """The pending version becomes the current one."""
    entry = _get_entry(step)
    step.require_role(step.actor, Role.AUTHORITY)
    if entry.pending is None or entry.state is EntryState.RETIRED:
        raise state_invalid("no version is pending")
    step.require_value(
        "document",
        "is not that of the pending version",
        ok=step.act.octets("document") == entry.pending.document,
    )
    entry = replace(
        entry,
        state=EntryState.PUBLISHED,
        current=entry.pending,
        pending=None,
        revision=entry.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_entry(entry)
    return entry.id, entry.revision


def entry_retired(step: Step) -> tuple[bytes, int]:
    """The entry ends."""
    entry = _get_entry(step)
    step.require_role(step.actor, Role.HEAD, entry.department)
    if entry.state is EntryState.RETIRED:
        raise state_invalid("the entry is retired already")
    step.require_nonzero("reason")
    entry = replace(
        entry,
        state=EntryState.RETIRED,
        pending=None,
        revision=entry.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_entry(entry)
    return entry.id, entry.revision


ENTRY_RULES: dict[str, Rule] = {
    "EntrySubmitted": entry_submitted,
    "EntryPublished": entry_published,
    "EntryRetired": entry_retired,
}
