"""Tables. Ids and digests are bytes; times are unix seconds.

Three kinds: what only this database knows (outbox, transactions, cosignatures: carried over by a
rebuild), what the chain said (blocks, events, pieces), and the state that follows from it (one
table per noun of protocol.model). A state row carries the block that changed it last and
``position``, the place of the event that created it, by which lists are paged.
"""

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ledger.db.types import Uint64, Uint256, Uint512

#: Position of a created row: block number times this, plus the index of the event in its block.
EVENTS_PER_BLOCK = 1 << 20


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {int: BigInteger, bytes: LargeBinary, str: Text}


# --- what only this database knows -----------------------------------------------------------


class OutboxAct(Base):
    """An act that the platform acknowledged."""

    __tablename__ = "outbox_acts"
    __table_args__ = (
        Index(None, "status", "sequence"),
        Index(None, "contract", "key_id", "status"),
        Index(None, "target"),
    )

    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    act_id: Mapped[bytes] = mapped_column(unique=True)
    data: Mapped[bytes]
    signatures: Mapped[bytes]
    type_code: Mapped[int]
    contract: Mapped[str] = mapped_column(String(32))
    key_id: Mapped[bytes]
    nonce: Mapped[int]
    target: Mapped[bytes]
    status: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[int]
    error_code: Mapped[str | None] = mapped_column(String(64))
    transaction_hash: Mapped[bytes | None]
    block_number: Mapped[int | None]


class RelayTransaction(Base):
    """A raw transaction, stored before it is sent."""

    __tablename__ = "transactions"
    __table_args__ = (Index(None, "status", "nonce"), Index(None, "act_id"))

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    sender: Mapped[bytes]
    nonce: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    act_id: Mapped[bytes | None]
    digest: Mapped[bytes | None]
    raw: Mapped[bytes]
    status: Mapped[str] = mapped_column(String(8))
    block_number: Mapped[int | None]


class BlockCosignature(Base):
    """A witness's signature on a block."""

    __tablename__ = "block_cosignatures"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[bytes] = mapped_column(primary_key=True)
    hash: Mapped[bytes]
    time: Mapped[int]
    signature: Mapped[bytes]


class CheckpointCosignature(Base):
    """A witness's signature line on a checkpoint of a log."""

    __tablename__ = "checkpoint_cosignatures"

    log: Mapped[bytes] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(Uint64, primary_key=True)
    key_id: Mapped[bytes] = mapped_column(primary_key=True)
    root: Mapped[bytes]
    time: Mapped[int]
    line: Mapped[str]


class Head(Base):
    """The one row that says how far the chain has been followed."""

    __tablename__ = "head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    hash: Mapped[bytes]
    time: Mapped[int]
    polled_at: Mapped[int]
    #: Grows whenever an act leaves the queue; tells caches of the queue that they are old.
    outbox_epoch: Mapped[int] = mapped_column(default=0)
    #: Finding that stopped the indexer, empty while there is none.
    finding_code: Mapped[str] = mapped_column(String(64), default="")
    finding: Mapped[str] = mapped_column(default="")


# --- what the chain said ---------------------------------------------------------------------


class Block(Base):
    """A block that was followed."""

    __tablename__ = "blocks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(unique=True)
    parent_hash: Mapped[bytes]
    time: Mapped[int]


class Event(Base):
    """An act that a contract accepted."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("block_number", "log_index"),
        Index(None, "position", "act_id"),
        Index(None, "target", "position", "act_id"),
        Index(None, "key_id", "position", "act_id"),
    )

    act_id: Mapped[bytes] = mapped_column(primary_key=True)
    block_number: Mapped[int] = mapped_column(ForeignKey("blocks.number"))
    transaction_index: Mapped[int]
    log_index: Mapped[int]
    transaction_hash: Mapped[bytes]
    type_code: Mapped[int]
    contract: Mapped[str] = mapped_column(String(32))
    key_id: Mapped[bytes]
    target: Mapped[bytes]
    revision: Mapped[int]
    data: Mapped[bytes]
    signatures: Mapped[bytes]
    position: Mapped[int]


class Document(Base):
    """A public document; ``block_number`` is set once all of it stands on the chain."""

    __tablename__ = "documents"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str]
    data: Mapped[bytes]
    block_number: Mapped[int | None]


class DocumentPiece(Base):
    """Newest piece seen for each place of a document that is not complete yet."""

    __tablename__ = "document_pieces"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    piece: Mapped[bytes]
    block_number: Mapped[int]


class DocumentText(Base):
    """What a search compares of an entry document; it follows from the document alone."""

    __tablename__ = "document_texts"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    category: Mapped[int] = mapped_column(Integer)
    name: Mapped[str]
    text: Mapped[str]


class DocumentGram(Base):
    """Two adjacent characters of an entry document's text, or one of its characters."""

    __tablename__ = "document_grams"
    __table_args__ = ({"sqlite_with_rowid": False},)

    gram: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)


# --- the state that follows ------------------------------------------------------------------


