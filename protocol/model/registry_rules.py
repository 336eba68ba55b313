"""Rules of the registry's acts (docs/protocol.md, 2 and 3.4)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from crypto.errors import ProtocolError
from crypto.sm2 import PublicKey
from protocol.credit_code import is_credit_code
from protocol.description import ROLE_GROUPS, Role
from protocol.model.registry import Department, Key, KeyState, Person
from protocol.model.step import Step, refuse, state_invalid

Rule = Callable[[Step], tuple[bytes, int]]

_ENDED = Role(0)


def _put_key(step: Step, person: bytes) -> None:
    new_key = step.new_key
    if new_key is None:
        raise TypeError("this act brings no key")
    step.store.put_key(
        Key(new_key.key_id, new_key, person, KeyState.ACTIVE, 0, 1, step.block_number)
    )


def is_role_set(roles: int) -> bool:
    """Return whether these role bits are some of one group."""
    return roles != 0 and any(roles & group == roles for group in ROLE_GROUPS)


def _protected() -> ProtocolError:
    return refuse("AUTHORITY_KEY_PROTECTED", "the authority's keys are changed by no head")


def _open_person(step: Step) -> Person:
    """Return the target: a person whom the actor, as head of the same department, changes."""
    person = step.store.find_person(step.act.target)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this person does not exist")
    step.require_revision(person.revision)
    if person.roles & Role.AUTHORITY:
        raise _protected()
    step.require_role(step.actor, Role.HEAD, person.department)
    return person


def department_registered(step: Step) -> tuple[bytes, int]:
    """A department with its head."""
    act = step.act
    step.require_new()
    for person in step.persons:
        step.require_role(person, Role.AUTHORITY)
    step.require_range("level", 1, 6)
    step.require_range("kind", 1, 5)
    parent = act.octets("parent")
    known = not any(parent) or step.store.find_department(parent) is not None
    step.require_value("parent", "must be zero or a department", ok=known)
    step.require_range("uscc_override", 0, 1)
    uscc = act.text("uscc")
    step.require_value(
        "uscc",
        "is not a unified social credit code",
        ok=not uscc or is_credit_code(uscc, overridden=act.number("uscc_override") == 1),
    )
    step.require_nonzero("name")
    step.store.put_department(
        Department(
            id=step.act_id,
            level=act.number("level"),
            kind=act.number("kind"),
            region=act.number("region"),
            parent=parent,
            uscc=uscc,
            uscc_override=act.number("uscc_override"),
            name=act.text("name"),
            revision=1,
            block_number=step.block_number,
        )
    )
    step.store.put_person(Person(step.act_id, step.act_id, Role.HEAD, 1, step.block_number))
    _put_key(step, step.act_id)
    return step.act_id, 1


def person_enrolled(step: Step) -> tuple[bytes, int]:
    """A person in the head's department."""
    step.require_new()
    step.require_role(step.actor, Role.HEAD)
    roles = step.act.number("roles")
    step.require_value("roles", "must lie within one group", ok=is_role_set(roles))
    step.store.put_person(
        Person(step.act_id, step.actor.department, Role(roles), 1, step.block_number)
    )
    _put_key(step, step.act_id)
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
    revision = person.revision + 1
    step.store.put_person(replace(person, revision=revision, block_number=step.block_number))
    _put_key(step, person.id)
    return person.id, revision


def key_revoked(step: Step) -> tuple[bytes, int]:
    """A key that signs nothing more."""
    key = step.store.find_key(step.act.target)
    if key is None:
        raise refuse("TARGET_UNKNOWN", "this key does not exist")
    step.require_revision(key.revision)
    own = step.act.key_id == key.id
    person = step.store.find_person(key.person)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this key belongs to nobody")
    # The contract also keeps the authority's last keys. It alone counts them: where acts that
    # the verifier does not need are left out, the count is not known.
    if person.roles & Role.AUTHORITY and not own:
        raise _protected()
    if not own:
        step.require_role(step.actor, Role.HEAD, person.department)
    if key.state is not KeyState.ACTIVE:
        raise state_invalid("the key is revoked already")
    step.require_range("reason_code", 1, 4)
    revision = key.revision + 1
    step.store.put_key(
        replace(
            key,
            state=KeyState.REVOKED,
            reason_code=step.act.number("reason_code"),
            revision=revision,
            block_number=step.block_number,
        )
    )
    return key.id, revision


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
    "DepartmentRegistered": department_registered,
    "PersonEnrolled": person_enrolled,
    "PersonRolesSet": person_roles_set,
    "KeyAdded": key_added,
    "KeyRevoked": key_revoked,
}
