"""Rules of the directory's acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import Role
from protocol.model.entries import Entry, EntryState, EntryVersion
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse, state_invalid

_GENERAL_DATA = 1


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
    step.require_range("grading", 1, 3)
    step.require_value(
        "grading",
        "important and core data are neither unconditional nor open",
        ok=act.number("grading") == _GENERAL_DATA
        or (act.number("sharing_class") != 1 and act.number("openness") == 0),
    )
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
        grading=act.number("grading"),
        items=items,
        sensitive=sensitive,
        document=act.octets("document"),
        secrecy_assessment=act.octets("secrecy_assessment"),
        privacy_assessment=act.octets("privacy_assessment"),
        basis=act.octets("basis"),
        submitted_day=day_at(step.block_time),
        published_day=0,
        returned_day=0,
        returned_reason=ZERO_ID,
        change_day=0,
        extended_day=0,
        act_id=step.act_id,
        block_number=step.block_number,
    )
    entry = Entry(
        id=found.id if found else step.act_id,
        department=department,
        state=found.state if found else EntryState.SUBMITTED,
        current=current,
        pending=version,
        change_day=found.change_day if found else 0,
        extended_day=found.extended_day if found else 0,
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
    pending = entry.pending
    # What was submitted before the change does not answer it.
    answers = pending.submitted_day >= entry.change_day
    published = replace(
        pending,
        published_day=day_at(step.block_time),
        change_day=entry.change_day if answers else 0,
        extended_day=entry.extended_day if answers else 0,
        block_number=step.block_number,
    )
    entry = replace(
        entry,
        state=EntryState.PUBLISHED,
        current=published,
        pending=None,
        change_day=0 if answers else entry.change_day,
        extended_day=0 if answers else entry.extended_day,
        revision=entry.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_entry_version(entry.id, published)
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
        change_day=0,
        extended_day=0,
        revision=entry.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_entry(entry)
    return entry.id, entry.revision


def entry_returned(step: Step) -> tuple[bytes, int]:
    """The authority gives the pending version back, for a sealed reason."""
    entry = _get_entry(step)
    step.require_role(step.actor, Role.AUTHORITY)
    if entry.pending is None or entry.state is EntryState.RETIRED:
        raise state_invalid("no version is pending")
    step.require_value(
        "document",
        "is not that of the pending version",
        ok=step.act.octets("document") == entry.pending.document,
    )
    step.require_nonzero("reason")
    returned = replace(
        entry.pending,
        returned_day=day_at(step.block_time),
        returned_reason=step.act.octets("reason"),
        block_number=step.block_number,
    )
    step.store.put_entry_version(entry.id, returned)
    return _put(step, replace(entry, pending=None))


def change_noted(step: Step) -> tuple[bytes, int]:
    """Duty or data changed: the update clock runs."""
    entry = _get_entry(step)
    if not step.actor.roles & Role.AUTHORITY:
        step.require_role(step.actor, Role.OFFICER | Role.HEAD, entry.department)
    if entry.state is not EntryState.PUBLISHED or entry.current is None:
        raise state_invalid("the entry is not published")
    day = step.act.number("change_day")
    is_earlier = entry.change_day == 0 or day < entry.change_day
    step.require_value(
        "change_day",
        "is not between the current version's submission and today, or not before the one noted",
        ok=entry.current.submitted_day <= day <= day_at(step.block_time) and is_earlier,
    )
    step.require_nonzero("reason")
    return _put(step, replace(entry, change_day=day))


def update_extended(step: Step) -> tuple[bytes, int]:
    """The authority consents to a longer time for the update."""
    entry = _get_entry(step)
    step.require_role(step.persons[0], Role.HEAD)
    step.require_role(step.persons[1], Role.AUTHORITY)
    step.require_role(step.persons[0], Role.HEAD, entry.department)
    if entry.change_day == 0 or entry.extended_day != 0:
        raise state_invalid("no update waits, or it was extended already")
    step.require_nonzero("reason")
    return _put(step, replace(entry, extended_day=day_at(step.block_time)))


def _put(step: Step, entry: Entry) -> tuple[bytes, int]:
    changed = replace(entry, revision=entry.revision + 1, block_number=step.block_number)
    step.store.put_entry(changed)
    return changed.id, changed.revision


ENTRY_RULES: dict[str, Rule] = {
    "EntrySubmitted": entry_submitted,
    "EntryPublished": entry_published,
    "EntryRetired": entry_retired,
    "EntryReturned": entry_returned,
    "ChangeNoted": change_noted,
    "UpdateExtended": update_extended,
}
