"""Entry documents: the text of a catalogue entry, with every field of the national guide.

Source: docs/protocol.md 5.1; 《政务信息资源目录编制指南（试行）》（发改高技〔2017〕1272号）; Order
809 Art 13. What a rule depends on (sharing class, library, update cycle, openness, mode) is a word
of the act and stands there alone; what both must know of the other is compared by
verify_entry_words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, RequestRefused
from crypto.sm3 import sm3
from protocol.documents.common import load_object, malformed
from protocol.documents.entry_problems import ENTRY_TYPE, find_entry_problems

_ZERO = bytes(32)
_CONDITIONAL, _NOT_SHARED = 2, 3
_OPEN_CONDITIONALLY = 1
_BY_MEDIUM = 4

#: What a member holds where nothing is said.
_NOTHING: Mapping[str, Any] = {
    "name_en": "",
    "provider_uscc": "",
    "uscc_override": False,
    "summary": "",
    "summary_en": "",
    "format": {"kind": "described", "type": "JSON"},
    "conditions": "",
    "citation": "",
    "open_conditions": "",
    "medium": "",
    "published": "",
    "related": [],
    "classification": "",
    "grading": "",
    "source_department": "",
    "systems": [],
    "tables": [],
}
_NO_ASSESSMENT: Mapping[str, str] = {"number": "", "date": ""}


@dataclass(frozen=True, slots=True)
class EntryItem:
    """One data item (信息项) of an entry.

    Attributes:
        index: its place in the masks, for ever.
        name: name.
        code: code, each once in an entry.
        type: one letter of C N Y D T L M G B I F.
        length: characters or digits, 0 where none is stated.
        sensitive: whether it is sensitive.
        name_en: English name or "".
        element: city-wide id of the data element (一数一源), or "".
    """

    index: int
    name: str
    code: str
    type: str
    length: int
    sensitive: bool
    name_en: str
    element: str


@dataclass(frozen=True, slots=True)
class EntryDocument:
    """The text of a catalogue entry.

    Attributes:
        members: all members as the document states them.
        items: its data items by index.
    """

    members: Mapping[str, Any]
    items: tuple[EntryItem, ...]

    @property
    def name(self) -> str:
        """Name of the entry (名称)."""
        return str(self.members["name"])

    @property
    def code(self) -> str:
        """Code of the entry (代码)."""
        return str(self.members["code"])

    @property
    def category_class(self) -> int:
        """1 base, 2 theme, 3 department (类)."""
        return int(self.members["category"]["class"])

    @property
    def mask(self) -> int:
        """Mask of the items."""
        return sum(1 << item.index for item in self.items)

    @property
    def sensitive_mask(self) -> int:
        """Mask of the sensitive items."""
        return sum(1 << item.index for item in self.items if item.sensitive)


def parse_entry_document(data: bytes) -> EntryDocument:
    """Parse an entry's text strictly.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED, with the JSON Pointer of the first bad field and the code
            of its problem.
    """
    value = load_object(data, "an entry document")
    for problem in find_entry_problems(value):
        raise malformed(
            f"{problem.pointer or 'the document'}: {problem.english}",
            field=problem.pointer,
            problem=problem.code,
        )
    return EntryDocument(value, tuple(EntryItem(**item) for item in value["items"]))


def complete_entry(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry document's value with the members that were left out filled in.

    Items may leave out index (their place counts), length, sensitive, name_en and element. Nothing
    is checked; see find_entry_problems.
    """
    value: dict[str, Any] = {"type": ENTRY_TYPE, **_NOTHING, **members}
    code = str(value.get("code", ""))
    category = {"division": "", "group": "", "subgroup": "", **members.get("category", {})}
    if "class" not in category and code[:1].isdecimal():
        category["class"] = int(code[0])
    value["category"] = category
    value["assessments"] = {
        name: {**_NO_ASSESSMENT, **members.get("assessments", {}).get(name, {})}
        for name in ("secrecy", "privacy")
    }
    value["items"] = [
        {"index": place, "length": 0, "sensitive": False, "name_en": "", "element": "", **item}
        for place, item in enumerate(members.get("items", ()))
    ]
    return value


def make_entry_document(**members: Any) -> bytes:
    """Return the canonical bytes of an entry document.

    Args:
        members: members of docs/protocol.md 5.1; name, code, provider, duty and items are needed,
            the others are filled in as complete_entry says.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED.
    """
    try:
        data = canonical_json(complete_entry(members))
    except CryptoError as error:
        raise malformed("an entry document must be canonical JSON of at most 64 KiB") from error
    parse_entry_document(data)
    return data


def basis_of(members: Mapping[str, Any], sharing_class: int) -> bytes:
    """Return the act's word `basis`: SM3 of the UTF-8 text of conditions or citation, else zeros.

    Args:
        members: members of the entry document.
        sharing_class: 1 unconditional, 2 conditional, 3 not shared.
    """
    name = {_CONDITIONAL: "conditions", _NOT_SHARED: "citation"}.get(sharing_class)
    return _ZERO if name is None else sm3(str(members[name]).encode())


def find_word_conflicts(
    document: EntryDocument, words: Mapping[str, object]
) -> Sequence[tuple[str, str]]:
    """Return where a document and the words of its act say different things.

    Args:
        document: the entry document.
        words: values of EntrySubmitted: sharing_class, openness, mode, items, sensitive, basis.

    Returns:
        Pairs of the field and what is wrong with it.
    """
    members = document.members
    sharing_class = words["sharing_class"]
    found: list[tuple[str, str]] = []

    def require(field: str, text: str, *, ok: bool) -> None:
        if not ok:
            found.append((field, text))

    require("items", "the document has other items", ok=words["items"] == document.mask)
    require(
        "sensitive",
        "the document marks other items as sensitive",
        ok=words["sensitive"] == document.sensitive_mask,
    )
    stated = {name: bool(members[name].strip()) for name in ("conditions", "citation")}
    require(
        "conditions",
        "is needed for class 2",
        ok=stated["conditions"] or sharing_class != _CONDITIONAL,
    )
    require(
        "conditions",
        "is not for class 3",
        ok=not stated["conditions"] or sharing_class != _NOT_SHARED,
    )
    require(
        "citation",
        "is for class 3, and needed there",
        ok=stated["citation"] == (sharing_class == _NOT_SHARED),
    )
    require(
        "basis",
        "is SM3 of the document's conditions or citation",
        ok=isinstance(sharing_class, int) and words["basis"] == basis_of(members, sharing_class),
    )
    require(
        "open_conditions",
        "is for openness 1, and needed there",
        ok=bool(members["open_conditions"].strip()) == (words["openness"] == _OPEN_CONDITIONALLY),
    )
    require(
        "medium",
        "is for mode 4, and needed there",
        ok=bool(members["medium"]) == (words["mode"] == _BY_MEDIUM),
    )
    return found


def verify_entry_words(document: EntryDocument, words: Mapping[str, object]) -> None:
    """Check that a document agrees with the words of its act.

    Raises:
        RequestRefused: DOCUMENT_DIFFERS, with the first field.
    """
    for field, text in find_word_conflicts(document, words):
        raise RequestRefused(
            "DOCUMENT_DIFFERS", f"the document and the act disagree: {field} {text}", field=field
        )
