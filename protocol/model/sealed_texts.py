"""Which words of an act commit to sealed texts, and who the parties to these are.

A sealed text stands under its commitment SM3(salt ‖ text) in a word of an act (docs/protocol.md,
1 and 5.2). Its parties are departments. They follow from the act and from the record that it
creates or changes; nothing that is not on the chain counts. A party to one record is none to
another, even where both name the same commitment.
"""

from collections.abc import Callable, Mapping

from protocol.acts import ZERO_ID, Act, act_id
from protocol.model.dispute_rules import CITY
from protocol.model.disputes import Dispute, DisputeState, Ruling
from protocol.model.store import Store

#: A consent names a department, not someone outside the ledger.
_THIRD_PARTY_DEPARTMENT = 1

#: By act type, the words that commit to sealed texts. A test's report is a record of its gateway
#: and ``third_party`` may be an id: neither is here.
SEALED_WORDS: Mapping[str, tuple[str, ...]] = {
    "DepartmentChanged": ("reason",),
    "DepartmentEnded": ("reason",),
    "CalendarCorrected": ("reason",),
    "OversightReported": ("findings",),
    "EntrySubmitted": ("secrecy_assessment", "privacy_assessment"),
    "EntryRetired": ("reason",),
    "EntryReturned": ("reason",),
    "ChangeNoted": ("reason",),
    "UpdateExtended": ("reason",),
    "ElementReleased": ("reason",),
    "ConflictDecided": ("reason",),
    "InterfaceSuspended": ("reason",),
    "InterfaceRetired": ("reason",),
    "RequestFiled": ("case",),
    "RequestRefused": ("reason",),
    "GrantSuspended": ("reason",),
    "GrantRevoked": ("reason",),
    "SupplementAsked": ("missing",),
    "RequestSupplemented": ("case",),
    "RequestExtended": ("reason",),
    "GrantRenewed": ("case",),
    "UseReported": ("report",),
    "DataDisposed": ("disposal",),
    "CorrectionFiled": ("errors",),
    "CorrectionVerified": ("finding",),
    "CorrectionClosed": ("report",),
    "DisputeOpened": ("statement",),
    "DisputeSettled": ("terms",),
    "DisputeEscalated": ("statement",),
    "DisputeMediated": ("proposal",),
    "DisputeDecided": ("decision",),
    "ThirdPartyConsented": ("purpose",),
    "ThirdPartyRevoked": ("reason",),
}


def sealed_commitments(act: Act) -> dict[str, bytes]:
    """Return what the act commits to: commitments of 32 bytes by name of their word.

    A word of zeros commits to nothing and is left out.
    """
    words = {name: act.octets(name) for name in SEALED_WORDS.get(act.type.name, ())}
    return {name: value for name, value in words.items() if value != ZERO_ID}


def sealed_parties(store: Store, act: Act) -> frozenset[bytes]:
    """Return the departments that are parties to the sealed texts of an act.

    Args:
        store: the state with the act in it; whether it was taken is for the caller to know.
        act: the act.

    Returns:
        Ids of departments; none when the act has no sealed text, or its record or its first
        signer is not in the store.

    Standard:
        Order 809 Art 17, 21, 25-29.
    """
    rule = _RULES.get(act.type.contract)
    if rule is None or not sealed_commitments(act):
        return frozenset()
    target = act_id(act) if act.target == ZERO_ID else act.target
    parties = rule(store, act, target)
    if not parties:
        return frozenset()
    # Who signed it first knows the text: a mediator, or the authority where it suspends.
    key = store.find_key(act.key_id)
    person = None if key is None else store.find_person(key.person)
    if person is None:
        return frozenset()
    return frozenset({*parties, person.department}) - {ZERO_ID}


def _authority(store: Store) -> set[bytes]:
    authority = store.find_authority()
    return set() if authority is None else {authority.department}


def _department(store: Store, _act: Act, target: bytes) -> set[bytes]:
    department = store.find_department(target)
    return set() if department is None else {target, *_authority(store)}


def _oversight(store: Store, _act: Act, _target: bytes) -> set[bytes]:
    """The authority, beside the officer's own department (Art 38-41)."""
    return _authority(store)


def _calendar(store: Store, _act: Act, target: bytes) -> set[bytes]:
    return set() if store.find_calendar_publication(target) is None else _authority(store)


def _entry(store: Store, _act: Act, target: bytes) -> set[bytes]:
    """The authority reviews what the provider submits (Art 16-17)."""
    entry = store.find_entry(target)
    return set() if entry is None else {entry.department, *_authority(store)}


def _claim(store: Store, act: Act, target: bytes) -> set[bytes]:
    """The authority decides between the claimant and the department that it names."""
    claim = store.find_claim(target)
    if claim is None:
        return set()
    named = {act.octets("source_department")} if act.type.name == "ConflictDecided" else set()
    return {claim.department, *named, *_authority(store)}


def _interface(store: Store, _act: Act, target: bytes) -> set[bytes]:
    interface = store.find_interface(target)
    return set() if interface is None else {interface.department, *_authority(store)}


def _request(store: Store, _act: Act, target: bytes) -> set[bytes]:
    """Records of scenario, process and disposal are readable by authority and provider (Art 29)."""
    request = store.find_request(target)
    if request is None:
        return set()
    return {request.requester, request.provider, *_authority(store)}


def _correction(store: Store, _act: Act, target: bytes) -> set[bytes]:
    """Errors in data are between requester and provider (Art 26)."""
    correction = store.find_correction(target)
    return set() if correction is None else {correction.requester, correction.provider}


def _dispute(store: Store, _act: Act, target: bytes) -> set[bytes]:
    """Those who negotiate; once it is escalated also those who mediate and decide (Art 28)."""
    dispute = store.find_dispute(target)
    if dispute is None:
        return set()
    return {dispute.requester, dispute.provider, *_judges(store, dispute)}


def _judges(store: Store, dispute: Dispute) -> set[bytes]:
    if dispute.superior == ZERO_ID:
        # Without a superior, a settled dispute does not tell whether it was escalated before.
        open_above = dispute.state in (DisputeState.AUTHORITY, DisputeState.GOVERNMENT)
        ruled = dispute.ruling not in (None, Ruling.SETTLED)
        return _authority(store) if open_above or ruled else set()
    superior = store.find_department(dispute.superior)
    # Where the superior has ended the authority stands in for it.
    stands_in = superior is None or superior.level >= CITY or superior.ended_day
    return {dispute.superior, *(_authority(store) if stands_in else ())}


def _consent(store: Store, _act: Act, target: bytes) -> set[bytes]:
    """Provider, requester, and the third party where it is a department (Art 25)."""
    consent = store.find_consent(target)
    grant = None if consent is None else store.find_request(consent.grant)
    if consent is None or grant is None:
        return set()
    department = consent.third_party_kind == _THIRD_PARTY_DEPARTMENT
    third = {consent.third_party} if department else set()
    return {consent.provider, grant.requester, *third}


_RULES: Mapping[str, Callable[[Store, Act, bytes], set[bytes]]] = {
    "Registry": _department,
    "Oversight": _oversight,
    "Calendar": _calendar,
    "Entries": _entry,
    "Elements": _claim,
    "Interfaces": _interface,
    "Requests": _request,
    "Corrections": _correction,
    "Disputes": _dispute,
    "ThirdParties": _consent,
}
