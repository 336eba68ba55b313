"""Accepts signed acts: checked, durable, then acknowledged (docs/protocol.md, 3.6)."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError, ProtocolError, RequestRefused
from crypto.sm2 import Signature, Signer
from ledger.db import models as table
from ledger.db.engine import read_transaction, write_transaction
from ledger.db.packing import pack_signatures, unpack_signatures
from ledger.db.store import SqlStore
from ledger.outbox.documents import Described, check_documents, keep_document
from ledger.outbox.overlay import OverlayStore
from protocol.acknowledgement import sign_acknowledgement
from protocol.acts import MAX_SIGNATURES, ZERO_ID, Act, ActSignature, SignedAct
from protocol.deployment import Deployment
from protocol.description import ACT_TYPES, BY_CODE
from protocol.example_keys import refuse_example_key
from protocol.model import apply_act

MAX_QUEUED = 1000
MAX_QUEUED_PER_KEY = 64
_MAX_TRIES = 16
_WAITING = ("queued", "sent")
_ACT_CONTRACTS = frozenset(act_type.contract for act_type in ACT_TYPES)

_TARGETS: tuple[tuple[str, type[table.Base]], ...] = (
    ("department", table.Department),
    ("person", table.Person),
    ("key", table.Key),
    ("calendar_year", table.CalendarYear),
    ("entry", table.Entry),
    ("claim", table.Claim),
    ("refresh", table.Refresh),
    ("oversight_report", table.OversightReport),
    ("interface", table.Interface),
    ("request", table.Request),
    ("log", table.Log),
    ("correction", table.Correction),
    ("dispute", table.Dispute),
    ("consent", table.Consent),
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Answer to an act that is durable here.

    Attributes:
        act_id: 32-byte id of the act.
        status: queued, sent, recorded, refused or sign_again.
        received_at: unix seconds of the first receipt.
        acknowledgement: the platform's signature on act id and time (protocol 3.6).
    """

    act_id: bytes
    status: str
    received_at: int
    acknowledgement: Signature


