"""What all rules about keys share: whether a key counts, and how a new one is put."""

from collections.abc import Callable

from crypto.errors import ProtocolError
from protocol.description import Role
from protocol.model.registry import Departments, Key, KeyState, Person, state_of
from protocol.model.step import Step, refuse

Rule = Callable[[Step], tuple[bytes, int]]

KEY_NOT_ACTIVE = "KEY_NOT_ACTIVE"
KEY_EXPIRED = "KEY_EXPIRED"


def key_problem(departments: Departments, key: Key, person: Person, at_s: int) -> str | None:
    """Return the code that refuses a signature of this key at a time, None when it counts.

    Args:
        departments: where the person's department is found.
        key: the key.
        person: its person.
        at_s: unix seconds.
    """
    state = state_of(departments, key, person, at_s)
    if state is KeyState.EXPIRED:
        return KEY_EXPIRED
    return None if state is KeyState.ACTIVE else KEY_NOT_ACTIVE


def require_active(
    departments: Departments, key: Key, person: Person, at_s: int, whose: str
) -> None:
    """Refuse a key that does not count at a time.

    Raises:
        ProtocolError: KEY_EXPIRED, KEY_NOT_ACTIVE.
    """
    problem = key_problem(departments, key, person, at_s)
    if problem == KEY_EXPIRED:
        raise refuse(problem, f"{whose} key has expired")
    if problem is not None:
        raise refuse(problem, f"{whose} key is suspended or revoked")


def protected() -> ProtocolError:
    """Return the error of an act that could take the authority away from the city."""
    return refuse(
        "AUTHORITY_KEY_PROTECTED",
        "the authority's keys are changed by no head, and not below the threshold",
    )


def read_new_end(step: Step) -> int:
    """Return the end of a new key's validity: none, or in the future.

    Raises:
        ProtocolError: VALUE_INVALID.
    """
    until = step.act.number("valid_until")
    step.require_value("valid_until", "is past", ok=until == 0 or until > step.block_time)
    return until


def put_new_key(step: Step, person: bytes, generation: int, valid_until: int) -> None:
    """Keep the key that the act brings as an ACTIVE key of a person."""
    new_key = step.new_key
    if new_key is None:
        raise TypeError("this act brings no key")
    step.store.put_key(
        Key(
            id=new_key.key_id,
            public_key=new_key,
            person=person,
            state=KeyState.ACTIVE,
            reason_code=0,
            valid_until=valid_until,
            certificate_until=0,
            generation=generation,
            revision=1,
            block_number=step.block_number,
        )
    )


def open_key(step: Step) -> tuple[Key, Person]:
    """Return the key that an act changes, and its person.

    Raises:
        ProtocolError: TARGET_UNKNOWN, STALE_REVISION.
    """
    key = step.store.find_key(step.act.target)
    if key is None:
        raise refuse("TARGET_UNKNOWN", "this key does not exist")
    step.require_revision(key.revision)
    person = step.store.find_person(key.person)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this key belongs to nobody")
    return key, person


def require_authority(step: Step) -> None:
    """Refuse an act of which a signer is no authority person.

    Raises:
        ProtocolError: ROLE_MISSING.
    """
    for person in step.persons:
        step.require_role(person, Role.AUTHORITY)
