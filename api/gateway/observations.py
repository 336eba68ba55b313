"""Batches of signed access records of an existing exchange platform (docs/protocol.md, 7.6).

Each record's own signature is verified, and each leaves a record `observed` or is refused with its
own code; one that cannot be kept does not hold up the others. Sending a batch again changes
nothing: it gets the receipts of the first time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming
from api.gateway.observed_bodies import (
    Entry,
    cut_batch,
    named_keys,
    parse_batch,
    signature_of,
)
from api.gateway.observed_pieces import Checked, Observer, Piece, Refused, check_piece
from api.gateway.other_logs import OtherLogs
from api.gateway.workers import Workers
from crypto.canonical import fast_canonical
from crypto.errors import LedgerError, ProtocolError, RequestRefused
from ledger.log.entries import Known, Placed, PreparedWritten
from protocol.acts import ZERO_ID
from protocol.batch_receipts import Kept, encode_batch_answer
from protocol.evidence.observed import observer_problem
from protocol.example_keys import refuse_example_key
from protocol.httpsig import content_digest
from protocol.model import Store
from protocol.observation import MAX_BATCH_SIZE
from protocol.receipt import Receipt

#: A batch of so many records is shared out to the processes.
MIN_SHARED = 64
#: Batches in work at a time, each with all its records in memory.
MAX_BATCHES = 8


class ObservationService:
    """Takes batches of access records.

    Args:
        gatekeeper: checks and records.
        logs: give the receipts of what was written before.
        workers: processes that verify the records' signatures.
        is_example: whether the deployment lets the example's public keys act.
    """

    def __init__(
        self, gatekeeper: Gatekeeper, logs: OtherLogs, workers: Workers, *, is_example: bool
    ) -> None:
        self._gatekeeper = gatekeeper
        self._logs = logs
        self._workers = workers
        self._is_example = is_example
        self._in_work = 0

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer one batch.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        if self._in_work >= MAX_BATCHES:
            raise LedgerError("GATEWAY_BUSY", "too many batches at a time")
        self._in_work += 1
        try:
            return await self._handle(incoming)
        finally:
            self._in_work -= 1

    async def _handle(self, incoming: Incoming) -> Answer:
        admitted = self._gatekeeper.admit(incoming, max_body=MAX_BATCH_SIZE)
        try:
            self._gatekeeper.check_admissible(admitted)
            require_observer(admitted)
            piece, checked = await self._read(admitted, incoming.body)
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        records = [one.records for one in checked if one.records.count]
        written: list[PreparedWritten] = []
        if records:
            written = await asyncio.wrap_future(self._gatekeeper.log.append_prepared(records))
        body = await asyncio.to_thread(self._encode, piece, checked, written)
        return Answer("", body, {"content-digest": content_digest(body)})

    async def _read(self, admitted: Admitted, body: bytes) -> tuple[Piece, list[Checked]]:
        """Return the batch, and what checking its pieces in order has found.

        Raises:
            RequestRefused: BODY_MALFORMED, BATCH_TOO_LARGE.
        """
        entries = await asyncio.to_thread(cut_batch, body)
        if entries is not None:
            piece = self._piece(admitted, entries)
            checked = await self._check(piece)
            if checked is not None:
                return piece, checked
        piece = self._piece(admitted, await asyncio.to_thread(parse_batch, body))
        checked = await self._check(piece)
        if checked is None:
            raise TypeError("values are read as they are")
        return piece, checked

    def _piece(self, admitted: Admitted, entries: Sequence[Entry]) -> Piece:
        """Return the whole batch, with what checking it takes."""
        store = admitted.snapshot.store
        return Piece(
            entries,
            {
                key_id: self._find_observer(store, bytes.fromhex(key_id), admitted.time_ms)
                for key_id in named_keys(entries)
            },
            {
                "v": 1,
                "log": self._gatekeeper.log.origin,
                "time_ms": admitted.time_ms,
                "source": admitted.source,
                "block": {
                    "number": admitted.snapshot.number,
                    "hash": admitted.snapshot.hash.hex(),
                },
            },
            admitted.time_ms,
        )

    async def _check(self, piece: Piece) -> list[Checked] | None:
        """Do what check_piece does in pieces, in other processes when it pays."""
        entries = piece.entries
        if len(entries) < MIN_SHARED:
            found = await asyncio.to_thread(check_piece, piece)
            return None if found is None else [found]
        size = max(MIN_SHARED // 2, -(-len(entries) // (2 * self._workers.count)))
        pieces = [
            replace(piece, entries=entries[start : start + size])
            for start in range(0, len(entries), size)
        ]
        checked = await self._workers.map(check_piece, pieces)
        whole = [one for one in checked if one is not None]
        return whole if len(whole) == len(pieces) else None

    def _find_observer(self, store: Store, key_id: bytes, at_ms: int) -> Observer:
        try:
            refuse_example_key(key_id, is_example=self._is_example)
        except ProtocolError as error:
            return Observer(b"", ZERO_ID, error.code)
        code, _ = observer_problem(store, key_id, at_ms)
        key = store.find_key(key_id)
        person = store.find_person(key.person) if key is not None else None
        if code or key is None or person is None:
            return Observer(b"", ZERO_ID, code or "KEY_UNKNOWN")
        return Observer(key.public_key.to_bytes(), person.department, "")

    def _encode(
        self, piece: Piece, checked: Sequence[Checked], written: Sequence[PreparedWritten]
    ) -> bytes:
        """Return the answer: receipts and codes.

        Args:
            piece: the whole batch.
            checked: what checking its pieces in order has found.
            written: what came of the accepted entries' records.

        Raises:
            LedgerError: LOG_WRITE_FAILED when earlier receipts cannot be read.
        """
        first = self._first_receipts([one for one in written if isinstance(one, Known)])
        common: dict[str, bytes] = {}
        verdicts = (verdict for one in checked for verdict in one.verdicts)
        came = iter(written)
        told: list[Kept | str] = []
        for entry, verdict in zip(piece.entries, verdicts, strict=True):
            if isinstance(verdict, Refused):
                told.append(verdict.code)
                continue
            key_id = verdict.key_id
            result = next(came)
            if isinstance(result, Placed):
                if key_id not in common:
                    common[key_id] = fast_canonical(piece.members_in_common(key_id))
                told.append(Kept(common[key_id], *result))
            elif isinstance(result, Known):
                told.append(_kept_before(first[result], entry))
            else:
                told.append(result.code)
        return encode_batch_answer(told)

    def _first_receipts(self, known: Sequence[Known]) -> dict[Known, Receipt]:
        try:
            return dict(zip(known, self._logs.first_receipts(known), strict=True))
        except (SQLAlchemyError, OSError) as error:
            raise _unreadable() from error


def require_observer(admitted: Admitted) -> None:
    """Check that the caller may hand in access records.

    Raises:
        RequestRefused: KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED, ROLE_MISSING, BODY_MALFORMED.
    """
    request = admitted.request
    code, message = observer_problem(
        admitted.snapshot.store, request.public_key.key_id, admitted.time_ms
    )
    if code:
        raise RequestRefused(code, message)
    if request.grant != ZERO_ID:
        raise RequestRefused("BODY_MALFORMED", "access records are handed in without a grant")


def _kept_before(receipt: Receipt, entry: Entry) -> Kept:
    """Return what is told of a record that was handed in before, and now as this entry."""
    try:
        return Kept.before(receipt, signature_of(entry))
    except ProtocolError as error:
        raise _unreadable() from error


def _unreadable() -> LedgerError:
    return LedgerError("LOG_WRITE_FAILED", "the receipts of earlier records cannot be read")
