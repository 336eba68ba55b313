"""What changed between two versions of an entry, so that a reviewer can read it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from protocol.documents.entry import EntryDocument
from protocol.documents.pointer import join_pointer
from protocol.documents.terms import (
    CATEGORY_CLASSES,
    ENTRY_TERMS,
    FORMAT_KINDS,
    ITEM_TERMS,
    ITEM_TYPES,
    MEDIA,
    PART_TERMS,
    WORD_CHOICES,
    Term,
)

Kind = Literal["added", "removed", "changed"]

_KINDS: Mapping[Kind, Term] = {
    "added": ("新增", "added"),
    "removed": ("删除", "removed"),
    "changed": ("变更", "changed"),
}
_FLAGS: Mapping[bool, Term] = {True: ("是", "yes"), False: ("否", "no")}
#: Fields whose values have names; by the last parts of their pointer.
_CHOICES: Mapping[str, Mapping[Any, Term]] = {
    "category/class": CATEGORY_CLASSES,
    "format/kind": FORMAT_KINDS,
    "medium": MEDIA,
    "items/type": ITEM_TYPES,
    **WORD_CHOICES,
}
_WORDS = ("sharing_class", "library", "update_cycle", "openness", "mode")
#: Members that follow from others.
_IMPLIED = frozenset({"type"})


@dataclass(frozen=True, slots=True)
class EntrySide:
    """One version of an entry.

    Attributes:
        words: the act's words sharing_class, library, update_cycle, openness and mode.
        document: its document, None where it is not known.
    """

    words: Mapping[str, int]
    document: EntryDocument | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One change.

    Attributes:
        kind: added, removed or changed.
        field: JSON Pointer in the document, items by their index; for a word of the act its name.
        before: the old value, None where there was none.
        after: the new value, None where there is none.
        chinese: the change as a sentence in Chinese.
        english: the same in English.
    """

    kind: Kind
    field: str
    before: Any
    after: Any
    chinese: str
    english: str


def find_differences(old: EntrySide, new: EntrySide) -> list[Difference]:
    """Return what changed, the act's words first, then the document's fields, then the items.

    Where one side's document is not known, the words alone are compared.
    """
    found = [
        _difference(
            "changed",
            name,
            old.words[name],
            new.words[name],
            path=(name,),
            term=ENTRY_TERMS[name],
        )
        for name in _WORDS
        if old.words[name] != new.words[name]
    ]
    if old.document is not None and new.document is not None:
        found += _members(old.document.members, new.document.members)
        found += _items(old.document, new.document)
    return found


def _members(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name, term in ENTRY_TERMS.items():
        if name == "items" or name in _IMPLIED or name not in old:
            continue
        yield from _values((name,), (term,), old[name], new[name])


def _values(
    path: tuple[str, ...], terms: tuple[Term, ...], old: Any, new: Any
) -> Iterator[Difference]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in old:
            yield from _values((*path, name), (*terms, PART_TERMS[name]), old[name], new[name])
        return
    term = (" ".join(zh for zh, _ in terms), ", ".join(en for _, en in terms))
    if isinstance(old, list) and isinstance(new, list):
        for one in old:
            if one not in new:
                yield _difference("removed", join_pointer(path), one, None, path=path, term=term)
        for one in new:
            if one not in old:
                yield _difference("added", join_pointer(path), None, one, path=path, term=term)
        if sorted(old) == sorted(new):
            yield _difference("changed", join_pointer(path), old, new, path=path, term=term)
        return
    yield _difference("changed", join_pointer(path), old, new, path=path, term=term)


def _items(old: EntryDocument, new: EntryDocument) -> Iterator[Difference]:
    before = {item["index"]: item for item in old.members["items"]}
    after = {item["index"]: item for item in new.members["items"]}
    for index in sorted(before.keys() | after.keys()):
        one, other = before.get(index), after.get(index)
        pointer = f"/items/{index}"
        if one is None or other is None:
            kind: Kind = "removed" if other is None else "added"
            yield _difference(
                kind, pointer, one, other, path=("items",), term=_of_item(one or other)
            )
            continue
        for name, (zh, en) in ITEM_TERMS.items():
            if one[name] != other[name]:
                item_zh, item_en = _of_item(one)
                yield _difference(
                    "changed",
                    f"{pointer}/{name}",
                    one[name],
                    other[name],
                    path=("items", name),
                    term=(f"{item_zh} {zh}", f"{item_en}, {en}"),
                )


def _of_item(item: Any) -> Term:
    zh, en = ENTRY_TERMS["items"]
    named = f"{item['index']} “{item['name']}” ({item['code']})"
    return f"{zh} {named}", f"{en[:-1]} {named}"


def _difference(
    kind: Kind, field: str, before: Any, after: Any, *, path: tuple[str, ...], term: Term
) -> Difference:
    texts = []
    for at in (0, 1):
        colon, arrow = ("：", " → ") if at == 0 else (": ", " → ")
        text = f"{_KINDS[kind][at]} {term[at]}"
        if isinstance(before, Mapping) or isinstance(after, Mapping):
            pass  # an item, which its name says
        elif kind == "changed":
            text += colon + _say(path, before, at) + arrow + _say(path, after, at)
        else:
            text += colon + _say(path, before if kind == "removed" else after, at)
        texts.append(text)
    return Difference(kind, field, before, after, texts[0], texts[1])


def _say(path: tuple[str, ...], value: Any, at: int) -> str:
    choices = _CHOICES.get("/".join(path))
    if choices is not None and value in choices:
        return choices[value][at]
    if isinstance(value, bool):
        return _FLAGS[value][at]
    if isinstance(value, list):
        return "、".join(value) if at == 0 else ", ".join(value)
    if value == "":
        return "（空）" if at == 0 else "(nothing)"
    return f"“{value}”" if isinstance(value, str) else str(value)
