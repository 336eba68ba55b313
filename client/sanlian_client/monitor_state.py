"""What a monitor keeps on disk: the state that it goes on from, and its alarms."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, LedgerError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey
from protocol.checkpoint import parse_note, verify_checkpoint
from sanlian_client.files import read_limited

STATE_TYPE = "sanlian/monitor-state/v1"
ALARM_TYPE = "sanlian/monitor-alarm/v1"
STATE_FILE = "state.json"
ALARM_FILE = "alarm.json"
MAX_FILE_SIZE = 1024 * 1024


@dataclass(slots=True)
class MonitorState:
    """What a monitor must not forget; times are its own, in unix seconds.

    Attributes:
        chain_id: chain of the deployment; fixed by the first run.
        origin: log that it follows; the same.
        gateway_key: key of that log in hex; the same.
        contract: address of the contract Logs in hex; the same.
        note: newest checkpoint whose growth was proven; empty before the first.
        anchor: newest anchor, as a note; empty before the first.
        block: block from which anchors are read next.
        grown_at: when the log was last seen to grow; 0 before the first checkpoint.
        cosigned_at: when a checkpoint with enough cosignatures was last seen, else the first.
        gateway_failing: since when the gateway does not answer; 0: it does.
        anchors_failing: since when anchors cannot be read; 0: they can.
        seen: pairs of time and size, oldest first, of what was seen above the newest anchor.
    """

    chain_id: int
    origin: str
    gateway_key: str
    contract: str
    note: str = ""
    anchor: str = ""
    block: int = 0
    grown_at: int = 0
    cosigned_at: int = 0
    gateway_failing: int = 0
    anchors_failing: int = 0
    seen: list[list[int]] = field(default_factory=list)

    @property
    def identity(self) -> tuple[int, str, str, str]:
        """What must never change."""
        return self.chain_id, self.origin, self.gateway_key, self.contract

    @property
    def public_key(self) -> PublicKey:
        """Key of the gateway."""
        return PublicKey.from_bytes(bytes.fromhex(self.gateway_key))

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return canonical_json({"type": STATE_TYPE, **members})

    @classmethod
    def from_bytes(cls, data: bytes) -> "MonitorState":
        """Decode; kept notes must still hold.

        Raises:
            LedgerError: MONITOR_STATE_DAMAGED.
        """
        bad = LedgerError("MONITOR_STATE_DAMAGED", "the monitor's state cannot be read")
        texts = ("origin", "gateway_key", "contract", "note", "anchor")
        try:
            value = parse_canonical(data, max_bytes=MAX_FILE_SIZE)
            if not isinstance(value, dict) or set(value) != {"type", *cls.__slots__}:
                raise bad
            if value.pop("type") != STATE_TYPE or not isinstance(value["seen"], list):
                raise bad
            pairs = [pair for pair in value["seen"] if isinstance(pair, list) and len(pair) == 2]
            numbers = [value[name] for name in cls.__slots__ if name not in (*texts, "seen")]
            numbers += [number for pair in pairs for number in pair]
            if len(pairs) != len(value["seen"]) or not all(type(n) is int for n in numbers):
                raise bad
            if min(numbers) < 0 or not all(isinstance(value[name], str) for name in texts):
                raise bad
            state = cls(**value)
            if len(bytes.fromhex(state.contract)) != 20:
                raise bad
            for note in filter(None, (state.note, state.anchor)):
                verify_checkpoint(note, origin=state.origin, public_key=state.public_key)
        except (CryptoError, ProtocolError, VerificationError, ValueError) as error:
            raise bad from error
        return state


def size_of(note: str) -> int:
    """Return the size in a note that was verified, 0 for none."""
    return parse_note(note)[0].size if note else 0


def read_alarms(path: Path) -> dict[str, dict[str, Any]]:
    """Return the alarms of an alarm file by kind; none when there is no file.

    Raises:
        LedgerError: MONITOR_STATE_DAMAGED.
    """
    if not path.exists():
        return {}
    bad = LedgerError("MONITOR_STATE_DAMAGED", "the monitor's alarm file cannot be read")
    data = read_limited(path, max_bytes=MAX_FILE_SIZE)
    try:
        value = parse_canonical(data.removesuffix(b"\n"), max_bytes=MAX_FILE_SIZE)
        if value["type"] != ALARM_TYPE:
            raise bad
        return {str(one["kind"]): dict(one) for one in value["alarms"]}
    except (CryptoError, KeyError, TypeError, ValueError) as error:
        raise bad from error
