"""Acts: the byte string that a person signs, and the signatures on it (docs/protocol.md, 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from crypto.errors import ProtocolError
from crypto.sm2 import PublicKey, Signature, Signer, digest_e
from crypto.sm3 import sm3
from protocol.description import BY_CODE, BY_NAME, WORD, ActType, Field

TAG = b"sanlian\x01"
HEADER_SIZE = 128
MAX_WORDS = 16
MAX_SIGNATURES = 8
MAX_ACT_SIZE = HEADER_SIZE + WORD * MAX_WORDS
#: No act lives longer than this: one that is withheld dies.
MAX_LIFETIME_S = 30 * 24 * 3600
ZERO_ID = bytes(32)

Value = int | bytes | str


def _bad(message: str, **details: object) -> ProtocolError:
    return ProtocolError("ACT_MALFORMED", message, **details)


def _fields(act_type: ActType) -> list[tuple[int, Field]]:
    placed: list[tuple[int, Field]] = []
    start = 0
    for word in act_type.words:
        offset = start
        for field in word:
            placed.append((offset, field))
            offset += field.size
        start += max(1, -(-(offset - start) // WORD)) * WORD
    return placed


def _encode_field(field: Field, value: Value) -> bytes:
    if field.kind == "uint":
        if not isinstance(value, int) or isinstance(value, bool):
            raise _bad(f"{field.name} must be an integer", field=field.name)
        if not 0 <= value < 1 << (8 * field.size):
            raise _bad(f"{field.name} is out of range", field=field.name)
        return value.to_bytes(field.size, "big")
    if field.kind == "bytes":
        if not isinstance(value, bytes) or len(value) != field.size:
            raise _bad(f"{field.name} must be {field.size} bytes", field=field.name)
        return value
    if not isinstance(value, str):
        raise _bad(f"{field.name} must be text", field=field.name)
    try:
        raw = value.encode("ascii" if field.kind == "ascii" else "utf-8")
    except UnicodeEncodeError as error:
        raise _bad(f"{field.name} has characters that do not fit", field=field.name) from error
    if len(raw) > field.size:
        raise _bad(f"{field.name} is longer than {field.size} bytes", field=field.name)
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise _bad(f"{field.name} has control characters", field=field.name)
    return raw.ljust(field.size, b"\0")


def _decode_field(field: Field, raw: bytes) -> Value:
    if field.kind == "uint":
        return int.from_bytes(raw, "big")
    if field.kind == "bytes":
        return raw
    text = raw.rstrip(b"\0")
    if any(byte < 0x20 or byte == 0x7F for byte in text):
        raise _bad(f"{field.name} has control characters", field=field.name)
    try:
        return text.decode("ascii" if field.kind == "ascii" else "utf-8")
    except UnicodeDecodeError as error:
        raise _bad(f"{field.name} is not {field.kind}", field=field.name) from error


@dataclass(frozen=True, slots=True)
class Act:
    """What a person signs.

    Attributes:
        type: its act type.
        chain_id: chain on which it counts, 1 to 2^64 - 1.
        contract: 20-byte address of the contract on which it counts.
        key_id: 32-byte id (Z_A) of the actor's key, the first signer.
        nonce: number of acts of this key that this contract accepted before.
        expires_at: last unix second at which it may be recorded.
        target: 32-byte id of what it acts on; zero where it creates something.
        revision: revision of the target that the signer saw; zero where it creates something.
        values: the act's own values by field name.
    """

    type: ActType
    chain_id: int
    contract: bytes
    key_id: bytes
    nonce: int
    expires_at: int
    target: bytes
    revision: int
    values: Mapping[str, Value]

    def to_bytes(self) -> bytes:
        """Encode: 128-byte header, then the act's own words.

        Raises:
            ProtocolError: ACT_MALFORMED, with the field that does not fit.
        """
        for name, number in (
            ("chain_id", self.chain_id),
            ("nonce", self.nonce),
            ("expires_at", self.expires_at),
            ("revision", self.revision),
        ):
            if not 0 <= number < 1 << 64:
                raise _bad(f"{name} is out of range", field=name)
        if len(self.contract) != 20 or len(self.key_id) != WORD or len(self.target) != WORD:
            raise _bad("contract must be 20 bytes, key id and target 32 bytes")
        fields = _fields(self.type)
        names = {field.name for _, field in fields}
        if set(self.values) != names:
            odd = sorted(set(self.values) ^ names)
            raise _bad(f"{self.type.name} has other values than its type names", fields=odd)
        words = bytearray(WORD * self.type.word_count)
        for offset, field in fields:
            words[offset : offset + field.size] = _encode_field(field, self.values[field.name])
        return (
            TAG
            + self.chain_id.to_bytes(8, "big")
            + self.nonce.to_bytes(8, "big")
            + self.expires_at.to_bytes(8, "big")
            + self.contract
            + self.type.code.to_bytes(4, "big")
            + self.revision.to_bytes(8, "big")
            + self.key_id
            + self.target
            + bytes(words)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode, and refuse bytes that encoding would not have made.

        Raises:
            ProtocolError: ACT_MALFORMED or ACT_TYPE_UNKNOWN.
        """
        if len(data) < HEADER_SIZE or len(data) > MAX_ACT_SIZE or len(data) % WORD:
            raise _bad("an act is 128 bytes and at most 16 words of 32 bytes")
        if data[:8] != TAG:
            raise _bad("not an act of version 1")
        act_type = BY_CODE.get(int.from_bytes(data[52:56], "big"))
        if act_type is None:
            raise ProtocolError("ACT_TYPE_UNKNOWN", "this act type is not known")
        words = data[HEADER_SIZE:]
        if len(words) != WORD * act_type.word_count:
            raise _bad(f"{act_type.name} has {act_type.word_count} words")
        act = cls(
            type=act_type,
            chain_id=int.from_bytes(data[8:16], "big"),
            nonce=int.from_bytes(data[16:24], "big"),
            expires_at=int.from_bytes(data[24:32], "big"),
            contract=data[32:52],
            revision=int.from_bytes(data[56:64], "big"),
            key_id=data[64:96],
            target=data[96:128],
            values={f.name: _decode_field(f, words[o : o + f.size]) for o, f in _fields(act_type)},
        )
        if act.to_bytes() != data:
            raise _bad("unused bytes of a word are not zero")
        return act

    def number(self, name: str) -> int:
        """Value of an unsigned integer field."""
        value = self.values[name]
        if not isinstance(value, int):
            raise TypeError(name)
        return value

    def octets(self, name: str) -> bytes:
        """Value of a bytes field."""
        value = self.values[name]
        if not isinstance(value, bytes):
            raise TypeError(name)
        return value

    def text(self, name: str) -> str:
        """Value of a text field."""
        value = self.values[name]
        if not isinstance(value, str):
            raise TypeError(name)
        return value


