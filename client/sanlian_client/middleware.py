"""ASGI middleware for providers: only calls that the gateway logged and signed reach the service.

Source: docs/protocol.md 7.3. It uses plain ASGI, so it fits in front of any framework:

    app = SanlianProvider(service, gateway_keys={"city.gov.example/log": gateway_key}, …)
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from crypto.canonical import canonical_json, fast_canonical, parse_json
from crypto.errors import (
    CryptoError,
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.merkle import leaf_hash
from crypto.sm2 import PublicKey, Signer
from crypto.sm3 import sm3
from protocol.checkpoint import parse_note
from protocol.httpsig import (
    DATA_PATH,
    TEST_PATH,
    GroupSigner,
    SignedRequest,
    parse_forward,
    prepare_answer,
)
from protocol.receipt import Receipt, verify_receipt
from sanlian_client.intents import IntentStore

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_SIZE = 64 * 1024
#: The gateway reads at most 8 MiB, envelope included.
MAX_ANSWER_SIZE = 8 * 1024 * 1024 - 1024
MAX_QUERY_SIZE = 64 * 1024
_PATH = re.compile(r"/[A-Za-z0-9/._-]{0,255}")
_SALT = re.compile(r"[0-9a-f]{64}")

_LOGGER = logging.getLogger(__name__)

_STATUS = {  # of refusals; whatever is not listed is 400
    "BODY_TOO_LARGE": 413,
    "METHOD_NOT_ALLOWED": 405,
    "SIGNATURE_MISSING": 401,
    "SIGNATURE_INVALID": 401,
    "REQUESTER_SIGNATURE_INVALID": 401,
    "GATEWAY_UNKNOWN": 401,
    "FORWARD_STALE": 401,
    "RECEIPT_MISSING": 403,
    "RECEIPT_INVALID": 403,
    "PROOF_INVALID": 403,
    "CHECKPOINT_INVALID": 403,
    "INTENT_MISMATCH": 403,
    "NOT_AN_INTENT": 403,
    "OTHER_DEPARTMENT": 403,
    "INTERFACE_MISMATCH": 403,
    "PARAMETERS_ALTERED": 403,
    "INTENT_REPLAYED": 409,
    "INTENT_FORKED": 409,
    "REQUEST_REPLAYED": 409,
    "INTENT_STORE_FAILED": 503,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that passed every check; the service finds it in ``scope["sanlian"]``.

    Attributes:
        intent: the intent's record.
        intent_leaf: its leaf hash.
        request: what the requester signed.
        receipt: receipt of the intent.
    """

    intent: Mapping[str, Any]
    intent_leaf: bytes
    request: SignedRequest
    receipt: Receipt

    @property
    def is_test(self) -> bool:
        """Whether the department itself asked the gateway to test its interface."""
        return bool(self.intent["event"] == "test")

    @property
    def items(self) -> int:
        """Mask of the items that the gateway will release of the answer; none of a test's."""
        return int(self.intent.get("items", "0"), 16)