class Authority(Base):
    """The authority's department and its persons' threshold: one row."""

    __tablename__ = "authority"

    department: Mapped[bytes] = mapped_column(primary_key=True)
    threshold: Mapped[int]
    persons: Mapped[int]
    active_keys: Mapped[int]
    replacement_delay_s: Mapped[int]
    block_number: Mapped[int]


class Department(Base):
    """A department."""

    __tablename__ = "departments"
    __table_args__ = (Index(None, "position", "id"), Index(None, "block_number"))

    id: Mapped[bytes] = mapped_column(primary_key=True)
    level: Mapped[int]
    kind: Mapped[int]
    region: Mapped[int]
    parent: Mapped[bytes]
    uscc: Mapped[str]
    uscc_override: Mapped[int]
    name: Mapped[str]
    #: 0 while it has not ended.
    ended_day: Mapped[int]
    successor: Mapped[bytes]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Person(Base):
    """A person."""

    __tablename__ = "persons"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "department"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    department: Mapped[bytes]
    roles: Mapped[int]
    revision: Mapped[int]
    generation: Mapped[int]
    has_active_key: Mapped[bool] = mapped_column(Boolean)
    block_number: Mapped[int]
    position: Mapped[int]


class Key(Base):
    """A person's key."""

    __tablename__ = "keys"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "person"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    public_key: Mapped[bytes]
    person: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    reason_code: Mapped[int] = mapped_column(Uint256)
    valid_until: Mapped[int] = mapped_column(Uint64)
    certificate_until: Mapped[int] = mapped_column(Uint64)
    generation: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class CalendarYear(Base):
    """The working days of a year."""

    __tablename__ = "calendar_years"
    __table_args__ = (Index(None, "position", "id"), Index(None, "block_number"))

    id: Mapped[bytes] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(unique=True)
    working_days: Mapped[int] = mapped_column(Uint512)
    source: Mapped[bytes]
    reason: Mapped[bytes]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Certificate(Base):
    """The certificate that a key is bound to."""

    __tablename__ = "certificates"
    __table_args__ = (Index(None, "block_number"),)

    key_id: Mapped[bytes] = mapped_column(primary_key=True)
    issuer: Mapped[bytes]
    serial: Mapped[int] = mapped_column(Uint256)
    certificate: Mapped[bytes]
    not_after: Mapped[int] = mapped_column(Uint64)
    act_id: Mapped[bytes]
    block_number: Mapped[int]


