"""Batches of signed access records of an existing exchange platform (docs/protocol.md, 7.6).

Each record's own signature is verified, and each leaves a record `observed` or is refused with its
own code; one that cannot be kept does not hold up the others. Sending a batch again changes
nothing: it gets the receipts of the first time.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.gatekeeper import (
    Admitted,
    Answer,
    Gatekeeper,
    Incoming,
    is_signed_body,
    parse_body,
)
from api.gateway.observed_pieces import Checked, Observer, Piece, Refused, check_piece
from api.gateway.other_logs import OtherLogs
from api.gateway.workers import Workers
from crypto.canonical import fast_canonical, parse_unchanged
from crypto.errors import LedgerError, ProtocolError, RequestRefused, SanlianError
from ledger.log.entries import Known, Placed, Written
from protocol.acts import ZERO_ID
from protocol.batch_receipts import Kept, encode_batch_answer
from protocol.evidence.observed import observer_problem
from protocol.example_keys import refuse_example_key
from protocol.httpsig import content_digest
from protocol.model import Store
from protocol.observation import MAX_BATCH_RECORDS, MAX_BATCH_SIZE
from protocol.receipt import Receipt

#: A batch of so many records is shared out to the processes.
MIN_SHARED = 64
_KEY_ID = re.compile("[0-9a-f]{64}")
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
            values = await asyncio.to_thread(self._read, admitted, incoming.body)
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        piece = self._piece(admitted, values)
        checked = await self._check(piece)
        drafts = [one for one in checked if not isinstance(one, Refused)]
        written: list[Written] = []
        if drafts:
            waiting = self._gatekeeper.log.append_many(drafts, time_ms=admitted.time_ms)
            written = await asyncio.wrap_future(waiting)
        body = await asyncio.to_thread(self._encode, piece, checked, written)
        return Answer("", body, {"content-digest": content_digest(body)})

    def _read(self, admitted: Admitted, body: bytes) -> list[object]:
        """Return the records of a batch whose caller may hand them in.

        Raises:
            RequestRefused: BODY_MALFORMED, BATCH_TOO_LARGE, KEY_UNKNOWN, KEY_NOT_ACTIVE,
                KEY_EXPIRED, ROLE_MISSING.
        """
        request = admitted.request
        code, message = observer_problem(
            admitted.snapshot.store, request.public_key.key_id, admitted.time_ms
        )
        if code:
            raise RequestRefused(code, message)
        value = parse_unchanged(body)
        # Each record's members are checked by name and form; the body's own are two.
        if not is_signed_body(value, ("observations", "salt")):
            value = parse_body(body, ("observations", "salt"))
        if request.grant != ZERO_ID:
            raise RequestRefused("BODY_MALFORMED", "access records are handed in without a grant")
        found = value["observations"]
        if not isinstance(found, list) or not found:
            raise RequestRefused(
                "BODY_MALFORMED", "observations must be a list", field="observations"
            )
        if len(found) > MAX_BATCH_RECORDS:
            raise RequestRefused("BATCH_TOO_LARGE", "a batch has at most 1,000 records")
        return found

    def _piece(self, admitted: Admitted, values: Sequence[object]) -> Piece:
        """Return the whole batch, with what checking it takes."""
        store = admitted.snapshot.store
        named = {
            key_id
            for value in values
            if isinstance(value, dict) and isinstance(key_id := value.get("key_id"), str)
        }
        return Piece(
            values,
            {
                key_id: self._find_observer(store, bytes.fromhex(key_id), admitted.time_ms)
                for key_id in named
                if _KEY_ID.fullmatch(key_id)
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

    async def _check(self, piece: Piece) -> list[Checked]:
        """Return for each record what is written, or why it is refused."""
        values = piece.values
        if len(values) < MIN_SHARED:
            return await asyncio.to_thread(check_piece, piece)
        size = max(MIN_SHARED // 2, -(-len(values) // (2 * self._workers.count)))
        pieces = [
            replace(piece, values=values[start : start + size])
            for start in range(0, len(values), size)
        ]
        found = await self._workers.map(check_piece, pieces)
        return [one for checked in found for one in checked]

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
        self, piece: Piece, checked: Sequence[Checked], written: Sequence[Written]
    ) -> bytes:
        """Return the answer: receipts and codes.

        Args:
            piece: the whole batch.
            checked: of each of its records what was to be written, or why it is refused.
            written: what came of those that were to be written.

        Raises:
            LedgerError: LOG_WRITE_FAILED when earlier receipts cannot be read.
        """
        first = self._first_receipts([one for one in written if isinstance(one, Known)])
        common: dict[bytes, bytes] = {}
        came = iter(written)
        told: list[Kept | str] = []
        for value, one in zip(piece.values, checked, strict=True):
            if isinstance(one, Refused):
                told.append(one.code)
                continue
            result = next(came)
            if isinstance(result, Placed):
                key_id = one[1].key_id
                if key_id not in common:
                    common[key_id] = fast_canonical(piece.members_in_common(key_id.hex()))
                told.append(Kept(common[key_id], *result))
            elif isinstance(result, Known):
                told.append(_kept_before(first[result], value))
            elif isinstance(result, SanlianError):
                told.append(result.code)
            else:
                raise TypeError("prepared records have no receipts")
        return encode_batch_answer(told)

    def _first_receipts(self, known: Sequence[Known]) -> dict[Known, Receipt]:
        try:
            return dict(zip(known, self._logs.first_receipts(known), strict=True))
        except (SQLAlchemyError, OSError) as error:
            raise _unreadable() from error


def _kept_before(receipt: Receipt, value: Any) -> Kept:
    """Return what is told of a record that was handed in before, and now as this value."""
    try:
        return Kept.before(receipt, value["signature"])
    except ProtocolError as error:
        raise _unreadable() from error


def _unreadable() -> LedgerError:
    return LedgerError("LOG_WRITE_FAILED", "the receipts of earlier records cannot be read")
