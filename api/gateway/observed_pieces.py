"""Pieces of a batch of access records, each checked and encoded by itself, without state.

What a piece needs of the ledger's state is handed to it, so that any process can work on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crypto.errors import ProtocolError, SanlianError
from crypto.sm2 import PublicKey, is_valid
from ledger.log.entries import Once
from protocol.evidence.observed import is_later
from protocol.observation import Observation
from protocol.records import ObservedEncoder, Prepared


@dataclass(frozen=True, slots=True)
class Observer:
    """A key that a batch names, and why it vouches for nothing, if so."""

    public_key: bytes
    department: bytes
    code: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some values of a batch.

    Attributes:
        values: as they were handed in.
        observers: of the keys that they name, by key id in hex.
        common: members that all their records have.
        at_ms: when they were handed in.
    """

    values: Sequence[object]
    observers: Mapping[str, Observer]
    common: Mapping[str, Any]
    at_ms: int

    def members_in_common(self, key_id: str) -> dict[str, Any]:
        """Return what all records of a key have but their number, observation and signature."""
        observer = self.observers[key_id]
        return {
            **self.common,
            "event": "observed",
            "public_key": observer.public_key.hex(),
            "department": observer.department.hex(),
        }


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a value is refused."""

    code: str


Checked = tuple[Prepared, Once] | Refused


def check_piece(piece: Piece) -> list[Checked]:
    """Return of each value the record to write, or why it is refused."""
    checkers: dict[str, _Checker] = {}
    checked: list[Checked] = []
    for value in piece.values:
        try:
            observation = Observation.from_json(value)
            key_id = observation.key_id.hex()
            if key_id not in checkers:
                checkers[key_id] = _Checker(piece, key_id)
            checked.append(checkers[key_id].check(observation))
        except SanlianError as error:
            checked.append(Refused(error.code))
    return checked


class _Checker:
    """Checks and encodes what one key signed.

    Raises:
        ProtocolError: the code why the key vouches for nothing.
    """

    def __init__(self, piece: Piece, key_id: str) -> None:
        observer = piece.observers[key_id]
        if observer.code:
            raise ProtocolError(observer.code, "the record's key does not vouch for access records")
        self._at_ms = piece.at_ms
        self._public_key = PublicKey.from_bytes(observer.public_key)
        self._encoder = ObservedEncoder(piece.members_in_common(key_id))

    def check(self, observation: Observation) -> tuple[Prepared, Once]:
        """Return the record to write.

        Raises:
            ProtocolError: OBSERVATION_LATER, OBSERVATION_SIGNATURE_INVALID.
        """
        if is_later(observation, self._at_ms):
            raise ProtocolError("OBSERVATION_LATER", "the access record tells of a time to come")
        if not is_valid(self._public_key, observation.text, observation.signature):
            raise ProtocolError(
                "OBSERVATION_SIGNATURE_INVALID", "the access record's signature does not hold"
            )
        grant = observation.members["grant"]
        return self._encoder.encode(observation), Once(
            observation.key_id,
            observation.record,
            observation.digest,
            None if grant is None else bytes.fromhex(grant),
        )
