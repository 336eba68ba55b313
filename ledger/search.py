"""The search index over entry documents: pairs of characters, so that Chinese words are found.

Chinese is written without blanks and most of its words have two characters, so every two adjacent
characters of a document's names, codes and summaries are rows of a table that works alike in SQLite
and PostgreSQL. Pairs only narrow the search; what is found is compared as text by
ledger/reads/search.py. The index follows from the documents alone, whenever one arrives; which of
them count is said by the entries' versions at the time of the search.
"""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from sqlalchemy import Connection, delete, insert, select

from crypto.errors import ProtocolError
from ledger.db import models as table
from protocol.documents import EntryDocument, parse_entry_document

#: Rows of one document: nobody may fill the database with one made up for that.
MAX_GRAMS = 16_384
_BATCH = 500


def normalise(text: str) -> str:
    """Return text as it is compared: full-width as half-width, small letters, no controls."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())


def grams_of(word: str) -> list[str]:
    """Return the pairs of adjacent characters of a word without blanks, or its one character."""
    return list(dict.fromkeys(a + b for a, b in pairwise(word))) if len(word) > 1 else [word]


def index_document(connection: Connection, digest: bytes, data: bytes) -> None:
    """Index a document, if it is an entry's and not indexed yet.

    Args:
        connection: connection with a write transaction.
        digest: its digest.
        data: its bytes, which have that digest.
    """
    if connection.scalar(
        select(table.DocumentText.digest).where(table.DocumentText.digest == digest)
    ):
        return
    try:
        document = parse_entry_document(data)
    except ProtocolError:
        return
    lines = [line for line in map(normalise, _texts(document)) if line]
    connection.execute(
        insert(table.DocumentText).values(
            digest=digest,
            category=document.category_class,
            name=normalise(f"{document.name} {document.members['name_en']}"),
            text="\n".join(lines),
        )
    )
    rows = [{"gram": gram, "digest": digest} for gram in _grams(lines)]
    for start in range(0, len(rows), _BATCH):
        connection.execute(insert(table.DocumentGram), rows[start : start + _BATCH])


def reindex(connection: Connection) -> int:
    """Make the whole index again from the documents; return how many are in it."""
    connection.execute(delete(table.DocumentGram))
    connection.execute(delete(table.DocumentText))
    digests = connection.scalars(
        select(table.Document.digest).where(table.Document.kind == "entry")
    ).all()
    for digest in digests:
        data = connection.scalar(select(table.Document.data).where(table.Document.digest == digest))
        if data is not None:
            index_document(connection, digest, data)
    return len(digests)


def _texts(document: EntryDocument) -> Iterator[str]:
    members = document.members
    for name in ("name", "name_en", "code", "provider", "source_department"):
        yield members[name]
    yield from (members["category"][name] for name in ("division", "group", "subgroup"))
    for item in document.items:
        yield from (item.name, item.name_en, item.code, item.element)
    yield from (members["summary"], members["summary_en"])


def _grams(lines: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        for word in line.split(" "):
            found.update(dict.fromkeys(grams_of(word)))
            found.update(dict.fromkeys(word))
            if len(found) >= MAX_GRAMS:
                return list(found)[:MAX_GRAMS]
    return list(found)
