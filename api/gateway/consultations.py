"""Records who searches keyed digests or opens an envelope, before it is done (protocol 7.12)."""

from api.gateway.counting import RateLimiter
from api.gateway.evidence import NO_GRANT
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from crypto.canonical import canonical_json
from crypto.errors import RequestRefused
from protocol.consultation import consultation_problem, has_reason, is_consultation
from protocol.httpsig import content_digest

CONSULTATIONS_PER_MINUTE = 60


class ConsultationService:
    """Answers consultations with the receipt of their record.

    Args:
        gatekeeper: checks and records.
        auditor_departments: departments, beside the authority's, whose auditors may look.
    """

    def __init__(self, gatekeeper: Gatekeeper, *, auditor_departments: frozenset[bytes]) -> None:
        self._gatekeeper = gatekeeper
        self._auditor_departments = auditor_departments
        self._rates = RateLimiter()

    async def handle(self, incoming: Incoming) -> Answer:
        """POST /v1/consultations: record what an auditor is about to do.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        admitted = self._gatekeeper.admit(incoming)
        try:
            self._gatekeeper.check_admissible(admitted)
            members = self._decide(admitted, incoming.body)
            receipt = await self._gatekeeper.log.write(
                admitted.draft("consulted", **members),
                nonce=nonce_of(admitted.request),
                time_ms=admitted.time_ms,
            )
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        body = canonical_json({"index": receipt.index})
        headers = {
            "sanlian-receipt": receipt.to_header(),
            "content-digest": content_digest(body),
        }
        return Answer("", body, headers)

    def _decide(self, admitted: Admitted, body: bytes) -> dict[str, object]:
        """Return the record's own members.

        Raises:
            RequestRefused: why the consultation is denied.
        """
        request, store = admitted.request, admitted.snapshot.store
        value = parse_body(body, ("operation", "periods", "record", "salt"))
        operation, periods, record = value["operation"], value["periods"], value["record"]
        if request.grant != NO_GRANT or not is_consultation(operation, periods, record):
            raise RequestRefused("BODY_MALFORMED", "this is no consultation")
        if not has_reason(person=request.person, basis=request.basis, case=request.case):
            raise RequestRefused(
                "CONSULTATION_REASON_MISSING", "name the person, and a legal basis or a case"
            )
        problem, department = consultation_problem(
            store, key_id=request.public_key.key_id, at_s=admitted.time_s
        )
        authority = store.find_authority()
        allowed = self._auditor_departments | (
            {authority.department} if authority is not None else set()
        )
        if problem or department not in allowed:
            raise RequestRefused(
                problem or "CONSULTATION_NOT_ALLOWED", "the key may not look into what is kept"
            )
        if record is not None and record >= self._gatekeeper.log.size:
            raise RequestRefused("LOG_RECORD_UNKNOWN", "this gateway has no such record")
        if not self._rates.is_allowed(department, CONSULTATIONS_PER_MINUTE, admitted.time_s):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's rate per minute is used up"
            )
        return {
            "operation": operation,
            "periods": periods,
            "record": record,
            "salt": value["salt"],
        }