class SanlianProvider:
    """Checks forwarded calls, keeps their receipts, wraps and signs the service's answers.

    Args:
        app: the provider's own ASGI application; it answers JSON.
        gateway_keys: public key of each trusted gateway by the origin of its log.
        department_id: 32-byte id of the provider's department.
        provider_key: key with the role PROVIDER that signs the answers.
        authority: host and port under which the gateway calls this service, lower case.
        store_path: SQLite file of used intents and their receipts.
        interfaces: method and path by 32-byte interface id; when given, an intent opens only its
            own interface's operation.
        skew_s: allowed difference between the gateway's clock and ours.
        max_answer_size: largest answer of the service in bytes.
        clock: unix time in seconds.

    Raises:
        ValueError: an argument cannot be used.
        LedgerError: INTENT_STORE_FAILED.
    """

    def __init__(
        self,
        app: App,
        *,
        gateway_keys: Mapping[str, PublicKey],
        department_id: bytes,
        provider_key: Signer,
        authority: str,
        store_path: Path,
        interfaces: Mapping[bytes, tuple[str, str]] | None = None,
        skew_s: int = 60,
        max_answer_size: int = MAX_ANSWER_SIZE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not gateway_keys or len(department_id) != 32 or authority != authority.lower():
            raise ValueError("gateway_keys, department_id or authority cannot be used")
        self._app = app
        self._gateway_keys = dict(gateway_keys)
        self._department_id = department_id
        self._public_key = provider_key.public_key
        self._authority = authority
        self._interfaces = dict(interfaces) if interfaces is not None else None
        self._skew_s = skew_s
        self._max_answer_size = max_answer_size
        self._clock = clock
        self.store = IntentStore(store_path)
        # Checks and disk writes stay off the event loop; one thread suffices for one file.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sanlian-provider")
        self._signer = GroupSigner(provider_key, self._worker)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            body = await _read_body(receive)
            if body is None:
                return
            call = await asyncio.get_running_loop().run_in_executor(
                self._worker, self._check, scope, body
            )
        except SanlianError as error:
            await _refuse(send, error)
            return
        status, data = await self._ask(scope, body, call)
        envelope = fast_canonical({"data": data, "salt": secrets.token_bytes(32).hex()})
        try:
            headers = await self._signer.sign(
                prepare_answer(
                    self._public_key,
                    status=status,
                    body=envelope,
                    intent_leaf=call.intent_leaf,
                    created=int(self._clock()),
                )
            )
        except SanlianError as error:
            # An answer that nobody signed is none; what ails the token is the provider's affair.
            _LOGGER.error("the answer could not be signed: %s", error)
            await _refuse(send, LedgerError("ANSWER_NOT_SIGNED", "the answer could not be signed"))
            return
        await _send_whole(send, status, headers, envelope)

    def _check(self, scope: Scope, body: bytes) -> Call:
        """Check everything of protocol 7.3, mark the intent as used, and return the call."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        method, path, query = _operation(scope)
        forward = parse_forward(
            method=method,
            authority=self._authority,
            path=path,
            query=query,
            headers=headers,
            body=body,
        )
        if forward.public_key not in self._gateway_keys.values():
            raise RequestRefused("GATEWAY_UNKNOWN", "this gateway's key is not trusted here")
        now = int(self._clock())
        if abs(now - forward.created) > self._skew_s:
            raise RequestRefused("FORWARD_STALE", "the gateway's signature is not of this minute")
        receipt, intent = self._check_receipt(headers, forward.public_key)
        leaf = leaf_hash(receipt.record)
        if leaf != forward.intent_leaf:
            raise RequestRefused("INTENT_MISMATCH", "the receipt is of another intent")
        # A grant is judged at the intent's time: no gateway may date it back into a past grant.
        if abs(now - intent["time_ms"] // 1000) > self._skew_s:
            raise RequestRefused("FORWARD_STALE", "the intent is not of this minute")
        self._check_intent(intent, method, path)
        request = _requester(intent)
        parameters = _parameters(method, query, body)
        salt = _single(headers, "sanlian-salt", "HEADER_MALFORMED")
        if not _SALT.fullmatch(salt):
            raise ProtocolError("HEADER_MALFORMED", "sanlian-salt must be 64 hex digits")
        signed: dict[str, Any] = {"parameters": parameters, "salt": salt}
        if intent["event"] == "test":
            signed["interface"] = intent["interface"]
        if sm3(canonical_json(signed)) != request.content_digest:
            raise RequestRefused(
                "PARAMETERS_ALTERED", "these are not the parameters that the requester signed"
            )
        self.store.add(
            receipt,
            leaf=leaf,
            log=intent["log"],
            requester=request.public_key.key_id,
            nonce=request.nonce,
            now=now,
        )
        return Call(intent, leaf, request, receipt)

    def _check_receipt(
        self, headers: list[tuple[str, str]], key: PublicKey
    ) -> tuple[Receipt, dict[str, Any]]:
        receipt = Receipt.from_header(_single(headers, "sanlian-receipt", "RECEIPT_MISSING"))
        origin = parse_note(receipt.checkpoint)[0].origin
        if self._gateway_keys.get(origin) != key:
            raise RequestRefused("RECEIPT_INVALID", "the receipt is not of this gateway's log")
        record, _ = verify_receipt(receipt, origin=origin, public_key=key)
        return receipt, record

    def _check_intent(self, intent: Mapping[str, Any], method: str, path: str) -> None:
        if intent["event"] not in ("intent", "test"):
            raise RequestRefused("NOT_AN_INTENT", "the receipt is not of an intent")
        # A test is asked for by the provider's own people; its answer goes to nobody else.
        if intent["event"] == "test" and intent["department"] != intent["provider"]:
            raise RequestRefused("OTHER_DEPARTMENT", "another department asked for the test")
        if bytes.fromhex(intent["provider"]) != self._department_id:
            raise RequestRefused("OTHER_DEPARTMENT", "the intent names another provider")
        if self._interfaces is not None:
            operation = self._interfaces.get(bytes.fromhex(intent["interface"]))
            if operation != (method, path):
                raise RequestRefused(
                    "INTERFACE_MISMATCH", "the intent's interface does not serve this operation"
                )

    async def _ask(self, scope: Scope, body: bytes, call: Call) -> tuple[int, Any]:
        """Let the service answer; return the status and what stands in ``data``."""
        answer = _Answer(self._max_answer_size)
        inner = dict(scope)
        inner["sanlian"] = call
        delivered = False

        async def receive() -> Message:
            nonlocal delivered
            if delivered:
                # The whole call is here and the service is still wanted: never "disconnected".
                await asyncio.Future()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._app(inner, receive, answer.send)
        except Exception:  # noqa: BLE001 - whatever the service raises, nothing of it leaves
            return 500, _problem("PROVIDER_ERROR", "the service failed")
        return answer.result()


class _Answer:
    """Collects what the service sends, up to a limit."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._status = 0
        self._pieces: list[bytes] = []
        self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            piece = message.get("body", b"")
            self._size += len(piece)
            if self._size <= self._max_size:
                self._pieces.append(piece)
            else:
                self._pieces.clear()
            self._complete = not message.get("more_body", False)

    def result(self) -> tuple[int, Any]:
        if not self._complete:
            return 500, _problem("PROVIDER_ERROR", "the service failed")
        if not 200 <= self._status < 300:
            # The service's text may tell too much; its status is enough to act on.
            status = self._status if 400 <= self._status < 600 else 502
            return status, _problem("PROVIDER_REFUSED", "the service refused the call")
        if self._size > self._max_size:
            return 502, _problem("ANSWER_TOO_LARGE", "the service's answer is too large")
        try:
            data = parse_json(b"".join(self._pieces), max_bytes=self._max_size)
            # One level is the envelope's: it must still encode.
            fast_canonical({"data": data})
        except CryptoError:
            return 502, _problem("ANSWER_NOT_JSON", "the service's answer is not JSON")
        return 200, data


def _problem(code: str, title: str) -> dict[str, str]:
    return {"code": code, "title": title}


def _operation(scope: Scope) -> tuple[str, str, str]:
    method = scope["method"]
    if method not in ("GET", "POST"):
        raise RequestRefused("METHOD_NOT_ALLOWED", "an operation is GET or POST")
    path = scope["path"]
    raw = scope.get("raw_path")
    # Only one spelling of a path exists, so that what was signed is what the service sees.
    if not _PATH.fullmatch(path) or (raw is not None and raw != path.encode()):
        raise ProtocolError("PATH_MALFORMED", "the path has characters that are not allowed")
    query = scope["query_string"]
    if len(query) > MAX_QUERY_SIZE or not re.fullmatch(rb"[!-~]*", query):
        raise ProtocolError("QUERY_MALFORMED", "the query is too long or not ASCII")
    return method, path, query.decode("ascii")


def _parameters(method: str, query: str, body: bytes) -> Any:
    if method == "POST":
        if query:
            raise ProtocolError("QUERY_MALFORMED", "a POST operation has no query")
        try:
            parameters = parse_json(body, max_bytes=MAX_BODY_SIZE)
        except CryptoError as error:
            raise ProtocolError("BODY_MALFORMED", "the body must be a JSON object") from error
        if not isinstance(parameters, dict):
            raise ProtocolError("BODY_MALFORMED", "the body must be a JSON object")
        return parameters
    if body:
        raise ProtocolError("BODY_MALFORMED", "a GET operation has no body")
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=100
        )
    except ValueError as error:
        raise ProtocolError("QUERY_MALFORMED", "the query is not a list of parameters") from error
    if len(dict(pairs)) != len(pairs):
        raise ProtocolError("QUERY_MALFORMED", "a parameter stands twice")
    return dict(pairs)


