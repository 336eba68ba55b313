"""The journal: what the chain is. Anvil's memory is only its replay.

One append-only file of records:

    offset  length  field
    0       4       marker ff 53 4a 01
    4       4       length of the payload, big-endian
    8       32      SHA-256(position of the record as u64 ‖ length as u32 ‖ payload)
    40      length  payload; its first byte is the kind

Kinds: 1 header (canonical JSON: format, chain id, genesis time, engine version), always first and
only once; 2 block (number u64, timestamp u64, parent hash, count u32, then length u32 and bytes of
each raw transaction); 3 seal (number u64, hash): the hash that the engine gave to that block.

Every append is synced before it counts, so a crash can only damage the last record, which nobody
has seen the effect of. Damage that is followed by a whole record is therefore not a crash: the
journal is refused. The position in the digest keeps a record from being whole anywhere else.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError

FORMAT: Final = "sanlian/journal/v1"
FILE_NAME: Final = "journal"
MARKER: Final = b"\xffSJ\x01"
MAX_PAYLOAD_BYTES: Final = 32 * 1024 * 1024
_PREFIX = struct.Struct(">4sI32s")
_BLOCK = struct.Struct(">BQQ32sI")
_SEAL = struct.Struct(">BQ32s")
_KIND_HEADER, _KIND_BLOCK, _KIND_SEAL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """What every replay of this journal must start from.

    Attributes:
        chain_id: chain id, 1 to 2^53 - 1.
        genesis_time: timestamp of block 0, unix seconds.
        engine_version: version of the engine that wrote it; only this one replays it.
    """

    chain_id: int
    genesis_time: int
    engine_version: str


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One block's inputs: with its parent they fix the block's hash.

    Attributes:
        number: block number, from 1.
        timestamp: unix seconds, larger than the parent's.
        parent_hash: 32 bytes.
        transactions: raw signed transactions in the order in which they run.
    """

    number: int
    timestamp: int
    parent_hash: bytes
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Seal:
    """The hash that a journalled block got."""

    number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class TornTail:
    """What a crash left behind the last whole record.

    Attributes:
        offset: where the journal was cut.
        length: bytes that were cut.
        kept_in: file that holds them.
    """

    offset: int
    length: int
    kept_in: Path


def _digest(position: int, payload: bytes) -> bytes:
    return hashlib.sha256(struct.pack(">QI", position, len(payload)) + payload).digest()


def _encode(position: int, payload: bytes) -> bytes:
    return _PREFIX.pack(MARKER, len(payload), _digest(position, payload)) + payload


def _encode_block(entry: BlockEntry) -> bytes:
    parts = [
        _BLOCK.pack(
            _KIND_BLOCK,
            entry.number,
            entry.timestamp,
            entry.parent_hash,
            len(entry.transactions),
        )
    ]
    for raw in entry.transactions:
        parts += [struct.pack(">I", len(raw)), raw]
    return b"".join(parts)


def _decode_block(payload: bytes) -> BlockEntry:
    _, number, timestamp, parent_hash, count = _BLOCK.unpack_from(payload)
    offset, transactions = _BLOCK.size, []
    for _ in range(count):
        (length,) = struct.unpack_from(">I", payload, offset)
        transactions.append(payload[offset + 4 : offset + 4 + length])
        offset += 4 + length
    if offset != len(payload):
        raise ValueError("lengths do not add up")
    return BlockEntry(number, timestamp, parent_hash, tuple(transactions))


def _damaged(offset: int, what: str) -> LedgerError:
    return LedgerError(
        "JOURNAL_DAMAGED",
        f"the journal is damaged at byte {offset} ({what}); restore it from a copy",
        offset=offset,
    )


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DirectoryLock:
    """Exclusive use of an engine's directory, held until closed or until the process ends."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            LedgerError: ENGINE_LOCKED: another process uses the directory.
        """
        self._descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise LedgerError(
                "ENGINE_LOCKED", "another process runs an engine in this directory"
            ) from error

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._descriptor)


