"""Rules of the acts on data elements: one source each (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.claims import OPEN_CLAIMS, Claim, ClaimState
from protocol.model.decision import is_claim_in_entry, is_entry_live
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse, state_invalid


def _get_claim(step: Step) -> Claim:
    claim = step.store.find_claim(step.act.target)
    if claim is None:
        raise refuse("TARGET_UNKNOWN", "this claim does not exist")
    step.require_revision(claim.revision)
    return claim


def _put(step: Step, claim: Claim, state: ClaimState) -> tuple[bytes, int]:
    changed = replace(
        claim, state=state, revision=claim.revision + 1, block_number=step.block_number
    )
    step.store.put_claim(changed)
    return changed.id, changed.revision


def element_claimed(step: Step) -> tuple[bytes, int]:
    """A department's claim to an element: its source, or a conflict with the source."""
    act, store = step.act, step.store
    step.require_new()
    department = step.actor.department
    step.require_role(step.persons[0], Role.OPERATOR)
    step.require_role(step.persons[1], Role.HEAD, department)
    entry_id, element, item = act.octets("entry"), act.octets("element"), act.number("item")
    entry = store.find_entry(entry_id)
    if entry is None or entry.current is None or not is_entry_live(store, entry_id):
        raise refuse("ENTRY_NOT_LIVE", "the entry is not live")
    step.require_role(step.actor, Role.OPERATOR, entry.department)
    step.require_nonzero("element")
    if not entry.current.items >> item & 1:
        raise refuse("ITEMS_NOT_COVERED", "the entry does not have this item")
    own = store.find_open_claim(element, department)
    if own is not None and is_claim_in_entry(store, own):
        raise refuse("ELEMENT_ALREADY_CLAIMED", "the department has claimed this element already")
    source = store.find_source_claim(element)
    is_held = source is not None and is_claim_in_entry(store, source)
    if own is not None:
        _put(step, own, ClaimState.RELEASED)
    if source is not None and not is_held and (own is None or source.id != own.id):
        _put(step, source, ClaimState.RELEASED)
    store.put_claim(
        Claim(
            id=step.act_id,
            element=element,
            entry=entry_id,
            item=item,
            department=department,
            state=ClaimState.CONFLICT if is_held else ClaimState.SOURCE,
            revision=1,
            block_number=step.block_number,
        )
    )
    return step.act_id, 1


def element_released(step: Step) -> tuple[bytes, int]:
    """A department's claim ends by its own will."""
    claim = _get_claim(step)
    step.require_role(step.actor, Role.HEAD, claim.department)
    if claim.state not in OPEN_CLAIMS:
        raise state_invalid("the claim has ended already")
    step.require_nonzero("reason")
    return _put(step, claim, ClaimState.RELEASED)


def conflict_decided(step: Step) -> tuple[bytes, int]:
    """The authority names the source department."""
    claim = _get_claim(step)
    step.require_role(step.actor, Role.AUTHORITY)
    if claim.state is not ClaimState.CONFLICT:
        raise state_invalid("there is no conflict to decide")
    if not is_claim_in_entry(step.store, claim):
        raise refuse("CLAIM_NOT_LIVE", "the claim's entry no longer holds the item")
    named = step.act.octets("source_department")
    source = step.store.find_source_claim(claim.element)
    held = source if source is not None and is_claim_in_entry(step.store, source) else None
    step.require_value(
        "source_department",
        "is neither the claiming department nor the source so far",
        ok=named == claim.department or (held is not None and named == held.department),
    )
    step.require_nonzero("reason")
    if named != claim.department:
        return _put(step, claim, ClaimState.REJECTED)
    if source is not None:
        _put(step, source, ClaimState.RELEASED if held is None else ClaimState.REJECTED)
    return _put(step, claim, ClaimState.SOURCE)


CLAIM_RULES: dict[str, Rule] = {
    "ElementClaimed": element_claimed,
    "ElementReleased": element_released,
    "ConflictDecided": conflict_decided,
}
