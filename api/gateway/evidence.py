"""Evidence of one record, for auditors and for the departments that it is about.

Handing it out is itself an access: it is recorded before the evidence leaves.
"""

import asyncio
from collections.abc import Callable

from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from crypto.errors import RequestRefused, SanlianError
from ledger.log.reader import LogReader
from protocol.description import Role
from protocol.httpsig import content_digest
from protocol.model import Person, Store, key_problem
from protocol.records import parse_record

#: Builds the evidence file of the record with this index.
Build = Callable[[int], bytes]

NO_GRANT = bytes(32)
#: Files that a department is given a minute: they are built one at a time, for all departments.
EVIDENCE_PER_MINUTE = 120


class EvidenceService:
    """Answers requests for evidence.

    Args:
        gatekeeper: checks and records.
        reader: reads the log.
        build: builds the evidence; it is called in a thread, one at a time.
        auditor_departments: departments, beside the authority's, whose auditors may have the
            evidence of every record. Any head can enrol an auditor of its own department.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        reader: LogReader,
        build: Build,
        *,
        auditor_departments: frozenset[bytes],
    ) -> None:
        self._auditor_departments = auditor_departments
        self._gatekeeper = gatekeeper
        self._reader = reader
        self._build = build
        self._one_at_a_time = asyncio.Lock()
        self._rates = RateLimiter()

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer one request.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        admitted = self._gatekeeper.admit(incoming)
        try:
            self._gatekeeper.check_admissible(admitted)
            seq = await asyncio.to_thread(self._check, admitted, incoming.body)
            self._rates.require(admitted.department, EVIDENCE_PER_MINUTE, admitted.time_s)
            receipt = await self._gatekeeper.log.write(
                admitted.draft(
                    "inspected", subject_log=self._gatekeeper.log.origin, subject_seq=seq
                ),
                nonce=nonce_of(admitted.request),
                time_ms=admitted.time_ms,
            )
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        headers = {"sanlian-receipt": receipt.to_header()}
        try:
            async with self._one_at_a_time:
                body = await asyncio.to_thread(self._build, seq)
        except SanlianError as error:
            return Answer(error.code, headers=headers, detail=error.message, details=error.details)
        headers["content-digest"] = content_digest(body)
        return Answer("", body, headers)

    def _check(self, admitted: Admitted, body: bytes) -> int:
        """Return the index of the record that is asked for, when it may be handed out.

        Raises:
            RequestRefused: BODY_MALFORMED, KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED,
                LOG_RECORD_UNKNOWN, EVIDENCE_NOT_ALLOWED.
        """
        request, store = admitted.request, admitted.snapshot.store
        value = parse_body(body, ("log", "salt", "seq"))
        seq = value["seq"]
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0:
            raise RequestRefused("BODY_MALFORMED", "seq must be a whole number", field="seq")
        if request.grant != NO_GRANT:
            raise RequestRefused("BODY_MALFORMED", "evidence is asked for without a grant")
        key = store.find_key(request.public_key.key_id)
        person = store.find_person(key.person) if key is not None else None
        if key is None or person is None:
            raise RequestRefused("KEY_UNKNOWN", "the key is not registered")
        problem = key_problem(store, key, person, admitted.time_s)
        if problem is not None:
            raise RequestRefused(problem, "the key does not count now")
        if value["log"] != self._gatekeeper.log.origin or seq >= self._gatekeeper.log.size:
            raise RequestRefused("LOG_RECORD_UNKNOWN", "this gateway has no such record")
        is_party = bool(person.roles) and person.department in self._parties(seq)
        if not is_party and not self._audits_everything(store, person):
            raise RequestRefused("EVIDENCE_NOT_ALLOWED", "the record is not about your department")
        return seq

    def _audits_everything(self, store: Store, person: Person) -> bool:
        authority = store.find_authority()
        departments = self._auditor_departments | (
            {authority.department} if authority is not None else set()
        )
        return bool(person.roles & Role.AUDITOR) and person.department in departments

    def _parties(self, seq: int) -> set[bytes]:
        """Return the departments that a record is about."""
        record = parse_record(self._reader.get_record(seq))
        if "intent" in record:
            record = parse_record(self._reader.get_record(record["intent"]))
        return {
            bytes.fromhex(record[name])
            for name in ("department", "provider")
            if name in record and record[name] != NO_GRANT.hex()
        }
