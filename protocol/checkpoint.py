"""Checkpoints as signed notes, cosignatures, witnesses' statements (docs/protocol.md, 6.2, 8)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey, Signature, Signer, verify

ALGORITHM = b"\xffsanlian/sm2-sm3/v1"
ORIGIN_PATTERN = re.compile(r"[a-z0-9./-]{1,30}")
NAME_PATTERN = re.compile(r"[!-*,-~]{1,64}")
MAX_NOTE_SIZE = 8192
MAX_SIZE = 2**63 - 1
_SIGNATURE_MARK = "— "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its origin, number of records and root hash.

    Attributes:
        origin: 1 to 30 characters of a-z 0-9 . / -
        size: number of records.
        root: 32-byte root hash of the tree.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note text that is signed, with its final line break."""
        if not ORIGIN_PATTERN.fullmatch(self.origin):
            raise ProtocolError("ORIGIN_MALFORMED", "an origin is 1 to 30 of a-z 0-9 . / -")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != 32:
            raise ProtocolError("CHECKPOINT_MALFORMED", "size or root of a checkpoint is not valid")
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One signature line of a note: name, 4-byte key hash, and the bytes behind it."""

    name: str
    key_hash: bytes
    payload: bytes


def key_hash(name: str, public_key: PublicKey) -> bytes:
    """Return the 4-byte key hash of a note signature (C2SP signed-note, signature type 0xff)."""
    return hashlib.sha256(name.encode() + b"\n" + ALGORITHM + public_key.to_bytes()).digest()[:4]


def _line(name: str, public_key: PublicKey, payload: bytes) -> str:
    if not NAME_PATTERN.fullmatch(name):
        raise ProtocolError("NAME_MALFORMED", "a note name has no spaces and no plus sign")
    return (
        _SIGNATURE_MARK
        + name
        + " "
        + base64.b64encode(key_hash(name, public_key) + payload).decode()
    )


def sign_checkpoint(checkpoint: Checkpoint, key: Signer) -> str:
    """Return the signed note of a checkpoint, with its one signature line."""
    text = checkpoint.text()
    signature = key.sign(text.encode()).to_bytes()
    return f"{text}\n{_line(checkpoint.origin, key.public_key, signature)}\n"


def note_of(checkpoint: Checkpoint, public_key: PublicKey, signature: Signature) -> str:
    """Return the note that carries an existing signature, such as one read from the chain."""
    line = _line(checkpoint.origin, public_key, signature.to_bytes())
    return f"{checkpoint.text()}\n{line}\n"


def parse_note(note: str) -> tuple[Checkpoint, tuple[NoteLine, ...]]:
    """Parse a note strictly: what is returned encodes to the same text.

    Raises:
        ProtocolError: CHECKPOINT_MALFORMED.
    """
    bad = ProtocolError("CHECKPOINT_MALFORMED", "this is not a signed checkpoint")
    if len(note) > MAX_NOTE_SIZE or not note.endswith("\n"):
        raise bad
    text, separator, tail = note.partition("\n\n")
    parts = text.split("\n")
    if not separator or len(parts) != 3:
        raise bad
    origin, size_text, root_text = parts
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size_text):
        raise bad
    lines: list[NoteLine] = []
    for line in tail[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_SIGNATURE_MARK).partition(" ")
        if not line.startswith(_SIGNATURE_MARK) or not space or not NAME_PATTERN.fullmatch(name):
            raise bad
        raw = _strict_base64(encoded, bad)
        if len(raw) < 5:
            raise bad
        lines.append(NoteLine(name, raw[:4], raw[4:]))
    checkpoint = Checkpoint(origin, int(size_text), _strict_base64(root_text, bad))
    try:
        if checkpoint.text() != text + "\n":
            raise bad
    except ProtocolError as error:
        raise bad from error
    return checkpoint, tuple(lines)


def _strict_base64(text: str, bad: ProtocolError) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad from error
    if base64.b64encode(raw).decode() != text:
        raise bad
    return raw


def verify_checkpoint(note: str, *, origin: str, public_key: PublicKey) -> Checkpoint:
    """Check a note's gateway signature and return its checkpoint.

    Args:
        note: text of the signed note; further lines (cosignatures) are ignored here.
        origin: the origin that the log is known by.
        public_key: the gateway's key.

    Raises:
        ProtocolError: CHECKPOINT_MALFORMED.
        VerificationError: CHECKPOINT_INVALID.
    """
    checkpoint, lines = parse_note(note)
    if checkpoint.origin != origin:
        raise VerificationError("CHECKPOINT_INVALID", "the checkpoint is of another log")
    expected = key_hash(origin, public_key)
    matching = [x for x in lines if x.name == origin and x.key_hash == expected]
    if len(matching) != 1:
        raise VerificationError(
            "CHECKPOINT_INVALID", "the checkpoint is not signed by this gateway's key"
        )
    _verify(public_key, checkpoint.text().encode(), matching[0].payload)
    return checkpoint


def _verify(public_key: PublicKey, message: bytes, payload: bytes) -> None:
    try:
        verify(public_key, message, Signature.from_bytes(payload))
    except CryptoError as error:
        raise VerificationError(
            "CHECKPOINT_INVALID", "a signature on the checkpoint does not hold"
        ) from error


def _cosignature_message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign_checkpoint(note: str, *, name: str, key: Signer, time: int) -> str:
    """Return a witness's signature line for the note's checkpoint (C2SP cosignature/v1).

    Args:
        note: signed note; the caller has verified it.
        name: the witness's name in the note.
        key: the witness's key.
        time: unix seconds of the cosignature.
    """
    checkpoint, _ = parse_note(note)
    signature = key.sign(_cosignature_message(checkpoint.text(), time)).to_bytes()
    return _line(name, key.public_key, time.to_bytes(8, "big") + signature) + "\n"


def verify_cosignature(note: str, *, name: str, public_key: PublicKey) -> int:
    """Check the named witness's cosignature in a note and return its time in unix seconds.

    Raises:
        VerificationError: CHECKPOINT_INVALID.
    """
    checkpoint, lines = parse_note(note)
    expected = key_hash(name, public_key)
    for line in lines:
        if line.name == name and line.key_hash == expected and len(line.payload) == 72:
            time = int.from_bytes(line.payload[:8], "big")
            message = _cosignature_message(checkpoint.text(), time)
            _verify(public_key, message, line.payload[8:])
            return time
    raise VerificationError("CHECKPOINT_INVALID", "this witness has not cosigned the checkpoint")


def block_statement(*, chain_id: int, number: int, block_hash: bytes, time: int) -> bytes:
    """Return the bytes that a witness signs for a block.

    Args:
        chain_id: chain id.
        number: block number.
        block_hash: 32-byte Keccak-256 hash of the header.
        time: unix seconds at which the witness saw it.
    """
    return f"sanlian/block/v1\n{chain_id}\n{number}\n{block_hash.hex()}\n{time}\n".encode()
