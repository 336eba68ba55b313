"""Public documents that an act names: they must be at hand and say what the act says."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError, RequestRefused
from ledger.db import models as table
from ledger.search import index_document
from protocol.acts import Act
from protocol.documents import (
    MAX_DOCUMENT_SIZE,
    EntryDocument,
    document_digest,
    parse_entry_document,
    parse_interface_document,
    verify_entry_words,
)

MAX_DOCUMENTS = 4


@dataclass(frozen=True, slots=True)
class Described:
    """A document and what lists show of it.

    Attributes:
        digest: 32-byte SM3 of the bytes.
        kind: entry, interface or other.
        title: name of the entry, title of the interface, or empty.
        data: canonical bytes.
    """

    digest: bytes
    kind: str
    title: str
    data: bytes


def describe(data: bytes) -> Described:
    """Say what a document is; one that is neither entry nor interface is other."""
    digest = document_digest(data)
    try:
        return Described(digest, "entry", _title(parse_entry_document(data).name), data)
    except ProtocolError:
        pass
    try:
        return Described(digest, "interface", _title(parse_interface_document(data).title), data)
    except ProtocolError:
        return Described(digest, "other", "", data)


def keep_document(session: Session, document: Described, block_number: int | None) -> None:
    """Store a document with its place in the search index.

    Args:
        session: session of a write transaction.
        document: the document.
        block_number: block from which on all of it stands on the chain; None before.
    """
    session.merge(
        table.Document(
            digest=document.digest,
            kind=document.kind,
            title=document.title,
            data=document.data,
            block_number=block_number,
        )
    )
    session.flush()
    if document.kind == "entry":
        index_document(session.connection(), document.digest, document.data)


def _title(text: str) -> str:
    """Return what lists show; PostgreSQL's text holds no NUL, and no line belongs in a title."""
    return "".join(c for c in text[:256] if c >= " " and c != "\x7f")


def find_named_digest(act: Act) -> bytes | None:
    """Return the digest of the document that an act brings, None where it brings none."""
    if act.type.name in ("EntrySubmitted", "InterfaceRegistered"):
        return act.octets("document")
    return None


def check_documents(session: Session, act: Act, documents: Sequence[bytes]) -> Described | None:
    """Check the document that an act brings against the act's own words.

    Args:
        session: a session of the ledger's database.
        act: the act.
        documents: documents handed in with it.

    Returns:
        The document when it was handed in and is not stored yet.

    Raises:
        RequestRefused: DOCUMENT_COUNT, DOCUMENT_UNEXPECTED, DOCUMENT_MISSING, DOCUMENT_DIFFERS.
        ProtocolError: DOCUMENT_MALFORMED, SCHEMA_NOT_COVERING, SCHEMA_UNSUPPORTED.
    """
    if len(documents) > MAX_DOCUMENTS:
        raise RequestRefused(
            "DOCUMENT_COUNT", f"an act comes with at most {MAX_DOCUMENTS} documents"
        )
    if any(len(data) > MAX_DOCUMENT_SIZE for data in documents):
        raise ProtocolError("DOCUMENT_MALFORMED", "a document is at most 64 KiB")
    supplied = {document_digest(data): data for data in documents}
    named = find_named_digest(act)
    if set(supplied) - {named}:
        raise RequestRefused("DOCUMENT_UNEXPECTED", "the act does not name this document")
    if named is None:
        return None
    known = session.scalars(
        select(table.Document.data).where(table.Document.digest == named)
    ).first()
    data = supplied.get(named) if known is None else known
    if data is None:
        raise RequestRefused(
            "DOCUMENT_MISSING", "the document that the act names must come with it"
        )
    title = _compare(session, act, data)
    if known is not None:
        return None
    kind = "entry" if act.type.name == "EntrySubmitted" else "interface"
    return Described(named, kind, title, data)


def _compare(session: Session, act: Act, data: bytes) -> str:
    if act.type.name == "EntrySubmitted":
        entry = parse_entry_document(data)
        verify_entry_words(entry, act.values)
        _verify_credit_code(session, act, entry)
        return _title(entry.name)
    interface = parse_interface_document(data)
    if interface.mask != act.number("items"):
        raise _differs("items", "the document maps other items")
    return _title(interface.title)


def _verify_credit_code(session: Session, act: Act, entry: EntryDocument) -> None:
    """Check that the document does not name another department's credit code."""
    stated = entry.members["provider_uscc"]
    registered = session.scalar(
        select(table.Department.uscc)
        .join(table.Person, table.Person.department == table.Department.id)
        .join(table.Key, table.Key.person == table.Person.id)
        .where(table.Key.id == act.key_id)
    )
    if stated and registered and stated != registered:
        raise _differs("provider_uscc", "the department is registered with another code")


def _differs(field: str, text: str) -> RequestRefused:
    return RequestRefused(
        "DOCUMENT_DIFFERS", f"the document and the act disagree: {text}", field=field
    )
