"""The state of the contracts in plain Python: nouns, stores, and the acts' effects.

The indexer, the gateway, the verifier and the audit all stand on this one model.
"""

from protocol.model.apply import (
    MAX_REPLACEMENT_DELAY_S,
    Applied,
    apply_act,
    apply_anchor,
    apply_genesis,
)
from protocol.model.calendar import CalendarYear
from protocol.model.claims import Claim, ClaimState
from protocol.model.clocks import (
    change_due,
    is_fresh,
    is_review_late,
    is_update_late,
    review_due,
    update_due,
)
from protocol.model.corrections import Correction, CorrectionState
from protocol.model.decision import (
    GRANT_PROBLEMS,
    effective_items,
    find_source,
    grant_problem,
    is_claim_live,
    is_entry_live,
    is_grant_live,
    is_interface_live,
)
from protocol.model.disputes import Dispute, DisputeState, Ruling
from protocol.model.entries import Entry, EntryState, EntryVersion
from protocol.model.interfaces import Interface, InterfaceState, InterfaceVersion, Side
from protocol.model.keys import key_problem
from protocol.model.logs import Anchor, Log
from protocol.model.oversight import OversightReport
from protocol.model.published_years import PublishedYears
from protocol.model.refreshes import Refresh
from protocol.model.registry import (
    REPLACEMENT_WINDOW_S,
    Authority,
    CertificateBinding,
    Department,
    HeadKeyProposal,
    Key,
    KeyState,
    Person,
    ProposalState,
    Successor,
    is_department_live,
    proposal_state,
    state_of,
)
from protocol.model.requests import Clock, Request, RequestState, Term
from protocol.model.store import MemoryStore, Store
from protocol.model.third_parties import Consent, ConsentState

__all__ = [
    "GRANT_PROBLEMS",
    "MAX_REPLACEMENT_DELAY_S",
    "REPLACEMENT_WINDOW_S",
    "Anchor",
    "Applied",
    "Authority",
    "CalendarYear",
    "CertificateBinding",
    "Claim",
    "ClaimState",
    "Clock",
    "Consent",
    "ConsentState",
    "Correction",
    "CorrectionState",
    "Department",
    "Dispute",
    "DisputeState",
    "Entry",
    "EntryState",
    "EntryVersion",
    "HeadKeyProposal",
    "Interface",
    "InterfaceState",
    "InterfaceVersion",
    "Key",
    "KeyState",
    "Log",
    "MemoryStore",
    "OversightReport",
    "Person",
    "ProposalState",
    "PublishedYears",
    "Refresh",
    "Request",
    "RequestState",
    "Ruling",
    "Side",
    "Store",
    "Successor",
    "Term",
    "apply_act",
    "apply_anchor",
    "apply_genesis",
    "change_due",
    "effective_items",
    "find_source",
    "grant_problem",
    "is_claim_live",
    "is_department_live",
    "is_entry_live",
    "is_fresh",
    "is_grant_live",
    "is_interface_live",
    "is_review_late",
    "is_update_late",
    "key_problem",
    "proposal_state",
    "review_due",
    "state_of",
    "update_due",
]
