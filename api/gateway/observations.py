"""Batches of signed access records of an existing exchange platform (docs/protocol.md, 7.6).

Each record's own signature is verified, and each leaves a record `observed` or is refused with its
own code; one that cannot be kept does not hold up the others. Sending a batch again changes
nothing: it gets the receipts of the first time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.service import Admitted, Answer, Gatekeeper, Incoming, parse_body
from crypto.canonical import fast_canonical
from crypto.errors import LedgerError, ProtocolError, RequestRefused, SanlianError
from crypto.sm2 import PublicKey, verify_many
from ledger.log.reader import LogReader
from ledger.log.writer import Known, Once, Written
from protocol.acts import ZERO_ID
from protocol.evidence.observed import is_later, observer_problem
from protocol.example_keys import refuse_example_key
from protocol.httpsig import content_digest
from protocol.model import Store
from protocol.observation import MAX_BATCH_RECORDS, MAX_BATCH_SIZE, Observation

#: Batches in work at a time, each with all its records in memory.
MAX_BATCHES = 4


@dataclass(frozen=True, slots=True)
class _Observer:
    """A key that a batch names, and why it vouches for nothing, if so."""

    public_key: PublicKey | None
    department: bytes
    code: str


class ObservationService:
    """Takes batches of access records.

    Args:
        gatekeeper: checks and records.
        reader: reads the log.
        is_example: whether the deployment lets the example's public keys act.
    """

    def __init__(self, gatekeeper: Gatekeeper, reader: LogReader, *, is_example: bool) -> None:
        self._gatekeeper = gatekeeper
        self._reader = reader
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
        checked = await asyncio.to_thread(self._check, admitted, values)
        drafts = [one for one in checked if not isinstance(one, SanlianError)]
        written: list[Written] = []
        if drafts:
            waiting = self._gatekeeper.log.append_many(drafts, time_ms=admitted.time_ms)
            written = await asyncio.wrap_future(waiting)
        kept = iter(written)
        results = [one if isinstance(one, SanlianError) else next(kept) for one in checked]
        body = await asyncio.to_thread(self._encode, results)
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

    def _check(
        self, admitted: Admitted, values: Sequence[object]
    ) -> list[tuple[dict[str, Any], Once] | SanlianError]:
        """Return for each record its draft, or why it is refused."""
        store = admitted.snapshot.store
        observers: dict[bytes, _Observer] = {}
        found: list[tuple[Observation, _Observer] | SanlianError] = []
        for value in values:
            try:
                found.append(self._check_one(value, store, observers, admitted.time_ms))
            except SanlianError as error:
                found.append(error)
        to_verify = [one for one in found if not isinstance(one, SanlianError)]
        holds = iter(
            verify_many(
                [
                    (observer.public_key, observation.text, observation.signature)
                    for observation, observer in to_verify
                    if observer.public_key is not None
                ]
            )
        )
        checked: list[tuple[dict[str, Any], Once] | SanlianError] = []
        for one in found:
            if isinstance(one, SanlianError):
                checked.append(one)
            elif not next(holds):
                checked.append(
                    ProtocolError(
                        "OBSERVATION_SIGNATURE_INVALID",
                        "the access record's signature does not hold",
                    )
                )
            else:
                checked.append(_draft(admitted, *one))
        return checked

    def _check_one(
        self, value: object, store: Store, observers: dict[bytes, _Observer], at_ms: int
    ) -> tuple[Observation, _Observer]:
        observation = Observation.from_json(value)
        observer = observers.get(observation.key_id)
        if observer is None:
            observer = self._find_observer(store, observation.key_id, at_ms)
            observers[observation.key_id] = observer
        if observer.code:
            raise ProtocolError(observer.code, "the record's key does not vouch for access records")
        if is_later(observation, at_ms):
            raise ProtocolError("OBSERVATION_LATER", "the access record tells of a time to come")
        return observation, observer

    def _find_observer(self, store: Store, key_id: bytes, at_ms: int) -> _Observer:
        try:
            refuse_example_key(key_id, is_example=self._is_example)
        except ProtocolError as error:
            return _Observer(None, ZERO_ID, error.code)
        code, _ = observer_problem(store, key_id, at_ms)
        key = store.find_key(key_id)
        person = store.find_person(key.person) if key is not None else None
        if code or key is None or person is None:
            return _Observer(None, ZERO_ID, code or "KEY_UNKNOWN")
        return _Observer(key.public_key, person.department, "")

    def _encode(self, results: Sequence[Written]) -> bytes:
        """Return the answer: receipts that share their checkpoints, and codes.

        Raises:
            LedgerError: LOG_WRITE_FAILED when earlier receipts cannot be read.
        """
        known = [one.index for one in results if isinstance(one, Known)]
        try:
            first = dict(zip(known, self._reader.first_receipts(known), strict=True))
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError(
                "LOG_WRITE_FAILED", "the receipts of earlier records cannot be read"
            ) from error
        places: dict[str, int] = {}
        told: list[dict[str, Any]] = []
        for result in results:
            receipt = first[result.index] if isinstance(result, Known) else result
            if isinstance(receipt, SanlianError):
                told.append({"code": receipt.code})
                continue
            told.append(
                {
                    "checkpoint": places.setdefault(receipt.checkpoint, len(places)),
                    "index": receipt.index,
                    "path": [node.hex() for node in receipt.path],
                    "record": receipt.record.decode(),
                }
            )
        return fast_canonical({"checkpoints": list(places), "results": told})


def _draft(
    admitted: Admitted, observation: Observation, observer: _Observer
) -> tuple[dict[str, Any], Once]:
    if observer.public_key is None:
        raise AssertionError
    draft = {
        "event": "observed",
        "observation": dict(observation.members),
        "public_key": observer.public_key.to_bytes().hex(),
        "signature": observation.signature.to_bytes().hex(),
        "department": observer.department.hex(),
        "source": admitted.source,
        "block": {"number": admitted.snapshot.number, "hash": admitted.snapshot.hash.hex()},
    }
    return draft, Once(observation.key_id, observation.record, observation.digest)
