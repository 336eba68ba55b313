"""Batches that providers offer, and the ends of transfers (docs/protocol.md, 7.11)."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, parse_body
from api.gateway.limits import SeenNonces
from api.gateway.once import keep_once
from api.gateway.other_logs import OtherLogs
from crypto.canonical import fast_canonical
from crypto.errors import LedgerError, RequestRefused, SanlianError
from crypto.sm3 import sm3
from ledger.log.entries import Once
from ledger.log.reader import LogReader
from protocol.acts import ZERO_ID
from protocol.evidence.decision import closing_problem, not_sent_problem, offer_problem
from protocol.httpsig import content_digest
from protocol.model import Store
from protocol.records import parse_record
from protocol.transfer import MAX_NUMBER, check_closing, check_offer

MAX_PER_MINUTE = 120
#: Offers that one answer holds, and records of offers that are looked at for it.
MAX_ANSWERED = 100
MAX_SCANNED = 1_000
#: In the place of a key: an offer or a closing is made once, whichever key makes it.
_ANY_KEY = ZERO_ID


class TransferService:
    """Keeps offers and closings, and tells departments which offers wait for them.

    Args:
        gatekeeper: checks and records.
        reader: reads the log.
        others: reads the other gateways' logs too.
    """

    def __init__(self, gatekeeper: Gatekeeper, reader: LogReader, others: OtherLogs) -> None:
        self._gatekeeper = gatekeeper
        self._reader = reader
        self._others = others
        self._rates = RateLimiter()
        self._listed = SeenNonces()

    async def offer(self, incoming: Incoming) -> Answer:
        """POST /v1/offers: record that a batch is ready.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        admitted = self._gatekeeper.admit(incoming)
        try:
            draft, once = self._read_offer(admitted, incoming.body)
        except SanlianError as error:
            return await self._gatekeeper.deny(admitted, error)
        differs = RequestRefused("OFFER_DIFFERS", "another batch of this name was offered before")
        parts = self._gatekeeper, self._others
        return await keep_once(parts, admitted, draft, once, differs=differs)

    async def close(self, incoming: Incoming) -> Answer:
        """POST /v1/closings: record that a transfer is whole.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        admitted = self._gatekeeper.admit(incoming)
        try:
            draft, once = self._read_closing(admitted, incoming.body)
            await asyncio.to_thread(self._compare, admitted, draft["statement"])
        except SanlianError as error:
            return await self._gatekeeper.deny(admitted, error)
        differs = RequestRefused("CLOSING_DIFFERS", "the offer was closed otherwise before")
        parts = self._gatekeeper, self._others
        return await keep_once(parts, admitted, draft, once, differs=differs)

    async def list_open(self, incoming: Incoming) -> Answer:
        """POST /v1/open-offers: which offers under the department's grants no closing names.

        Raises:
            SanlianError: the code to answer with; nothing of it is recorded.
        """
        admitted = self._gatekeeper.admit(incoming)
        self._gatekeeper.check_admissible(admitted)
        key_id = admitted.request.public_key.key_id
        code, message = not_sent_problem(admitted.snapshot.store, key_id, admitted.time_s)
        if code:
            raise RequestRefused(code, message)
        # No record keeps the nonce: whoever saw a call must not learn by it what is offered later.
        nonce = admitted.request.nonce
        self._listed.check(key_id, nonce)
        self._require_rate(admitted)
        self._listed.keep(key_id, nonce)
        value = parse_body(incoming.body, ("after", "salt"))
        after = value["after"]
        if type(after) is not int or not -1 <= after <= MAX_NUMBER:
            raise RequestRefused("BODY_MALFORMED", "after is the index of a record, or -1")
        try:
            found = await asyncio.to_thread(
                self._find_open, admitted.snapshot.store, admitted.department, after
            )
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError("LOG_NOT_READABLE", "the access log cannot be read") from error
        body = fast_canonical(found)
        return Answer("", body, {"content-digest": content_digest(body)})

    def _read_offer(self, admitted: Admitted, body: bytes) -> tuple[dict[str, Any], Once]:
        """Return the record's draft, and what makes it the same offer.

        Raises:
            SanlianError: why it is refused.
        """
        self._require_allowed(admitted, offer_problem)
        value = check_offer(parse_body(body, ("manifest", "name", "parts", "rows", "salt")))
        place = sm3(admitted.request.grant + value["name"].encode()).hex()
        once = Once(_ANY_KEY, f"offer {place}", _digest(value))
        return admitted.draft("offered", statement=value), once

    def _read_closing(self, admitted: Admitted, body: bytes) -> tuple[dict[str, Any], Once]:
        """Return the record's draft, and what makes it the same closing.

        Raises:
            SanlianError: why it is refused.
        """
        self._require_allowed(admitted, closing_problem)
        members = ("first", "last", "manifest", "offer", "parts", "rows", "salt")
        value = check_closing(parse_body(body, members))
        digest = _digest(value)
        offer = value["offer"]
        named = f"closing {digest.hex()}" if offer is None else self._closing_of(offer)
        return admitted.draft("closed", statement=value), Once(_ANY_KEY, named, digest)

    def _require_allowed(
        self, admitted: Admitted, find_problem: Callable[..., tuple[str, str]]
    ) -> None:
        """Require that the state and the rate let a statement of this key pass.

        Raises:
            RequestRefused: why not.
        """
        self._gatekeeper.check_admissible(admitted)
        request = admitted.request
        code, message = find_problem(
            admitted.snapshot.store,
            grant=request.grant,
            key_id=request.public_key.key_id,
            at_s=admitted.time_s,
        )
        if code:
            raise RequestRefused(code, message)
        self._require_rate(admitted)
        if request.stream is not None:
            raise RequestRefused("BODY_MALFORMED", "a statement has no number of a stream")

    def _closing_of(self, offer: int) -> str:
        """Name the one closing of an offer; several logs may share what is written once."""
        return f"closing of {offer} {sm3(self._gatekeeper.log.origin.encode()).hex()}"

    def _compare(self, admitted: Admitted, value: dict[str, Any]) -> None:
        """Compare a closing with the log.

        Raises:
            RequestRefused: CLOSING_WRONG.
            LedgerError: LOG_NOT_READABLE.
        """
        request = admitted.request
        try:
            released = self._reader.released(
                request.grant,
                request.public_key.key_id,
                first=value["first"],
                last=value["last"],
            )
            offered = None
            if value["offer"] is not None and value["offer"] < self._reader.size():
                offered = parse_record(self._reader.get_record(value["offer"]))
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError("LOG_NOT_READABLE", "the access log cannot be read") from error
        ends = {value["first"], value["last"]}
        if not ends <= set(released) or len(released) < value["parts"]:
            raise RequestRefused(
                "CLOSING_WRONG", "the log does not hold these parts of this key under this grant"
            )
        if value["offer"] is not None and (
            offered is None
            or offered["event"] != "offered"
            or offered["request"]["grant"] != request.grant.hex()
        ):
            raise RequestRefused("CLOSING_WRONG", "the offer is not one under this grant")

    def _find_open(self, store: Store, department: bytes, after: int) -> dict[str, Any]:
        offers: list[dict[str, Any]] = []
        found = self._reader.offers(after, MAX_SCANNED)
        for seq, data in found:
            record = parse_record(data)
            grant = store.find_request(bytes.fromhex(record["request"]["grant"]))
            if grant is None or grant.requester != department:
                continue
            if self._reader.has_observation(_ANY_KEY, self._closing_of(seq)):
                continue
            (receipt,) = self._reader.first_receipts([seq])
            offers.append({"receipt": receipt.to_header(), "seq": seq})
            if len(offers) == MAX_ANSWERED:
                return {"next": seq, "offers": offers}
        return {"next": found[-1][0] if len(found) == MAX_SCANNED else None, "offers": offers}

    def _require_rate(self, admitted: Admitted) -> None:
        if not self._rates.is_allowed(admitted.department, MAX_PER_MINUTE, admitted.time_s):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's calls of this minute are used up"
            )


def _digest(value: dict[str, Any]) -> bytes:
    told = {name: member for name, member in value.items() if name != "salt"}
    return sm3(fast_canonical(told))
