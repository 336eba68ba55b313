"""Rules of a key's life: rotated, suspended, resumed, revoked, bound to a certificate."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.keys import (
    Rule,
    open_key,
    protected,
    put_new_key,
    read_new_end,
)
from protocol.model.registry import CertificateBinding, Key, KeyState, Person
from protocol.model.step import Step, refuse, state_invalid

ROTATED = 1
MAX_SERIAL = (1 << 160) - 1


def put_state(step: Step, key: Key, state: KeyState, reason_code: int) -> tuple[bytes, int]:
    """Keep a key in another state."""
    changed = replace(
        key,
        state=state,
        reason_code=reason_code,
        revision=key.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_key(changed)
    return changed.id, changed.revision


def count_key(step: Step, person: Person, *, active: bool) -> None:
    """Keep whether an authority person has an active key, and how many have one."""
    authority = step.authority
    step.store.put_person(replace(person, has_active_key=active, block_number=step.block_number))
    change = int(active) - int(person.has_active_key)
    step.store.put_authority(replace(authority, active_keys=authority.active_keys + change))


def _stoppable_key(step: Step) -> tuple[Key, Person]:
    """Return a key that the actor may stop: its head, or itself.

    An authority person's key only by itself, and only while more than the threshold are left.
    """
    key, person = open_key(step)
    own = step.act.key_id == key.id
    authority = step.authority
    if person.roles & Role.AUTHORITY and (not own or authority.active_keys <= authority.threshold):
        raise protected()
    if not own:
        step.require_role(step.actor, Role.HEAD, person.department)
    return key, person


def _stop(step: Step, key: Key, person: Person, state: KeyState) -> tuple[bytes, int]:
    if person.has_active_key:
        count_key(step, person, active=False)
    return put_state(step, key, state, step.act.number("reason_code"))


def _require_state(key: Key, person: Person, *states: KeyState) -> None:
    if key.generation != person.generation or key.state not in states:
        raise state_invalid("the key's state does not allow this")


def key_revoked(step: Step) -> tuple[bytes, int]:
    """A key that signs nothing more."""
    key, person = _stoppable_key(step)
    _require_state(key, person, KeyState.ACTIVE, KeyState.SUSPENDED)
    step.require_range("reason_code", 1, 4)
    return _stop(step, key, person, KeyState.REVOKED)


def key_suspended(step: Step) -> tuple[bytes, int]:
    """A key that signs nothing until it is resumed."""
    key, person = _stoppable_key(step)
    _require_state(key, person, KeyState.ACTIVE)
    step.require_range("reason_code", 2, 4)
    return _stop(step, key, person, KeyState.SUSPENDED)


def key_resumed(step: Step) -> tuple[bytes, int]:
    """The suspension ends."""
    key, person = open_key(step)
    if person.roles & Role.AUTHORITY:
        raise protected()
    step.require_role(step.actor, Role.HEAD, person.department)
    _require_state(key, person, KeyState.SUSPENDED)
    return put_state(step, key, KeyState.ACTIVE, 0)


def key_rotated(step: Step) -> tuple[bytes, int]:
    """A key hands over to another one of its person."""
    key, person = open_key(step)
    if step.act.key_id != key.id:
        raise refuse("NOT_OWN_KEY", "only the key itself may do this")
    if not person.roles:
        raise state_invalid("the person has ended")
    until = read_new_end(step)
    step.require_value(
        "valid_until",
        "must be 0: an authority person's key has no end",
        ok=until == 0 or not person.roles & Role.AUTHORITY,
    )
    put_new_key(step, person.id, person.generation, until)
    return put_state(step, key, KeyState.REVOKED, ROTATED)


def certificate_bound(step: Step) -> tuple[bytes, int]:
    """A key is bound to a certificate, or to the next one."""
    act = step.act
    key, person = open_key(step)
    is_authority = bool(person.roles & Role.AUTHORITY)
    if not is_authority:
        step.require_role(step.actor, Role.HEAD, person.department)
    elif act.key_id != key.id:
        raise protected()
    _require_state(key, person, KeyState.ACTIVE, KeyState.SUSPENDED)
    step.require_nonzero("issuer")
    step.require_range("serial", 1, MAX_SERIAL)
    step.require_nonzero("certificate")
    until = act.number("not_after")
    step.require_value("not_after", "is past", ok=until > step.block_time)
    step.store.put_certificate(
        CertificateBinding(
            key_id=key.id,
            issuer=act.octets("issuer"),
            serial=act.number("serial"),
            certificate=act.octets("certificate"),
            not_after=until,
            act_id=step.act_id,
            block_number=step.block_number,
        )
    )
    # Time alone must never take the city's authority away: its keys end by acts.
    changed = replace(
        key,
        certificate_until=0 if is_authority else until,
        revision=key.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_key(changed)
    return changed.id, changed.revision


KEY_RULES: dict[str, Rule] = {
    "KeyRevoked": key_revoked,
    "KeyRotated": key_rotated,
    "KeySuspended": key_suspended,
    "KeyResumed": key_resumed,
    "CertificateBound": certificate_bound,
}
