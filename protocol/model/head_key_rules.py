"""Rules of the replacement of a head's keys, with delay and objection."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.keys import Rule, require_authority
from protocol.model.registry import (
    HeadKeyProposal,
    Key,
    KeyState,
    Person,
    ProposalState,
    proposal_state,
)
from protocol.model.step import Step, refuse, state_invalid


def _open_person(step: Step) -> Person:
    person = step.store.find_person(step.act.target)
    if person is None:
        raise refuse("TARGET_UNKNOWN", "this person does not exist")
    step.require_revision(person.revision)
    return person


def _find_pending(step: Step, person: Person) -> HeadKeyProposal | None:
    found = step.store.find_proposal(person.id)
    if found is None or proposal_state(found, step.block_time) is not ProposalState.PENDING:
        return None
    return found


def _get_pending(step: Step, person: Person) -> HeadKeyProposal:
    proposal = _find_pending(step, person)
    if proposal is None:
        raise state_invalid("no key is proposed for this head")
    step.require_value(
        "key",
        "is not the pending key",
        ok=step.act.octets("key") == proposal.public_key.key_id,
    )
    return proposal


def _put_person(step: Step, person: Person) -> tuple[bytes, int]:
    changed = replace(person, revision=person.revision + 1, block_number=step.block_number)
    step.store.put_person(changed)
    return changed.id, changed.revision


def head_key_proposed(step: Step) -> tuple[bytes, int]:
    """A new key waits for its head's objection."""
    act = step.act
    person = _open_person(step)
    require_authority(step)
    if not person.roles & Role.HEAD or _find_pending(step, person) is not None:
        raise state_invalid("this is no head, or a key is proposed already")
    if step.new_key is None:
        raise TypeError("this act brings no key")
    ready_at = step.block_time + step.authority.replacement_delay_s
    until = act.number("valid_until")
    step.require_value(
        "valid_until", "lies before the replacement", ok=until == 0 or until > ready_at
    )
    step.require_range("reason_code", 2, 4)
    step.store.put_proposal(
        HeadKeyProposal(
            id=step.act_id,
            person=person.id,
            public_key=step.new_key,
            valid_until=until,
            reason_code=act.number("reason_code"),
            proposed_at=step.block_time,
            ready_at=ready_at,
            state=ProposalState.PENDING,
            generation=person.generation,
            block_number=step.block_number,
        )
    )
    return _put_person(step, person)


def head_key_objected(step: Step) -> tuple[bytes, int]:
    """The head does not want it."""
    person = _open_person(step)
    step.require_role(step.actor, Role.HEAD, person.department)
    proposal = _get_pending(step, person)
    step.store.put_proposal(
        replace(proposal, state=ProposalState.OBJECTED, block_number=step.block_number)
    )
    return _put_person(step, person)


def head_key_replaced(step: Step) -> tuple[bytes, int]:
    """The pending key replaces all keys of the head."""
    person = _open_person(step)
    require_authority(step)
    proposal = _get_pending(step, person)
    if step.block_time < proposal.ready_at:
        raise refuse(
            "REPLACEMENT_TOO_EARLY", "the head can still object", ready_at=proposal.ready_at
        )
    key_id = proposal.public_key.key_id
    if step.store.find_key(key_id) is not None:
        raise refuse("KEY_TAKEN", "this key is registered already")
    if proposal.valid_until and step.block_time > proposal.valid_until:
        raise refuse("KEY_EXPIRED", "the pending key has expired")
    step.store.put_proposal(
        replace(proposal, state=ProposalState.REPLACED, block_number=step.block_number)
    )
    generation = person.generation + 1
    step.store.put_key(
        Key(
            id=key_id,
            public_key=proposal.public_key,
            person=person.id,
            state=KeyState.ACTIVE,
            reason_code=0,
            valid_until=proposal.valid_until,
            certificate_until=0,
            generation=generation,
            revision=1,
            block_number=step.block_number,
        )
    )
    return _put_person(step, replace(person, generation=generation))


HEAD_KEY_RULES: dict[str, Rule] = {
    "HeadKeyProposed": head_key_proposed,
    "HeadKeyObjected": head_key_objected,
    "HeadKeyReplaced": head_key_replaced,
}