class Journal:
    """The open journal of one directory; the caller holds the directory's lock.

    Args:
        directory: directory of the engine.
        sync: makes a file descriptor's content durable; tests watch or fail it.
        write: writes bytes to a file descriptor and returns how many; tests fail it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        sync: Callable[[int], None] = os.fsync,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self._path = directory / FILE_NAME
        self._sync = sync
        self._write = write
        self._descriptor = -1
        self._length = 0
        self._suspect = False

    @property
    def position(self) -> int:
        """Bytes of the journal that are whole and durable."""
        return self._length

    @property
    def is_absent(self) -> bool:
        """Whether nothing was ever journalled here."""
        return not self._path.exists() or self._path.stat().st_size == 0

    def create(self, header: JournalHeader) -> None:
        """Start a journal; its file appears whole or not at all.

        Raises:
            LedgerError: JOURNAL_WRITE_FAILED.
        """
        payload = bytes([_KIND_HEADER]) + canonical_json(
            {
                "format": FORMAT,
                "chain_id": header.chain_id,
                "genesis_time": header.genesis_time,
                "engine_version": header.engine_version,
            }
        )
        new = self._path.with_suffix(".new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                self._write_whole(descriptor, _encode(0, payload))
                self._sync(descriptor)
            finally:
                os.close(descriptor)
            new.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise LedgerError(
                "JOURNAL_WRITE_FAILED", "the journal cannot be created in this directory"
            ) from error

    def open(self) -> tuple[JournalHeader, TornTail | None]:
        """Check every record, cut off a torn last one, and get ready to append.

        Returns:
            The header, and what was cut off, if anything.

        Raises:
            LedgerError: JOURNAL_DAMAGED with the offset.
        """
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(self._descriptor).st_size
        whole = 0
        with mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ) as view:
            header = self._read_header(view, size)
            for offset, payload in self._records(view, size):
                whole = offset + _PREFIX.size + len(payload)
            torn = None
            if whole < size:
                self._check_nothing_whole_after(view, whole, size)
                torn = self._keep_tail(view, whole, size)
        if torn is not None:
            os.ftruncate(self._descriptor, whole)
            self._sync(self._descriptor)
        self._length = whole
        return header, torn

    def read(self) -> Iterator[BlockEntry | Seal]:
        """Yield blocks and seals in order.

        Raises:
            LedgerError: JOURNAL_DAMAGED with the offset.
        """
        with mmap.mmap(self._descriptor, self._length, access=mmap.ACCESS_READ) as view:
            for offset, payload in self._records(view, self._length):
                kind = payload[0] if payload else 0
                try:
                    if kind == _KIND_BLOCK:
                        yield _decode_block(payload)
                    elif kind == _KIND_SEAL and len(payload) == _SEAL.size:
                        _, number, block_hash = _SEAL.unpack(payload)
                        yield Seal(number, block_hash)
                    elif kind != _KIND_HEADER or offset:
                        raise _damaged(offset, "unknown record")
                except (struct.error, ValueError) as error:
                    raise _damaged(offset, "malformed record") from error

    def append_block(self, entry: BlockEntry) -> None:
        """Make a block's inputs durable.

        Raises:
            LedgerError: JOURNAL_WRITE_FAILED; the journal is as it was before.
        """
        self._append(_encode_block(entry))

    def append_seal(self, seal: Seal) -> None:
        """Make a block's hash durable.

        Raises:
            LedgerError: JOURNAL_WRITE_FAILED; the journal is as it was before.
        """
        self._append(_SEAL.pack(_KIND_SEAL, seal.number, seal.block_hash))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise LedgerError("JOURNAL_WRITE_FAILED", "the block is too large for the journal")
        data = _encode(self._length, payload)
        try:
            if self._suspect:
                self._cut_back()
            # Suspect until proven whole: a failed write or sync may still have reached the disk.
            self._suspect = True
            os.lseek(self._descriptor, self._length, os.SEEK_SET)
            self._write_whole(self._descriptor, data)
            self._sync(self._descriptor)
        except OSError as error:
            # If cutting back fails too, the next append starts with it.
            with contextlib.suppress(OSError):
                self._cut_back()
            raise LedgerError(
                "JOURNAL_WRITE_FAILED", "the journal cannot be written; nothing was recorded"
            ) from error
        self._suspect = False
        self._length += len(data)

    def _cut_back(self) -> None:
        os.ftruncate(self._descriptor, self._length)
        self._sync(self._descriptor)
        self._suspect = False

    def _write_whole(self, descriptor: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += self._write(descriptor, data[done:])

    @staticmethod
    def _record_at(view: mmap.mmap, offset: int, size: int) -> bytes | None:
        if offset + _PREFIX.size > size:
            return None
        marker, length, digest = _PREFIX.unpack_from(view, offset)
        end = offset + _PREFIX.size + length
        if marker != MARKER or length > MAX_PAYLOAD_BYTES or end > size:
            return None
        payload = view[offset + _PREFIX.size : end]
        return payload if _digest(offset, payload) == digest else None

    @classmethod
    def _records(cls, view: mmap.mmap, size: int) -> Iterator[tuple[int, bytes]]:
        offset = 0
        while (payload := cls._record_at(view, offset, size)) is not None:
            yield offset, payload
            offset += _PREFIX.size + len(payload)

    @classmethod
    def _read_header(cls, view: mmap.mmap, size: int) -> JournalHeader:
        payload = cls._record_at(view, 0, size)
        if payload is None or payload[:1] != bytes([_KIND_HEADER]):
            raise _damaged(0, "no header")
        try:
            value: Any = parse_json(payload[1:], max_bytes=4096)
            if not isinstance(value, dict) or value.get("format") != FORMAT:
                raise _damaged(0, "unknown format")
            header = JournalHeader(
                value["chain_id"], value["genesis_time"], value["engine_version"]
            )
        except (CryptoError, KeyError) as error:
            raise _damaged(0, "malformed header") from error
        return header

    @classmethod
    def _check_nothing_whole_after(cls, view: mmap.mmap, damage: int, size: int) -> None:
        offset = view.find(MARKER, damage + 1)
        while offset >= 0:
            if cls._record_at(view, offset, size) is not None:
                raise _damaged(damage, f"whole records follow at byte {offset}")
            offset = view.find(MARKER, offset + 1)

    def _keep_tail(self, view: mmap.mmap, offset: int, size: int) -> TornTail:
        kept_in = self._path.with_name(f"{FILE_NAME}.torn-{offset}-{time.time_ns()}")
        descriptor = os.open(kept_in, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._write_whole(descriptor, view[offset:size])
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(self._path.parent)
        return TornTail(offset, size - offset, kept_in)
