"""The model's state in the tables, one module for each subject: the indexer applies acts to it."""

from ledger.db.store.calendar import CalendarRows
from ledger.db.store.claims import ClaimRows
from ledger.db.store.consents import ConsentRows
from ledger.db.store.corrections import CorrectionRows
from ledger.db.store.disputes import DisputeRows
from ledger.db.store.entries import EntryRows
from ledger.db.store.interfaces import InterfaceRows
from ledger.db.store.keys import KeyRows
from ledger.db.store.logs import LogRows
from ledger.db.store.oversight import OversightRows
from ledger.db.store.registry import RegistryRows
from ledger.db.store.requests import RequestRows


class SqlStore(
    RegistryRows,
    KeyRows,
    CalendarRows,
    EntryRows,
    ClaimRows,
    OversightRows,
    InterfaceRows,
    RequestRows,
    CorrectionRows,
    DisputeRows,
    ConsentRows,
    LogRows,
):
    """The model's store in a database session; new rows get the position of the current event."""
