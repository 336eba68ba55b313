"""Takes a side's declaration of the networks from which a grant may be used (protocol 7.8)."""

import asyncio

from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from api.gateway.live_restrictions import LiveRestrictions
from crypto.canonical import canonical_json
from crypto.errors import LedgerError, ProtocolError, RequestRefused
from protocol.httpsig import content_digest
from protocol.networks import parse_networks
from protocol.restriction import restriction_side

DECLARATIONS_PER_MINUTE = 60
#: Declarations of which the log is not known to hold them; they count until the next start.
MAX_UNSETTLED = 64


class RestrictionService:
    """Answers declarations.

    Args:
        gatekeeper: checks and records.
        restrictions: what data requests are decided by.
    """

    def __init__(self, gatekeeper: Gatekeeper, restrictions: LiveRestrictions) -> None:
        self._gatekeeper = gatekeeper
        self._restrictions = restrictions
        self._rates = RateLimiter()
        self._one_at_a_time = asyncio.Lock()

    async def handle(self, incoming: Incoming) -> Answer:
        """POST /v1/restrictions: record a declaration, which then counts.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        if self._restrictions.unsettled >= MAX_UNSETTLED:
            raise LedgerError("GATEWAY_BUSY", "the log could not be written too often")
        admitted = self._gatekeeper.admit(incoming)
        async with self._one_at_a_time:
            try:
                side, networks, salt = self._decide(admitted, incoming.body)
            except RequestRefused as error:
                return await self._gatekeeper.deny(admitted, error)
            draft = admitted.draft("restricted", side=side, networks=networks, salt=salt)
            pending = self._restrictions.begin(draft)
            try:
                receipt = await self._gatekeeper.log.write(
                    draft, nonce=nonce_of(admitted.request), time_ms=admitted.time_ms
                )
            except RequestRefused as error:
                self._restrictions.settle(pending, None)
                return await self._gatekeeper.deny(admitted, error)
            except LedgerError as error:
                if error.code != "LOG_WRITE_FAILED":  # whether it is in the log is known: it is not
                    self._restrictions.settle(pending, None)
                raise
            self._restrictions.settle(pending, draft, time_ms=admitted.time_ms)
        body = canonical_json({"networks": networks, "side": side})
        headers = {
            "sanlian-receipt": receipt.to_header(),
            "content-digest": content_digest(body),
        }
        return Answer("", body, headers)

    def _decide(self, admitted: Admitted, body: bytes) -> tuple[str, list[str], str]:
        """Return side, networks and salt.

        Raises:
            RequestRefused: why the declaration is denied.
        """
        self._gatekeeper.check_admissible(admitted)
        value = parse_body(body, ("networks", "salt"))
        try:
            parse_networks(value["networks"])
        except ProtocolError as error:
            raise RequestRefused(error.code, error.message) from error
        problem, side = restriction_side(
            admitted.snapshot.store,
            grant=admitted.request.grant,
            key_id=admitted.request.public_key.key_id,
            at_s=admitted.time_s,
        )
        if problem:
            raise RequestRefused(problem, "the ledger's state does not allow this declaration")
        if not self._rates.is_allowed(
            admitted.department, DECLARATIONS_PER_MINUTE, admitted.time_s
        ):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's rate per minute is used up"
            )
        return side, value["networks"], value["salt"]
