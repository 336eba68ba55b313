"""Signed statements of numbers that were not sent (docs/protocol.md, 7.7)."""

from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, parse_body
from api.gateway.once import keep_once
from api.gateway.other_logs import OtherLogs
from crypto.canonical import fast_canonical
from crypto.errors import RequestRefused, SanlianError
from crypto.sm3 import sm3
from ledger.log.entries import Once
from protocol.acts import ZERO_ID
from protocol.evidence.decision import not_sent_problem
from protocol.not_sent import check_statement

#: Statements of a department that are looked at in a minute; one has up to 100,000 numbers.
MAX_PER_MINUTE = 60


class NotSentService:
    """Keeps callers' statements; making one again changes nothing and gets the first receipt.

    Args:
        gatekeeper: checks and records.
        logs: give the receipts of what was written before.
    """

    def __init__(self, gatekeeper: Gatekeeper, logs: OtherLogs) -> None:
        self._gatekeeper = gatekeeper
        self._logs = logs
        self._rates = RateLimiter()

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer one statement.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        admitted = self._gatekeeper.admit(incoming)
        try:
            draft, once = self._read(admitted, incoming.body)
        except SanlianError as error:
            return await self._gatekeeper.deny(admitted, error)
        return await keep_once((self._gatekeeper, self._logs), admitted, draft, once)

    def _read(self, admitted: Admitted, body: bytes) -> tuple[dict[str, object], Once]:
        """Return the record's draft, and what makes it the same statement.

        Raises:
            RequestRefused: KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED, BODY_MALFORMED,
                DEPARTMENT_RATE_EXCEEDED, …
            ProtocolError: NOT_SENT_MALFORMED.
        """
        request = admitted.request
        self._gatekeeper.check_admissible(admitted)
        key_id = request.public_key.key_id
        code, message = not_sent_problem(admitted.snapshot.store, key_id, admitted.time_s)
        if code:
            raise RequestRefused(code, message)
        if not self._rates.is_allowed(admitted.department, MAX_PER_MINUTE, admitted.time_s):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's statements of this minute are used up"
            )
        value = check_statement(parse_body(body, ("reason", "salt", "sequences", "stream")))
        if request.grant != ZERO_ID or request.stream is not None:
            raise RequestRefused("BODY_MALFORMED", "a statement has neither grant nor number")
        told = {name: member for name, member in value.items() if name != "salt"}
        digest = sm3(fast_canonical(told))
        # No platform's id of a record has a space: the two kinds cannot meet.
        once = Once(key_id, f"not sent {digest.hex()}", digest)
        return admitted.draft("not_sent", statement=value), once
