"""Anchors of one log, from a node of the chain or from the platform's API."""

from dataclasses import dataclass
from typing import Any, Protocol

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, LedgerError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey, Signature
from protocol.checkpoint import Checkpoint, note_of, verify_checkpoint
from protocol.ethereum import ANCHOR_TOPIC, AnchorEvent, EventLog, decode_event
from sanlian_client.platform import Platform
from sanlian_client.transport import Transport

#: Blocks that one question to a node covers.
BLOCKS_PER_READ = 1000
ANCHORS_PER_PAGE = 200
_MAX_ANSWER_SIZE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SeenAnchor:
    """A checkpoint that is anchored, with the gateway's signature, which holds.

    Attributes:
        checkpoint: what is anchored.
        note: the same as a signed note.
    """

    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class AnchorPage:
    """Some anchors.

    Attributes:
        anchors: smallest size first.
        next_block: block to read from the next time.
        more: whether there are blocks left to read.
    """

    anchors: tuple[SeenAnchor, ...]
    next_block: int
    more: bool


class AnchorSource(Protocol):
    """Where anchors are read."""

    def read(self, *, block: int, size: int) -> AnchorPage:
        """Return anchors from a block on, or of more records than size."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class NodeAnchors:
    """Anchors from a node: the events of the contract Logs.

    Args:
        node_url: JSON-RPC endpoint.
        chain_id: chain that it must serve.
        contract: 20-byte address of the contract Logs.
        origin: origin of the log.
        public_key: key of its gateway.
        timeout_s: most time for one exchange.
    """

    def __init__(
        self,
        node_url: str,
        *,
        chain_id: int,
        contract: bytes,
        origin: str,
        public_key: PublicKey,
        timeout_s: float,
    ) -> None:
        self._node = Transport(node_url, timeout_s=timeout_s, max_answer_size=_MAX_ANSWER_SIZE)
        self._chain_id = chain_id
        self._contract = contract
        self._origin = origin
        self._key = public_key

    def close(self) -> None:
        """Close its connections."""
        self._node.close()

    def read(self, *, block: int, size: int) -> AnchorPage:  # noqa: ARG002 - blocks say it all
        """Return the log's anchors of the next blocks.

        Raises:
            LedgerError: SERVER_UNREACHABLE, RESPONSE_MALFORMED, DEPLOYMENT_CHANGED, NODE_BEHIND.
            OutcomeUnknown: the answer was lost.
        """
        if self._number("eth_chainId") != self._chain_id:
            raise LedgerError("DEPLOYMENT_CHANGED", "the node serves another chain")
        head = self._number("eth_blockNumber")
        if head + 1 < block:
            raise LedgerError("NODE_BEHIND", "the node's chain is shorter than what was read")
        if head + 1 == block:
            return AnchorPage((), block, more=False)
        last = min(head, block + BLOCKS_PER_READ - 1)
        answer = self._call(
            "eth_getLogs",
            {
                "address": "0x" + self._contract.hex(),
                "topics": ["0x" + ANCHOR_TOPIC.hex()],
                "fromBlock": hex(block),
                "toBlock": hex(last),
            },
        )
        if not isinstance(answer, list):
            raise LedgerError("RESPONSE_MALFORMED", "the node's logs are not a list")
        found = []
        for one in answer:
            event = _decode(one, self._contract)
            checkpoint = Checkpoint(self._origin, event.size, event.root)
            # The contract verified the signature; one that is not of this log's text is another's.
            anchor = _verified(checkpoint, self._key, event.signature)
            if anchor is not None:
                found.append(anchor)
        return AnchorPage(_in_order(found), last + 1, more=last < head)

    def _number(self, method: str) -> int:
        value = self._call(method)
        try:
            return int(value, 16)
        except (TypeError, ValueError) as error:
            raise LedgerError("RESPONSE_MALFORMED", "the node gave no number") from error

    def _call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._node.post("", canonical_json(body), {"content-type": "application/json"})
        if answer.status != 200:
            raise answer.problem()
        value = answer.json()
        if not isinstance(value, dict) or "result" not in value:
            raise LedgerError("RESPONSE_MALFORMED", "the node refused the call")
        return value["result"]


class ApiAnchors:
    """Anchors as the platform's API tells them: the gateway's signature is checked, the chain not.

    Args:
        api_url: base URL of the api.
        origin: origin of the log.
        public_key: key of its gateway.
        timeout_s: most time for one exchange.
    """

    def __init__(
        self, api_url: str, *, origin: str, public_key: PublicKey, timeout_s: float
    ) -> None:
        self._api = Transport(api_url, timeout_s=timeout_s, max_answer_size=_MAX_ANSWER_SIZE)
        self._platform = Platform(api_url, timeout_s=timeout_s)
        self._origin = origin
        self._key = public_key
        self._log_id: str | None = None

    def close(self) -> None:
        """Close its connections."""
        self._api.close()
        self._platform.close()

    def read(self, *, block: int, size: int) -> AnchorPage:
        """Return the newest anchors, at most 200, of more records than size.

        Raises:
            LedgerError: SERVER_UNREACHABLE, RESPONSE_MALFORMED, LOG_NOT_REGISTERED.
            VerificationError: CHECKPOINT_INVALID.
        """
        log_id = self._get_log_id()
        limit = {"limit": str(ANCHORS_PER_PAGE)}
        value = self._api.get_json(f"/v1/logs/{log_id}/anchors", limit)
        bad = LedgerError("RESPONSE_MALFORMED", "the api's anchors cannot be read")
        found = []
        try:
            for one in value["items"]:
                if not isinstance(one["size"], int) or one["size"] <= size:
                    continue
                checkpoint = Checkpoint(self._origin, one["size"], bytes.fromhex(one["root"]))
                signature = Signature.from_bytes(bytes.fromhex(one["signature"]))
                anchor = _verified(checkpoint, self._key, signature)
                if anchor is None:
                    raise VerificationError(
                        "CHECKPOINT_INVALID",
                        "the gateway never signed the api's anchor",
                    )
                found.append(anchor)
        except (KeyError, TypeError, ValueError, CryptoError, ProtocolError) as error:
            raise bad from error
        return AnchorPage(_in_order(found), block, more=False)

    def _get_log_id(self) -> str:
        if self._log_id is None:
            self._log_id = self._platform.find_log_id(self._origin)
        return self._log_id


def _in_order(found: list[SeenAnchor]) -> tuple[SeenAnchor, ...]:
    return tuple(sorted(found, key=lambda one: one.checkpoint.size))


def _verified(checkpoint: Checkpoint, key: PublicKey, signature: Signature) -> SeenAnchor | None:
    note = note_of(checkpoint, key, signature)
    try:
        verify_checkpoint(note, origin=checkpoint.origin, public_key=key)
    except VerificationError:
        return None
    return SeenAnchor(checkpoint, note)


def _decode(value: Any, contract: bytes) -> AnchorEvent:
    try:
        log = EventLog(
            address=bytes.fromhex(value["address"].removeprefix("0x")),
            topics=tuple(bytes.fromhex(one.removeprefix("0x")) for one in value["topics"]),
            data=bytes.fromhex(value["data"].removeprefix("0x")),
        )
        event = decode_event(log)
    except (KeyError, TypeError, ValueError, AttributeError, ProtocolError) as error:
        raise LedgerError("RESPONSE_MALFORMED", "the node's log cannot be read") from error
    if log.address != contract or not isinstance(event, AnchorEvent):
        raise LedgerError("RESPONSE_MALFORMED", "the node gave another event")
    return event