@dataclass(frozen=True, slots=True)
class ActStatus:
    """What is known of an act.

    Attributes:
        act_id: 32-byte id of the act.
        type: name of its act type.
        contract: name of its contract.
        key_id: the actor's key.
        nonce: nonce of the act.
        target: id of what it acts on; the act's own id where it creates something.
        data: bytes of the act.
        signatures: signatures of the act.
        status: queued, sent, recorded, refused or sign_again.
        received_at: unix seconds of receipt here; None when it came by another way.
        transaction_hash: transaction that carries it, once sent.
        block_number: block that records it, once recorded.
        revision: new revision of the target, once recorded.
        error_code: why it was refused, or must be signed again.
    """

    act_id: bytes
    type: str
    contract: str
    key_id: bytes
    nonce: int
    target: bytes
    data: bytes
    signatures: tuple[ActSignature, ...]
    status: str
    received_at: int | None
    transaction_hash: bytes | None
    block_number: int | None
    revision: int | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What an act may name as its target.

    Attributes:
        id: its id.
        kind: department, person, key, calendar_year, entry, claim, refresh, oversight_report,
            interface, request, log, correction, dispute or consent.
        revision: revision that the next act must name.
    """

    id: bytes
    kind: str
    revision: int


class Outbox:
    """The queue of acts in front of the chain; one process writes it."""

    def __init__(
        self,
        engine: Engine,
        deployment: Deployment,
        platform_key: Signer,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the service.

        Args:
            engine: the ledger's database, upgraded.
            deployment: chain id and contracts.
            platform_key: key that signs acknowledgements.
            clock: unix time in seconds.
        """
        self._engine = engine
        self._deployment = deployment
        self._platform_key = platform_key
        self._clock = clock
        self._lock = threading.Lock()
        self._overlay: tuple[_Moment, OverlayStore] | None = None

    def accept(
        self,
        data: bytes,
        signatures: Sequence[ActSignature],
        documents: Sequence[bytes] = (),
    ) -> Accepted:
        """Check an act, make it durable, and acknowledge it.

        The same act again gets the same time of receipt and is not sent again.

        Args:
            data: bytes of the act.
            signatures: its signatures in order, the actor's first.
            documents: public documents that the act names and the ledger may not know yet.

        Raises:
            ProtocolError: the act or a document is malformed, or a contract's rule would refuse it
                (the contract's error code; NONCE_MISMATCH has the expected one in its details).
            RequestRefused: DOCUMENT_MISSING, DOCUMENT_UNEXPECTED, DOCUMENT_DIFFERS,
                DOCUMENT_COUNT, OUTBOX_FULL, OUTBOX_KEY_FULL.
            LedgerError: LEDGER_NOT_READY before genesis was followed.
        """
        if not 1 <= len(signatures) <= MAX_SIGNATURES:
            raise ProtocolError("SIGNATURE_COUNT", f"an act has 1 to {MAX_SIGNATURES} signatures")
        signed = SignedAct(data, tuple(signatures))
        act = Act.from_bytes(data)
        if act.key_id != signed.signatures[0].key_id:
            raise ProtocolError("ACTOR_MISMATCH", "the first signer is not the actor")
        for signature in signed.signatures:
            refuse_example_key(signature.key_id, is_example=self._deployment.example)
        with self._lock:
            received_at, status = self._store(signed, act, documents)
        # The transaction has ended: from here on the act survives a loss of power.
        acknowledgement = sign_acknowledgement(
            self._platform_key,
            chain_id=self._deployment.chain_id,
            act_id=signed.act_id,
            received_at=received_at,
        )
        return Accepted(signed.act_id, status, received_at, acknowledgement)

    def _store(self, signed: SignedAct, act: Act, documents: Sequence[bytes]) -> tuple[int, str]:
        """Return time of receipt and status of the act, which is durable when this returns."""
        for _ in range(_MAX_TRIES):
            with read_transaction(self._engine) as connection, Session(connection) as session:
                known = _find_outbox_act(session, signed.act_id)
                if known is not None:
                    return known.received_at, known.status
                event = session.get(table.Event, signed.act_id)
                moment = _moment(session)
                document = None
                if event is None:
                    document = self._check(session, moment, signed, act, documents)
            received_at = int(self._clock())
            try:
                with write_transaction(self._engine) as connection, Session(connection) as session:
                    if _moment(session) != moment:
                        self._overlay = None
                        continue  # the chain moved on meanwhile: look again
                    if document is not None:
                        keep_document(session, document, None)
                    row = _new_row(signed, act, received_at)
                    if event is not None:
                        row.status = "recorded"
                        row.transaction_hash = event.transaction_hash
                        row.block_number = event.block_number
                    session.add(row)
                    session.flush()
                    status = row.status
            except BaseException:
                self._overlay = None  # it holds an act that was not kept
                raise
            return received_at, status
        raise LedgerError("LEDGER_BUSY", "the ledger is changing too fast; try again")

    def _check(
        self,
        session: Session,
        moment: "_Moment",
        signed: SignedAct,
        act: Act,
        documents: Sequence[bytes],
    ) -> Described | None:
        contract = act.type.contract
        if act.chain_id != self._deployment.chain_id:
            raise ProtocolError("WRONG_CHAIN", "the act is for another chain")
        if act.contract != self._deployment.contracts[contract]:
            raise ProtocolError("WRONG_CONTRACT", "the act is for another contract")
        now = int(self._clock())
        if act.expires_at < now:
            raise ProtocolError("ACT_EXPIRED", "the act has expired")
        waiting = session.scalar(select(func.count()).where(table.OutboxAct.status.in_(_WAITING)))
        if (waiting or 0) >= MAX_QUEUED:
            raise RequestRefused("OUTBOX_FULL", "too many acts wait for the chain; try again later")
        of_key = session.scalar(
            select(func.count()).where(
                table.OutboxAct.key_id == act.key_id, table.OutboxAct.status.in_(_WAITING)
            )
        )
        if (of_key or 0) >= MAX_QUEUED_PER_KEY:
            raise RequestRefused(
                "OUTBOX_KEY_FULL", "too many acts of this key wait for the chain; try again later"
            )
        expected = _next_nonce(session, contract, act.key_id)
        if act.nonce != expected:
            raise ProtocolError(
                "NONCE_MISMATCH", "the act's nonce is not the next one", expected=expected
            )
        document = check_documents(session, act, documents)
        overlay = self._current_overlay(session, moment, now)
        apply_act(
            overlay,
            signed,
            chain_id=self._deployment.chain_id,
            contracts=self._deployment.contracts,
            block_number=moment.number + 1,
            block_time=now,
        )
        return document

    def _current_overlay(self, session: Session, moment: "_Moment", now: int) -> OverlayStore:
        """Return the state with all waiting acts applied, kept while nothing else changes."""
        base = SqlStore(session)
        if self._overlay is not None and self._overlay[0] == moment:
            self._overlay[1].base = base
            return self._overlay[1]
        overlay = OverlayStore(base)
        for row in session.scalars(
            select(table.OutboxAct)
            .where(table.OutboxAct.status.in_(_WAITING))
            .order_by(table.OutboxAct.sequence)
        ):
            # One that no longer fits is the relay's to find out; it must not block the others.
            with suppress(ProtocolError):
                apply_act(
                    overlay,
                    SignedAct(row.data, unpack_signatures(row.signatures)),
                    chain_id=self._deployment.chain_id,
                    contracts=self._deployment.contracts,
                    block_number=moment.number + 1,
                    block_time=now,
                    verify_signatures=False,
                )
        self._overlay = (moment, overlay)
        return overlay

    def get_act(self, act_id: bytes) -> ActStatus:
        """Return what is known of an act.

        Raises:
            RequestRefused: ACT_UNKNOWN.
        """
        with read_transaction(self._engine) as connection, Session(connection) as session:
            row = _find_outbox_act(session, act_id)
            event = session.get(table.Event, act_id)
            source = row or event
            if source is None:
                raise RequestRefused("ACT_UNKNOWN", "no act with this id is known here")
            act_type = BY_CODE[source.type_code]
            return ActStatus(
                act_id=act_id,
                type=act_type.name,
                contract=source.contract,
                key_id=source.key_id,
                nonce=int.from_bytes(source.data[16:24], "big"),
                target=source.target,
                data=source.data,
                signatures=unpack_signatures(source.signatures),
                status="recorded" if event is not None or row is None else row.status,
                received_at=None if row is None else row.received_at,
                transaction_hash=source.transaction_hash,
                block_number=source.block_number,
                revision=None if event is None else event.revision,
                error_code=None if row is None else row.error_code,
            )

    def next_nonce(self, contract: str, key_id: bytes) -> int:
        """Return the nonce of the next act of a key, behind its acts that wait here.

        A key that is not known here has sent no act: its next nonce is 0.

        Raises:
            RequestRefused: CONTRACT_UNKNOWN.
        """
        if contract not in _ACT_CONTRACTS:
            raise RequestRefused("CONTRACT_UNKNOWN", "no contract of this name takes acts")
        with read_transaction(self._engine) as connection, Session(connection) as session:
            return _next_nonce(session, contract, key_id)

    def get_target(self, target: bytes, kind: str | None = None) -> Target:
        """Return kind and revision of what an act may name.

        Args:
            target: its id.
            kind: its noun; needed where a founder's department, person and key have one id.

        Raises:
            RequestRefused: TARGET_UNKNOWN.
        """
        with read_transaction(self._engine) as connection, Session(connection) as session:
            for noun, model in _TARGETS:
                if kind not in (None, noun):
                    continue
                columns = model.__table__.columns
                revision = session.scalar(
                    select(columns["revision"]).where(columns["id"] == target)
                )
                if revision is not None:
                    return Target(target, noun, revision)
        raise RequestRefused("TARGET_UNKNOWN", "nothing with this id is recorded")


