"""Rules of the registry's acts (docs/protocol.md, 2 and 3.4)."""

from collections.abc import Mapping
from dataclasses import replace

from crypto.sm2 import PublicKey
from protocol.description import ROLE_GROUPS, Role
from protocol.model.keys import Rule as Rule  # noqa: PLC0414 - the other nouns' rules ask here
from protocol.model.keys import protected, put_new_key, read_new_end
from protocol.model.registry import Person
from protocol.model.step import Step, refuse, state_invalid

_ENDED = Role(0)


def is_role_set(roles: int) -> bool:
    """Return whether these role bits are some of one group."""
    return roles != 0 and any(roles & group == roles for group in ROLE_GROUPS)


def _open_person(step: Step) -> Person:
    """Return the target: a person whom the actor, as head of the same department, changes."""
    person = step.store.find_person(step.act.target)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this person does not exist")
    step.require_revision(person.revision)
    if person.roles & Role.AUTHORITY:
        raise protected()
    step.require_role(step.actor, Role.HEAD, person.department)
    return person


def put_new_person(step: Step, department: bytes, roles: Role, valid_until: int) -> None:
    """Keep the person who brings the act's new key."""
    step.store.put_person(
        Person(
            id=step.act_id,
            department=department,
            roles=roles,
            revision=1,
            generation=0,
            has_active_key=False,
            block_number=step.block_number,
        )
    )
    put_new_key(step, step.act_id, 0, valid_until)


def person_enrolled(step: Step) -> tuple[bytes, int]:
    """A person in the head's department."""
    step.require_new()
    step.require_role(step.actor, Role.HEAD)
    roles = step.act.number("roles")
    step.require_value("roles", "must lie within one group", ok=is_role_set(roles))
    put_new_person(step, step.actor.department, Role(roles), read_new_end(step))
    return step.act_id, 1


def person_roles_set(step: Step) -> tuple[bytes, int]:
    """Other roles for a person, or none."""
    person = _open_person(step)
    if not person.roles or person.roles & Role.HEAD:
        raise state_invalid("a head's roles are fixed, and who has ended stays so")
    roles = step.act.number("roles")
    step.require_value(
        "roles", "must be zero or lie within one group", ok=roles == 0 or is_role_set(roles)
    )
    revision = person.revision + 1
    step.store.put_person(
        replace(
            person,
            roles=Role(roles) if roles else _ENDED,
            revision=revision,
            block_number=step.block_number,
        )
    )
    return person.id, revision


def key_added(step: Step) -> tuple[bytes, int]:
    """A further key of a person."""
    person = _open_person(step)
    if not person.roles:
        raise state_invalid("the person has ended")
    until = read_new_end(step)
    revision = person.revision + 1
    step.store.put_person(replace(person, revision=revision, block_number=step.block_number))
    put_new_key(step, person.id, person.generation, until)
    return person.id, revision


def read_new_key(step_values: Mapping[str, object]) -> PublicKey:
    """Return the key in the words key_x and key_y.

    Raises:
        CryptoError: KEY_INVALID when it is not on the curve.
    """
    x, y = step_values["key_x"], step_values["key_y"]
    if not isinstance(x, int) or not isinstance(y, int):
        raise TypeError("key_x and key_y are integers")
    return PublicKey(x, y)


REGISTRY_RULES: dict[str, Rule] = {
    "PersonEnrolled": person_enrolled,
    "PersonRolesSet": person_roles_set,
    "KeyAdded": key_added,
}
