"""Envelopes of parameters that law demands to keep (docs/protocol.md, 6.7); pure functions.

The body of a data request, as it was signed, is sealed with SM4-GCM under a key of its own. Key
files are kept, and one day destroyed, by ledger/log/kept_keys.py, outside the database.
"""

import re
from dataclasses import dataclass
from typing import Any

from crypto.errors import CryptoError, VerificationError
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from crypto.sm4 import OVERHEAD_LENGTH, open_, seal
from protocol.parameters import PERIOD_PATTERN

#: Keys in one file.
SLOTS = 4096
FILE_PATTERN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an envelope's key is.

    Attributes:
        period: month of the envelope, in Asia/Shanghai.
        file: name of the file of keys, 32 hex digits.
        number: place in it, from 0 to SLOTS - 1.
    """

    period: str
    file: str
    number: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What an envelope is bound to, beside its slot: it opens in no other record.

    Attributes:
        origin: origin of the log.
        content_digest: SM3 of the request's body, 32 bytes.
        key_id: id of the requester's key, 32 bytes.
        nonce: the request's nonce in hex.
    """

    origin: str
    content_digest: bytes
    key_id: bytes
    nonce: str

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Bound":
        """Return what the envelope of an intent is bound to."""
        request = record["request"]
        key = PublicKey.from_bytes(bytes.fromhex(request["public_key"]))
        digest = bytes.fromhex(request["content_digest"])
        return cls(record["log"], digest, key.key_id, request["nonce"])

    def aad(self, slot: Slot) -> bytes:
        """Return the additional data of the sealing."""
        lines = (
            "sanlian/kept/v1",
            self.origin,
            self.content_digest.hex(),
            self.key_id.hex(),
            self.nonce,
            slot.period,
            slot.file,
            str(slot.number),
        )
        return "".join(f"{line}\n" for line in lines).encode()


def seal_body(key: bytes, slot: Slot, bound: Bound, body: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return an envelope and the member `kept` of the intent that goes with it.

    Args:
        key: the slot's key, 16 bytes, used for nothing else.
        slot: where the key is.
        bound: what the envelope is bound to.
        body: exact bytes of the request's body.
    """
    sealed = seal(key, body, bound.aad(slot))
    member = {
        "period": slot.period,
        "file": slot.file,
        "slot": slot.number,
        "digest": sm3(sealed).hex(),
    }
    return sealed, member


def slot_of(member: dict[str, Any]) -> Slot:
    """Return where the key of an intent's envelope is."""
    return Slot(member["period"], member["file"], member["slot"])


def open_envelope(key: bytes, record: dict[str, Any], sealed: bytes) -> bytes:
    """Return the body that an intent's envelope holds, as the requester signed it.

    Args:
        key: the slot's key.
        record: the intent, with its member `kept`.
        sealed: the envelope.

    Raises:
        VerificationError: KEPT_DIFFERS when these are not the bytes that the record names;
            KEPT_INVALID when they do not open with this key in this record, or hold another body.
    """
    if sm3(sealed).hex() != record["kept"]["digest"] or len(sealed) < OVERHEAD_LENGTH:
        raise VerificationError("KEPT_DIFFERS", "the envelope is not the one the record names")
    bound = Bound.of_record(record)
    try:
        body = open_(key, sealed, bound.aad(slot_of(record["kept"])))
    except CryptoError as error:
        raise VerificationError(
            "KEPT_INVALID", "the envelope does not open with this key in this record"
        ) from error
    if sm3(body) != bound.content_digest:
        raise VerificationError("KEPT_INVALID", "the envelope holds another body than was signed")
    return body


def is_kept_member(value: object) -> bool:
    """Return whether this is the member `kept` of a record."""
    if not isinstance(value, dict) or set(value) != {"period", "file", "slot", "digest"}:
        return False
    period, file, slot, digest = (value[name] for name in ("period", "file", "slot", "digest"))
    return (
        isinstance(period, str)
        and PERIOD_PATTERN.fullmatch(period) is not None
        and isinstance(file, str)
        and FILE_PATTERN.fullmatch(file) is not None
        and isinstance(slot, int)
        and not isinstance(slot, bool)
        and 0 <= slot < SLOTS
        and isinstance(digest, str)
        and re.fullmatch(r"[0-9a-f]{64}", digest) is not None
    )
