"""The events of the contracts, decoded by hand and strictly (docs/protocol.md, 3.3, 4 and 5.1).

Decoding accepts only the bytes that the compiler writes, so that an event has one form.
"""

from dataclasses import dataclass

from crypto.errors import CryptoError
from crypto.keccak import keccak256
from crypto.sm2 import PublicKey, Signature
from protocol.acts import MAX_SIGNATURES, ActSignature, SignedAct
from protocol.description import ACT_TYPES, WORD
from protocol.ethereum.receipt import EventLog
from protocol.ethereum.rlp import malformed

_ACT_SHAPE = "(bytes32,bytes32,uint64,bytes,(bytes32,uint256,uint256)[])"
_MAX_AUTHORITY_KEYS = 64
_MAX_PIECE = 16384
_U64 = (1 << 64) - 1


def _topic(signature: str) -> bytes:
    return keccak256(signature.encode())


#: Act type name by the event's first topic.
ACT_TOPICS: dict[bytes, str] = {_topic(kind.name + _ACT_SHAPE): kind.name for kind in ACT_TYPES}
GENESIS_TOPIC = _topic("Genesis(bytes32,uint256,uint256,uint256[2][],uint256,uint256)")
ANCHOR_TOPIC = _topic("CheckpointAnchored(bytes32,uint64,bytes32,uint256,uint256)")
PIECE_TOPIC = _topic("DocumentPiece(bytes32,uint16,uint16,bytes)")


@dataclass(frozen=True, slots=True)
class ActEvent:
    """An act that a contract accepted.

    Attributes:
        name: name of the event, which is the act type's.
        act_id: id of the act.
        target: id of what it created or changed.
        revision: the new revision of the target.
        signed: the act with its signatures.
    """

    name: str
    act_id: bytes
    target: bytes
    revision: int
    signed: SignedAct


@dataclass(frozen=True, slots=True)
class GenesisEvent:
    """What the registry's constructor was given.

    Attributes:
        department: id of the authority's department.
        head: key of its head.
        authority_keys: keys of the authority's persons.
        threshold: how many of them act together.
        replacement_delay_s: seconds for which a head can object to the replacement of the key.
    """

    department: bytes
    head: PublicKey
    authority_keys: tuple[PublicKey, ...]
    threshold: int
    replacement_delay_s: int


@dataclass(frozen=True, slots=True)
class AnchorEvent:
    """A checkpoint that was anchored.

    Attributes:
        log: id of the log.
        size: number of records.
        root: root hash of the tree.
        signature: the gateway's signature.
    """

    log: bytes
    size: int
    root: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class PieceEvent:
    """A piece of a public document.

    Attributes:
        digest: SM3 of the whole document.
        index: number of the piece from 0.
        count: number of pieces.
        piece: its bytes.
    """

    digest: bytes
    index: int
    count: int
    piece: bytes


Event = ActEvent | GenesisEvent | AnchorEvent | PieceEvent


class _Words:
    """Reader of ABI words that accepts every byte once and in order."""

    def __init__(self, data: bytes) -> None:
        if len(data) % WORD:
            raise malformed("an event is not made of words")
        self._data, self._at = data, 0

    def raw(self) -> bytes:
        word = self._data[self._at : self._at + WORD]
        if len(word) != WORD:
            raise malformed("an event is truncated")
        self._at += WORD
        return word

    def number(self, most: int) -> int:
        value = int.from_bytes(self.raw(), "big")
        if value > most:
            raise malformed("a number in an event is out of range")
        return value

    def wide(self) -> int:
        return int.from_bytes(self.raw(), "big")

    def expect(self, value: int) -> None:
        if self.wide() != value:
            raise malformed("an offset in an event is not the compiler's")

    def octets(self, most: int) -> bytes:
        length = self.number(most)
        padded = -(-length // WORD) * WORD
        chunk = self._data[self._at : self._at + padded]
        if len(chunk) != padded or any(chunk[length:]):
            raise malformed("bytes in an event are not padded with zeros")
        self._at += padded
        return chunk[:length]

    def end(self) -> None:
        if self._at != len(self._data):
            raise malformed("bytes follow an event")


def decode_event(log: EventLog) -> Event | None:
    """Decode an event of the contracts; None for one with another first topic.

    The caller compares log.address with the contract that emits such events.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    if not log.topics:
        return None
    topic = log.topics[0]
    name = ACT_TOPICS.get(topic)
    try:
        if name is not None:
            return _decode_act(name, log)
        if topic == GENESIS_TOPIC:
            return _decode_genesis(log)
        if topic == ANCHOR_TOPIC:
            return _decode_anchor(log)
        if topic == PIECE_TOPIC:
            return _decode_piece(log)
    except CryptoError as error:
        raise malformed("a key or signature in an event is out of range") from error
    return None


def _indexed(log: EventLog, count: int) -> tuple[bytes, ...]:
    if len(log.topics) != count + 1:
        raise malformed("an event has another number of topics")
    return log.topics[1:]


def _decode_act(name: str, log: EventLog) -> ActEvent:
    act_id, target = _indexed(log, 2)
    words = _Words(log.data)
    revision = words.number(_U64)
    words.expect(3 * WORD)
    signatures_at = words.wide()
    data = words.octets(len(log.data))
    if signatures_at != 4 * WORD + -(-len(data) // WORD) * WORD:
        raise malformed("an offset in an event is not the compiler's")
    count = words.number(MAX_SIGNATURES)
    if count == 0:
        raise malformed("an act has no signature")
    signatures = tuple(
        ActSignature(words.raw(), Signature(words.wide(), words.wide())) for _ in range(count)
    )
    words.end()
    return ActEvent(name, act_id, target, revision, SignedAct(data, signatures))


def _decode_genesis(log: EventLog) -> GenesisEvent:
    _indexed(log, 0)
    words = _Words(log.data)
    department = words.raw()
    head = PublicKey(words.wide(), words.wide())
    words.expect(6 * WORD)
    threshold = words.number(_MAX_AUTHORITY_KEYS)
    replacement_delay_s = words.number(_U64)
    count = words.number(_MAX_AUTHORITY_KEYS)
    keys = tuple(PublicKey(words.wide(), words.wide()) for _ in range(count))
    words.end()
    return GenesisEvent(department, head, keys, threshold, replacement_delay_s)


def _decode_anchor(log: EventLog) -> AnchorEvent:
    (log_id,) = _indexed(log, 1)
    words = _Words(log.data)
    size, root = words.number(_U64), words.raw()
    signature = Signature(words.wide(), words.wide())
    words.end()
    return AnchorEvent(log_id, size, root, signature)


def _decode_piece(log: EventLog) -> PieceEvent:
    (digest,) = _indexed(log, 1)
    words = _Words(log.data)
    index, count = words.number(0xFFFF), words.number(0xFFFF)
    words.expect(3 * WORD)
    piece = words.octets(_MAX_PIECE)
    words.end()
    return PieceEvent(digest, index, count, piece)