class Proposal(Base):
    """A key that is to replace all keys of a head."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "person"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    person: Mapped[bytes]
    public_key: Mapped[bytes]
    valid_until: Mapped[int] = mapped_column(Uint64)
    reason_code: Mapped[int]
    proposed_at: Mapped[int]
    ready_at: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    generation: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Successor(Base):
    """The contract that follows one of this deployment."""

    __tablename__ = "successors"
    __table_args__ = (Index(None, "block_number"),)

    contract: Mapped[bytes] = mapped_column(primary_key=True)
    successor: Mapped[bytes]
    act_id: Mapped[bytes]
    block_number: Mapped[int]


class Entry(Base):
    """A catalogue entry."""

    __tablename__ = "entries"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "department"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    department: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    current: Mapped[int | None]
    pending: Mapped[int | None]
    change_day: Mapped[int]
    extended_day: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class EntryVersion(Base):
    """A version of an entry."""

    __tablename__ = "entry_versions"
    __table_args__ = (Index(None, "document"), Index(None, "block_number"))

    entry: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sharing_class: Mapped[int]
    library: Mapped[int]
    update_cycle: Mapped[int]
    openness: Mapped[int]
    mode: Mapped[int]
    grading: Mapped[int]
    items: Mapped[int] = mapped_column(Uint256)
    sensitive: Mapped[int] = mapped_column(Uint256)
    document: Mapped[bytes]
    secrecy_assessment: Mapped[bytes]
    privacy_assessment: Mapped[bytes]
    basis: Mapped[bytes]
    submitted_day: Mapped[int]
    published_day: Mapped[int]
    returned_day: Mapped[int]
    returned_reason: Mapped[bytes]
    change_day: Mapped[int]
    extended_day: Mapped[int]
    act_id: Mapped[bytes]
    block_number: Mapped[int]


class Claim(Base):
    """A department's claim to be the source of a data element."""

    __tablename__ = "claims"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "element"),
        Index(None, "entry"),
        Index(None, "department"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    element: Mapped[bytes]
    entry: Mapped[bytes]
    item: Mapped[int]
    department: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class OversightReport(Base):
    """A chief data officer's report on a period."""

    __tablename__ = "oversight_reports"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "department"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    department: Mapped[bytes]
    person: Mapped[bytes]
    from_day: Mapped[int]
    until_day: Mapped[int]
    report_kind: Mapped[int]
    report_digest: Mapped[bytes]
    findings: Mapped[bytes]
    day: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Refresh(Base):
    """A statement that an entry's data was refreshed."""

    __tablename__ = "refreshes"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "entry", "position"),
        Index(None, "department"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    entry: Mapped[bytes]
    department: Mapped[bytes]
    from_day: Mapped[int]
    until_day: Mapped[int]
    rows: Mapped[int] = mapped_column(Uint64)
    day: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Interface(Base):
    """An interface."""

    __tablename__ = "interfaces"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "department"),
        Index(None, "entry"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    department: Mapped[bytes]
    entry: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    current: Mapped[int | None]
    pending: Mapped[int | None]
    suspended_by: Mapped[str | None] = mapped_column(String(16))
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class InterfaceVersion(Base):
    """A version of an interface."""

    __tablename__ = "interface_versions"
    __table_args__ = (Index(None, "document"), Index(None, "block_number"))

    interface: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry_version: Mapped[int]
    rate_per_minute: Mapped[int]
    max_rows: Mapped[int]
    items: Mapped[int] = mapped_column(Uint256)
    document: Mapped[bytes]
    node: Mapped[str]
    test_result: Mapped[int]
    test_log: Mapped[bytes]
    test_report: Mapped[bytes]
    act_id: Mapped[bytes]
    block_number: Mapped[int]


class Request(Base):
    """A share request with its grant."""

    __tablename__ = "requests"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "requester"),
        Index(None, "provider"),
        Index(None, "interface"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    requester: Mapped[bytes]
    provider: Mapped[bytes]
    interface: Mapped[bytes]
    interface_version: Mapped[int]
    way: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    items: Mapped[int] = mapped_column(Uint256)
    valid_from: Mapped[int] = mapped_column(Uint64)
    valid_until: Mapped[int] = mapped_column(Uint64)
    quota: Mapped[int] = mapped_column(Uint64)
    legal_basis: Mapped[str]
    scenario: Mapped[str]
    case: Mapped[bytes]
    granted_items: Mapped[int] = mapped_column(Uint256)
    granted_valid_from: Mapped[int | None] = mapped_column(Uint64)
    granted_valid_until: Mapped[int | None] = mapped_column(Uint64)
    granted_quota: Mapped[int | None] = mapped_column(Uint64)
    suspended_by: Mapped[str | None] = mapped_column(String(16))
    answer_days: Mapped[int]
    extension_days: Mapped[int]
    filed_day: Mapped[int]
    asked_day: Mapped[int]
    supplemented_day: Mapped[int]
    extended_day: Mapped[int]
    answered_day: Mapped[int]
    provision_day: Mapped[int]
    reported_day: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Correction(Base):
    """A correction of data."""

    __tablename__ = "corrections"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "requester"),
        Index(None, "provider"),
        Index(None, "subject"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    requester: Mapped[bytes]
    provider: Mapped[bytes]
    subject: Mapped[bytes]
    subject_kind: Mapped[int]
    items: Mapped[int] = mapped_column(Uint256)
    errors: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    filed_day: Mapped[int]
    closed_day: Mapped[int]
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Dispute(Base):
    """A dispute over a request or grant."""

    __tablename__ = "disputes"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "request", "position"),
        Index(None, "requester"),
        Index(None, "provider"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    request: Mapped[bytes]
    requester: Mapped[bytes]
    provider: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    superior: Mapped[bytes]
    ruling: Mapped[str | None] = mapped_column(String(16))
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Consent(Base):
    """A consent that data are passed on to a third party."""

    __tablename__ = "consents"
    __table_args__ = (
        Index(None, "position", "id"),
        Index(None, "grant"),
        Index(None, "provider"),
        Index(None, "block_number"),
    )

    id: Mapped[bytes] = mapped_column(primary_key=True)
    grant: Mapped[bytes]
    provider: Mapped[bytes]
    third_party: Mapped[bytes]
    third_party_kind: Mapped[int]
    items: Mapped[int] = mapped_column(Uint256)
    valid_until: Mapped[int] = mapped_column(Uint64)
    purpose: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Log(Base):
    """An access log."""

    __tablename__ = "logs"
    __table_args__ = (Index(None, "position", "id"), Index(None, "block_number"))

    id: Mapped[bytes] = mapped_column(primary_key=True)
    gateway_key: Mapped[bytes]
    origin: Mapped[str] = mapped_column(unique=True)
    revision: Mapped[int]
    block_number: Mapped[int]
    position: Mapped[int]


class Anchor(Base):
    """A checkpoint of a log on the chain."""

    __tablename__ = "anchors"
    __table_args__ = (Index(None, "block_number"),)

    log: Mapped[bytes] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(Uint64, primary_key=True)
    root: Mapped[bytes]
    signature: Mapped[bytes]
    block_number: Mapped[int]
    block_time: Mapped[int]
    transaction_hash: Mapped[bytes]


class Nonce(Base):
    """Number of acts of a key that a contract accepted."""

    __tablename__ = "nonces"
    __table_args__ = (Index(None, "block_number"),)

    contract: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_id: Mapped[bytes] = mapped_column(primary_key=True)
    nonce: Mapped[int]
    block_number: Mapped[int]
