"""Rules of the disputes' acts (docs/protocol.md, 3.4; Order 809 Art 28)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.description import Role
from protocol.model.disputes import Dispute, DisputeState, Ruling
from protocol.model.registry import is_department_live
from protocol.model.registry_rules import Rule
from protocol.model.requests import RequestState
from protocol.model.step import Step, refuse, state_invalid

MAX_STEPS = 8
#: The authority of this ledger is a city's; it mediates between what is below the city.
CITY = 3
RULINGS = (Ruling.REQUESTER, Ruling.PROVIDER, Ruling.PARTLY)
_DISPUTED = (RequestState.REFUSED, RequestState.SUSPENDED, RequestState.REVOKED)


def _get_dispute(step: Step) -> Dispute:
    dispute = step.store.find_dispute(step.act.target)
    if dispute is None:
        raise refuse("TARGET_UNKNOWN", "this dispute does not exist")
    step.require_revision(dispute.revision)
    return dispute


def _put(step: Step, dispute: Dispute) -> tuple[bytes, int]:
    changed = replace(dispute, revision=dispute.revision + 1, block_number=step.block_number)
    step.store.put_dispute(changed)
    return changed.id, changed.revision


def _require_state(dispute: Dispute, state: DisputeState) -> None:
    if dispute.state is not state:
        raise state_invalid(f"the dispute is {dispute.state}")


def _require_no_party(step: Step, dispute: Dispute) -> None:
    """Nobody judges a dispute of the own department."""
    if step.actor.department in (dispute.requester, dispute.provider):
        raise refuse("OWN_DISPUTE", "the signer's department is a party")


def dispute_opened(step: Step) -> tuple[bytes, int]:
    """The requester does not accept a refusal, a suspension or a revocation."""
    step.require_new()
    step.require_role(step.actor, Role.OFFICER)
    request = step.store.find_request(step.act.octets("request"))
    if request is None:
        raise step.value_invalid("request", "is no request")
    step.require_department(step.actor, request.requester)
    if request.state not in _DISPUTED:
        raise state_invalid(f"the request is {request.state}")
    former = step.store.find_newest_dispute(request.id)
    if former is not None and former.state is not DisputeState.DECIDED:
        raise refuse("DISPUTE_PENDING", "a dispute over this request is open")
    step.require_nonzero("statement")
    return _put(
        step,
        Dispute(
            id=step.act_id,
            request=request.id,
            requester=request.requester,
            provider=request.provider,
            state=DisputeState.NEGOTIATION,
            superior=ZERO_ID,
            ruling=None,
            revision=0,
            block_number=step.block_number,
        ),
    )


def dispute_settled(step: Step) -> tuple[bytes, int]:
    """The parties agree, at whatever stage."""
    dispute = _get_dispute(step)
    step.require_role(step.persons[0], Role.OFFICER)
    step.require_role(step.persons[1], Role.OFFICER)
    step.require_department(step.persons[0], dispute.requester)
    step.require_department(step.persons[1], dispute.provider)
    if dispute.state is DisputeState.DECIDED:
        raise state_invalid("the dispute is decided")
    step.require_nonzero("terms")
    return _put(step, replace(dispute, state=DisputeState.DECIDED, ruling=Ruling.SETTLED))


def _climb(step: Step, department: bytes, steps: int, superior: bytes) -> bytes:
    """Climb from a party to the superior; return the last department below it."""
    wrong = refuse("SUPERIOR_WRONG", "it is not the lowest department above both parties")
    at, below = department, department
    for _ in range(steps):
        if at == ZERO_ID:
            raise wrong
        below = at
        found = step.store.find_department(at)
        at = ZERO_ID if found is None else found.parent
    if at != superior or (at != ZERO_ID and not is_department_live(step.store, at)):
        raise wrong
    return below


def dispute_escalated(step: Step) -> tuple[bytes, int]:
    """A party takes the dispute to the authority, or to the superior of both."""
    act = step.act
    dispute = _get_dispute(step)
    step.require_role(step.actor, Role.OFFICER)
    if step.actor.department != dispute.requester:
        step.require_department(step.actor, dispute.provider)
    _require_state(dispute, DisputeState.NEGOTIATION)
    step.require_range("requester_steps", 1, MAX_STEPS)
    step.require_range("provider_steps", 1, MAX_STEPS)
    superior = act.octets("superior")
    steps, others = act.number("requester_steps"), act.number("provider_steps")
    one = _climb(step, dispute.requester, steps, superior)
    other = _climb(step, dispute.provider, others, superior)
    if steps > 1 and others > 1 and one == other:
        raise refuse("SUPERIOR_WRONG", "a lower department is above both parties")
    step.require_nonzero("statement")
    return _put(step, replace(dispute, state=DisputeState.AUTHORITY, superior=superior))


def dispute_mediated(step: Step) -> tuple[bytes, int]:
    """Mediation found no agreement: the matter goes to the government."""
    dispute = _get_dispute(step)
    superior = step.store.find_department(dispute.superior)
    is_there = superior is not None and not superior.ended_day
    if step.actor.roles & Role.AUTHORITY and (
        not is_there or (superior is not None and superior.level >= CITY)
    ):
        _require_no_party(step, dispute)
    else:
        step.require_role(step.actor, Role.OFFICER, dispute.superior)
    _require_state(dispute, DisputeState.AUTHORITY)
    step.require_nonzero("proposal")
    return _put(step, replace(dispute, state=DisputeState.GOVERNMENT))


def dispute_decided(step: Step) -> tuple[bytes, int]:
    """The government above both parties decides."""
    dispute = _get_dispute(step)
    if not is_department_live(step.store, dispute.superior):
        step.require_role(step.actor, Role.AUTHORITY)
        _require_no_party(step, dispute)
    else:
        step.require_role(step.actor, Role.HEAD, dispute.superior)
    _require_state(dispute, DisputeState.GOVERNMENT)
    step.require_range("ruling", 1, len(RULINGS))
    step.require_nonzero("decision")
    ruling = RULINGS[step.act.number("ruling") - 1]
    return _put(step, replace(dispute, state=DisputeState.DECIDED, ruling=ruling))


DISPUTE_RULES: dict[str, Rule] = {
    "DisputeOpened": dispute_opened,
    "DisputeSettled": dispute_settled,
    "DisputeEscalated": dispute_escalated,
    "DisputeMediated": dispute_mediated,
    "DisputeDecided": dispute_decided,
}
