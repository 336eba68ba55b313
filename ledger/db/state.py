"""Copies the state into a store in memory: the gateway's view of the chain."""

from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from ledger.db import models as table
from ledger.db.store.calendar import calendar_year_of
from ledger.db.store.claims import claim_of
from ledger.db.store.consents import consent_of
from ledger.db.store.corrections import correction_of
from ledger.db.store.disputes import dispute_of
from ledger.db.store.entries import entry_of, entry_version_of, refresh_of
from ledger.db.store.interfaces import interface_of, interface_version_of
from ledger.db.store.keys import certificate_of, key_of, proposal_of
from ledger.db.store.logs import anchor_of, log_of
from ledger.db.store.oversight import oversight_report_of
from ledger.db.store.registry import authority_of, department_of, person_of, successor_of
from ledger.db.store.requests import request_of
from protocol.model import MemoryStore

_HEAD_ID = 1
_BEFORE_ALL = -1


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain has been followed.

    Attributes:
        number: number of the last block that the state includes.
        hash: its hash.
        time: its time, unix seconds.
        polled_at: when the node last had no newer block than this, unix seconds.
        finding_code: code of the finding that stopped the indexer, empty while there is none.
    """

    number: int
    hash: bytes
    time: int
    polled_at: int
    finding_code: str


def find_head(connection: Connection) -> Head | None:
    """Return how far the chain has been followed, None before genesis was."""
    row = connection.execute(
        select(
            table.Head.number,
            table.Head.hash,
            table.Head.time,
            table.Head.polled_at,
            table.Head.finding_code,
        ).where(table.Head.id == _HEAD_ID)
    ).first()
    return None if row is None else Head(*row)


def load_state(connection: Connection, store: MemoryStore) -> Head | None:
    """Put the whole state into an empty store.

    Args:
        connection: connection with an open transaction, so that all reads see one snapshot
            (ledger.db.engine.read_transaction).
        store: takes the rows.

    Returns:
        The block that the state is of; None before genesis was followed.
    """
    return load_changes(connection, store, _BEFORE_ALL)


def load_changes(connection: Connection, store: MemoryStore, after_block: int) -> Head | None:
    """Put what later blocks changed into a store that holds the state of a block.

    Args:
        connection: as for load_rows.
        store: holds the state of block `after_block`.
        after_block: number of that block.

    Returns:
        The block that the state is of now. When its number is `after_block` or less, nothing was
        put, and only `polled_at` and `finding_code` may be new.
    """
    head = find_head(connection)
    if head is None or head.number <= after_block:
        return head
    with Session(connection, autoflush=False) as session:
        for authority in session.scalars(
            select(table.Authority).where(table.Authority.block_number > after_block)
        ):
            store.put_authority(authority_of(authority))
        for department in session.scalars(
            select(table.Department).where(table.Department.block_number > after_block)
        ):
            store.put_department(department_of(department))
        for person in session.scalars(
            select(table.Person).where(table.Person.block_number > after_block)
        ):
            store.put_person(person_of(person))
        for key in session.scalars(select(table.Key).where(table.Key.block_number > after_block)):
            store.put_key(key_of(key))
        _load_keys(session, store, after_block)
        for calendar_year in session.scalars(
            select(table.CalendarYear).where(table.CalendarYear.block_number > after_block)
        ):
            store.put_calendar_year(calendar_year_of(calendar_year))
        _load_catalogue(session, store, after_block)
        for request in session.scalars(
            select(table.Request).where(table.Request.block_number > after_block)
        ):
            store.put_request(request_of(request))
        _load_sharing(session, store, after_block)
        # All of them, of which there are few: a disposal raises a log's revision and leaves the
        # block of its registration as it is.
        for log in session.scalars(select(table.Log)):
            store.put_log(log_of(log))
        for anchor in session.scalars(
            select(table.Anchor)
            .where(table.Anchor.block_number > after_block)
            .order_by(table.Anchor.log, table.Anchor.size)
        ):
            store.put_anchor(anchor_of(anchor))
        for nonce in session.scalars(
            select(table.Nonce).where(table.Nonce.block_number > after_block)
        ):
            store.put_nonce(nonce.contract, nonce.key_id, nonce.nonce)
    return head


def _load_keys(session: Session, store: MemoryStore, after_block: int) -> None:
    """What belongs to keys and contracts; of the proposals of one head the newest comes last."""
    for certificate in session.scalars(
        select(table.Certificate).where(table.Certificate.block_number > after_block)
    ):
        store.put_certificate(certificate_of(certificate))
    for proposal in session.scalars(
        select(table.Proposal)
        .where(table.Proposal.block_number > after_block)
        .order_by(table.Proposal.position)
    ):
        store.put_proposal(proposal_of(proposal))
    for successor in session.scalars(
        select(table.Successor).where(table.Successor.block_number > after_block)
    ):
        store.put_successor(successor_of(successor))


def _load_catalogue(session: Session, store: MemoryStore, after_block: int) -> None:
    """Versions first: entries and interfaces hold them."""
    for entry_version in session.scalars(
        select(table.EntryVersion).where(table.EntryVersion.block_number > after_block)
    ):
        store.put_entry_version(entry_version.entry, entry_version_of(entry_version))
    for entry in session.scalars(select(table.Entry).where(table.Entry.block_number > after_block)):
        store.put_entry(
            entry_of(
                entry,
                None
                if entry.current is None
                else store.find_entry_version(entry.id, entry.current),
                None
                if entry.pending is None
                else store.find_entry_version(entry.id, entry.pending),
            )
        )
    for claim in session.scalars(select(table.Claim).where(table.Claim.block_number > after_block)):
        store.put_claim(claim_of(claim))
    for refresh in session.scalars(
        select(table.Refresh)
        .where(table.Refresh.block_number > after_block)
        .order_by(table.Refresh.position)
    ):
        store.put_refresh(refresh_of(refresh))
    for report in session.scalars(
        select(table.OversightReport).where(table.OversightReport.block_number > after_block)
    ):
        store.put_oversight_report(oversight_report_of(report))
    for version in session.scalars(
        select(table.InterfaceVersion).where(table.InterfaceVersion.block_number > after_block)
    ):
        store.put_interface_version(version.interface, interface_version_of(version))
    for row in session.scalars(
        select(table.Interface).where(table.Interface.block_number > after_block)
    ):
        store.put_interface(
            interface_of(
                row,
                None if row.current is None else store.find_interface_version(row.id, row.current),
                None if row.pending is None else store.find_interface_version(row.id, row.pending),
            )
        )


def _load_sharing(session: Session, store: MemoryStore, after_block: int) -> None:
    """Disputes in the order of their opening: the last one of a request is its newest."""
    for correction in session.scalars(
        select(table.Correction).where(table.Correction.block_number > after_block)
    ):
        store.put_correction(correction_of(correction))
    for dispute in session.scalars(
        select(table.Dispute)
        .where(table.Dispute.block_number > after_block)
        .order_by(table.Dispute.position)
    ):
        store.put_dispute(dispute_of(dispute))
    for consent in session.scalars(
        select(table.Consent).where(table.Consent.block_number > after_block)
    ):
        store.put_consent(consent_of(consent))
