"""Public documents by digest."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from crypto.errors import RequestRefused
from ledger.db import models as table


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A public document.

    Attributes:
        digest: 32-byte SM3 of the bytes.
        kind: entry, interface or other.
        title: name or title, empty for others.
        data: canonical bytes, whose SM3 is the digest.
        block_number: block from which on all of it stands on the chain; None before.
    """

    digest: bytes
    kind: str
    title: str
    data: bytes
    block_number: int | None


def get_document(connection: Connection, digest: bytes) -> StoredDocument:
    """Return a document.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    row = connection.execute(
        select(
            table.Document.digest,
            table.Document.kind,
            table.Document.title,
            table.Document.data,
            table.Document.block_number,
        ).where(table.Document.digest == digest)
    ).first()
    if row is None:
        raise RequestRefused("NOT_FOUND", "no document with this digest is known here")
    return StoredDocument(*row)
