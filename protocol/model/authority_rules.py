"""Rules of what m of n authority persons decide about themselves, and of successors."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.key_rules import count_key, put_state
from protocol.model.keys import (
    Rule,
    open_key,
    protected,
    put_new_key,
    require_authority,
)
from protocol.model.registry import KeyState, Person, Successor
from protocol.model.step import Step, refuse, state_invalid

MAX_AUTHORITY_PERSONS = 7


def threshold_set(step: Step) -> tuple[bytes, int]:
    """Another number of authority persons who act together."""
    department = step.store.find_department(step.act.target)
    if department is None:
        raise refuse("TARGET_UNKNOWN", "this department does not exist")
    step.require_revision(department.revision)
    require_authority(step)
    authority = step.authority
    if department.id != authority.department:
        raise state_invalid("the threshold is the authority's")
    step.require_range("threshold", 1, authority.active_keys)
    step.store.put_authority(replace(authority, threshold=step.act.number("threshold")))
    changed = replace(department, revision=department.revision + 1, block_number=step.block_number)
    step.store.put_department(changed)
    return changed.id, changed.revision


def authority_person_added(step: Step) -> tuple[bytes, int]:
    """One more authority person."""
    step.require_new()
    require_authority(step)
    authority = step.authority
    if authority.persons >= MAX_AUTHORITY_PERSONS:
        raise state_invalid("the authority has as many persons as it may")
    step.require_value(
        "valid_until",
        "must be 0: an authority person's key has no end",
        ok=step.act.number("valid_until") == 0,
    )
    step.store.put_person(
        Person(
            id=step.act_id,
            department=authority.department,
            roles=Role.AUTHORITY,
            revision=1,
            generation=0,
            has_active_key=True,
            block_number=step.block_number,
        )
    )
    put_new_key(step, step.act_id, 0, 0)
    step.store.put_authority(
        replace(authority, persons=authority.persons + 1, active_keys=authority.active_keys + 1)
    )
    return step.act_id, 1


def authority_person_removed(step: Step) -> tuple[bytes, int]:
    """An authority person ends."""
    person = step.store.find_person(step.act.target)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this person does not exist")
    step.require_revision(person.revision)
    require_authority(step)
    if not person.roles & Role.AUTHORITY:
        raise state_invalid("this is no authority person")
    authority = step.authority
    if person.has_active_key and authority.active_keys <= authority.threshold:
        raise protected()
    step.require_range("reason_code", 2, 4)
    step.store.put_authority(
        replace(
            authority,
            persons=authority.persons - 1,
            active_keys=authority.active_keys - int(person.has_active_key),
        )
    )
    changed = replace(
        person,
        roles=Role(0),
        has_active_key=False,
        revision=person.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_person(changed)
    return changed.id, changed.revision


def authority_key_resumed(step: Step) -> tuple[bytes, int]:
    """The suspension of an authority person's key ends."""
    key, person = open_key(step)
    require_authority(step)
    if not person.roles & Role.AUTHORITY or key.state is not KeyState.SUSPENDED:
        raise state_invalid("this is no suspended key of an authority person")
    count_key(step, person, active=True)
    return put_state(step, key, KeyState.ACTIVE, 0)


def successor_named(step: Step) -> tuple[bytes, int]:
    """The contract that follows one of this deployment."""
    step.require_new()
    require_authority(step)
    old, successor = step.act.octets("contract"), step.act.octets("successor")
    if step.store.find_successor(old) is not None:
        raise state_invalid("the contract has a successor already")
    step.require_nonzero("contract")
    step.require_value(
        "successor",
        "must be an address, and another one",
        ok=any(successor) and successor != old,
    )
    step.store.put_successor(Successor(old, successor, step.act_id, step.block_number))
    return step.act_id, 1


AUTHORITY_RULES: dict[str, Rule] = {
    "ThresholdSet": threshold_set,
    "AuthorityPersonAdded": authority_person_added,
    "AuthorityPersonRemoved": authority_person_removed,
    "AuthorityKeyResumed": authority_key_resumed,
    "SuccessorNamed": successor_named,
}