@dataclass(frozen=True, slots=True)
class ActSignature:
    """One signature on an act: who signed, and the signature."""

    key_id: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class SignedAct:
    """The bytes of an act with its signatures in order; the first is the actor's.

    Attributes:
        data: bytes of the act.
        signatures: 1 to 8 signatures.
    """

    data: bytes
    signatures: tuple[ActSignature, ...]

    @property
    def act_id(self) -> bytes:
        """SM3(Z_A of the actor ‖ act): the id of the act and of what it creates."""
        return sm3(self.signatures[0].key_id + self.data)


def act_id(act: Act) -> bytes:
    """Return the 32-byte id that an act will have: SM3(key id ‖ bytes)."""
    return sm3(act.key_id + act.to_bytes())


def make_act(
    name: str,
    *,
    chain_id: int,
    contract: bytes,
    key_id: bytes,
    nonce: int,
    expires_at: int,
    values: Mapping[str, Value],
    target: bytes = ZERO_ID,
    revision: int = 0,
) -> Act:
    """Build an act of the named type and check that it encodes.

    Raises:
        ProtocolError: ACT_TYPE_UNKNOWN or ACT_MALFORMED.
    """
    act_type = BY_NAME.get(name)
    if act_type is None:
        raise ProtocolError("ACT_TYPE_UNKNOWN", "this act type is not known", act_type=name)
    act = Act(
        type=act_type,
        chain_id=chain_id,
        contract=contract,
        key_id=key_id,
        nonce=nonce,
        expires_at=expires_at,
        target=target,
        revision=revision,
        values=dict(values),
    )
    act.to_bytes()
    return act


def sign_act(act: Act, keys: Sequence[Signer]) -> SignedAct:
    """Sign an act with each key in order; the first must be the actor's.

    Raises:
        ProtocolError: ACT_MALFORMED when the first key is not the actor's.
    """
    if not keys or keys[0].public_key.key_id != act.key_id:
        raise _bad("the first signer must be the actor that the act names")
    if len(keys) > MAX_SIGNATURES:
        raise _bad(f"an act carries at most {MAX_SIGNATURES} signatures")
    data = act.to_bytes()
    return SignedAct(data, tuple(ActSignature(k.public_key.key_id, k.sign(data)) for k in keys))


def act_digest(public_key: PublicKey, data: bytes) -> bytes:
    """Return e = SM3(Z_A ‖ M), the digest that SM2 signs (GB/T 32918.2 clause 6.1)."""
    return digest_e(public_key, data)
