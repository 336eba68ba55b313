"""A data request from its bytes to its answer (docs/protocol.md, 6.3 and 7).

The order is the promise: signature, decision on one block's state, durable intent, call, durable
outcome, answer.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from api.gateway.forward import Call, Forwarder, Result, encode_parameters
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from api.gateway.limits import Limits
from api.gateway.live_restrictions import LiveRestrictions
from api.gateway.parameter_digests import ParameterDigests
from api.gateway.verifiers import Verifiers
from crypto.errors import (
    LedgerError,
    RequestRefused,
    SanlianError,
)
from crypto.merkle import leaf_hash
from ledger.log.entries import Quota
from ledger.log.keeping import Keeper
from protocol.documents import InterfaceDocument
from protocol.httpsig import digest_field
from protocol.model import effective_items, grant_problem
from protocol.receipt import Receipt

#: Requests in work at a time; more are turned away before anything is computed.
MAX_IN_FLIGHT = 1024
#: Interfaces' descriptions in memory.
MAX_DOCUMENTS_KEPT = 512

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A decision to call: the intent to record, and the call to make."""

    intent: dict[str, Any]
    quota: Quota
    call: Call
    time_ms: int
    envelope: bytes | None = None


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
        digests: ParameterDigests,
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
            self._forwarder.release(plan.call.passage)

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
            # Last of all: what raises from here on would keep the place for ever.
            passage=self._forwarder.reserve(base_url, admitted.department),
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
