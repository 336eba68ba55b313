"""Sealed texts over the gateway: handed in, fetched and disposed of by their parties.

The gateway holds ciphertext. Who the parties are follows from the act and the chain's state; each
call is recorded before anything else happens, like every access.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from crypto.errors import CryptoError, ProtocolError, RequestRefused, SanlianError
from crypto.sm3 import sm3
from ledger.sealed.store import Place, SealedStore
from protocol.acts import ZERO_ID
from protocol.envelope import Envelope
from protocol.httpsig import content_digest
from protocol.model import Person, Store, key_problem
from protocol.model.sealed_texts import sealed_commitments, sealed_parties

#: An envelope is four times as long as its text: texts of some 100 KiB.
MAX_SEALED_BODY = 512 * 1024
#: Calls of a department a minute, whatever they ask for.
CALLS_PER_MINUTE = 240
_MEMBERS = {
    "keep": ("act", "envelope", "salt", "word"),
    "fetch": ("act", "salt", "word"),
    "dispose": ("act", "salt", "word"),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call that may be answered."""

    place: Place
    digest: bytes | None
    data: bytes


class SealedService:
    """Answers calls about sealed texts.

    Args:
        gatekeeper: checks and records.
        store: the envelopes.
    """

    def __init__(self, gatekeeper: Gatekeeper, store: SealedStore) -> None:
        self._gatekeeper = gatekeeper
        self._store = store
        self._rates = RateLimiter()

    async def keep(self, incoming: Incoming) -> Answer:
        """POST /v1/sealed: keep an envelope of a text that an act commits to.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        return await self._handle(incoming, "keep")

    async def fetch(self, incoming: Incoming) -> Answer:
        """POST /v1/sealed-fetches: hand out the newest envelope that the caller's key opens.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        return await self._handle(incoming, "fetch")

    async def dispose(self, incoming: Incoming) -> Answer:
        """POST /v1/sealed-disposals: erase the envelopes that the caller's department handed in.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        return await self._handle(incoming, "dispose")

    async def _handle(self, incoming: Incoming, operation: str) -> Answer:
        admitted = self._gatekeeper.admit(incoming, max_body=MAX_SEALED_BODY)
        try:
            self._gatekeeper.check_admissible(admitted)
            asked = await asyncio.to_thread(self._find_asked, admitted, incoming.body, operation)
            self._rates.require(admitted.department, CALLS_PER_MINUTE, admitted.time_s)
            draft = admitted.draft(
                "sealed",
                operation=operation,
                act=asked.place.act.hex(),
                word=asked.place.word,
                envelope=None if asked.digest is None else asked.digest.hex(),
            )
            receipt = await self._gatekeeper.log.write(
                draft, nonce=nonce_of(admitted.request), time_ms=admitted.time_ms
            )
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        headers = {"sanlian-receipt": receipt.to_header()}
        try:
            body = await asyncio.to_thread(self._do, operation, asked, admitted.department)
        except SanlianError as error:
            return Answer(error.code, headers=headers, detail=error.message, details=error.details)
        except (SQLAlchemyError, OSError):
            return Answer(
                "SEALED_STORE_FAILED", headers=headers, detail="the envelopes cannot be written"
            )
        headers["content-digest"] = content_digest(body)
        return Answer("", body, headers)

    def _find_asked(self, admitted: Admitted, body: bytes, operation: str) -> _Asked:
        try:
            return self._check(admitted, body, operation)
        except (SQLAlchemyError, OSError, ProtocolError) as error:
            raise RequestRefused(
                "SEALED_STORE_FAILED", "the ledger or the envelopes cannot be read"
            ) from error

    def _do(self, operation: str, asked: _Asked, department: bytes) -> bytes:
        now = int(time.time())
        if operation == "keep" and asked.digest is not None:
            self._store.keep(asked.place, department, asked.digest, asked.data, now)
            return b'{"kept":"' + asked.digest.hex().encode() + b'"}'
        if operation == "dispose":
            erased = self._store.dispose(asked.place, department, now)
            return b'{"disposed":' + str(erased).encode() + b"}"
        return asked.data

    def _check(self, admitted: Admitted, body: bytes, operation: str) -> _Asked:
        """Return what is asked for, when the caller may have it done.

        Raises:
            RequestRefused: BODY_MALFORMED, KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED,
                SEALED_UNKNOWN, SEALED_NOT_ALLOWED, SEALED_MISSING, SEALED_DISPOSED,
                ENVELOPE_MALFORMED, COMMITMENT_MISMATCH, RECIPIENT_NOT_A_PARTY.
        """
        store = admitted.snapshot.store
        value = parse_body(body, _MEMBERS[operation])
        if admitted.request.grant != ZERO_ID:
            raise RequestRefused("BODY_MALFORMED", "sealed texts are asked for without a grant")
        person = _find_person(store, admitted)
        place = Place(_read_id(value), _read_text(value, "word"))
        act = self._gatekeeper.state.find_act(place.act)
        commitment = None if act is None else sealed_commitments(act).get(place.word)
        if act is None or commitment is None:
            raise RequestRefused("SEALED_UNKNOWN", "no recorded act commits to such a text")
        parties = sealed_parties(store, act)
        if not person.roles or person.department not in parties:
            raise RequestRefused("SEALED_NOT_ALLOWED", "your department is no party to this text")
        if operation == "keep":
            data = _read_text(value, "envelope").encode()
            _check_envelope(store, data, commitment, parties)
            return _Asked(place, sm3(data), data)
        if operation == "fetch":
            return self._find(place, admitted.request.public_key.key_id)
        return _Asked(place, None, b"")

    def _find(self, place: Place, key_id: bytes) -> _Asked:
        found = self._store.list(place)
        for digest, data in found:
            if key_id in Envelope.from_bytes(data).parties:
                return _Asked(place, digest, data)
        if found:
            raise RequestRefused("SEALED_MISSING", "no envelope of this text is for your key")
        if self._store.is_disposed(place):
            raise RequestRefused("SEALED_DISPOSED", "this text was disposed of")
        raise RequestRefused("SEALED_MISSING", "nobody handed this text in")


def _find_person(store: Store, admitted: Admitted) -> Person:
    key = store.find_key(admitted.request.public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        raise RequestRefused("KEY_UNKNOWN", "the key is not registered")
    problem = key_problem(store, key, person, admitted.time_s)
    if problem is not None:
        raise RequestRefused(problem, "the key does not count now")
    return person


def _read_text(value: dict[str, Any], name: str) -> str:
    found = value[name]
    if not isinstance(found, str):
        raise RequestRefused("BODY_MALFORMED", f"{name} must be text", field=name)
    return found


def _read_id(value: dict[str, Any]) -> bytes:
    text = _read_text(value, "act")
    if len(text) != 64 or any(c not in "0123456789abcdef" for c in text):
        raise RequestRefused("BODY_MALFORMED", "act must be 64 hex digits", field="act")
    return bytes.fromhex(text)


def _check_envelope(
    store: Store, data: bytes, commitment: bytes, parties: frozenset[bytes]
) -> None:
    """Refuse what is no envelope of this text for its parties."""
    try:
        envelope = Envelope.from_bytes(data)
    except (ProtocolError, CryptoError) as error:
        raise RequestRefused("ENVELOPE_MALFORMED", "this is not an envelope") from error
    if envelope.commitment != commitment:
        raise RequestRefused("COMMITMENT_MISMATCH", "the envelope is of another text")
    for key_id in envelope.parties:
        key = store.find_key(key_id)
        person = store.find_person(key.person) if key is not None else None
        if person is None or person.department not in parties:
            raise RequestRefused(
                "RECIPIENT_NOT_A_PARTY",
                "the envelope is for the key of no party",
                key_id=key_id.hex(),
            )
