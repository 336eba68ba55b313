"""Downloading a provider's file in parts: each with its receipt, gone on with after a break.

Source: docs/protocol.md 7.9.
"""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, LedgerError, ProtocolError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import Sm3
from sanlian_client.data import Gateway, Purpose, request_data
from sanlian_client.file_service import MAX_FILE_SIZE, MAX_PART_SIZE, NAME
from sanlian_client.files import PRIVATE_MODE, read_limited, replace_file
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import Closing

TYPE = "sanlian/download/v1"
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is here, whole.

    Attributes:
        size: its size in bytes.
        digest: its SM3, 32 bytes, as the provider stated it with every part.
        parts: parts that were asked for this time.
        resumed_at: bytes that were here before.
    """

    size: int
    digest: bytes
    parts: int
    resumed_at: int


def download_file(
    gateway: Gateway,
    key: Signer,
    *,
    grant: bytes,
    name: str,
    purpose: Purpose,
    store: ReceiptStore,
    path: Path,
    part_size: int = MAX_PART_SIZE,
    max_size: int = 64 * 1024**3,
    on_part: Callable[[int, int], None] = lambda _done, _size: None,
    on_whole: Callable[[Closing], None] = lambda _closing: None,
) -> Download:
    """Download a file part by part; a download that broke off goes on where it ended.

    What has arrived is in ``<path>.part``, what it belongs to in ``<path>.part.json``. The file
    stands at path only when it is whole and has the digest that the provider stated.

    Args:
        gateway: where to ask.
        key: the requester's key.
        grant: 32-byte id of a grant on an interface for files.
        name: the file's name at the provider.
        purpose: why.
        store: where each part's receipt is kept.
        path: where the file goes; it must not exist.
        part_size: bytes to ask for at a time, at most MAX_PART_SIZE.
        max_size: largest file in bytes.
        on_part: called with the bytes that are here and the file's size after each part.
        on_whole: called with what ends the transfer, before the file stands at path; what it
            raises is raised, and downloading again calls it again.

    Raises:
        LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN, FILE_TOO_LARGE, RESPONSE_MALFORMED.
        RequestRefused, OutcomeUnknown, VerificationError, ProtocolError: as request_data; download
            again to go on.
        VerificationError: FILE_CHANGED: the provider's file is another than the one that was begun;
            FILE_DIGEST_MISMATCH: all parts came, and are not that file. What was here is gone.
        ProtocolError: FILE_NAME_MALFORMED.
    """
    if not NAME.fullmatch(name):
        raise ProtocolError("FILE_NAME_MALFORMED", "a name is 1 to 128 of A-Z a-z 0-9 . _ -")
    if not 1 <= part_size <= MAX_PART_SIZE:
        raise ValueError(f"part_size is 1 to {MAX_PART_SIZE}")
    if path.exists():
        raise LedgerError("FILE_EXISTS", "the file exists and is not overwritten", file=path.name)
    begun = _Begun(path, grant, name)
    start = done = begun.size_here()
    parts = 0
    while not begun.is_whole(done):
        released = request_data(
            gateway,
            key,
            grant=grant,
            parameters={"file": name, "offset": done, "length": part_size},
            purpose=purpose,
            store=store,
        )
        parts += 1
        size, digest, content = _part(released.data, name, done, part_size)
        if size > max_size:
            raise LedgerError("FILE_TOO_LARGE", f"the file has more than {max_size} bytes")
        begun.append(size, digest, content, released.receipt.index)
        done += len(content)
        on_part(done, size)
    return Download(done, begun.finish(on_whole), parts, start)


class _Begun:
    """The part of a file that is here."""

    def __init__(self, path: Path, grant: bytes, name: str) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._about = path.with_name(path.name + ".part.json")
        self._named = {"type": TYPE, "grant": grant.hex(), "name": name}
        self._of: tuple[int, str] | None = None
        # First and last outcome, and number of parts.
        self._told = (0, 0, 0)

    def size_here(self) -> int:
        """Return how many bytes are here; what belongs to something else is left out of account."""
        try:
            value: Any = parse_canonical(read_limited(self._about, max_bytes=4096), max_bytes=4096)
            if isinstance(value, dict) and self._named.items() <= value.items():
                self._of = int(value["size"]), str(value["digest"])
                self._told = int(value["first"]), int(value["last"]), int(value["parts"])
                here = self._part.stat().st_size
                if here <= self._of[0]:
                    return here
        except (CryptoError, KeyError, LedgerError, OSError, TypeError, ValueError):
            pass
        self._forget()
        return 0

    def is_whole(self, size_here: int) -> bool:
        """Return whether nothing is missing."""
        return self._of is not None and self._of[0] == size_here

    def append(self, size: int, digest: str, content: bytes, outcome: int) -> None:
        """Keep a part, durably; after a crash the outcome of the last one may be left out."""
        is_first = self._of is None
        if self._of is None:
            self._of = size, digest
            self._tell(outcome, outcome, 1)
        if self._of != (size, digest):
            self._forget()
            raise VerificationError("FILE_CHANGED", "the provider's file is another one now")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._part, flags, PRIVATE_MODE), "ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(self._path) from error
        if not is_first:
            first, _, parts = self._told
            self._tell(first, outcome, parts + 1)

    def _tell(self, first: int, last: int, parts: int) -> None:
        if self._of is None:
            raise AssertionError
        self._told = first, last, parts
        told = {"first": first, "last": last, "parts": parts}
        of = {"size": self._of[0], "digest": self._of[1]}
        replace_file(self._about, canonical_json({**self._named, **of, **told}))

    def finish(self, on_whole: Callable[[Closing], None]) -> bytes:
        """Put the whole file in its place and return its digest."""
        digest = self._of[1] if self._of is not None else ""
        context = Sm3()
        try:
            with self._part.open("rb") as file:
                while piece := file.read(_PIECE):
                    context.update(piece)
            if context.digest().hex() != digest:
                self._forget()
                raise VerificationError("FILE_DIGEST_MISMATCH", "the parts are not the file")
            first, last, parts = self._told
            on_whole(Closing(first, last, parts, 0, context.digest()))
            # A link, unlike a rename, overwrites nothing that came meanwhile.
            os.link(self._part, self._path)
        except FileExistsError as error:
            raise LedgerError(
                "FILE_EXISTS", "the file exists and is not overwritten", file=self._path.name
            ) from error
        except OSError as error:
            raise _not_written(self._path) from error
        self._forget()
        return context.digest()

    def _forget(self) -> None:
        self._of = None
        self._part.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)


def _not_written(path: Path) -> LedgerError:
    return LedgerError("FILE_NOT_WRITTEN", f"{path.name} could not be written", file=path.name)


def _part(data: Any, name: str, offset: int, length: int) -> tuple[int, str, bytes]:
    """Return the file's size and digest, and the part's bytes."""
    malformed = LedgerError("RESPONSE_MALFORMED", "the answer is no part of this file")
    try:
        file: Mapping[str, Any] = data["file"]
        size, digest = file["size"], file["digest"]
        content = base64.b64decode(data["content"], validate=True)
        bytes.fromhex(digest)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise malformed from error
    if (
        file["name"] != name
        or data.get("offset") != offset
        or type(size) is not int
        or not 0 <= size <= MAX_FILE_SIZE
        or len(digest) != 64
    ):
        raise malformed
    # Behind the end of a file that has become shorter nothing comes, and that is no malformed part.
    if len(content) != max(0, min(length, size - offset)):
        raise malformed
    return size, digest, content
