"""A data request from its bytes to its answer (docs/protocol.md, 6.3 and 7).

The order is the promise: signature, decision on one block's state, durable intent, call, durable
outcome, answer. Whatever is refused after the signature held leaves a record too.
"""

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from api.gateway.counting import RateLimiter, RejectedCounter
from api.gateway.forward import Call, Forwarder, Result, encode_parameters
from api.gateway.limits import Limits
from api.gateway.live_restrictions import LiveRestrictions
from api.gateway.state import Snapshot, StateSource, is_stale
from api.gateway.verifiers import Verifiers
from crypto.canonical import parse_canonical
from crypto.errors import (
    CryptoError,
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.merkle import leaf_hash
from crypto.sm2 import PublicKey
from ledger.log.entries import Nonce, Quota
from ledger.log.keeping import Keeper
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.writer import AccessLog
from protocol.documents import InterfaceDocument
from protocol.example_keys import refuse_example_key
from protocol.httpsig import SignedRequest, digest_field, read_request
from protocol.model import effective_items, grant_problem
from protocol.parameters import parameter_member, period_at
from protocol.receipt import Receipt

MAX_BODY_SIZE = 64 * 1024
#: Requests in work at a time; more are turned away before anything is computed.
MAX_IN_FLIGHT = 1024
#: Refusals remembered, so that sending one signed request again and again fills no log.
MAX_REFUSALS_KEPT = 1024
#: Anybody can make keys: of the refusals of unknown ones so many a minute get records of their own.
MAX_STRANGERS_PER_MINUTE = 60
#: What anybody may send who saw a signed request once; so many a minute of a key get records.
MAX_REPEATED_PER_MINUTE = 60
_OF_ANYBODY = frozenset({"CLOCK_SKEW", "NONCE_REPLAYED"})
NOBODY = bytes(32)
#: Interfaces' descriptions in memory.
MAX_DOCUMENTS_KEPT = 512
_SALT = re.compile(r"[0-9a-f]{64}")

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came in.

    Attributes:
        method: HTTP method.
        host: Host header.
        path: path.
        headers: all header lines.
        body: exact bytes of the body.
        source: address it came from.
    """

    method: str
    host: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Attributes:
        code: error code, empty for an answer that releases something.
        body: body to release.
        headers: headers to add, among them the receipt.
        detail: sentence for a problem.
        details: values for a problem.
    """

    code: str
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    detail: str = ""
    details: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose signature held, and the state that decides about it.

    Attributes:
        request: what was signed.
        source: address it came from.
        snapshot: the state.
        department: department of the key's person, zeros when the key is not known.
        time_ms: time of the decision.
    """

    request: SignedRequest
    source: str
    snapshot: Snapshot
    department: bytes
    time_ms: int

    @property
    def time_s(self) -> int:
        """Time of the decision in unix seconds."""
        return self.time_ms // 1000

    def draft(self, event: str, **members: object) -> dict[str, Any]:
        """Return a draft of a record about this request."""
        return {
            "event": event,
            "request": self.request.to_record(),
            "department": self.department.hex(),
            "source": self.source,
            "block": {"number": self.snapshot.number, "hash": self.snapshot.hash.hex()},
            **members,
        }


@dataclass(frozen=True, slots=True)
class _Plan:
    """A decision to call: the intent to record, and the call to make."""

    intent: dict[str, Any]
    quota: Quota
    call: Call
    time_ms: int
    envelope: bytes | None = None


class Gatekeeper:
    """Checks signed calls and keeps their records: what data requests and evidence share.

    Args:
        log: the access log.
        state: source of the state.
        authority: host and port that requesters sign.
        clock_skew_s: allowed difference between a signature's time and ours.
        head_max_age_s: nothing is decided when the node was not seen for so long.
    """

    def __init__(
        self,
        log: AccessLog,
        state: StateSource,
        *,
        authority: str,
        clock_skew_s: int,
        head_max_age_s: int,
        is_example: bool,
    ) -> None:
        self.log = log
        self.state = state
        self.rejected = RejectedCounter()
        self._refusals: dict[tuple[bytes, str], str] = {}
        self._strangers = RateLimiter()
        self._repeated = RateLimiter()
        self._authority = authority.lower()
        self._clock_skew_s = clock_skew_s
        self._head_max_age_s = head_max_age_s
        self._is_example = is_example

    def admit(self, incoming: Incoming, *, max_body: int = MAX_BODY_SIZE) -> Admitted:
        """Check a call's signature; what fails is counted.

        Args:
            incoming: the call.
            max_body: largest body in bytes.

        Raises:
            SanlianError: the code to answer with; there is no receipt.
        """
        request = self._read(incoming, max_body)
        try:
            request.verify()
        except SanlianError as error:
            self.rejected.add(incoming.source, error.code, int(time.time()))
            raise
        return self._admitted(request, incoming.source)

    async def admit_beside(self, incoming: Incoming, verifiers: Verifiers) -> Admitted:
        """Do the same, with the signature checked beside the event loop.

        Raises:
            SanlianError: the code to answer with; there is no receipt.
        """
        request = self._read(incoming, MAX_BODY_SIZE)
        if not await verifiers.is_valid(request.public_key, request.base(), request.signature):
            self.rejected.add(incoming.source, "SIGNATURE_INVALID", int(time.time()))
            raise VerificationError("SIGNATURE_INVALID", "the request's signature does not hold")
        return self._admitted(request, incoming.source)

    def _read(self, incoming: Incoming, max_body: int) -> SignedRequest:
        """Return a call whose signature is still to be verified; what is malformed is counted."""
        if self.state.snapshot is None:
            raise LedgerError("GATEWAY_NOT_READY", "the ledger's state has not been read yet")
        try:
            if incoming.host.lower() != self._authority:
                raise RequestRefused("AUTHORITY_MISMATCH", "the Host header names another gateway")
            if len(incoming.body) > max_body:
                raise RequestRefused("BODY_TOO_LARGE", f"a body has at most {max_body} bytes")
            return read_request(
                method=incoming.method,
                authority=self._authority,
                path=incoming.path,
                headers=incoming.headers,
                body=incoming.body,
            )
        except SanlianError as error:
            self.rejected.add(incoming.source, error.code, int(time.time()))
            raise

    def _admitted(self, request: SignedRequest, source: str) -> Admitted:
        snapshot = self.state.snapshot
        if snapshot is None:
            raise LedgerError("GATEWAY_NOT_READY", "the ledger's state has not been read yet")
        department = department_of(snapshot, request.public_key)
        time_ms = time.time_ns() // 1_000_000
        return Admitted(request, source, snapshot, department, time_ms)

    def check_admissible(self, admitted: Admitted) -> None:
        """Check the key, the time of the signature and the age of the state.

        Raises:
            RequestRefused: EXAMPLE_KEY_REFUSED, CLOCK_SKEW, LEDGER_HALTED, HEAD_STALE.
        """
        self.check_fresh(admitted)
        try:
            refuse_example_key(admitted.request.public_key.key_id, is_example=self._is_example)
        except ProtocolError as error:
            raise RequestRefused(error.code, error.message) from error
        if admitted.snapshot.finding_code:
            raise RequestRefused("LEDGER_HALTED", "the ledger stopped at a finding")
        if is_stale(admitted.snapshot, self._head_max_age_s):
            raise RequestRefused("HEAD_STALE", "the chain's head was not seen for too long")

    def check_fresh(self, admitted: Admitted) -> None:
        """Check that the signature was made just now: of an older one anybody may be the sender.

        Raises:
            RequestRefused: CLOCK_SKEW.
        """
        if abs(admitted.request.created - admitted.time_s) > self._clock_skew_s:
            raise RequestRefused("CLOCK_SKEW", "the signature was not made just now")

    async def deny(
        self,
        admitted: Admitted,
        error: SanlianError,
        parameters: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Record a refusal and return the answer with its receipt.

        Whoever sends the very same signed request again and is refused for the same reason gets
        the receipt of the first refusal: anyone on the way could send it again for ever. Requests
        of keys that nobody registered are only counted beyond MAX_STRANGERS_PER_MINUTE, and what
        anybody may send again beyond MAX_REPEATED_PER_MINUTE of a key.

        Raises:
            SanlianError: the refusal, where it is counted; there is no receipt.
            LedgerError: LOG_BUSY, LOG_CLOSED, LOG_WRITE_FAILED.
        """
        same = (admitted.request.signature.to_bytes(), error.code)
        header = self._refusals.get(same)
        if header is None:
            if not self._gets_record(admitted, error.code):
                self.rejected.add(admitted.source, error.code, admitted.time_s)
                raise error
            draft = admitted.draft("denied", code=error.code, **(parameters or {}))
            receipt = await self.log.write(draft, time_ms=admitted.time_ms)
            header = receipt.to_header()
            while len(self._refusals) >= MAX_REFUSALS_KEPT:
                del self._refusals[next(iter(self._refusals))]
            self._refusals[same] = header
        return Answer(
            error.code,
            headers={"sanlian-receipt": header},
            detail=error.message,
            details=error.details,
        )

    def _gets_record(self, admitted: Admitted, code: str) -> bool:
        if admitted.department == NOBODY:
            return self._strangers.is_allowed(NOBODY, MAX_STRANGERS_PER_MINUTE, admitted.time_s)
        if code not in _OF_ANYBODY:
            return True
        key_id = admitted.request.public_key.key_id
        return self._repeated.is_allowed(key_id, MAX_REPEATED_PER_MINUTE, admitted.time_s)


def department_of(snapshot: Snapshot, public_key: PublicKey) -> bytes:
    """Return the department of a key's person, zeros when the key is not known."""
    key = snapshot.store.find_key(public_key.key_id)
    person = snapshot.store.find_person(key.person) if key is not None else None
    return person.department if person is not None else NOBODY


def nonce_of(request: SignedRequest) -> Nonce:
    """Return the nonce of a signed call."""
    return Nonce(request.public_key.key_id, bytes.fromhex(request.nonce))


def is_signed_body(value: object, members: Iterable[str]) -> bool:
    """Return whether a value has exactly these members, and a salt of the right form."""
    return (
        isinstance(value, dict)
        and set(value) == set(members)
        and isinstance(value["salt"], str)
        and _SALT.fullmatch(value["salt"]) is not None
    )


def parse_body(body: bytes, members: Iterable[str]) -> dict[str, Any]:
    """Return a signed call's body with exactly these members, of which salt is one.

    Raises:
        RequestRefused: BODY_MALFORMED.
    """
    try:
        # How large it may be was checked when it was admitted.
        value: Any = parse_canonical(body, max_bytes=len(body))
    except CryptoError as error:
        raise RequestRefused("BODY_MALFORMED", "the body must be canonical JSON") from error
    if not isinstance(value, dict) or set(value) != set(members):
        raise RequestRefused("BODY_MALFORMED", "the body has other members")
    if not isinstance(value["salt"], str) or not _SALT.fullmatch(value["salt"]):
        raise RequestRefused("BODY_MALFORMED", "the salt must be 64 hex digits")
    return value


class ParameterDigests:
    """Makes the keyed digests of the parameters that an auditor must be able to ask for.

    Args:
        keys: the periods' keys.
        pointers: which parameters; with none nothing is made and no key.
    """

    def __init__(self, keys: ParameterKeys, pointers: Sequence[str]) -> None:
        self._keys = keys
        self._pointers = tuple(pointers)

    def of(self, admitted: Admitted, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the member of a record about a request, empty when none is wanted.

        Raises:
            LedgerError: PARAMETER_KEY_DISPOSED, PARAMETER_KEY_UNREADABLE.
            ProtocolError: PARAMETER_INVALID.
        """
        if not self._pointers:
            return {}
        period = period_at(admitted.time_ms)
        key = self._keys.get_or_make(period)
        return {"parameters": parameter_member(key, period, self._pointers, parameters)}

    def of_denied(self, admitted: Admitted, body: bytes) -> dict[str, Any]:
        """Return the same for a refusal, empty where the body or the key cannot be used.

        A refusal is recorded whatever its reason is; nothing is made for keys nobody registered.
        """
        if not self._pointers or admitted.department == NOBODY:
            return {}
        try:
            value = parse_body(body, ("parameters", "salt"))
            if not isinstance(value["parameters"], dict):
                return {}
            return self.of(admitted, value["parameters"])
        except SanlianError:
            return {}


class DataService:
    """Answers data requests.

    Args:
        gatekeeper: checks and records.
        forwarder: calls providers.
        providers: base URL by exchange node name; only these are ever called.
        limits: rates and shares of this gateway.
        digests: makes the keyed digests of parameters.
        keeper: seals what must be kept.
        restrictions: networks from which grants may be used.
        verifiers: check the requesters' signatures.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        forwarder: Forwarder,
        providers: Mapping[str, str],
        limits: Limits,
        *,
        digests: "ParameterDigests",
        keeper: Keeper,
        restrictions: LiveRestrictions,
        verifiers: Verifiers,
    ) -> None:
        self._verifiers = verifiers
        self._keeper = keeper
        self._restrictions = restrictions
        self._gatekeeper = gatekeeper
        self._forwarder = forwarder
        self._providers = dict(providers)
        self._limits = limits
        self._digests = digests
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._documents: dict[bytes, InterfaceDocument] = {}

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer one request; it is finished and recorded even when the caller goes away.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        if len(self._tasks) >= MAX_IN_FLIGHT:
            raise LedgerError("GATEWAY_BUSY", "too many requests at a time")
        task = asyncio.create_task(self._handle(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody need have waited

    async def finish(self) -> None:
        """Wait until all requests in work are answered and recorded."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _handle(self, incoming: Incoming) -> Answer:
        admitted = await self._gatekeeper.admit_beside(incoming, self._verifiers)
        try:
            # Before a place is taken: a department's are not for whoever saw a request of it once.
            self._gatekeeper.check_fresh(admitted)
        except RequestRefused as error:
            told = self._digests.of_denied(admitted, incoming.body)
            return await self._gatekeeper.deny(admitted, error, told)
        try:
            self._limits.enter(admitted.department)
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        try:
            return await self._answer(admitted, incoming.body)
        finally:
            self._limits.leave(admitted.department)

    async def _answer(self, admitted: Admitted, body: bytes) -> Answer:
        request = admitted.request
        try:
            document = await self._find_document(admitted)
            plan = self._decide(admitted, body, document)
        except SanlianError as error:
            return await self._gatekeeper.deny(
                admitted, error, self._digests.of_denied(admitted, body)
            )
        except Exception:
            # A defect of ours must still leave a record.
            _LOGGER.exception("a request could not be decided")
            defect = LedgerError("INTERNAL_ERROR", "the gateway failed to decide")
            return await self._gatekeeper.deny(admitted, defect)
        try:
            try:
                intent = await self._gatekeeper.log.write(
                    plan.intent,
                    nonce=nonce_of(request),
                    quota=plan.quota,
                    time_ms=admitted.time_ms,
                    envelope=plan.envelope,
                )
            except RequestRefused as error:
                return await self._gatekeeper.deny(
                    admitted, error, self._digests.of_denied(admitted, body)
                )
            self._limits.keep_nonce(request.public_key.key_id, request.nonce)
            return await self._release(plan, intent)
        finally:
            self._forwarder.release(plan.call.base_url, plan.call.department)

    async def _find_document(self, admitted: Admitted) -> InterfaceDocument | None:
        """Return the description of the grant's interface, None without one.

        What is not in memory is read beside the event loop: a database that is slow, or away, must
        not keep those waiting whose descriptions are here.
        """
        store = admitted.snapshot.store
        grant = store.find_request(admitted.request.grant)
        interface = store.find_interface(grant.interface) if grant is not None else None
        if interface is None or interface.current is None:
            return None
        digest = interface.current.document
        document = self._documents.get(digest)
        if document is None:
            find = self._gatekeeper.state.find_interface_document
            document = await asyncio.to_thread(find, digest)
            if document is not None:
                while len(self._documents) >= MAX_DOCUMENTS_KEPT:
                    del self._documents[next(iter(self._documents))]
                self._documents[digest] = document
        return document

    def _decide(self, admitted: Admitted, body: bytes, document: InterfaceDocument | None) -> _Plan:
        """Decide on the snapshot alone; on success a place at the provider is reserved.

        Raises:
            SanlianError: why the request is denied.
        """
        request, store = admitted.request, admitted.snapshot.store
        self._gatekeeper.check_admissible(admitted)
        value = parse_body(body, ("parameters", "salt"))
        if not isinstance(value["parameters"], dict):
            raise RequestRefused("BODY_MALFORMED", "parameters must be an object")
        problem = grant_problem(
            store,
            grant=request.grant,
            key_id=request.public_key.key_id,
            basis=request.basis,
            scenario=request.scenario,
            at_s=admitted.time_s,
        )
        if problem is not None:
            raise RequestRefused(problem, "the ledger's state does not allow this request")
        self._restrictions.check(request.grant, admitted.source)
        grant = store.find_request(request.grant)
        interface = store.find_interface(grant.interface) if grant is not None else None
        entry = store.find_entry(interface.entry) if interface is not None else None
        if (
            grant is None
            or grant.granted_term is None
            or interface is None
            or interface.current is None
            or entry is None
            or entry.current is None
        ):
            _impossible()
        version = interface.current
        if document is None:
            raise RequestRefused(
                "INTERFACE_DOCUMENT_MISSING", "the interface's description is not available"
            )
        base_url = self._providers.get(version.node)
        if base_url is None:
            raise RequestRefused("NODE_NOT_LISTED", "the interface's exchange node is not listed")
        query, call_body = encode_parameters(document, value["parameters"])
        digests = self._digests.of(admitted, value["parameters"])
        self._limits.check_nonce(request.public_key.key_id, request.nonce)
        self._limits.check_rates(
            interface=interface.id,
            interface_rate=version.rate_per_minute,
            grant=grant.id,
            department=admitted.department,
            time_s=admitted.time_s,
        )
        envelope, kept = self._keeper.keep(
            interface.id,
            body,
            time_ms=admitted.time_ms,
            key_id=request.public_key.key_id,
            digest=request.content_digest,
            nonce=request.nonce,
        )
        self._forwarder.reserve(base_url, admitted.department)
        items = effective_items(store, request.grant)
        intent = admitted.draft(
            "intent",
            grant_revision=grant.revision,
            provider=grant.provider.hex(),
            entry=entry.id.hex(),
            entry_version=entry.current.number,
            interface=interface.id.hex(),
            interface_version=version.number,
            items=f"{items:064x}",
            **digests,
            **kept,
        )
        call = Call(
            base_url=base_url,
            document=document,
            query=query,
            body=call_body,
            salt=value["salt"],
            department=admitted.department,
            provider=grant.provider,
            items=items,
            max_rows=version.max_rows,
            store=store,
        )
        quota = Quota(grant.id, grant.granted_term.quota)
        return _Plan(intent, quota, call, admitted.time_ms, envelope)

    async def _release(self, plan: _Plan, intent: Receipt) -> Answer:
        """Call the provider; the outcome is durable before anything of its answer leaves."""
        leaf = leaf_hash(intent.record)
        try:
            result = await self._forwarder.call(plan.call, intent, leaf)
        except Exception:
            # A defect of ours must still end the intent with an outcome.
            _LOGGER.exception("the call for intent %d failed unexpectedly", intent.index)
            result = Result("RELEASE_FAILED", None, b"", 0, 0)
        digest = result.digest
        draft = {
            "event": "outcome",
            "intent": intent.index,
            "intent_leaf": leaf.hex(),
            "result": "failed" if result.code else "released",
            "code": result.code,
            "items": f"{0 if result.code else plan.call.items:064x}",
            "rows": result.rows,
            "bytes": len(result.body),
            "latency_ms": result.latency_ms,
            "response_digest": digest.hex() if digest is not None else None,
            "provider_response": result.answer.to_record() if result.answer is not None else None,
        }
        # A clock that was set back in between must not put the end before the beginning.
        time_ms = max(plan.time_ms, time.time_ns() // 1_000_000)
        receipt = await self._gatekeeper.log.write(draft, time_ms=time_ms)
        headers = {"sanlian-receipt": receipt.to_header()}
        if digest is None:
            return Answer(result.code, headers=headers, detail="the call to the provider failed")
        headers["content-digest"] = digest_field(digest)
        return Answer("", result.body, headers)


def _impossible() -> NoReturn:
    raise AssertionError("grant_problem accepts only what is complete")
