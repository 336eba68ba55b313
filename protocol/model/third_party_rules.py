"""Rules of the acts on third parties (docs/protocol.md, 3.4; Order 809 Art 25)."""

from dataclasses import replace

from protocol.description import Role
from protocol.model.decision import effective_items, is_grant_live
from protocol.model.registry import is_department_live
from protocol.model.registry_rules import Rule
from protocol.model.requests import IN_FORCE
from protocol.model.step import Step, refuse, state_invalid
from protocol.model.store import Store
from protocol.model.third_parties import Consent, ConsentState

DEPARTMENT, OUTSIDE = 1, 2


def is_consent_live(store: Store, consent_id: bytes, at_s: int) -> bool:
    """Return whether a consent holds at a time: no longer than its grant and its department live.

    Args:
        store: the state.
        consent_id: id of the consent.
        at_s: unix seconds.
    """
    consent = store.find_consent(consent_id)
    return (
        consent is not None
        and consent.state is ConsentState.CONSENTED
        and at_s <= consent.valid_until
        and (consent.third_party_kind == OUTSIDE or is_department_live(store, consent.third_party))
        and is_grant_live(store, consent.grant, at_s)
    )


def passed_items(store: Store, consent_id: bytes) -> int:
    """Return the mask consent ∧ grant ∧ interface ∧ current entry; 0 where there is no consent.

    Args:
        store: the state.
        consent_id: id of the consent.
    """
    consent = store.find_consent(consent_id)
    if consent is None or consent.state is not ConsentState.CONSENTED:
        return 0
    return consent.items & effective_items(store, consent.grant)


def third_party_consented(step: Step) -> tuple[bytes, int]:
    """The provider lets the requester pass data on."""
    act = step.act
    step.require_new()
    step.require_role(step.actor, Role.OFFICER)
    grant = step.store.find_request(act.octets("grant"))
    if grant is None:
        raise step.value_invalid("grant", "is no request")
    step.require_department(step.actor, grant.provider)
    if grant.state not in IN_FORCE or grant.granted_term is None:
        raise state_invalid(f"the request is {grant.state}")
    step.require_range("third_party_kind", DEPARTMENT, OUTSIDE)
    step.require_nonzero("third_party")
    third_party = act.octets("third_party")
    if act.number("third_party_kind") == DEPARTMENT:
        step.require_value(
            "third_party",
            "is no department, or a party",
            ok=third_party not in (grant.requester, grant.provider)
            and is_department_live(step.store, third_party),
        )
    until = act.number("valid_until")
    step.require_value(
        "valid_until",
        "is past, or behind the grant's term",
        ok=step.block_time < until <= grant.granted_term.valid_until,
    )
    step.require_nonzero("items")
    items = act.number("items")
    if items & grant.granted_items != items:
        raise refuse("ITEMS_NOT_COVERED", "not all of these items were granted")
    step.require_nonzero("purpose")
    step.store.put_consent(
        Consent(
            id=step.act_id,
            grant=grant.id,
            provider=grant.provider,
            third_party=third_party,
            third_party_kind=act.number("third_party_kind"),
            items=items,
            valid_until=until,
            purpose=act.octets("purpose"),
            state=ConsentState.CONSENTED,
            revision=1,
            block_number=step.block_number,
        )
    )
    return step.act_id, 1


def third_party_revoked(step: Step) -> tuple[bytes, int]:
    """The provider takes its consent back."""
    consent = step.store.find_consent(step.act.target)
    if consent is None:
        raise refuse("TARGET_UNKNOWN", "this consent does not exist")
    step.require_revision(consent.revision)
    step.require_role(step.actor, Role.OFFICER, consent.provider)
    if consent.state is not ConsentState.CONSENTED:
        raise state_invalid("the consent is revoked")
    step.require_nonzero("reason")
    revoked = replace(
        consent,
        state=ConsentState.REVOKED,
        revision=consent.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_consent(revoked)
    return revoked.id, revoked.revision


THIRD_PARTY_RULES: dict[str, Rule] = {
    "ThirdPartyConsented": third_party_consented,
    "ThirdPartyRevoked": third_party_revoked,
}
