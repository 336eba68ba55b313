"""Tests of interfaces: the gateway calls a registered version and checks the answer.

The provider's own people ask for it with a signed call (docs/protocol.md, 7.4). The call is in the
log before the provider is called, the result before it leaves; the result goes to the chain signed
with the gateway's key. Of the answer itself nothing leaves this process.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.gateway.counting import RateLimiter
from api.gateway.forward import Call, Forwarder, Probe, encode_parameters
from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper, Incoming, nonce_of, parse_body
from api.gateway.response_check import answer_problem
from api.gateway.submit import ActSubmitter
from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError, RequestRefused, SanlianError
from crypto.merkle import leaf_hash
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.evidence.decision import interface_test_problem
from protocol.httpsig import content_digest
from protocol.model import Interface, InterfaceVersion

REPORT_TYPE = "sanlian/interface-test/v1"
TESTS_PER_MINUTE = 6
CHECK_TIMEOUT_S = 15.0
_MAX_RESULT = 64 * 1024
_PASSED, _FAILED = 1, 2


@dataclass(frozen=True, slots=True)
class _Plan:
    """A test to make."""

    interface: Interface
    version: InterfaceVersion
    document: Mapping[str, Any]
    call: Call


class TestService:
    """Answers calls for a test, one at a time.

    Args:
        gatekeeper: checks and records.
        forwarder: calls providers.
        submitter: hands in the result.
        providers: base URL by exchange node name; only these are ever called.
        log_id: id of this gateway's log.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        forwarder: Forwarder,
        submitter: ActSubmitter,
        providers: Mapping[str, str],
        *,
        log_id: bytes,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._forwarder = forwarder
        self._submitter = submitter
        self._providers = dict(providers)
        self._log_id = log_id
        self._rates = RateLimiter()
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[Answer]] = set()

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer one call; a test that began is finished and recorded.

        Raises:
            SanlianError: the code to answer with, where there is no receipt.
        """
        # First whose call it is: what nobody signed must not stand in anybody's way.
        admitted = self._gatekeeper.admit(incoming)
        if self._one_at_a_time.locked():
            raise LedgerError("GATEWAY_BUSY", "another interface is being tested")
        async with self._one_at_a_time:
            task = asyncio.create_task(self._handle(admitted, incoming.body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait until the test in work is recorded."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _handle(self, admitted: Admitted, body: bytes) -> Answer:
        try:
            plan = self._decide(admitted, body)
            try:
                test = await self._gatekeeper.log.write(
                    admitted.draft(
                        "test",
                        provider=plan.interface.department.hex(),
                        interface=plan.interface.id.hex(),
                        document=plan.version.document.hex(),
                    ),
                    nonce=nonce_of(admitted.request),
                    time_ms=admitted.time_ms,
                )
                probe = await self._forwarder.probe(plan.call, test)
            finally:
                self._forwarder.release(plan.call.passage)
        except RequestRefused as error:
            return await self._gatekeeper.deny(admitted, error)
        checked = await check_answer(plan.document, probe) if not probe.code else {}
        # What the test looks at closely is compared with each answer later, by another engine.
        code = (
            probe.code
            or _verdict(plan.version, checked)
            or answer_problem(plan.call.document.schema, probe.data, probe.size)
        )
        report = canonical_json(
            {
                "type": REPORT_TYPE,
                "log": self._gatekeeper.log.origin,
                "test": test.index,
                "interface": plan.interface.id.hex(),
                "document": plan.version.document.hex(),
                "result": "failed" if code else "passed",
                "code": code,
                "rows": checked.get("rows", 0),
                "problems": checked.get("problems", []),
                "missing_items": checked.get("missing_items", []),
                "latency_ms": probe.latency_ms,
            }
        )
        salt = secrets.token_bytes(32)
        commitment = sm3(salt + report)
        receipt = await self._gatekeeper.log.write(
            {
                "event": "tested",
                "test": test.index,
                "test_leaf": leaf_hash(test.record).hex(),
                "result": "failed" if code else "passed",
                "code": code,
                "report": commitment.hex(),
                "latency_ms": probe.latency_ms,
                "provider_response": None if probe.answer is None else probe.answer.to_record(),
            },
            time_ms=max(admitted.time_ms, time.time_ns() // 1_000_000),
        )
        headers = {"sanlian-receipt": receipt.to_header()}
        try:
            act_id = await self._submitter.submit(
                "InterfaceTested",
                {
                    "document": plan.version.document,
                    "test_result": _FAILED if code else _PASSED,
                    "log": self._log_id,
                    "report": commitment,
                },
                target=plan.interface.id,
                revision=plan.interface.revision,
            )
        except SanlianError as error:
            return Answer(error.code, headers=headers, detail=error.message, details=error.details)
        told = canonical_json(
            {
                "act_id": act_id.hex(),
                "report": parse_json(report, max_bytes=len(report)),
                "salt": salt.hex(),
            }
        )
        headers["content-digest"] = content_digest(told)
        return Answer("", told, headers)

    def _decide(self, admitted: Admitted, body: bytes) -> _Plan:
        """Decide on the snapshot alone; on success a place at the provider is reserved.

        Raises:
            RequestRefused: why the test is not made.
        """
        store = admitted.snapshot.store
        self._gatekeeper.check_admissible(admitted)
        value = parse_body(body, ("interface", "parameters", "salt"))
        if not isinstance(value["parameters"], dict):
            raise RequestRefused("BODY_MALFORMED", "parameters must be an object")
        if admitted.request.grant != ZERO_ID:
            raise RequestRefused("BODY_MALFORMED", "a test is asked for without a grant")
        interface_id = _id(value["interface"])
        code, message = interface_test_problem(
            store,
            interface=interface_id,
            document=ZERO_ID,
            key_id=admitted.request.public_key.key_id,
            at_s=admitted.time_s,
        )
        if code:
            raise RequestRefused(code, message)
        interface = store.find_interface(interface_id)
        if interface is None or interface.pending is None:
            raise AssertionError
        version = interface.pending
        document = self._gatekeeper.state.find_interface_document(version.document)
        text = self._gatekeeper.state.find_document_text(version.document)
        if document is None or text is None:
            raise RequestRefused(
                "INTERFACE_DOCUMENT_MISSING", "the interface's description is not available"
            )
        base_url = self._providers.get(version.node)
        if base_url is None:
            raise RequestRefused("NODE_NOT_LISTED", "the interface's exchange node is not listed")
        query, call_body = encode_parameters(document, value["parameters"])
        if not self._rates.is_allowed(interface.id, TESTS_PER_MINUTE, admitted.time_s):
            raise RequestRefused("RATE_EXCEEDED", "an interface is tested a few times a minute")
        call = Call(
            base_url=base_url,
            document=document,
            query=query,
            body=call_body,
            salt=value["salt"],
            # Last of all: what raises from here on would keep the place for ever.
            passage=self._forwarder.reserve(base_url, admitted.department),
            provider=interface.department,
            items=0,
            max_rows=version.max_rows,
            store=store,
        )
        return _Plan(interface, version, text, call)


def _id(text: object) -> bytes:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) and len(text) == 64 else b""
    except ValueError:
        found = b""
    if len(found) != 32:
        raise RequestRefused("BODY_MALFORMED", "interface must be 64 hex digits", field="interface")
    return found


def _verdict(version: InterfaceVersion, checked: Mapping[str, Any]) -> str:
    """Return the code of a test that failed, empty when it passed."""
    if not checked:
        return "CHECK_FAILED"
    if checked["problems"]:
        return "ANSWER_NOT_AS_DESCRIBED"
    if any(version.items >> item & 1 for item in checked["missing_items"]):
        return "ITEMS_MISSING"
    if version.max_rows and checked["rows"] > version.max_rows:
        return "TOO_MANY_ROWS"
    return ""


async def check_answer(document: Mapping[str, Any], probe: Probe) -> dict[str, Any]:
    """Compare an answer with its interface document in a process of its own.

    Returns:
        problems, missing_items and rows; nothing at all when the process did not end well in time.
    """
    # A large answer is encoded beside the event loop, so that other requests go on.
    work = await asyncio.to_thread(canonical_json, {"document": dict(document), "data": probe.data})
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.gateway.answer_check",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(work), CHECK_TIMEOUT_S)
    except TimeoutError:
        output = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        return {}
    try:
        value: Any = parse_json(output, max_bytes=_MAX_RESULT)
    except CryptoError:
        return {}
    return value if isinstance(value, dict) else {}
