"""A witness: signs blocks and checkpoints that continue what it signed before, and nothing else.

It is a process of its own with a key of its own. What it last signed is on disk before a
signature leaves, so that no crash makes it sign two histories. When it meets a second history it
stops for good, and keeps both sides' words in a file.

Source: docs/protocol.md 8.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import (
    CryptoError,
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.keccak import keccak256
from crypto.sm2 import PublicKey, Signer
from protocol.checkpoint import Checkpoint, block_statement, cosign_checkpoint
from protocol.ethereum import Header, encode_header
from sanlian_client.files import read_limited, replace_file
from sanlian_client.log import LogClient
from sanlian_client.platform import Platform
from sanlian_client.transport import Transport

STATE_TYPE = "sanlian/witness-state/v1"
ALARM_TYPE = "sanlian/witness-alarm/v1"
STATE_FILE = "state.json"
ALARM_FILE = "alarm.json"
#: Blocks that are checked in one round, and of these the newest that are signed.
BLOCKS_PER_ROUND = 512
SIGNED_PER_ROUND = 32
MAX_PENDING = 256
TIMEOUT_S = 5.0
_MAX_STATE_SIZE = 4 * 1024 * 1024


class ForkFound(VerificationError):
    """A second history was seen; the alarm file holds both."""

    def __init__(self, message: str) -> None:
        super().__init__("WITNESS_FORK", message)


@dataclass(slots=True)
class WitnessState:
    """What a witness must not forget.

    Attributes:
        chain_id: chain that it witnesses; fixed by its first round.
        origin: log that it witnesses; the same.
        gateway_key: key of that log in hex; the same.
        number: number of the last block it checked, 0 before the first: block 0 holds no acts, some
            nodes give it a header that no rule of Ethereum describes, and block 1 names its hash.
        block_hash: hash of that block in hex; empty before the first.
        size: size of the last checkpoint it cosigned.
        note: that checkpoint with the gateway's signature; empty before the first.
        pending: signatures that were not delivered yet: path at the API and body.
    """

    chain_id: int
    origin: str
    gateway_key: str
    number: int = 0
    block_hash: str = ""
    size: int = 0
    root: str = ""
    note: str = ""
    pending: list[dict[str, Any]] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return canonical_json({"type": STATE_TYPE, **members})

    @classmethod
    def from_bytes(cls, data: bytes) -> "WitnessState":
        """Decode.

        Raises:
            LedgerError: WITNESS_STATE_DAMAGED.
        """
        bad = LedgerError("WITNESS_STATE_DAMAGED", "the witness's state cannot be read")
        try:
            value = parse_canonical(data, max_bytes=_MAX_STATE_SIZE)
        except CryptoError as error:
            raise bad from error
        if not isinstance(value, dict) or set(value) != {"type", *cls.__slots__}:
            raise bad
        if value.pop("type") != STATE_TYPE:
            raise bad
        return cls(**value)


class Witness:
    """One witness.

    Args:
        directory: where its state lives.
        name: its name in cosignatures of checkpoints.
        key: its key, of a person with the role WITNESS.
        node_url: JSON-RPC endpoint of a node, best its own.
        api_url: base URL of the api, which collects cosignatures.
        gateway_url: base URL of the gateway.
        say: takes one line of news for the log.
        clock: unix time in seconds.

    Raises:
        ForkFound: WITNESS_FORK when an alarm from an earlier run stands.
        LedgerError: WITNESS_STATE_DAMAGED.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        key: Signer,
        node_url: str,
        api_url: str,
        gateway_url: str,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._name = name
        self._key = key
        self._node = Transport(node_url, timeout_s=TIMEOUT_S, max_answer_size=4 * 1024 * 1024)
        self._platform = Platform(api_url, gateway_url, timeout_s=TIMEOUT_S)
        self._gateway_url = gateway_url
        self._log: LogClient | None = None
        self._log_id: str | None = None
        self._say = say
        self._clock = clock
        self._state: WitnessState | None = None
        if (directory / ALARM_FILE).exists():
            raise ForkFound(f"an earlier run met a second history: see {ALARM_FILE}")
        if (directory / STATE_FILE).exists():
            data = read_limited(directory / STATE_FILE, max_bytes=_MAX_STATE_SIZE)
            self._state = WitnessState.from_bytes(data)

    def run(self, stop: threading.Event, *, interval_s: float = 1.0) -> None:
        """Work until asked to stop; servers that are away are tried again.

        Raises:
            ForkFound: WITNESS_FORK.
            LedgerError: DEPLOYMENT_CHANGED, FILE_NOT_WRITTEN.
        """
        last_news: dict[str, str] = {}
        while not stop.is_set():
            more = False
            for what, step in (
                ("blocks", self.witness_blocks),
                ("log", self.witness_log),
                ("delivery", self.deliver),
            ):
                news = ""
                try:
                    more = bool(step()) or more
                except (ForkFound, _FatalError):
                    raise
                except SanlianError as error:
                    news = f"{what}: {error.code}: {error.message}"
                if news != last_news.get(what, ""):
                    self._say(news or f"{what}: well again")
                    last_news[what] = news
            stop.wait(0 if more else interval_s)

    def close(self) -> None:
        """Close its connections."""
        self._node.close()
        self._platform.close()
        if self._log is not None:
            self._log.close()

    # Blocks

    def witness_blocks(self) -> bool:
        """Check the blocks since the last round and sign the newest; True when more wait.

        Raises:
            ForkFound: WITNESS_FORK.
            LedgerError: SERVER_UNREACHABLE, RESPONSE_MALFORMED, NODE_BEHIND.
        """
        state = self._begin()
        height = self._call("eth_blockNumber", [])
        if state.number == 0 and height == "0x0":
            return False
        head = self._get_block("latest")
        if head.number < state.number:
            raise LedgerError("NODE_BEHIND", "the node's chain is shorter than what was signed")
        if head.number == state.number:
            self._require_same(state, head)
            return False
        last = min(head.number, state.number + BLOCKS_PER_ROUND)
        sign_from = last - SIGNED_PER_ROUND + 1
        now = int(self._clock())
        number, block_hash = state.number, state.block_hash
        signed: list[dict[str, Any]] = []
        while number < last:
            header = head if number + 1 == head.number else self._get_block(number + 1)
            if header.number != number + 1:
                raise LedgerError("RESPONSE_MALFORMED", "the node gave another block")
            if block_hash and header.parent_hash.hex() != block_hash:
                # Blocks may have been replaced under us within this round, or since the last.
                if number == state.number:
                    self._require_same(state, self._get_block(state.number))
                raise LedgerError("NODE_CHANGED", "the node changed its chain while it was read")
            number, block_hash = header.number, header.hash.hex()
            if number >= sign_from:
                signed.append(self._sign_block(state.chain_id, header, now))
        state.number, state.block_hash = number, block_hash
        self._queue(state, signed)
        self._save(state)
        return last < head.number

    def _require_same(self, state: WitnessState, header: Header) -> None:
        if not state.block_hash or header.hash.hex() == state.block_hash:
            return
        ours = {"number": state.number, "hash": state.block_hash}
        statement = block_statement(
            chain_id=state.chain_id,
            number=state.number,
            block_hash=bytes.fromhex(state.block_hash),
            time=int(self._clock()),
        )
        self._alarm(
            "block",
            {
                **ours,
                "statement": statement.decode(),
                "key_id": self._key.public_key.key_id.hex(),
                "signature": self._key.sign(statement).to_bytes().hex(),
            },
            {
                "number": header.number,
                "hash": header.hash.hex(),
                "parent_hash": header.parent_hash.hex(),
            },
        )

    def _sign_block(self, chain_id: int, header: Header, now: int) -> dict[str, Any]:
        statement = block_statement(
            chain_id=chain_id, number=header.number, block_hash=header.hash, time=now
        )
        return {
            "path": "/v1/cosignatures",
            "body": {
                "number": header.number,
                "hash": header.hash.hex(),
                "time": now,
                "key_id": self._key.public_key.key_id.hex(),
                "signature": self._key.sign(statement).to_bytes().hex(),
            },
        }

    def _get_block(self, number: int | str) -> Header:
        tag = number if isinstance(number, str) else hex(number)
        block = self._call("eth_getBlockByNumber", [tag, False])
        if not isinstance(block, dict):
            raise LedgerError("RESPONSE_MALFORMED", "the node does not have the block")
        # The hash is computed here: what a node says of itself counts for nothing.
        raw = encode_header(block)
        header = Header.from_bytes(raw)
        if header.hash != keccak256(raw):
            raise LedgerError("RESPONSE_MALFORMED", "the header's hash is not its own")
        return header

    def _call(self, method: str, params: list[Any]) -> Any:
        body = canonical_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = self._node.post("", body, {"content-type": "application/json"})
        if answer.status != 200:
            raise answer.problem()
        value = answer.json()
        if not isinstance(value, dict) or "result" not in value:
            raise LedgerError("RESPONSE_MALFORMED", "the node refused the call")
        return value["result"]

    # Log

    def witness_log(self) -> bool:
        """Check the newest checkpoint against the last one and cosign it; never more to do.

        Raises:
            ForkFound: WITNESS_FORK.
            LedgerError: SERVER_UNREACHABLE, RESPONSE_MALFORMED, LOG_NOT_REGISTERED.
        """
        state = self._begin()
        log = self._get_log(state)
        shown, newest = log.checkpoint()
        note = _gateway_note(shown, state.origin)
        if state.note:
            last = Checkpoint(state.origin, state.size, bytes.fromhex(state.root))
            old, new = (last, newest) if last.size <= newest.size else (newest, last)
            try:
                log.verify_growth(old, new)
            except VerificationError:
                self._alarm_log(state, note)
            except RequestRefused as error:
                # A log that signed a size and now has no proof for it has lost records.
                if error.code == "LOG_SIZE_UNKNOWN":
                    self._alarm_log(state, note)
                raise
            if newest.size <= last.size:
                return False
        log_id = self._get_log_id(state)
        line = cosign_checkpoint(note, name=self._name, key=self._key, time=int(self._clock()))
        state.size, state.root, state.note = newest.size, newest.root.hex(), note
        body = {"log": log_id, "note": note, "line": line}
        self._queue(state, [{"path": "/v1/checkpoint-cosignatures", "body": body}])
        self._save(state)
        return False

    def _alarm_log(self, state: WitnessState, note: str) -> None:
        self._alarm("checkpoint", {"note": state.note}, {"note": note})

    def _get_log(self, state: WitnessState) -> LogClient:
        if self._log is None:
            key = PublicKey.from_bytes(bytes.fromhex(state.gateway_key))
            self._log = LogClient(
                self._gateway_url, origin=state.origin, public_key=key, timeout_s=TIMEOUT_S
            )
        return self._log

    def _get_log_id(self, state: WitnessState) -> str:
        if self._log_id is None:
            self._log_id = self._platform.find_log_id(state.origin)
        return self._log_id

    # Delivery and state

    def deliver(self) -> bool:
        """Hand waiting signatures to the api; what it does not want is dropped with a word.

        Raises:
            LedgerError: SERVER_UNREACHABLE, OUTCOME_UNKNOWN.
        """
        state = self._begin()
        if not state.pending:
            return False
        waiting: list[dict[str, Any]] = []
        problem: RequestRefused | None = None
        for one in state.pending:
            try:
                self._platform.post_json(one["path"], one["body"])
            except RequestRefused as error:
                # The api may be starting, or may not know block, log or this witness yet.
                status = int(str(error.details.get("status", 0)))
                if status in (404, 425, 429) or status >= 500:
                    problem = error
                    waiting.append(one)
                else:
                    self._say(f"delivery: dropped: {error.code}: {error.message}")
        if waiting != state.pending:
            state.pending = waiting
            self._save(state)
        if problem is not None:
            raise problem
        return False

    def _queue(self, state: WitnessState, signed: list[dict[str, Any]]) -> None:
        # Later signatures vouch for what came before; the oldest are worth least.
        state.pending = [*state.pending, *signed][-MAX_PENDING:]

    def _begin(self) -> WitnessState:
        if self._state is None:
            deployment = self._platform.deployment()
            self._state = WitnessState(
                deployment.chain_id, deployment.origin, deployment.gateway_key.to_bytes().hex()
            )
            self._require_chain(self._state)
            self._save(self._state)
        return self._state

    def _require_chain(self, state: WitnessState) -> None:
        chain_id = self._call("eth_chainId", [])
        if chain_id != hex(state.chain_id):
            raise LedgerError("DEPLOYMENT_CHANGED", "the node serves another chain")

    def _save(self, state: WitnessState) -> None:
        try:
            replace_file(self._directory / STATE_FILE, state.to_bytes())
        except LedgerError as error:
            # What cannot be remembered must not be sent: stop before the next delivery.
            raise _FatalError(error.code, error.message) from error

    def _alarm(self, kind: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        alarm = {
            "type": ALARM_TYPE,
            "kind": kind,
            "time": int(self._clock()),
            "witness": self._name,
            "ours": ours,
            "theirs": theirs,
        }
        replace_file(self._directory / ALARM_FILE, canonical_json(alarm) + b"\n")
        raise ForkFound(f"a second history of the {kind} was shown: see {ALARM_FILE}")


def _gateway_note(note: str, origin: str) -> str:
    """Return a verified note with the gateway's line alone, without others' cosignatures."""
    text, _, lines = note.partition("\n\n")
    own = [line for line in lines.splitlines() if line.startswith(f"— {origin} ")]
    return f"{text}\n\n" + "".join(line + "\n" for line in own)


class _FatalError(LedgerError, ProtocolError):
    """The witness cannot go on."""
