"""Random acts on the sharing chain, legal and illegal, drive contracts and model alike.

After each step the two say the same, and the integrity that docs/protocol.md promises across the
chains holds: no access outside a live grant, no grant without a live interface, granted items
within the interface's and the entry's.
"""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from crypto.errors import LedgerError, ProtocolError
from ledger.chain.artifacts import decode_revert
from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import ACT_TYPES, BY_NAME, ActType
from protocol.model import (
    CorrectionState,
    DisputeState,
    MemoryStore,
    PublishedYears,
    RequestState,
    effective_items,
    grant_problem,
    is_grant_live,
    is_interface_live,
)
from protocol.model.requests import IN_FORCE
from protocol.model.sharing_clocks import answer_due, lateness, provide_due
from protocol.model.third_party_rules import is_consent_live, passed_items
from tests.contracts.city import AUTHORITY, City, digest, key
from tests.contracts.integrity import verify_integrity
from tests.contracts.machine import DAY_S, Machine, run_machine
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared

SHARING = tuple(a for a in ACT_TYPES if a.code >> 12 == 3)
#: What moves the sharing chain from outside.
OUTSIDE = (
    "EntrySubmitted",
    "EntryPublished",
    "EntryPublished",
    "InterfaceSuspended",
    "InterfaceResumed",
    "InterfaceResumed",
    "EntryRetired",
)
#: Where a step's act comes from, as often as they stand here.
KINDS = (
    *(4 * ("next",)),
    *(3 * ("matter",)),
    *(2 * ("after",)),
    *("any", "file", "outside", "time"),
)
#: What follows on a request: its disputes, corrections and third parties.
AFTER = tuple(a.name for a in SHARING if a.contract != "Requests")
#: What may happen next to a request; other acts are tried too.
NEXT: dict[RequestState, tuple[str, ...]] = {
    RequestState.FILED: (
        "SupplementAsked",
        "RequestExtended",
        "RequestAgreed",
        "RequestAgreed",
        "RequestRefused",
        "RequestWithdrawn",
    ),
    RequestState.SUPPLEMENT: ("RequestSupplemented", "RequestSupplemented", "RequestWithdrawn"),
    RequestState.AGREED: ("DataProvided", "GrantSuspended", "GrantRenewed", "UseReported"),
    RequestState.PROVIDED: ("GrantSuspended", "GrantRevoked", "GrantRenewed", "UseReported"),
    RequestState.SUSPENDED: ("GrantResumed", "GrantRevoked", "UseReported"),
    RequestState.REVOKED: ("DataDisposed", "UseReported"),
}
#: What may happen next to what follows on a request.
NEXT_AFTER: dict[str, tuple[str, ...]] = {
    DisputeState.NEGOTIATION: ("DisputeEscalated", "DisputeEscalated", "DisputeSettled"),
    DisputeState.AUTHORITY: ("DisputeMediated", "DisputeMediated", "DisputeSettled"),
    DisputeState.GOVERNMENT: ("DisputeDecided", "DisputeDecided", "DisputeSettled"),
    CorrectionState.FILED: ("CorrectionVerified",),
    CorrectionState.VERIFIED: ("CorrectionClosed",),
}
DISPUTED = (RequestState.REFUSED, RequestState.SUSPENDED, RequestState.REVOKED)
PEOPLE = (
    *AUTHORITY[:2],
    *(
        f"{department} {role}"
        for department in ("civil affairs", "housing")
        for role in ("head", "operator", "officer", "both")
    ),
)


def signers_of(act_type: ActType) -> list[str]:
    """Return who may sign: sides are told apart by what the description says."""
    names = []
    for wanted in act_type.signers:
        role = wanted.split()[0].lower()
        side = "housing" if "requester" in wanted else "civil affairs"
        if act_type.name in ("RequestFiled", "CorrectionFiled"):
            side = "housing"
        if act_type.name in ("DisputeMediated", "DisputeDecided"):
            role = "authority"
        if role == "the":  # the side that suspended: mostly the provider's
            role = "officer"
        names.append(AUTHORITY[0] if role == "authority" else f"{side} {role}")
    return names


