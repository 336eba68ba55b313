"""Rules of the corrections' acts (docs/protocol.md, 3.4; Order 809 Art 26)."""

from dataclasses import replace

from protocol.calendar import day_at
from protocol.description import Role
from protocol.model.corrections import Correction, CorrectionState
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse, state_invalid

GRANT, ENTRY = 1, 2
CORRECTED, REJECTED = 1, 2


def _get_correction(step: Step) -> Correction:
    correction = step.store.find_correction(step.act.target)
    if correction is None:
        raise refuse("TARGET_UNKNOWN", "this correction does not exist")
    step.require_revision(correction.revision)
    return correction


def _put(step: Step, correction: Correction) -> tuple[bytes, int]:
    changed = replace(correction, revision=correction.revision + 1, block_number=step.block_number)
    step.store.put_correction(changed)
    return changed.id, changed.revision


def _of_grant(step: Step) -> tuple[bytes, int]:
    """Whoever was granted the data may say that they are wrong, also after the grant's end."""
    grant = step.store.find_request(step.act.octets("subject"))
    if grant is None:
        raise step.value_invalid("subject", "is no request")
    step.require_department(step.actor, grant.requester)
    if grant.granted_term is None:
        raise state_invalid("the request was not agreed")
    return grant.provider, grant.granted_items


def _of_entry(step: Step) -> tuple[bytes, int]:
    entry = step.store.find_entry(step.act.octets("subject"))
    if entry is None or entry.current is None:
        raise step.value_invalid("subject", "is no published entry")
    if step.actor.department == entry.department:
        raise refuse("OWN_DATA", "the data are the department's own")
    return entry.department, entry.current.items


def correction_filed(step: Step) -> tuple[bytes, int]:
    """A department finds errors in the data of another one."""
    act = step.act
    step.require_new()
    step.require_role(step.actor, Role.OPERATOR)
    step.require_range("subject_kind", GRANT, ENTRY)
    of_grant = act.number("subject_kind") == GRANT
    provider, covered = _of_grant(step) if of_grant else _of_entry(step)
    step.require_nonzero("items")
    items = act.number("items")
    if items & covered != items:
        raise refuse("ITEMS_NOT_COVERED", "the subject does not have all of these items")
    step.require_nonzero("errors")
    return _put(
        step,
        Correction(
            id=step.act_id,
            requester=step.actor.department,
            provider=provider,
            subject=act.octets("subject"),
            subject_kind=act.number("subject_kind"),
            items=items,
            errors=act.octets("errors"),
            state=CorrectionState.FILED,
            filed_day=day_at(step.block_time),
            closed_day=0,
            revision=0,
            block_number=step.block_number,
        ),
    )


def correction_verified(step: Step) -> tuple[bytes, int]:
    """The provider has looked at the data."""
    correction = _get_correction(step)
    step.require_role(step.actor, Role.OPERATOR, correction.provider)
    if correction.state is not CorrectionState.FILED:
        raise state_invalid(f"the correction is {correction.state}")
    step.require_nonzero("finding")
    return _put(step, replace(correction, state=CorrectionState.VERIFIED))


def correction_closed(step: Step) -> tuple[bytes, int]:
    """The provider has corrected the data, or says that they are right."""
    correction = _get_correction(step)
    step.require_role(step.actor, Role.OFFICER, correction.provider)
    if correction.state is not CorrectionState.VERIFIED:
        raise state_invalid(f"the correction is {correction.state}")
    step.require_range("result", CORRECTED, REJECTED)
    step.require_nonzero("report")
    corrected = step.act.number("result") == CORRECTED
    state = CorrectionState.CORRECTED if corrected else CorrectionState.REJECTED
    return _put(step, replace(correction, state=state, closed_day=day_at(step.block_time)))


CORRECTION_RULES: dict[str, Rule] = {
    "CorrectionFiled": correction_filed,
    "CorrectionVerified": correction_verified,
    "CorrectionClosed": correction_closed,
}
