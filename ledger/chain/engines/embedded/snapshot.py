"""Snapshots: a shortcut past the replay, never the truth.

A snapshot file is one line of canonical JSON (format, chain id, engine version, block number and
hash, SHA-256 of the rest) and then Anvil's gzipped dump. It is written aside, synced and renamed.
What cannot be used is left where it is, and the whole journal is replayed.
"""

import gzip
import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError

from .journal import JournalHeader, sync_directory

FORMAT: Final = "sanlian/snapshot/v1"
FILE_NAME: Final = "snapshot"
_MAX_HEADER_BYTES: Final = 4096


class SnapshotUnusableError(Exception):
    """The snapshot cannot be used; the message says why. Replay the journal instead."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole snapshot.

    Attributes:
        number: block that it holds the state after.
        block_hash: hash of that block.
        dump: Anvil's dump, gzipped JSON.
    """

    number: int
    block_hash: bytes
    dump: bytes


def write_snapshot(directory: Path, header: JournalHeader, snapshot: Snapshot) -> None:
    """Replace the directory's snapshot atomically.

    Raises:
        OSError: it cannot be written; the old one is untouched.
    """
    line = canonical_json(
        {
            "format": FORMAT,
            "chain_id": header.chain_id,
            "engine_version": header.engine_version,
            "number": snapshot.number,
            "block_hash": snapshot.block_hash.hex(),
            "sha256": hashlib.sha256(snapshot.dump).hexdigest(),
        }
    )
    new = directory / f"{FILE_NAME}.new"
    try:
        with new.open("wb") as file:
            file.write(line + b"\n")
            file.write(snapshot.dump)
            file.flush()
            os.fsync(file.fileno())
        new.replace(directory / FILE_NAME)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def find_snapshot(directory: Path, header: JournalHeader) -> Snapshot | None:
    """Read the directory's snapshot, if there is one.

    Raises:
        SnapshotUnusableError: it is damaged or belongs to another chain or engine.
    """
    try:
        with (directory / FILE_NAME).open("rb") as file:
            line = file.readline(_MAX_HEADER_BYTES)
            dump = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SnapshotUnusableError("it cannot be read") from error
    try:
        value: Any = parse_json(line.removesuffix(b"\n"), max_bytes=_MAX_HEADER_BYTES)
    except CryptoError as error:
        raise SnapshotUnusableError("its header is damaged") from error
    if (
        not isinstance(value, dict)
        or value.get("format") != FORMAT
        or not isinstance(value.get("number"), int)
        or not re.fullmatch(r"[0-9a-f]{64}", str(value.get("block_hash")))
    ):
        raise SnapshotUnusableError("its header is damaged or too new")
    if value.get("sha256") != hashlib.sha256(dump).hexdigest():
        raise SnapshotUnusableError("it is truncated or damaged")
    if (value.get("chain_id"), value.get("engine_version")) != (
        header.chain_id,
        header.engine_version,
    ):
        raise SnapshotUnusableError("it belongs to another chain or engine version")
    return Snapshot(value["number"], bytes.fromhex(value["block_hash"]), dump)


def unpack_dump(snapshot: Snapshot, file: Path) -> None:
    """Write the dump as the plain JSON that Anvil loads.

    Raises:
        SnapshotUnusableError: it does not unpack, or there is no space for it.
    """
    try:
        file.write_bytes(gzip.decompress(snapshot.dump))
    except (OSError, EOFError, zlib.error) as error:
        raise SnapshotUnusableError("it does not unpack") from error