class SharingMachine(Machine):
    """Contracts and model side by side."""

    def values_of(self, act_type: ActType, target: bytes, draw: st.DataObject) -> dict[str, Any]:
        """Return words that are mostly legal, with at most one spoilt."""
        city, now = self.city, self.city.now()
        asked = {"RequestFiled", "RequestSupplemented"}
        usual: dict[str, Any] = {
            "cause": 4 if "housing" in self.actor else 1,
            "extension_days": 10,
            "way": 1,
            "from_day": max(1, self.reported(target) + 1),
            "until_day": day_at(now),
            "uses": 1,
            "items": draw.draw(st.sampled_from((0b0001, 0b0011, 0b0111))),
            "valid_from": now,
            "valid_until": now + 40 * DAY_S,
            "quota": 10,
            "grant": city.ids["grant"],
            "subject": city.ids[draw.draw(st.sampled_from(("grant", "entry")))],
            "request": draw.draw(st.sampled_from(self.disputable())),
            "superior": ZERO_ID,
            "requester_steps": 1,
            "provider_steps": 1,
            "ruling": draw.draw(st.integers(1, 3)),
            "result": draw.draw(st.integers(1, 2)),
            "third_party_kind": 2,
        }
        usual["subject_kind"] = 1 if usual["subject"] == city.ids["grant"] else 2
        if act_type.name in asked:
            usual |= city.request_values(items=usual["items"])
        elif act_type.name == "EntrySubmitted":
            items = draw.draw(st.sampled_from((0b1111, 0b0110, 0b0001)))
            usual |= city.entry_values(items=items, sensitive=0)
        elif act_type.name == "RequestAgreed" and target in self.store.requests:
            request = self.store.requests[target]
            usual |= {
                "items": request.items,
                "valid_from": request.term.valid_from,
                "valid_until": request.term.valid_until,
                "quota": request.term.quota,
            }
        values: dict[str, Any] = {}
        for word in act_type.words:
            for field in word:
                values[field.name] = usual.get(field.name, digest(f"some {field.name}"))
        if act_type.name == "EntryPublished":
            values["document"] = digest("entry document")
        if act_type.name == "ThirdPartyConsented":
            until = self.store.requests[city.ids["grant"]].granted_term
            values["valid_until"] = min(now + 1000, until.valid_until if until else now)
        if values and draw.draw(st.integers(0, 7)) == 7:
            name = draw.draw(st.sampled_from(sorted(values)))
            kind = {f.name: (f.kind, f.size) for w in act_type.words for f in w}[name]
            if kind[0] == "uint":
                values[name] = draw.draw(st.sampled_from((0, 1, 2**63, 0b10000))) % 256 ** kind[1]
            elif kind[0] == "bytes":
                values[name] = draw.draw(st.sampled_from((ZERO_ID, digest("other"))))
            else:
                values[name] = ""
        return values

    def reported(self, target: bytes) -> int:
        """Return the last day that a use report covers."""
        request = self.store.requests.get(target)
        return request.reported_day if request is not None else 0

    def disputable(self) -> list[bytes]:
        """Return the requests that a dispute may be about; all while there is none."""
        requests = self.store.requests
        return [i for i, one in requests.items() if one.state in DISPUTED] or list(requests)

    def open_matters(self) -> dict[bytes, tuple[str, ...]]:
        """Return the disputes, corrections and consents that are open, and what may come next."""
        store = self.store
        matters = {
            one.id: NEXT_AFTER[one.state]
            for one in store.disputes.values()
            if one.state in NEXT_AFTER
        }
        matters |= {
            one.id: NEXT_AFTER[one.state]
            for one in store.corrections.values()
            if one.state in NEXT_AFTER
        }
        live = (
            one
            for one in store.consents.values()
            if is_consent_live(store, one.id, self.city.now())
        )
        return matters | {one.id: ("ThirdPartyRevoked",) for one in live}

    def target_of(self, act_type: ActType, draw: st.DataObject) -> bytes:
        """Return what the act is about."""
        city = self.city
        if act_type.name == "EntrySubmitted":
            return city.ids["entry"]
        if act_type.creates:
            return ZERO_ID
        known = {
            "Requests": [city.ids["filed"], city.ids["grant"], *list(self.store.requests)[-2:]],
            "Entries": [city.ids["entry"]],
            "Interfaces": [city.ids["interface"]],
            "Corrections": [*self.store.corrections, digest("none")],
            "Disputes": [*self.store.disputes, digest("none")],
            "ThirdParties": [*self.store.consents, digest("none")],
        }[act_type.contract]
        return draw.draw(st.sampled_from(known))

    @rule(draw=st.data())
    def an_act(self, draw: st.DataObject) -> None:
        """Somebody signs something, mostly those who may; or days go by."""
        kind = draw.draw(st.sampled_from(KINDS))
        if kind == "time":  # years beyond the published ones are reached too
            self.twins.pass_time(draw.draw(st.integers(1, 12)) * DAY_S)
            return
        target: bytes | None = None
        matters = self.open_matters()
        names: tuple[str, ...]
        if kind == "outside":
            names = OUTSIDE
        elif kind == "any":
            names = tuple(a.name for a in SHARING)
        elif kind == "matter" and matters:
            target = draw.draw(st.sampled_from(list(matters)))
            names = matters[target]
        elif kind == "file":
            names = ("RequestFiled",)
        elif kind in ("after", "matter"):
            names = AFTER
        else:
            target = draw.draw(st.sampled_from(sorted(self.store.requests)))
            names = NEXT.get(self.store.requests[target].state, ("RequestFiled",))
        act_type = BY_NAME[draw.draw(st.sampled_from(names))]
        signers = signers_of(act_type)
        if act_type.name == "GrantRevoked" and draw.draw(st.booleans()):
            signers = ["housing officer"]
        if draw.draw(st.integers(0, 7)) == 7:
            at = draw.draw(st.integers(0, len(signers) - 1))
            signers[at] = draw.draw(st.sampled_from(PEOPLE))
        self.actor = signers[0]
        if target is None or act_type.creates:
            target = self.target_of(act_type, draw)
        signed = self.city.sign(
            act_type.name, signers, target, **self.values_of(act_type, target, draw)
        )
        self.twins.record(signed)

    @invariant()
    def contracts_and_model_agree(self) -> None:
        """Liveness, items and clocks are the same in both."""
        city, store, now = self.city, self.store, self.city.now()
        for id_ in self.store.requests:
            self.clocks_agree(id_, day_at(now))
        for id_ in store.consents:
            live = city.read("ThirdParties", "isLive", id_, now)
            assert live == (is_consent_live(store, id_, now),)
            items = city.read("ThirdParties", "effectiveItems", id_)
            assert items == (passed_items(store, id_),)

    def clocks_agree(self, id_: bytes, day: int) -> None:
        """The views of the contract and the model's clocks say the same, or fail the same."""
        request, years = self.store.requests[id_], PublishedYears(self.store)
        try:
            late = lateness(years, request, day, supplement_stops_clock=True)
            due = answer_due(years, request, supplement_stops_clock=True) or 0
            wanted: Any = (due, provide_due(years, request) or 0, late.answer, late.provision)
        except ProtocolError as error:
            wanted = error.code
        try:
            views = (self.city.read("Requests", v, id_)[0] for v in ("answerDue", "provideDue"))
            found: Any = (*views, *self.city.read("Requests", "isLate", id_, day))
        except LedgerError as error:
            data = bytes.fromhex(str(error.details["data"])[2:])
            found = (decode_revert(data) or ("?",))[0]
        assert found == wanted

    @invariant()
    def the_chains_hold_together(self) -> None:
        """What docs/protocol.md promises across the three chains."""
        store, now = self.store, self.city.now()
        verify_integrity(self.city, store)
        for consent in store.consents.values():
            passed = passed_items(store, consent.id)
            assert passed & ~effective_items(store, consent.grant) == 0
            if is_consent_live(store, consent.id, now):
                assert is_grant_live(store, consent.grant, now)
        for dispute in store.disputes.values():
            assert (dispute.ruling is None) == (dispute.state is not DisputeState.DECIDED)
        for request in store.requests.values():
            pending = [
                d
                for d in store.disputes.values()
                if d.request == request.id and d.state is not DisputeState.DECIDED
            ]
            assert len(pending) <= 1
            interface = store.interfaces[request.interface]
            entry = store.entries[interface.entry]
            assert request.requester != request.provider == interface.department
            if request.granted_term is not None:
                assert request.granted_items & ~request.items == 0
                assert request.granted_items
            else:
                assert request.state not in (*IN_FORCE, RequestState.SUSPENDED)
            if is_grant_live(store, request.id, now):
                assert request.state in IN_FORCE
                assert is_interface_live(store, interface.id)
            served = effective_items(store, request.id)
            assert interface.current is not None
            assert entry.current is not None
            assert served & ~(request.granted_items & interface.current.items) == 0
            assert served & ~entry.current.items == 0
            problem = grant_problem(
                store,
                grant=request.id,
                key_id=key("housing operator").public_key.key_id,
                basis=request.legal_basis,
                scenario=request.scenario,
                at_s=now,
            )
            if problem is None:
                assert is_grant_live(store, request.id, now)
                assert served


def test_random_sharing(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(SharingMachine, built, replayed, examples=15, steps=25)
    recorded = {name for name, code in seen if not code}
    assert len({a.name for a in SHARING} & recorded) * 2 > len(SHARING)
    assert len({code for _, code in seen}) > 7


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_much_random_sharing(built: City, replayed: MemoryStore) -> None:
    seen = run_machine(SharingMachine, built, replayed, examples=150, steps=60)
    assert {a.name for a in SHARING} <= {name for name, code in seen if not code}
