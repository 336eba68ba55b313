"""A provider's files, given out in parts behind SanlianProvider (docs/protocol.md 7.9).

    app = SanlianProvider(FileService(Path("/srv/files"), item=0), …)

Each part is a data request of its own, recorded and signed as any other.
"""

import asyncio
import base64
import os
import re
import stat
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, BinaryIO

from crypto.canonical import canonical_json, parse_json
from crypto.errors import ProtocolError, RequestRefused, SanlianError
from crypto.sm3 import Sm3

MAX_PART_SIZE = 4 * 1024 * 1024
MAX_FILE_SIZE = 2**53 - 1
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_BODY = 64 * 1024
_PIECE = 1024 * 1024
_MAX_KNOWN = 256

Message = MutableMapping[str, Any]
_Version = tuple[int, int, int, int]


def describe_files(title: str, *, path: str = "/files", item: int = 0) -> bytes:
    """Return the interface document of a file service, to be registered by the provider.

    Args:
        title: title of the interface.
        path: path of the operation.
        item: index of the entry's item that stands for the files: whoever is granted it gets them.
    """
    number = {"type": "integer", "minimum": 0}
    file = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "size": number,
            "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
        "required": ["name", "size", "digest"],
    }
    answer = {
        "type": "object",
        "properties": {"file": file, "offset": number, "content": {"type": "string"}},
        "required": ["file", "offset", "content"],
    }
    asked = {
        "type": "object",
        "properties": {"file": {"type": "string"}, "offset": number, "length": number},
        "required": ["file", "offset", "length"],
    }
    operation = {
        "requestBody": {"content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": {"description": "a part", "content": {"application/json": {"schema": answer}}}
        },
        "x-sanlian-records": "/file",
        "x-sanlian-items": {str(item): ["/file", "/offset", "/content"]},
    }
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": title, "version": "1"},
            "paths": {path: {"post": operation}},
        }
    )


class FileService:
    """Answers with parts of the regular files of one directory; use it behind SanlianProvider.

    Args:
        directory: the files; neither links nor subdirectories are followed.
        item: index of the item that stands for the files.
        path: path of the operation.
    """

    def __init__(self, directory: Path, *, item: int = 0, path: str = "/files") -> None:
        self._directory = directory
        self._item = item
        self._path = path
        self._digests: dict[str, tuple[_Version, str]] = {}
        # One digest of a large file at a time: many askers need not read it many times.
        self._reading = asyncio.Lock()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        status, body = 200, b""
        try:
            if (scope["method"], scope["path"]) != ("POST", self._path):
                raise RequestRefused("NOT_FOUND", "this service gives out parts of files")
            call = scope.get("sanlian")
            if call is None or not (call.is_test or call.items >> self._item & 1):
                raise RequestRefused("NO_ITEMS", "the files are not granted")
            message = await receive()
            async with self._reading:
                part = await asyncio.to_thread(self._read, message.get("body", b""))
            body = canonical_json(part)
        except (SanlianError, OSError):
            status = 422
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _read(self, body: bytes) -> dict[str, Any]:
        """Return a part with what it is a part of.

        Raises:
            ProtocolError: BODY_MALFORMED.
            CryptoError: the body is not JSON.
            OSError: there is no such file.
        """
        asked: Any = parse_json(body, max_bytes=_MAX_BODY)
        name, offset, length = _range(asked)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(self._directory / name, flags), "rb") as file:
            before = _version(file)
            size = before[2]
            digest = self._digest(name, before, file)
            file.seek(min(offset, size))
            content = file.read(length)
            # A file that is written to while it is read has no digest.
            if _version(file) != before:
                raise OSError("the file changes")
        return {
            "file": {"name": name, "size": size, "digest": digest},
            "offset": offset,
            "content": base64.b64encode(content).decode(),
        }

    def _digest(self, name: str, version: _Version, file: BinaryIO) -> str:
        known = self._digests.get(name)
        if known is not None and known[0] == version:
            return known[1]
        context = Sm3()
        while piece := file.read(_PIECE):
            context.update(piece)
        digest = context.digest().hex()
        while len(self._digests) >= _MAX_KNOWN:
            del self._digests[next(iter(self._digests))]
        self._digests[name] = version, digest
        return digest


def _version(file: BinaryIO) -> _Version:
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_SIZE:
        raise OSError("not a file to give out")
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _range(asked: Any) -> tuple[str, int, int]:
    if isinstance(asked, dict) and set(asked) == {"file", "offset", "length"}:
        name, offset, length = asked["file"], asked["offset"], asked["length"]
        if (
            isinstance(name, str)
            and NAME.fullmatch(name)
            and type(offset) is int
            and type(length) is int
            and 0 <= offset <= MAX_FILE_SIZE
            and 0 <= length <= MAX_PART_SIZE
        ):
            return name, offset, length
    raise ProtocolError("BODY_MALFORMED", "a part is asked for by file, offset and length")
