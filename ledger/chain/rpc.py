"""JSON-RPC to a chain's node: one small synchronous client with limits and typed errors.

The transport is http.client rather than web3's HTTPProvider for three reasons: a request that
never left is told apart from one whose answer was lost, an answer has a size limit, and an answer
has one deadline however slowly its bytes arrive.
"""

import http.client
import itertools
import json
import select
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from crypto.errors import LedgerError, OutcomeUnknown

#: Above the embedded engine's own limit, so that it is the engine that says what is too large.
MAX_RESPONSE_BYTES: Final = 160 * 1024 * 1024
MAX_BATCH: Final = 100
_CHUNK = 256 * 1024
_SENDS: Final = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})


class _NotSentError(Exception):
    """The request certainly did not reach the node."""


class _LostError(Exception):
    """The request left, its answer did not come."""


class _Transport:
    """One connection per thread, kept alive, to one URL."""

    def __init__(self, url: str, timeout_s: float, max_response_bytes: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {url!r}")
        if parts.username or parts.password:
            raise ValueError("credentials in a node URL are not supported")
        self._https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._local = threading.local()

    def _open(self, timeout_s: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.sock is not None:
            # A socket that is readable before we ask holds a close, not an answer.
            poller = select.poll()
            poller.register(connection.sock, select.POLLIN)
            if not poller.poll(0):
                connection.sock.settimeout(timeout_s)
                return connection
        self.close()
        kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout_s)
        try:
            connection.connect()
        except OSError as error:
            raise _NotSentError(str(error)) from error
        self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def post(self, body: bytes) -> bytes:
        """Send one request and read its whole answer within the time limit.

        Raises:
            _NotSentError: no connection; nothing was sent.
            _LostError: something went wrong after bytes had left.
        """
        deadline = time.monotonic() + self._timeout_s
        connection = self._open(self._timeout_s)
        try:
            connection.request(
                "POST",
                self._path,
                body,
                {"Content-Type": "application/json", "Accept": "application/json"},
            )
            response = connection.getresponse()
            data = bytearray()
            while True:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError("the node's answer took too long")
                if connection.sock is not None:
                    connection.sock.settimeout(left_s)
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                data += chunk
                if len(data) > self._max_response_bytes:
                    raise _LostError(f"the answer is larger than {self._max_response_bytes} bytes")
            # read1 does not notice the end by itself; without this the connection stays occupied.
            response.close()
            if response.will_close:
                self.close()
            if not data:
                raise _LostError(f"HTTP {response.status} without a body")
            return bytes(data)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _LostError(f"{type(error).__name__}: {error}") from error
        except _LostError:
            self.close()
            raise


class NodeProvider(JSONBaseProvider):
    """A web3 provider over the limited transport, for code that wants web3's contract objects."""

    def __init__(self, rpc: "Rpc") -> None:
        super().__init__()
        self._rpc = rpc

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request; web3 reads errors out of the response."""
        data = self._rpc.exchange(method, self.encode_rpc_request(method, params))
        return self.decode_rpc_response(data)


class Rpc:
    """JSON-RPC client of one node. Safe to share between threads.

    Args:
        url: http or https URL of the node.
        timeout_s: longest time for one call, from connecting to the last byte.
        max_response_bytes: largest answer that is read.

    Raises:
        LedgerError: NODE_URL_MALFORMED.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        try:
            self._transport = _Transport(url, timeout_s, max_response_bytes)
        except ValueError as error:
            raise LedgerError("NODE_URL_MALFORMED", "the node's URL is not usable") from error
        self.url = url
        self._ids = itertools.count(1)
        self._web3: Web3 | None = None

    @property
    def web3(self) -> Web3:
        """web3 over this client: same limits, and web3's own errors for refusals."""
        if self._web3 is None:
            self._web3 = Web3(NodeProvider(self))
        return self._web3

    def exchange(self, method: str, body: bytes) -> bytes:
        """Send an encoded request and return the encoded answer.

        Raises:
            LedgerError: NODE_UNAVAILABLE: a send did not leave, or a read has no answer.
            OutcomeUnknown: NODE_OUTCOME_UNKNOWN: a send may have reached the node.
        """
        try:
            return self._transport.post(body)
        except _NotSentError as error:
            raise LedgerError(
                "NODE_UNAVAILABLE", "the chain's node cannot be reached", method=method
            ) from error
        except _LostError as error:
            if method in _SENDS:
                raise OutcomeUnknown(
                    "NODE_OUTCOME_UNKNOWN",
                    "the node's answer was lost; ask for the transaction by its hash",
                    method=method,
                ) from error
            raise LedgerError(
                "NODE_UNAVAILABLE", "the chain's node gave no usable answer", method=method
            ) from error

    def call(self, method: str, *params: object) -> Any:
        """Call one method.

        Args:
            method: JSON-RPC method name.
            params: JSON-able parameters (quantities and bytes as 0x-hex).

        Returns:
            The `result` member as parsed JSON.

        Raises:
            LedgerError: NODE_UNAVAILABLE; NODE_REFUSED, with `rpc_code` and, for a revert, the
                0x-hex `data` in its details.
            OutcomeUnknown: NODE_OUTCOME_UNKNOWN, only for sending a transaction.
        """
        request_id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}
        data = self.exchange(method, json.dumps(request, separators=(",", ":")).encode())
        return self._result(method, self._parse(method, data), request_id)

    def call_many(self, calls: list[tuple[str, list[object]]]) -> list[Any]:
        """Call several reading methods in one request, at most MAX_BATCH.

        Returns:
            The results in the order of the calls.

        Raises:
            ValueError: too many calls, or one of them sends a transaction.
            LedgerError: NODE_UNAVAILABLE; NODE_REFUSED for the first call that failed.
        """
        if not calls:
            return []
        if len(calls) > MAX_BATCH or any(method in _SENDS for method, _ in calls):
            raise ValueError(f"at most {MAX_BATCH} reads")
        ids = [next(self._ids) for _ in calls]
        requests = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in zip(ids, calls, strict=True)
        ]
        method = calls[0][0]
        data = self.exchange(method, json.dumps(requests, separators=(",", ":")).encode())
        answer = self._parse(method, data)
        if not isinstance(answer, list):
            return [self._result(method, answer, None)]  # a refusal of the whole batch raises
        by_id = {a.get("id"): a for a in answer if isinstance(a, Mapping)}
        return [self._result(m, by_id.get(i), i) for i, (m, _) in zip(ids, calls, strict=True)]

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._transport.close()

    @staticmethod
    def _parse(method: str, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError as error:
            if method in _SENDS:
                raise OutcomeUnknown(
                    "NODE_OUTCOME_UNKNOWN", "the node's answer is not JSON", method=method
                ) from error
            raise LedgerError(
                "NODE_UNAVAILABLE", "the node's answer is not JSON", method=method
            ) from error

    @staticmethod
    def _result(method: str, answer: Any, request_id: int | None) -> Any:
        if isinstance(answer, Mapping):
            problem = answer.get("error")
            if isinstance(problem, Mapping):
                details: dict[str, object] = {"method": method, "rpc_code": problem.get("code")}
                if problem.get("data") is not None:
                    details["data"] = problem["data"]
                message = str(problem.get("message", "refused"))[:500]
                raise LedgerError("NODE_REFUSED", message, **details)
            if "result" in answer and answer.get("id") == request_id:
                return answer["result"]
        unknown = method in _SENDS
        kind = OutcomeUnknown if unknown else LedgerError
        raise kind(
            "NODE_OUTCOME_UNKNOWN" if unknown else "NODE_UNAVAILABLE",
            "the node's answer does not follow JSON-RPC",
            method=method,
        )
