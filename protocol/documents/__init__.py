"""Public documents: entries and interfaces, and the filter that releases granted items alone."""

from protocol.documents.common import MAX_DOCUMENT_SIZE, document_digest
from protocol.documents.differences import Difference, EntrySide, find_differences
from protocol.documents.entry import (
    EntryDocument,
    EntryItem,
    basis_of,
    complete_entry,
    find_word_conflicts,
    make_entry_document,
    parse_entry_document,
    verify_entry_words,
)
from protocol.documents.entry_problems import ENTRY_TYPE, Problem, find_entry_problems
from protocol.documents.filter import filter_items
from protocol.documents.interface import (
    MAX_PATTERNS,
    InterfaceDocument,
    parse_interface_document,
)
from protocol.documents.terms import ENTRY_TERMS, ITEM_TYPES, WORD_CHOICES

__all__ = [
    "ENTRY_TERMS",
    "ENTRY_TYPE",
    "ITEM_TYPES",
    "MAX_DOCUMENT_SIZE",
    "MAX_PATTERNS",
    "WORD_CHOICES",
    "Difference",
    "EntryDocument",
    "EntryItem",
    "EntrySide",
    "InterfaceDocument",
    "Problem",
    "basis_of",
    "complete_entry",
    "document_digest",
    "filter_items",
    "find_differences",
    "find_entry_problems",
    "find_word_conflicts",
    "make_entry_document",
    "parse_entry_document",
    "parse_interface_document",
    "verify_entry_words",
]
