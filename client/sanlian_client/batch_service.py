"""A provider's batches, offered on a schedule and given out in parts (docs/protocol.md 7.11).

A directory, the spool, has one subdirectory per batch with the parts `part-000001.json` and so on,
each a list of records. Whoever makes a batch renames its subdirectory into the spool once it is
whole. Offering it writes `manifest.json` beside the parts and then records the offer.

    app = SanlianProvider(BatchService(Path("/srv/spool")), …)
"""

import asyncio
import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError, ProtocolError, RequestRefused, SanlianError
from crypto.sm2 import Signer
from protocol.documents import InterfaceDocument, filter_items
from protocol.receipt import Receipt
from protocol.transfer import (
    MAX_MANIFEST_SIZE,
    MAX_OFFER_PARTS,
    NAME,
    make_manifest,
    parse_manifest,
)
from sanlian_client.data import Gateway
from sanlian_client.files import read_limited, write_new
from sanlian_client.transfers import offer_batch

MANIFEST = "manifest.json"
RECEIPT = "offer-receipt.json"
MAX_PART_SIZE = 4 * 1024 * 1024
_MAX_BODY = 64 * 1024
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")

Message = MutableMapping[str, Any]


def describe_batches(
    title: str,
    fields: Mapping[int, str],
    *,
    path: str = "/batches",
    schemas: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the interface document of a service of batches, to be registered by the provider.

    Args:
        title: title of the interface.
        fields: name of a record's field by index of the entry's item that it belongs to.
        path: path of the operation.
        schemas: JSON Schema of fields by name; those without one may be anything.
    """
    known = schemas or {}
    record = {
        "type": "object",
        "properties": {name: known.get(name, {}) for name in fields.values()},
    }
    properties = {
        "manifest": {"type": "object"},
        "records": {"type": "array", "items": record},
        "next": {"type": ["string", "null"]},
    }
    asked = {
        "type": "object",
        "properties": {"batch": {"type": "string"}, "cursor": {"type": "string"}},
        "required": ["batch"],
    }
    schema = {"type": "object", "properties": properties, "required": ["next"]}
    operation = {
        "requestBody": {"content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": {"description": "a part", "content": {"application/json": {"schema": schema}}}
        },
        "x-sanlian-records": "/records",
        "x-sanlian-items": {
            str(item): [f"/records/*/{_escaped(name)}", "/manifest", "/next"]
            for item, name in fields.items()
        },
    }
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": title, "version": "1"},
            "paths": {path: {"post": operation}},
        }
    )


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


class BatchService:
    """Answers with the parts of offered batches; use it behind SanlianProvider.

    The manifest comes first, then the parts; each is given out only under the batch's own grant.

    Args:
        spool: the batches; links are not followed.
        path: path of the operation.
    """

    def __init__(self, spool: Path, *, path: str = "/batches") -> None:
        self._spool = spool
        self._path = path

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
                raise RequestRefused("NOT_FOUND", "this service gives out batches")
            call = scope.get("sanlian")
            if call is None:
                raise RequestRefused("NO_ITEMS", "a call comes through the gateway")
            message = await receive()
            grant = None if call.is_test else call.request.grant
            body = await asyncio.to_thread(self._read, message.get("body", b""), grant)
        except (SanlianError, OSError):
            status = 422
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _read(self, body: bytes, grant: bytes | None) -> bytes:
        """Return a part; for a test, which sees no data, an empty one.

        Raises:
            SanlianError, OSError: there is no such part.
        """
        asked: Any = parse_json(body, max_bytes=_MAX_BODY)
        if not isinstance(asked, dict) or not {"batch"} <= set(asked) <= {"batch", "cursor"}:
            raise ProtocolError("BODY_MALFORMED", "a part is asked for by batch and cursor")
        if grant is None:
            return canonical_json({"records": [], "next": None})
        name, cursor = asked["batch"], asked.get("cursor")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ProtocolError("BODY_MALFORMED", "this is no name of a batch")
        directory = self._spool / name
        if not stat.S_ISDIR(directory.lstat().st_mode):
            raise OSError("not a batch")
        manifest = parse_manifest(_read_file(directory / MANIFEST, MAX_MANIFEST_SIZE))
        if manifest["grant"] != grant.hex() or manifest["name"] != name:
            raise RequestRefused("NO_ITEMS", "the batch is for another grant")
        count = len(manifest["parts"])
        if cursor is None:
            return canonical_json({"manifest": manifest, "next": "1"})
        if not isinstance(cursor, str) or not _NUMBER.fullmatch(cursor) or int(cursor) > count:
            raise ProtocolError("BODY_MALFORMED", "there is no such part")
        number = int(cursor)
        records = _records(directory, number)
        following = str(number + 1) if number < count else None
        return canonical_json({"records": records, "next": following})


@dataclass(frozen=True, slots=True)
class Offered:
    """A batch that was offered just now."""

    name: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class NotOffered:
    """A batch that could not be offered now, and why; others go on."""

    name: str
    error: SanlianError


def offer_spool(
    gateway: Gateway,
    key: Signer,
    spool: Path,
    *,
    grant: bytes,
    document: InterfaceDocument,
    items: int,
    salt: Callable[[], str],
) -> Iterator[Offered | NotOffered]:
    """Offer each batch of the spool that has no receipt of its offer yet, in order of names.

    Args:
        gateway: where to.
        key: the provider's key, with the role PROVIDER.
        spool: the batches.
        grant: 32-byte id of the grant that they are for.
        document: the interface's description: the manifest lists what it lets through.
        items: mask of the items that are released under the grant.
        salt: makes 64 random hex digits.

    Yields:
        What came of each. An error is BATCH_DAMAGED, FILE_NOT_WRITTEN or one of post_statement;
        offer again to go on.
    """
    for directory in sorted(spool.iterdir()):
        if not NAME.fullmatch(directory.name) or not stat.S_ISDIR(directory.lstat().st_mode):
            continue
        if (directory / RECEIPT).exists():
            continue
        try:
            manifest = _manifest(directory, grant, document, items, salt)
            if parse_manifest(manifest)["grant"] != grant.hex():
                continue  # the spool may serve several grants, one command each
            receipt = offer_batch(gateway, key, manifest)
            write_new(directory / RECEIPT, receipt.to_bytes())
        except SanlianError as error:
            yield NotOffered(directory.name, error)
        else:
            yield Offered(directory.name, receipt)


def _manifest(
    directory: Path,
    grant: bytes,
    document: InterfaceDocument,
    items: int,
    salt: Callable[[], str],
) -> bytes:
    """Return the manifest of a batch, made at the first time."""
    path = directory / MANIFEST
    if not path.exists():
        parts = [_released(document, records, items) for records in _all_records(directory)]
        write_new(path, make_manifest(grant, directory.name, salt(), parts))
    try:
        return _read_file(path, MAX_MANIFEST_SIZE)
    except OSError as error:
        raise LedgerError("BATCH_DAMAGED", "the manifest cannot be read", file=MANIFEST) from error


def _released(document: InterfaceDocument, records: list[Any], items: int) -> list[Any]:
    kept, _ = filter_items(document, {"records": records, "next": None}, items)
    found = kept.get("records", []) if isinstance(kept, dict) else []
    if not isinstance(found, list) or (records and not found):
        raise LedgerError("BATCH_DAMAGED", "no record of a part has a field that is released")
    return found


def _all_records(directory: Path) -> Iterator[list[Any]]:
    number = 0
    while (directory / _part_name(number + 1)).exists():
        number += 1
        if number > MAX_OFFER_PARTS:
            raise LedgerError("BATCH_TOO_LONG", f"a batch has at most {MAX_OFFER_PARTS} parts")
        yield _records(directory, number)
    if number == 0:
        raise LedgerError("BATCH_DAMAGED", f"{directory.name} has no parts", file=directory.name)


def _records(directory: Path, number: int) -> list[Any]:
    name = _part_name(number)
    damaged = LedgerError("BATCH_DAMAGED", f"{name} is no list of records", file=name)
    try:
        value: Any = parse_json(
            _read_file(directory / name, MAX_PART_SIZE), max_bytes=MAX_PART_SIZE
        )
    except (CryptoError, OSError) as error:
        raise damaged from error
    if not isinstance(value, list):
        raise damaged
    return value


def _part_name(number: int) -> str:
    return f"part-{number:06d}.json"


def _read_file(path: Path, max_bytes: int) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode) or not os.access(path, os.R_OK):
        raise OSError("not a file to give out")
    return read_limited(path, max_bytes=max_bytes)
