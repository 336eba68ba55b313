"""Calls to providers: signed, bounded in time and size, never redirected."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from api.gateway.breaker import Breaker, Passage, Way
from api.gateway.outbound import OutboundPolicy, OutboundRefused
from api.gateway.provider_http import BrokenResponse, ProviderClient, ResponseTooLarge
from api.gateway.response_check import answer_problem
from crypto.canonical import fast_canonical, parse_json
from crypto.errors import CryptoError, LedgerError, RequestRefused, SanlianError
from crypto.merkle import leaf_hash
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.description import Role
from protocol.documents import InterfaceDocument, filter_items
from protocol.evidence.decision import MAX_SKEW_S
from protocol.httpsig import (
    CONTENT_TYPE,
    GroupSigner,
    ProviderAnswer,
    parse_answer,
    prepare_forward,
)
from protocol.model import Store, key_problem
from protocol.receipt import Receipt

#: A query longer than this does not pass the servers on the way.
MAX_QUERY_SIZE = 8 * 1024
#: From this size on, an answer is processed in a thread, so that other requests go on.
LARGE_ANSWER = 64 * 1024
_MAX_PROVIDERS_FILE = 1024 * 1024
_SALT = re.compile(r"[0-9a-f]{64}")


def load_providers(path: Path | None) -> dict[str, str]:
    """Read the base URL of each provider's service by exchange node name.

    Args:
        path: JSON object from node name to URL, such as ``{"node": "http://10.0.0.5:8451"}``;
            None for no provider.

    Raises:
        LedgerError: PROVIDERS_MALFORMED.
    """
    if path is None:
        return {}
    try:
        value: Any = parse_json(path.read_bytes(), max_bytes=_MAX_PROVIDERS_FILE)
    except (OSError, CryptoError) as error:
        raise LedgerError("PROVIDERS_MALFORMED", "the providers file cannot be read") from error
    if not isinstance(value, dict):
        raise LedgerError("PROVIDERS_MALFORMED", "the providers file is a JSON object")
    return {name: _base_url(url) for name, url in value.items()}


def _base_url(url: object) -> str:
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or port == -1
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or parts.username is not None
    ):
        raise LedgerError(
            "PROVIDERS_MALFORMED", "a provider's URL is http(s)://host[:port] without a path"
        )
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, default} else "")


def encode_parameters(
    document: InterfaceDocument, parameters: Mapping[str, Any]
) -> tuple[str, bytes]:
    """Return query string and body of the operation's call.

    Raises:
        RequestRefused: PARAMETERS_INVALID.
    """
    names = set(parameters)
    if not names <= document.parameters or not document.required <= names:
        raise RequestRefused(
            "PARAMETERS_INVALID", "parameters are missing, or the interface does not take them"
        )
    if document.method == "POST":
        return "", fast_canonical(parameters)
    if not all(isinstance(value, str) for value in parameters.values()):
        raise RequestRefused("PARAMETERS_INVALID", "parameters of a query are text")
    query = urlencode(list(parameters.items()), quote_via=quote)
    if len(query) > MAX_QUERY_SIZE:
        raise RequestRefused("PARAMETERS_INVALID", "the parameters are too long for a query")
    return query, b""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make.

    Attributes:
        base_url: scheme, host and port of the provider's service.
        document: the interface's description.
        query: query string.
        body: body, empty for GET.
        salt: the request's salt in hex.
        passage: its place at the provider, see Forwarder.reserve.
        provider: id of the provider's department.
        items: effective items, of which alone anything is released.
        max_rows: most rows, 0 for no limit.
        store: state of the block that decided.
    """

    base_url: str
    document: InterfaceDocument
    query: str
    body: bytes
    salt: str
    passage: Passage
    provider: bytes
    items: int
    max_rows: int
    store: Store


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call.

    Attributes:
        code: error code, empty when data may be released.
        answer: the provider's verified signature, if the answer got so far.
        body: body to release, empty unless code is.
        rows: number of records in it.
        latency_ms: time that the provider took.
    """

    code: str
    answer: ProviderAnswer | None
    body: bytes
    rows: int
    latency_ms: int

    @property
    def digest(self) -> bytes | None:
        """SM3 of the body to release, None when there is none."""
        return sm3(self.body) if not self.code else None


@dataclass(frozen=True, slots=True)
class Probe:
    """What a provider answered to a test.

    Attributes:
        code: error code, empty when the answer is signed, whole and JSON.
        answer: the provider's verified signature, if the answer got so far.
        data: the answer's data; it is for the check alone.
        size: bytes of the answer.
        latency_ms: time that the provider took.
    """

    code: str
    answer: ProviderAnswer | None
    data: Any
    size: int
    latency_ms: int


class Forwarder:
    """Calls providers. Use as an asynchronous context manager.

    Args:
        key: the gateway's key.
        timeout_s: longest wait for a whole answer.
        max_bytes: largest answer.
        max_connections: most calls to one provider at a time.
        breaker: pauses providers that do not answer.
        policy: which addresses are connected to.
    """

    def __init__(
        self,
        key: Signer,
        *,
        timeout_s: float,
        max_bytes: int,
        max_connections: int,
        breaker: Breaker,
        policy: OutboundPolicy,
    ) -> None:
        self._breaker = breaker
        self._public_key = key.public_key
        self._signer = GroupSigner(key)
        self._max_connections = max_connections
        # Of one provider's places a department leaves some to others, however slow the answers are.
        self._most_of_one = -(-3 * max_connections // 4)
        self._calls: dict[str, int] = {}
        self._of_departments: dict[Way, int] = {}
        self._client = ProviderClient(policy, timeout_s=timeout_s, max_bytes=max_bytes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.close()

    def reserve(self, base_url: str, department: bytes) -> Passage:
        """Take one of the provider's places, and give it back by release.

        Args:
            base_url: scheme, host and port of the provider's service.
            department: the department that asks.

        Raises:
            RequestRefused: PROVIDER_BUSY when all are taken, or three quarters of them by this
                department; PROVIDER_PAUSED.
        """
        way = base_url, department
        used, own = self._calls.get(base_url, 0), self._of_departments.get(way, 0)
        if used >= self._max_connections or own >= self._most_of_one:
            raise RequestRefused("PROVIDER_BUSY", "too many calls to this provider at a time")
        passage = self._breaker.enter(way)
        if passage is None:
            raise RequestRefused(
                "PROVIDER_PAUSED", "the provider did not answer several times; try again later"
            )
        self._calls[base_url] = used + 1
        self._of_departments[way] = own + 1
        return passage

    def release(self, passage: Passage) -> None:
        """Give back a place."""
        self._breaker.leave(passage)
        base_url, _ = passage.way
        _give_back(self._calls, base_url)
        _give_back(self._of_departments, passage.way)

    async def call(self, call: Call, intent: Receipt, leaf: bytes) -> Result:
        """Call the provider for a durable intent, with its leaf hash; return what may be released.

        Every failure of the provider is a result with a code; nothing is raised for it.
        """
        start = time.monotonic()
        answer: ProviderAnswer | None = None
        try:
            status, headers, body = await self._ask(call, intent, leaf)
            latency_ms = int((time.monotonic() - start) * 1000)
            work = (call, leaf, status, headers, body)
            if len(body) < LARGE_ANSWER:
                code, answer, released, rows = _process(*work)
            else:
                code, answer, released, rows = await asyncio.to_thread(_process, *work)
        except RequestRefused as error:
            return Result(error.code, None, b"", 0, int((time.monotonic() - start) * 1000))
        return Result(code, answer, released, rows, latency_ms)

    async def probe(self, call: Call, test: Receipt) -> Probe:
        """Call the provider for a durable test and return its data, of which nothing is released.

        Every failure of the provider is a result with a code; nothing is raised for it.
        """
        start = time.monotonic()
        leaf = leaf_hash(test.record)
        try:
            status, headers, body = await self._ask(call, test, leaf)
            latency_ms = int((time.monotonic() - start) * 1000)
            work = (call, leaf, status, headers, body)
            code, answer, data = await asyncio.to_thread(_check_answer, *work)
        except RequestRefused as error:
            return Probe(error.code, None, None, 0, int((time.monotonic() - start) * 1000))
        return Probe(code, answer, data, len(body), latency_ms)

    async def _ask(
        self, call: Call, intent: Receipt, leaf: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        document = call.document
        message = prepare_forward(
            self._public_key,
            method=document.method,
            authority=call.base_url.partition("://")[2].lower(),
            path=document.path,
            query=call.query,
            body=call.body,
            intent_leaf=leaf,
            created=int(time.time()),
        )
        headers = {
            **await self._signer.sign(message),
            "sanlian-salt": call.salt,
            "sanlian-receipt": intent.to_header(),
            "accept": CONTENT_TYPE,
            "accept-encoding": "identity",
            "user-agent": "sanlian-gateway",
        }
        if document.method == "POST":
            headers["content-type"] = CONTENT_TYPE
        try:
            answer = await self._exchange(call, headers)
        except RequestRefused as error:
            has_answered = error.code not in {"PROVIDER_TIMEOUT", "PROVIDER_UNREACHABLE"}
            self._breaker.report(call.passage, has_answered=has_answered)
            raise
        status, lines, _ = answer
        # What stands in front of a provider that is down answers like this, and cannot sign.
        is_signed = any(name.lower() == "signature" for name, _ in lines)
        has_answered = is_signed or status not in {502, 503, 504}
        self._breaker.report(call.passage, has_answered=has_answered)
        return answer

    async def _exchange(
        self, call: Call, headers: Mapping[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        document = call.document
        target = document.path + (f"?{call.query}" if call.query else "")
        try:
            response = await self._client.request(
                document.method, call.base_url, target, headers, call.body
            )
        except TimeoutError as error:
            raise RequestRefused("PROVIDER_TIMEOUT", "no whole answer in time") from error
        except ResponseTooLarge as error:
            raise RequestRefused("PROVIDER_RESPONSE_TOO_LARGE", "too many bytes") from error
        except OutboundRefused as error:
            raise RequestRefused(
                "PROVIDER_ADDRESS_FORBIDDEN", "the provider's address is not called"
            ) from error
        except (BrokenResponse, OSError, ValueError) as error:
            # ValueError: the call itself cannot be written, such as with a name outside ASCII.
            raise RequestRefused("PROVIDER_UNREACHABLE", "the call broke off") from error
        if 300 <= response.status < 400:
            raise RequestRefused("PROVIDER_REDIRECTED", "redirects are not followed")
        return response.status, response.headers, response.body


def _give_back(used: dict[Any, int], place: object) -> None:
    used[place] -= 1
    if not used[place]:
        del used[place]


def _process(
    call: Call, leaf: bytes, status: int, headers: list[tuple[str, str]], body: bytes
) -> tuple[str, ProviderAnswer | None, bytes, int]:
    """Check an answer; return code, the provider's signature, the body to release and its rows."""
    code, answer, data = _check_answer(call, leaf, status, headers, body)
    if code:
        return code, answer, b"", 0
    code = answer_problem(call.document.schema, data, len(body))
    if code:
        return code, answer, b"", 0
    kept, rows = filter_items(call.document, data, call.items)
    if call.max_rows and rows > call.max_rows:
        return "TOO_MANY_ROWS", answer, b"", 0
    released = fast_canonical({"data": kept, "salt": secrets.token_bytes(32).hex()})
    return "", answer, released, rows