@dataclass(frozen=True, slots=True)
class _Moment:
    """What the queue's state depends on: the block followed last, and acts that left the queue."""

    number: int
    hash: bytes
    outbox_epoch: int


def _moment(session: Session) -> _Moment:
    row = session.execute(
        select(table.Head.number, table.Head.hash, table.Head.outbox_epoch)
    ).first()
    if row is None:
        raise LedgerError("LEDGER_NOT_READY", "the chain has not been followed to genesis yet")
    return _Moment(*row)


def _find_outbox_act(session: Session, act_id: bytes) -> table.OutboxAct | None:
    return session.scalars(select(table.OutboxAct).where(table.OutboxAct.act_id == act_id)).first()


def _next_nonce(session: Session, contract: str, key_id: bytes) -> int:
    recorded = session.get(table.Nonce, (contract, key_id))
    waiting = session.scalar(
        select(func.count()).where(
            table.OutboxAct.contract == contract,
            table.OutboxAct.key_id == key_id,
            table.OutboxAct.status.in_(_WAITING),
        )
    )
    return (0 if recorded is None else recorded.nonce) + (waiting or 0)


def _new_row(signed: SignedAct, act: Act, received_at: int) -> table.OutboxAct:
    return table.OutboxAct(
        act_id=signed.act_id,
        data=signed.data,
        signatures=pack_signatures(signed.signatures),
        type_code=act.type.code,
        contract=act.type.contract,
        key_id=act.key_id,
        nonce=act.nonce,
        target=signed.act_id if act.type.creates and act.target == ZERO_ID else act.target,
        status="queued",
        received_at=received_at,
    )
