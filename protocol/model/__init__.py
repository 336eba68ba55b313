"""The state of the contracts in plain Python: nouns, stores, and the acts' effects.

The indexer, the gateway, the verifier and the audit all stand on this one model.
"""

from protocol.model.apply import Applied, apply_act, apply_anchor, apply_genesis
from protocol.model.calendar import CalendarYear
from protocol.model.corrections import Correction, CorrectionState
from protocol.model.decision import (
    GRANT_PROBLEMS,
    effective_items,
    grant_problem,
    is_entry_live,
    is_grant_live,
    is_interface_live,
)
from protocol.model.disputes import Dispute, DisputeState, Ruling
from protocol.model.entries import Entry, EntryState, EntryVersion
from protocol.model.interfaces import Interface, InterfaceState, InterfaceVersion, Side
from protocol.model.logs import Anchor, Log
from protocol.model.published_years import PublishedYears
from protocol.model.registry import Authority, Department, Key, KeyState, Person
from protocol.model.requests import Clock, Request, RequestState, Term
from protocol.model.store import MemoryStore, Store
from protocol.model.third_parties import Consent, ConsentState

__all__ = [
    "GRANT_PROBLEMS",
    "Anchor",
    "Applied",
    "Authority",
    "CalendarYear",
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
    "Interface",
    "InterfaceState",
    "InterfaceVersion",
    "Key",
    "KeyState",
    "Log",
    "MemoryStore",
    "Person",
    "PublishedYears",
    "Request",
    "RequestState",
    "Ruling",
    "Side",
    "Store",
    "Term",
    "apply_act",
    "apply_anchor",
    "apply_genesis",
    "effective_items",
    "grant_problem",
    "is_entry_live",
    "is_grant_live",
    "is_interface_live",
]
