"""Pulling a batch page by page: each with its receipt, all listed in a manifest.

Source: docs/protocol.md 7.10.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, LedgerError, ProtocolError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from sanlian_client.data import Gateway, Purpose, request_data
from sanlian_client.files import read_limited, replace_file
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import Closing

TYPE = "sanlian/batch/v1"
MANIFEST = "manifest.json"
MAX_PAGES = 1000
MAX_CURSOR_LENGTH = 1024
MAX_PAGE_SIZE = 16 * 1024 * 1024
MAX_MANIFEST_SIZE = 4 * 1024 * 1024
_MEMBERS = {"complete", "grant", "pages", "parameters", "salt", "type"}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is here, whole.

    Attributes:
        pages: number of pages.
        rows: records in all of them.
        pulled: pages that were asked for this time.
        manifest_digest: SM3 of the manifest, 32 bytes.
        first: index of the first page's outcome.
        last: index of the last page's outcome.
    """

    pages: int
    rows: int
    pulled: int
    manifest_digest: bytes
    first: int
    last: int

    def closing(self, offer: int | None = None) -> Closing:
        """Return what ends the transfer, see sanlian_client.transfers."""
        return Closing(self.first, self.last, self.pages, self.rows, self.manifest_digest, offer)


def pull_batch(
    gateway: Gateway,
    key: Signer,
    *,
    grant: bytes,
    parameters: Mapping[str, Any],
    purpose: Purpose,
    store: ReceiptStore,
    directory: Path,
    cursor: str = "cursor",
    following: str = "next",
    max_pages: int = MAX_PAGES,
    on_page: Callable[[int, int], None] = lambda _pages, _rows: None,
) -> Batch:
    """Pull all pages of a batch; one that broke off goes on behind the last page that is here.

    A page is the released data in canonical JSON, in ``page-000001.json`` and so on. The manifest
    lists of each page its file, SM3, rows and the index of its outcome in the gateway's log, and is
    ``complete`` behind the last.

    Args:
        gateway: where to ask.
        key: the requester's key.
        grant: 32-byte id of the grant.
        parameters: what the interface takes besides the cursor.
        purpose: why.
        store: where each page's receipt is kept.
        directory: where pages and manifest go.
        cursor: parameter that says where to go on; the first page is asked for without it.
        following: member of the data with the next page's cursor; null or absent behind the last.
        max_pages: most pages.
        on_page: called after each page with the numbers of pages and rows that are here.

    Raises:
        LedgerError: BATCH_DAMAGED when what is here is not what the manifest lists, BATCH_DIFFERS
            when it is of another grant or other parameters; BATCH_TOO_LONG, PAGE_CURSOR_INVALID,
            FILE_NOT_WRITTEN.
        RequestRefused, OutcomeUnknown, VerificationError, ProtocolError: as request_data; pull
            again to go on.
    """
    begun = _Begun(directory, grant, parameters, cursor)
    pulled = 0
    while not begun.is_complete:
        if len(begun.pages) >= max_pages:
            raise LedgerError("BATCH_TOO_LONG", f"the batch has more than {max_pages} pages")
        at = begun.cursor
        released = request_data(
            gateway,
            key,
            grant=grant,
            parameters={**parameters, **({} if at is None else {cursor: at})},
            purpose=purpose,
            store=store,
        )
        pulled += 1
        after = released.data.get(following) if isinstance(released.data, dict) else None
        begun.add(released.data, released.rows, released.receipt.index, _checked(after))
        on_page(len(begun.pages), begun.rows)
    outcomes = [page["outcome"] for page in begun.pages]
    return Batch(len(begun.pages), begun.rows, pulled, begun.digest(), min(outcomes), max(outcomes))


class _Begun:
    """The pages that are here, and the manifest that lists them."""

    def __init__(
        self, directory: Path, grant: bytes, parameters: Mapping[str, Any], cursor: str
    ) -> None:
        if cursor in parameters:
            raise ProtocolError("BODY_MALFORMED", "the cursor is no parameter of the batch")
        self._directory = directory
        self._manifest = directory / MANIFEST
        self.pages: list[dict[str, Any]] = []
        self.is_complete = False
        salt = secrets.token_bytes(32)
        value = self._read()
        if value is not None:
            salt = bytes.fromhex(value["salt"])
            self.pages, self.is_complete = value["pages"], value["complete"]
        # Parameters may name a person: they are kept as a commitment alone.
        named = sm3(salt + canonical_json(dict(parameters))).hex()
        self._named = {"grant": grant.hex(), "parameters": named, "salt": salt.hex(), "type": TYPE}
        if value is not None:
            if any(value[name] != one for name, one in self._named.items()):
                raise LedgerError("BATCH_DIFFERS", "another batch was begun in this directory")
            self._verify()

    @property
    def cursor(self) -> str | None:
        """Where to go on, None at the beginning."""
        return str(self.pages[-1]["next"]) if self.pages else None

    @property
    def rows(self) -> int:
        """Records in the pages that are here."""
        return sum(page["rows"] for page in self.pages)

    def digest(self) -> bytes:
        """Return the manifest's SM3."""
        return sm3(self._to_bytes())

    def add(self, data: Any, rows: int, outcome: int, after: str | None) -> None:
        """Keep a page, then list it; a crash in between asks for it again.

        Raises:
            LedgerError: PAGE_CURSOR_INVALID, FILE_NOT_WRITTEN.
        """
        if after is not None and any(page["next"] == after for page in self.pages):
            raise LedgerError("PAGE_CURSOR_INVALID", "the pages go in a circle")
        text = canonical_json(data)
        name = f"page-{len(self.pages) + 1:06d}.json"
        replace_file(self._directory / name, text)
        page = {"file": name, "next": after, "outcome": outcome, "rows": rows}
        self.pages.append({**page, "sm3": sm3(text).hex()})
        self.is_complete = after is None
        replace_file(self._manifest, self._to_bytes())

    def _to_bytes(self) -> bytes:
        return canonical_json({**self._named, "complete": self.is_complete, "pages": self.pages})

    def _read(self) -> dict[str, Any] | None:
        if not self._manifest.exists():
            return None
        damaged = LedgerError("BATCH_DAMAGED", "the manifest cannot be read")
        data = read_limited(self._manifest, max_bytes=MAX_MANIFEST_SIZE)
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_MANIFEST_SIZE)
            if not isinstance(value, dict) or set(value) != _MEMBERS:
                raise damaged
            bytes.fromhex(value["salt"])
            pages = value["pages"]
            following = [page["next"] for page in pages]
            numbers = [page[name] for page in pages for name in ("rows", "outcome")]
        except (CryptoError, KeyError, TypeError, ValueError) as error:
            raise damaged from error
        inner, last = following[:-1], following[-1:]
        if (
            not all(isinstance(one, str) for one in inner)
            or value["complete"] is not (last == [None])
            or not all(type(one) is int for one in numbers)
        ):
            raise damaged
        return value

    def _verify(self) -> None:
        for number, page in enumerate(self.pages, 1):
            name = f"page-{number:06d}.json"
            data = read_limited(self._directory / name, max_bytes=MAX_PAGE_SIZE)
            if page["file"] != name or sm3(data).hex() != page["sm3"]:
                raise LedgerError("BATCH_DAMAGED", f"{name} is not the page that came", file=name)


def _checked(after: object) -> str | None:
    if after is None or (isinstance(after, str) and 0 < len(after) <= MAX_CURSOR_LENGTH):
        return after
    raise LedgerError("PAGE_CURSOR_INVALID", "a cursor is text of at most 1,024 characters")