def _check_answer(
    call: Call, leaf: bytes, status: int, headers: list[tuple[str, str]], body: bytes
) -> tuple[str, ProviderAnswer | None, Any]:
    """Check an answer's form and signature; return code, the provider's signature and the data."""
    names = {name.lower(): value.strip() for name, value in headers}
    if status != 200 and "signature" not in names:
        return "PROVIDER_FAILED", None, None
    is_plain = names.get("content-encoding", "identity").lower() == "identity"
    if names.get("content-type") != CONTENT_TYPE or not is_plain:
        return "PROVIDER_NOT_JSON", None, None
    try:
        answer = parse_answer(status=status, headers=headers, body=body, intent_leaf=leaf)
    except SanlianError:
        return "PROVIDER_SIGNATURE_INVALID", None, None
    if abs(answer.created - time.time()) > MAX_SKEW_S:  # no verifier would accept it
        return "PROVIDER_SIGNATURE_INVALID", None, None
    key = call.store.find_key(answer.public_key.key_id)
    person = call.store.find_person(key.person) if key is not None else None
    if (
        key is None
        or person is None
        or key_problem(call.store, key, person, answer.created) is not None
        or person.department != call.provider
        or not person.roles & Role.PROVIDER
    ):
        return "PROVIDER_KEY_UNKNOWN", None, None
    if status != 200:
        return "PROVIDER_FAILED", answer, None
    try:
        value: Any = parse_json(body, max_bytes=len(body))
    except CryptoError:
        return "PROVIDER_NOT_JSON", answer, None
    if (
        not isinstance(value, dict)
        or set(value) != {"data", "salt"}
        or not isinstance(value["salt"], str)
        or not _SALT.fullmatch(value["salt"])
    ):
        return "PROVIDER_NOT_JSON", answer, None
    return "", answer, value["data"]
