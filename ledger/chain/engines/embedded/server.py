"""The engine's JSON-RPC as others see it: reads and signed transactions, nothing else.

A method that is not in the table does not exist; a parameter that is not of its kind goes nowhere.
Loopback is no wall against a browser, so the Host header must name this machine (DNS rebinding),
the content type must be one that needs a preflight, and no preflight is ever answered.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from crypto.errors import LedgerError

from .anvil import AnvilRefusedError
from .engine import EmbeddedEngine

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_BATCH: Final = 100
MAX_LOG_BLOCKS: Final = 10_000
MAX_LOG_ALTERNATIVES: Final = 64
MAX_PROOF_SLOTS: Final = 64
DEFAULT_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})

_PARSE_ERROR, _BAD_REQUEST, _NO_METHOD, _BAD_PARAMS = -32700, -32600, -32601, -32602
_LIMIT, _REFUSED = -32005, -32000
_LIMIT_CODES: Final = frozenset({"POOL_FULL", "ENGINE_BUSY", "RESPONSE_TOO_LARGE"})

_HEX = re.compile(r"0x([0-9a-fA-F]{2})*")
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")
# One durable node decides alone: what is latest is final.
_TAGS: Final = {
    "latest": "latest",
    "safe": "latest",
    "finalized": "latest",
    "earliest": "earliest",
}
_CALL_QUANTITIES: Final = frozenset(
    {"gas", "gasPrice", "value", "nonce", "chainId", "type", "maxFeePerGas", "maxPriorityFeePerGas"}
)


class _RpcError(Exception):
    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def _invalid(what: str) -> _RpcError:
    return _RpcError(_BAD_PARAMS, f"invalid params: {what}", {"code": "RPC_PARAMS_INVALID"})


def _hex(value: object, length: int | None = None) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _invalid("bytes are 0x and hex")
    if length is not None and len(value) != 2 + 2 * length:
        raise _invalid(f"{length} bytes wanted")
    return value


def _address(value: object) -> str:
    return _hex(value, 20)


def _hash(value: object) -> str:
    return _hex(value, 32)


def _quantity(value: object) -> str:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise _invalid("a quantity is 0x and hex")
    return value


def _slot(value: object) -> str:
    """Return a storage slot as a whole word, which is the only form that Anvil takes everywhere."""
    return "0x" + _quantity(value)[2:].rjust(64, "0")


def _slots(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_PROOF_SLOTS:
        raise _invalid(f"at most {MAX_PROOF_SLOTS} storage keys")
    return [_slot(v) for v in value]


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid("true or false wanted")
    return value


def _block(value: object) -> object:
    """Check a block number or tag; `pending` is refused: it would show what is not durable."""
    if isinstance(value, str):
        if value in _TAGS:
            return _TAGS[value]
        if _NUMBER.fullmatch(value):
            return value
    if isinstance(value, dict) and set(value) == {"blockHash"}:
        return {"blockHash": _hash(value["blockHash"])}
    if isinstance(value, dict) and set(value) == {"blockNumber"}:
        return _block(value["blockNumber"])
    raise _invalid("a block number, latest or earliest wanted")


def _call_object(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _invalid("a call object wanted")
    checked = {}
    for name, member in value.items():
        if name in ("from", "to"):
            if member is not None:
                checked[name] = _address(member)
        elif name in ("data", "input"):
            checked[name] = _hex(member)
        elif name in _CALL_QUANTITIES:
            checked[name] = _quantity(member)
        else:
            raise _invalid("unknown member of the call object")
    return checked


def _alternatives(value: object, one: Callable[[object], str]) -> object:
    if isinstance(value, list):
        if len(value) > MAX_LOG_ALTERNATIVES:
            raise _RpcError(_LIMIT, f"at most {MAX_LOG_ALTERNATIVES} alternatives")
        return [one(v) for v in value]
    return one(value)


def _check_log_filter(value: object, head: int) -> dict[str, object]:
    if not isinstance(value, dict) or not set(value) <= {
        "fromBlock",
        "toBlock",
        "blockHash",
        "address",
        "topics",
    }:
        raise _invalid("a log filter wanted")
    checked: dict[str, object] = {}
    if value.get("address") is not None:
        checked["address"] = _alternatives(value["address"], _address)
    topics = value.get("topics")
    if topics is not None:
        if not isinstance(topics, list) or len(topics) > 4:
            raise _invalid("at most four topics")
        checked["topics"] = [None if t is None else _alternatives(t, _hash) for t in topics]
    if value.get("blockHash") is not None:
        if value.get("fromBlock") is not None or value.get("toBlock") is not None:
            raise _invalid("a block hash or a range, not both")
        checked["blockHash"] = _hash(value["blockHash"])
        return checked
    ends = []
    for name in ("fromBlock", "toBlock"):
        end = _block(value.get(name) or "latest")
        if not isinstance(end, str):
            raise _invalid("a range of block numbers wanted")
        number = {"latest": head, "earliest": 0}.get(end)
        ends.append(int(end, 16) if number is None else number)
    if ends[0] > ends[1]:
        raise _invalid("the range ends before it begins")
    if ends[1] - ends[0] >= MAX_LOG_BLOCKS:
        raise _RpcError(
            _LIMIT, f"at most {MAX_LOG_BLOCKS} blocks at a time", {"code": "LOG_RANGE_TOO_WIDE"}
        )
    checked["fromBlock"], checked["toBlock"] = hex(ends[0]), hex(ends[1])
    return checked


_Check = Callable[[object], object]
# Method -> checks of its parameters, and how many of them must be given.
_READS: Final[dict[str, tuple[tuple[_Check, ...], int]]] = {
    "eth_getBlockByNumber": ((_block, _flag), 1),
    "eth_getBlockByHash": ((_hash, _flag), 1),
    "eth_getBlockReceipts": ((_block,), 1),
    "eth_getTransactionReceipt": ((_hash,), 1),
    "eth_getTransactionByHash": ((_hash,), 1),
    "eth_call": ((_call_object, _block), 1),
    "eth_estimateGas": ((_call_object, _block), 1),
    "eth_getCode": ((_address, _block), 1),
    "eth_getStorageAt": ((_address, _slot, _block), 2),
    "eth_getProof": ((_address, _slots, _block), 2),
}
# Anvil demands what other nodes take as given.
_DEFAULTS: Final[dict[str, tuple[object, ...]]] = {
    "eth_getBlockByNumber": (None, False),
    "eth_getBlockByHash": (None, False),
    "eth_getStorageAt": (None, None, "latest"),
    "eth_getProof": (None, None, "latest"),
    "eth_getCode": (None, "latest"),
    "eth_call": (None, "latest"),
}


class RpcServer:
    """Answers JSON-RPC requests for one engine."""

    def __init__(self, engine: EmbeddedEngine, allowed_hosts: frozenset[str]) -> None:
        self._engine = engine
        self._allowed_hosts = DEFAULT_HOSTS | {h.lower() for h in allowed_hosts}
        self._own: dict[str, Callable[[Sequence[Any]], Awaitable[object]]] = {
            "eth_sendRawTransaction": self._send_raw_transaction,
            "eth_getTransactionCount": self._get_transaction_count,
            "eth_getLogs": self._get_logs,
            "eth_chainId": self._chain_id,
            "eth_blockNumber": self._block_number,
            "eth_gasPrice": self._gas_price,
            "net_version": self._net_version,
            "web3_clientVersion": self._client_version,
            "sanlian_head": self._head,
        }

    def application(self) -> web.Application:
        """Return the HTTP application: POST / and nothing else."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].rsplit(":", 1)[0].lower() not in self._allowed_hosts:
            return self._reply(self._failure(None, _BAD_REQUEST, "host not allowed"), 403)
        if request.content_type != "application/json":
            return self._reply(self._failure(None, _BAD_REQUEST, "application/json wanted"), 415)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            text = f"a request has at most {MAX_BODY_BYTES} bytes"
            return self._reply(self._failure(None, _LIMIT, text), 413)
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self._reply(self._failure(None, _PARSE_ERROR, "not JSON"), 400)
        if not isinstance(message, list):
            answer = await self._answer(message)
            return self._reply(answer) if answer is not None else web.Response(status=204)
        if not 1 <= len(message) <= MAX_BATCH:
            text = f"a batch has 1 to {MAX_BATCH} requests"
            return self._reply(self._failure(None, _LIMIT, text), 400)
        # One after the other: transactions of one sender in a batch keep their order.
        answers = [await self._answer(m) for m in message]
        return self._reply([a for a in answers if a is not None])

    @staticmethod
    def _reply(answer: object, status: int = 200) -> web.Response:
        return web.Response(
            body=orjson.dumps(answer), status=status, content_type="application/json"
        )

    @staticmethod
    def _failure(
        request_id: object, code: int, message: str, data: object = None
    ) -> dict[str, object]:
        error: dict[str, object] = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        return {"jsonrpc": "2.0", "id": request_id, "error": error}

    async def _answer(self, message: object) -> dict[str, object] | None:
        request_id = message.get("id") if isinstance(message, dict) else None
        if not isinstance(request_id, str | int | float | None) or isinstance(request_id, bool):
            return self._failure(None, _BAD_REQUEST, "invalid id")
        if (
            not isinstance(message, dict)
            or message.get("jsonrpc") != "2.0"
            or not isinstance(message.get("method"), str)
            or not isinstance(message.get("params", []), list)
        ):
            return self._failure(request_id, _BAD_REQUEST, "not a JSON-RPC 2.0 request")
        try:
            result = await self._call(message["method"], message.get("params", []))
            answer: dict[str, object] = {"jsonrpc": "2.0", "id": request_id, "result": result}
        except _RpcError as error:
            answer = self._failure(request_id, error.code, error.message, error.data)
        except AnvilRefusedError as error:
            code = error.error.get("code")
            answer = self._failure(
                request_id,
                code if isinstance(code, int) else _REFUSED,
                str(error)[:500],
                error.error.get("data"),
            )
        except LedgerError as error:
            code = _LIMIT if error.code in _LIMIT_CODES else _REFUSED
            data = {"code": error.code, **error.details}
            answer = self._failure(request_id, code, error.message, data)
        # A notification (no id member at all) has no answer.
        return answer if "id" in message else None

    async def _call(self, method: str, params: list[Any]) -> object:
        own = self._own.get(method)
        if own is not None:
            return await own(params)
        if method not in _READS:
            raise _RpcError(_NO_METHOD, "method not available", {"code": "RPC_METHOD_UNKNOWN"})
        checks, needed = _READS[method]
        if not needed <= len(params) <= len(checks):
            raise _invalid("wrong number of parameters")
        given = [check(p) for check, p in zip(checks, params, strict=False)]
        given += _DEFAULTS.get(method, ())[len(given) :]
        return await self._engine.read(method, given)

    @staticmethod
    def _check_count(params: Sequence[Any], low: int, high: int) -> None:
        if not low <= len(params) <= high:
            raise _invalid("wrong number of parameters")

    async def _send_raw_transaction(self, params: Sequence[Any]) -> object:
        self._check_count(params, 1, 1)
        raw = bytes.fromhex(_hex(params[0])[2:])
        return "0x" + (await self._engine.send(raw)).hex()

    async def _get_transaction_count(self, params: Sequence[Any]) -> object:
        self._check_count(params, 1, 2)
        address = _address(params[0])
        if len(params) == 2 and params[1] == "pending":
            return hex(await self._engine.pending_nonce(bytes.fromhex(address[2:])))
        block = _block(params[1]) if len(params) == 2 else "latest"
        return await self._engine.read("eth_getTransactionCount", [address, block])

    async def _get_logs(self, params: Sequence[Any]) -> object:
        self._check_count(params, 1, 1)
        log_filter = _check_log_filter(params[0], self._engine.head.number)
        return await self._engine.read("eth_getLogs", [log_filter])

    async def _chain_id(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        return hex(self._engine.header.chain_id)

    async def _block_number(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        return hex(self._engine.head.number)

    async def _gas_price(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        return "0x0"

    async def _net_version(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        return str(self._engine.header.chain_id)

    async def _client_version(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        return f"sanlian/{self._engine.header.engine_version}"

    async def _head(self, params: Sequence[Any]) -> object:
        self._check_count(params, 0, 0)
        head = self._engine.head
        return {
            "number": head.number,
            "hash": "0x" + head.block_hash.hex(),
            "time": head.timestamp,
            "chain_id": self._engine.header.chain_id,
            "engine_version": self._engine.header.engine_version,
            "journal_position": self._engine.journal_position,
            "problem": self._engine.problem,
        }
