"""What a gateway's process and its log's process say to each other, over a pair of sockets.

Frames, each with its length before it. Both ends are one program at one version, and nobody else
can write to the sockets, so a frame is Python's own `marshal` of tuples. Frames with entries are
answered in their order, one result for each entry.
"""

import marshal
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crypto.errors import (
    CryptoError,
    LedgerError,
    OutcomeUnknown,
    ProtocolError,
    RequestRefused,
    SanlianError,
    TokenError,
    VerificationError,
)
from ledger.log.entries import Entry, Known, Nonce, Once, Placed, Quota, Written
from protocol.receipt import Receipt
from protocol.records import Prepared

_LENGTH = struct.Struct(">I")
#: The most that a thousand of the largest entries and their receipts take.
MAX_FRAME_SIZE = 256 * 1024 * 1024
_PIECE = 1 << 18
_ERRORS: dict[str, type[SanlianError]] = {
    one.__name__: one
    for one in (
        CryptoError,
        LedgerError,
        OutcomeUnknown,
        ProtocolError,
        RequestRefused,
        SanlianError,
        TokenError,
        VerificationError,
    )
}


def encode_frame(value: Any) -> bytes:
    """Return a value as a frame.

    Raises:
        ValueError: it holds something else than tuples, lists, dicts, text, bytes and numbers.
    """
    data = marshal.dumps(value)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Puts frames together from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Yield the values of the frames that are whole now.

        Raises:
            ValueError: this is no frame of ours.
        """
        self._data += piece
        start = 0
        while len(self._data) - start >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._data, start)
            if size > MAX_FRAME_SIZE:
                raise ValueError("a frame is too long")
            end = start + _LENGTH.size + size
            if len(self._data) < end:
                break
            with memoryview(self._data) as whole, whole[start + _LENGTH.size : end] as part:
                value = marshal.loads(part)  # noqa: S302 - our own process wrote it
            start = end
            yield value
        del self._data[:start]


def receive(source: socket.socket, frames: Frames) -> list[Any] | None:
    """Wait for a piece; return the values it made whole, None at the end."""
    try:
        piece = source.recv(_PIECE)
    except ConnectionResetError:
        # The other end went without reading all; what it had sent before is still there.
        piece = source.recv(_PIECE)
    return list(frames.feed(piece)) if piece else None


#: What a packed result is.
_PLACED, _RECEIPT, _KNOWN, _ERROR = range(4)
#: A packed entry, see pack_entry.
Packed = tuple[Any, ...]


def pack_entry(
    draft: Mapping[str, Any],
    *,
    nonce: Nonce | None = None,
    quota: Quota | None = None,
    time_ms: int | None = None,
    envelope: bytes | None = None,
    once: Once | None = None,
    prepared: Prepared | None = None,
) -> Packed:
    """Return an entry, for which somebody waits, as a tuple; the members are those of Entry."""
    return (
        dict(draft),
        nonce and (nonce.key_id, nonce.value),
        quota and (quota.grant, quota.limit),
        time_ms,
        envelope,
        once and tuple(once),
        prepared and tuple(prepared),
    )


def unpack_entry(packed: Packed) -> Entry:
    """Return the entry of a tuple."""
    draft, nonce, quota, time_ms, envelope, once, prepared = packed
    return Entry(
        draft,
        nonce and Nonce(*nonce),
        quota and Quota(*quota),
        time_ms,
        envelope,
        once and Once(*once),
        prepared and Prepared(*prepared),
    )


def pack_results(results: Sequence[Written]) -> tuple[str, list[tuple[Any, ...]]]:
    """Return what came of the entries of one flush: their checkpoint, and a tuple for each."""
    note = ""
    packed: list[tuple[Any, ...]] = []
    for result in results:
        if isinstance(result, Placed):
            note = result.checkpoint
            packed.append((_PLACED, result.seq, result.path))
        elif isinstance(result, Receipt):
            note = result.checkpoint
            packed.append((_RECEIPT, result.record, result.index, result.path))
        elif isinstance(result, Known):
            packed.append((_KNOWN, result.index, result.log))
        else:
            packed.append((_ERROR, *pack_error(result)))
    return note, packed


def unpack_result(packed: tuple[Any, ...], note: str) -> Written:
    """Return what came of one entry."""
    kind = packed[0]
    if kind == _PLACED:
        return Placed(packed[1], packed[2], note)
    if kind == _RECEIPT:
        return Receipt(packed[1], packed[2], packed[3], note)
    if kind == _KNOWN:
        return Known(packed[1], packed[2])
    return unpack_error(packed[1:])


def pack_error(error: SanlianError) -> tuple[str, str, str, dict[str, Any]]:
    """Return an error as a tuple; details that cannot be sent are left behind."""
    details = dict(error.details)
    try:
        marshal.dumps(details)
    except ValueError:
        details = {}
    return type(error).__name__, error.code, error.message, details


def unpack_error(packed: tuple[Any, ...]) -> SanlianError:
    """Return the error of a tuple."""
    kind, code, message, details = packed
    return _ERRORS.get(kind, LedgerError)(code, message, **details)
