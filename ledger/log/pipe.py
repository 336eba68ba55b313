"""What a gateway's process and its log's process say to each other, over a pair of sockets.

Frames, each with its length before it. Both ends are one program at one version, and nobody else
can write to the sockets, so a frame is Python's own `marshal` of tuples. Frames with entries are
answered in their order, one result for each entry. Prepared records come as they were packed by
the process that checked them; that is marshal as well, which writes what they share once.
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
from ledger.log.entries import (
    PREPARED,
    Entry,
    Known,
    Nonce,
    Once,
    Packed,
    Placed,
    Quota,
    Result,
)
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
#: A part of a frame: an entry, see pack_entry, or many, see pack_prepared.
Part = tuple[Any, ...] | bytes


def pack_prepared(records: Sequence[tuple[Prepared, Once]], time_ms: int) -> Packed:
    """Return prepared records, with the time that all of them tell."""
    rows = [(*prepared, *once) for prepared, once in records]
    return Packed(marshal.dumps((time_ms, rows)), len(rows))


def pack_entry(
    draft: Mapping[str, Any],
    *,
    nonce: Nonce | None = None,
    quota: Quota | None = None,
    time_ms: int | None = None,
    envelope: bytes | None = None,
    once: Once | None = None,
) -> Part:
    """Return an entry that is not prepared as a tuple; the members are those of Entry."""
    return (
        dict(draft),
        nonce and (nonce.key_id, nonce.value),
        quota and (quota.grant, quota.limit),
        time_ms,
        envelope,
        once and tuple(once),
    )


def unpack_entries(part: Part) -> list[Entry]:
    """Return the entries of a frame's part."""
    if isinstance(part, bytes):
        time_ms, rows = marshal.loads(part)  # noqa: S302 - our own process wrote it
        return [
            Entry(PREPARED, None, None, time_ms, None, Once(*row[3:]), Prepared(*row[:3]))
            for row in rows
        ]
    draft, nonce, quota, time_ms, envelope, once = part
    return [
        Entry(
            draft,
            nonce and Nonce(*nonce),
            quota and Quota(*quota),
            time_ms,
            envelope,
            once and Once(*once),
        )
    ]


def pack_results(results: Sequence[Result]) -> tuple[str, list[tuple[Any, ...]]]:
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


def unpack_result(packed: tuple[Any, ...], note: str) -> Result:
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
