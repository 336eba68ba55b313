"""Between files and the ledger: drafts of acts from a file's entries, and the published entries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, LedgerError, ProtocolError
from protocol.acts import ZERO_ID
from protocol.dcat import CatalogueRecord
from protocol.documents import (
    WORD_CHOICES,
    EntryDocument,
    document_digest,
    parse_entry_document,
)
from sanlian_client.acts import Acts
from sanlian_client.catalogue.problems import Place
from sanlian_client.catalogue.reading import CatalogueEntry, keep_indices
from sanlian_client.drafts import Draft
from sanlian_client.files import write_new
from sanlian_client.platform import Platform
from sanlian_client.sealing import Sealed


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that the ledger holds.

    Attributes:
        id: its id.
        documents: documents of its versions, the oldest first.
        words: words of the newest version.
        grading: grading of the newest version; no column of a file changes it.
    """

    id: bytes
    documents: Sequence[EntryDocument]
    words: Mapping[str, int]
    grading: int = 1


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """A draft made from a file's entry.

    Attributes:
        entry: the entry, with the indices that its items keep.
        draft: the act, unsigned.
        sealed: the sealed assessments by field.
        is_new: False where it is a further version.
    """

    entry: CatalogueEntry
    draft: Draft
    sealed: Mapping[str, Sealed]
    is_new: bool

    @property
    def stem(self) -> str:
        """Name for its files."""
        return str(self.entry.members["code"]).replace("/", "_")

    def write(self, directory: Path) -> None:
        """Write document, act and sealed assessments into new files.

        Raises:
            LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN.
        """
        write_new(directory / f"{self.stem}.entry.json", self.entry.document)
        for name, sealed in self.sealed.items():
            write_new(directory / f"{self.stem}.{name}.sealed", sealed.to_bytes())
        write_new(directory / f"{self.stem}.act", self.draft.to_bytes())


def find_department(platform: Platform, key_id: bytes) -> str:
    """Return the id in hex of the department of a key's person.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    person = platform.read("keys", key_id.hex())["person"]
    return str(platform.read("persons", str(person))["department"])


def known_entries(platform: Platform, department: str) -> dict[str, Known]:
    """Return a department's entries that are not retired, by their code.

    Raises:
        LedgerError: RESPONSE_MALFORMED when a document is not what its digest names.
    """
    found: dict[str, Known] = {}
    for listed in platform.read_all("entries", department=department):
        if listed["state"] == "RETIRED":
            continue
        detail = platform.read("entries", str(listed["id"]))
        documents = [
            document
            for version in detail["versions"]
            if (document := _document(version["document_text"], version["document"])) is not None
        ]
        if documents:
            newest = detail["versions"][-1]
            found[documents[-1].code] = Known(
                bytes.fromhex(detail["id"]),
                documents,
                {name: int(newest[name]) for name in WORD_CHOICES},
                int(newest["grading"]),
            )
    return found


def _document(value: Any, digest: str) -> EntryDocument | None:
    if value is None:
        return None
    try:
        data = canonical_json(value)
        if document_digest(data).hex() != digest:
            raise LedgerError("RESPONSE_MALFORMED", "a document is not what its digest names")
        return parse_entry_document(data)
    except CryptoError as error:
        raise LedgerError("RESPONSE_MALFORMED", "a document is not readable") from error
    except ProtocolError:
        return None  # anybody can put an act on the chain whose document is something else


def draft_entries(
    acts: Acts,
    entries: Sequence[CatalogueEntry],
    known: Mapping[str, Known],
    *,
    operator: bytes,
    head: bytes,
    first_nonce: int,
    secrecy_assessment: bytes,
    privacy_assessment: bytes,
) -> Iterator[EntryDraft]:
    """Yield a draft for each entry that is new or changed; they are sent in this order.

    Args:
        acts: builds the acts.
        entries: entries of a file.
        known: what the ledger holds, see known_entries.
        operator: key id of the operator.
        head: key id of the head.
        first_nonce: the operator's next nonce.
        secrecy_assessment: text that gets sealed with a salt of its own for each entry.
        privacy_assessment: the same.

    Raises:
        ProtocolError: ITEMS_EXHAUSTED.
    """
    nonce = first_nonce
    for one in entries:
        old = known.get(str(one.members["code"]))
        entry = one if old is None else keep_indices(one, old.documents)
        if old is not None and (
            entry.members == old.documents[-1].members and dict(entry.words) == dict(old.words)
        ):
            continue
        draft, sealed = acts.submit_entry(
            operator,
            head,
            document=entry.document,
            secrecy_assessment=secrecy_assessment,
            privacy_assessment=privacy_assessment,
            entry=ZERO_ID if old is None else old.id,
            nonce=nonce,
            grading=1 if old is None else old.grading,
            **entry.words,
        )
        nonce += 1
        yield EntryDraft(entry, draft, sealed, old is None)


def published_records(platform: Platform) -> Iterator[CatalogueRecord]:
    """Yield the published entries whose documents are known, each checked against its digest."""
    departments = {one["id"]: one for one in platform.read_all("departments")}
    times: dict[int, int] = {}
    for one in platform.read_all("entries", state="PUBLISHED"):
        version = one["current"]
        number = int(version["block_number"])
        provider = departments[one["department"]]
        if version["title"] is None or provider["ended_day"] is not None:
            continue
        try:
            document = parse_entry_document(platform.document(bytes.fromhex(version["document"])))
        except ProtocolError:
            continue
        if number not in times:
            times[number] = int(platform.read("blocks", str(number))["time"])
        yield CatalogueRecord(
            entry=bytes.fromhex(one["id"]),
            department=bytes.fromhex(one["department"]),
            department_name=provider["name"],
            department_uscc=provider["uscc"],
            version=int(version["number"]),
            words={name: int(version[name]) for name in WORD_CHOICES},
            document=document,
            modified_at=times[number],
        )


def as_entry(record: CatalogueRecord) -> CatalogueEntry:
    """Return a published entry as one of a file."""
    return CatalogueEntry(
        record.document.members, record.words, frozenset(), Place(record.entry.hex(), 0)
    )