def _requester(intent: Mapping[str, Any]) -> SignedRequest:
    try:
        request = SignedRequest.from_record(intent["request"])
        request.verify()
    except (CryptoError, VerificationError) as error:
        raise RequestRefused(
            "REQUESTER_SIGNATURE_INVALID", "the requester's signature in the intent does not hold"
        ) from error
    if request.path != (TEST_PATH if intent["event"] == "test" else DATA_PATH):
        raise RequestRefused("NOT_AN_INTENT", "the requester did not ask for this")
    return request


def _single(headers: Iterable[tuple[str, str]], name: str, missing: str) -> str:
    values = [value for key, value in headers if key.lower() == name]
    if not values:
        raise ProtocolError(missing, f"header {name} is missing", header=name)
    if len(values) > 1:
        raise ProtocolError("HEADER_REPEATED", f"{name} stands twice", header=name)
    return values[0].strip(" \t")


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when the caller is gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_SIZE:
            raise ProtocolError("BODY_TOO_LARGE", "a body has at most 64 KiB")
        if not message.get("more_body", False):
            return bytes(body)


async def _refuse(send: Send, error: SanlianError) -> None:
    status = _STATUS.get(error.code, 503 if isinstance(error, LedgerError) else 400)
    body = canonical_json(
        {"type": "about:blank", "status": status, "title": error.message, "code": error.code}
    )
    await _send_whole(send, status, {"content-type": "application/problem+json"}, body)


async def _send_whole(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    lines = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    lines += [
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
