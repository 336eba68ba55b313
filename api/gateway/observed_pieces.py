"""Pieces of a batch of access records, each checked and encoded by itself, without state.

What a piece needs of the ledger's state is handed to it, so that any process can work on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.gateway.observed_bodies import Entry, NotOneValue, read_entry
from crypto.errors import ProtocolError, SanlianError
from crypto.sm2 import PublicKey
from ledger.log.entries import Once, Packed
from ledger.log.pipe import pack_prepared
from protocol.evidence.observed import is_later
from protocol.observation import HandedIn, Observation
from protocol.records import ObservedEncoder, Prepared


@dataclass(frozen=True, slots=True)
class Observer:
    """A key that a batch names, and why it vouches for nothing, if so."""

    public_key: bytes
    department: bytes
    code: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some entries of a batch.

    Attributes:
        entries: as they were handed in.
        observers: of the keys that they name, by key id in hex.
        common: members that all their records have.
        at_ms: when they were handed in.
    """

    entries: Sequence[Entry]
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
class Accepted:
    """An entry of which a record is to be written: one object for all of one key.

    Attributes:
        key_id: the key's id, 64 hex.
    """

    key_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an entry is refused."""

    code: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a piece's check has found.

    Attributes:
        verdicts: of each entry.
        records: those of the accepted entries, in order.
    """

    verdicts: list[Accepted | Refused]
    records: Packed


def check_piece(piece: Piece) -> Checked | None:
    """Check each entry of a piece.

    None when an entry that was cut out of a body is not one value: the body must be parsed.
    """
    try:
        # All are read before the first signature is verified.
        read = [_read(entry) for entry in piece.entries]
    except NotOneValue:
        return None
    checkers: dict[str, _Checker] = {}
    verdicts: list[Accepted | Refused] = []
    records: list[tuple[Prepared, Once]] = []
    for one in read:
        if isinstance(one, Refused):
            verdicts.append(one)
            continue
        try:
            if one.key_id not in checkers:
                checkers[one.key_id] = _Checker(piece, one.key_id)
            records.append(checkers[one.key_id].check(one))
            verdicts.append(checkers[one.key_id].accepted)
        except SanlianError as error:
            verdicts.append(Refused(error.code))
    return Checked(verdicts, pack_prepared(records, piece.at_ms))


def _read(entry: Entry) -> HandedIn | Refused:
    """Return what was handed in, or why it is refused.

    Raises:
        NotOneValue: see there.
    """
    usual = HandedIn.read(entry) if isinstance(entry, bytes) else None
    if usual is not None:
        return usual
    try:
        return Observation.from_json(read_entry(entry)).handed_in
    except SanlianError as error:
        return Refused(error.code)


class _Checker:
    """Checks and encodes what one key signed.

    Raises:
        ProtocolError: the code why the key vouches for nothing.
    """

    def __init__(self, piece: Piece, key_id: str) -> None:
        observer = piece.observers[key_id]
        if observer.code:
            raise ProtocolError(observer.code, "the record's key does not vouch for access records")
        self.accepted = Accepted(key_id)
        self._at_ms = piece.at_ms
        self._key_id = bytes.fromhex(key_id)
        self._public_key = PublicKey.from_bytes(observer.public_key)
        self._encoder = ObservedEncoder(piece.members_in_common(key_id))

    def check(self, one: HandedIn) -> tuple[Prepared, Once]:
        """Return the record to write.

        Raises:
            ProtocolError: OBSERVATION_LATER, OBSERVATION_SIGNATURE_INVALID.
        """
        if is_later(one.time_ms, self._at_ms):
            raise ProtocolError("OBSERVATION_LATER", "the access record tells of a time to come")
        digest = one.verified_digest(self._public_key)
        if digest is None:
            raise ProtocolError(
                "OBSERVATION_SIGNATURE_INVALID", "the access record's signature does not hold"
            )
        grant = None if one.grant is None else bytes.fromhex(one.grant)
        return self._encoder.encode(one), Once(self._key_id, one.record, digest, grant)
