"""From the tables of a file to entry documents and words of acts, with everything that is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crypto.canonical import canonical_json
from crypto.errors import CryptoError, ProtocolError
from protocol.documents import (
    MAX_DOCUMENT_SIZE,
    EntryDocument,
    basis_of,
    complete_entry,
    find_entry_problems,
    find_word_conflicts,
    parse_entry_document,
)
from sanlian_client.catalogue import values
from sanlian_client.catalogue.columns import (
    ENTRY_COLUMNS,
    Table,
    find_column,
    find_table,
    heading_of,
)
from sanlian_client.catalogue.problems import Place, Problems
from sanlian_client.catalogue.sheets import read_sheets

MAX_ENTRIES = 5000
Result = TypeVar("Result")

#: What merged cells above an entry may say for it too.
_INHERITED = (
    ("provider", "provider_uscc", "uscc_override"),
    ("category.class", "category.division", "category.group", "category.subgroup"),
)
#: Texts of the document that stand in a cell as they are.
_TEXTS = (
    "name", "name_en", "provider", "summary", "summary_en", "conditions", "citation",
    "open_conditions", "classification", "grading", "source_department", "duty",
)  # fmt: skip
_LONG_TEXTS = frozenset(
    {"summary", "summary_en", "conditions", "citation", "open_conditions", "duty"}
)
_CODE_COLUMNS = ("code", "provider_uscc")
#: Usual libraries of the guide's classes.
_LIBRARY_OF_CLASS = {1: 1, 2: 3, 3: 2}
_CONDITIONAL, _NOT_SHARED = 2, 3
_NOTHING_SAID = frozenset({"无", "-", "/", "—", "无条件"})


@dataclass(slots=True)
class Rows:
    """What a file says of one entry.

    Attributes:
        table: where the entry's own cells stand.
        row: its first row.
        cells: text by column.
        items: table and row of each item.
    """

    table: Table
    row: int
    cells: dict[str, str]
    items: list[tuple[Table, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """An entry of a file that nothing is wrong with.

    Attributes:
        members: members of its document, complete.
        words: the act's words sharing_class, library, update_cycle, openness and mode.
        made_codes: codes of items that the file leaves out and that were made here.
        place: where it stands.
    """

    members: Mapping[str, Any]
    words: Mapping[str, int]
    made_codes: frozenset[str]
    place: Place

    @property
    def document(self) -> bytes:
        """Canonical bytes of the document."""
        return canonical_json(self.members)


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """What a file holds.

    Attributes:
        entries: the entries that nothing is wrong with.
        problems: everything that is wrong.
        ignored: sheets and columns that say nothing to us.
        entry_count: entries in all.
        item_count: items in all.
    """

    entries: Sequence[CatalogueEntry]
    problems: Problems
    ignored: Sequence[str]
    entry_count: int
    item_count: int


def read_catalogue(
    data: bytes, name: str, *, defaults: Mapping[str, str] | None = None
) -> CatalogueFile:
    """Read a catalogue from XLSX or CSV.

    Args:
        data: the file.
        name: its name, for messages.
        defaults: text by column (see find_column) for cells that are empty.

    Raises:
        ProtocolError: TABLE_TOO_LARGE, TABLE_MALFORMED, TABLE_UNSAFE, TABLE_ENCODING,
            TABLE_MISSING when no sheet is a catalogue, COLUMN_UNKNOWN for a default.
    """
    filled: dict[str, str] = {}
    for given, text in (defaults or {}).items():
        column = find_column(given)
        if column is None:
            raise ProtocolError("COLUMN_UNKNOWN", f"no column is called {given}", column=given)
        filled[column] = text
    problems = Problems()
    tables: list[Table] = []
    ignored: list[str] = []
    for sheet in read_sheets(data, name, problems):
        table = find_table(sheet, problems)
        if table is None:
            if any(sheet.rows):
                ignored.append(sheet.name)
            continue
        tables.append(table)
        ignored += [f"{sheet.name}!{heading}" for heading in table.ignored]
    if not any(table.has_entries for table in tables):
        raise ProtocolError(
            "TABLE_MISSING",
            "no sheet has the headings of a catalogue, such as 信息资源名称 and 信息资源代码",
        )
    found = _collect(tables, problems)
    if len(found) > MAX_ENTRIES:
        raise ProtocolError("TABLE_TOO_LARGE", f"more than {MAX_ENTRIES} entries")
    entries = [
        entry for rows in found if (entry := _Reader(rows, filled, problems).read()) is not None
    ]
    _refuse_repeated(found, problems)
    if problems.count:
        broken = {(one.place.sheet, one.place.row) for one in problems.found}
        entries = [e for e in entries if (e.place.sheet, e.place.row) not in broken]
    return CatalogueFile(
        entries, problems, ignored, len(found), sum(len(rows.items) for rows in found)
    )


# --- rows to entries ---------------------------------------------------------------------------


def _collect(tables: Sequence[Table], problems: Problems) -> list[Rows]:
    found: list[Rows] = []
    for table in tables:
        if table.has_entries:
            found += _entries_of(table, problems)
    by_code: dict[str, Rows] = {}
    for rows in found:
        by_code.setdefault(_code(rows.cells.get("code", "")), rows)
    for table in tables:
        if not table.has_entries:
            _items_of(table, by_code, problems)
    return found


def _code(text: str) -> str:
    return values.compact(text)


def _entries_of(table: Table, problems: Problems) -> Iterator[Rows]:
    """Yield the entries of a sheet; in a flat one, rows without name and code go on with items."""
    current: Rows | None = None
    for row in range(table.first_row, len(table.sheet.rows) + 1):
        cells = {name: table.cell(row, name) for name in ENTRY_COLUMNS if name in table.columns}
        has_item = table.has_items and bool(table.cell(row, "item.name"))
        if not any(table.sheet.rows[row - 1]):
            continue
        if current is None or _begins(cells, current, table):
            current = Rows(table, row, _inherit(cells, current))
            yield current
        else:
            _require_same(cells, current, table, row, problems)
        if has_item:
            current.items.append((table, row))
        elif table.has_items and any(
            table.cell(row, name) for name in table.columns if name.startswith("item.")
        ):
            problems.add(
                table.place(row, "item.name"), "TEXT_EMPTY", "缺少信息项名称", "an item has no name"
            )


def _begins(cells: Mapping[str, str], current: Rows, table: Table) -> bool:
    if not table.has_items:
        return True
    code, name = cells.get("code", ""), cells.get("name", "")
    if code:
        return _code(code) != _code(current.cells.get("code", ""))
    return bool(name) and name != current.cells.get("name", "")


def _inherit(cells: dict[str, str], above: Rows | None) -> dict[str, str]:
    if above is not None:
        for group in _INHERITED:
            if not any(cells.get(name) for name in group):
                cells.update({name: above.cells[name] for name in group if name in above.cells})
    return cells


def _require_same(
    cells: Mapping[str, str], current: Rows, table: Table, row: int, problems: Problems
) -> None:
    for name, text in cells.items():
        if text and text != current.cells.get(name, ""):
            if not current.cells.get(name):
                current.cells[name] = text
                continue
            problems.add(
                table.place(row, name),
                "ROWS_DIFFER",
                f"与本条目第 {current.row} 行不一致",
                f"differs from row {current.row} of the same entry",
                text,
            )


def _items_of(table: Table, by_code: Mapping[str, Rows], problems: Problems) -> None:
    code = ""
    for row in range(table.first_row, len(table.sheet.rows) + 1):
        if not any(table.sheet.rows[row - 1]):
            continue
        code = table.cell(row, "code") or code
        entry = by_code.get(_code(code))
        if entry is None or not code:
            problems.add(
                table.place(row, "code"),
                "ENTRY_UNKNOWN",
                "没有此代码的目录条目",
                "no entry has this code",
                code,
            )
        elif table.cell(row, "item.name"):
            entry.items.append((table, row))
        else:
            problems.add(
                table.place(row, "item.name"), "TEXT_EMPTY", "缺少信息项名称", "an item has no name"
            )


def _refuse_repeated(found: Sequence[Rows], problems: Problems) -> None:
    first: dict[str, Rows] = {}
    for rows in found:
        code = _code(rows.cells.get("code", ""))
        if code and code in first:
            problems.add(
                rows.table.place(rows.row, "code"),
                "ENTRY_REPEATED",
                f"代码与第 {first[code].row} 行重复",
                f"the code stands in row {first[code].row} already",
                rows.cells["code"],
            )
        first.setdefault(code, rows)


# --- one entry -----------------------------------------------------------------------------------


class _Reader:
    """Reads one entry, noting every problem at its cell."""

    def __init__(self, rows: Rows, defaults: Mapping[str, str], problems: Problems) -> None:
        self._rows = rows
        self._defaults = defaults
        self._problems = problems
        self._failed = False

    def read(self) -> CatalogueEntry | None:
        """Return the entry, None where something is wrong with it."""
        members = self._members()
        words = self._words(members)
        items, made = self._items()
        members["items"] = items
        whole = complete_entry(members)
        for problem in find_entry_problems(whole):
            self._note(self._place(problem.path), problem.code, problem.chinese, problem.english)
        if self._failed or words is None:
            return None
        document = self._document(whole)
        if document is None:
            return None
        self._compare(document, words)
        if self._failed:
            return None
        place = self._rows.table.place(self._rows.row)
        return CatalogueEntry(whole, words, frozenset(made), place)

    # cells

    def _text(self, column: str) -> str:
        return self._rows.cells.get(column, "") or self._defaults.get(column, "")

    def _note(self, place: Place, code: str, chinese: str, english: str, value: str = "") -> None:
        self._failed = True
        self._problems.add(place, code, chinese, english, value)

    def _convert(
        self, column: str, convert: Callable[[str], Result], *, needed: bool = True
    ) -> Result | None:
        """Return what a cell says, None where it is empty or unclear."""
        text = self._text(column)
        place = self._rows.table.place(self._rows.row, column)
        if not text:
            if needed:
                name = heading_of(column)
                self._note(place, "TEXT_EMPTY", f"缺少“{name}”", f"“{name}” is missing")
            return None
        return self._try(place, text, convert)

    def _try(self, place: Place, text: str, convert: Callable[[str], Result]) -> Result | None:
        try:
            return convert(text)
        except values.CellUnclear as unclear:
            self._note(place, unclear.code, unclear.chinese, unclear.english, text)
            return None

    # parts

    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = {
            name: self._text(name) if name in _LONG_TEXTS else values.one_line(self._text(name))
            for name in _TEXTS
        }
        for name in _CODE_COLUMNS:
            members[name] = values.half_width(self._text(name)).replace(" ", "")
        members["uscc_override"] = bool(self._convert("uscc_override", values.flag, needed=False))
        members["category"] = self._category()
        kind = self._convert("format.kind", values.format_kind, needed=False) or "described"
        members["format"] = {"kind": kind, "type": self._text("format.type")}
        members["published"] = self._convert("published", values.day, needed=False) or ""
        for name in ("related", "systems", "tables"):
            members[name] = values.listed(self._text(name))
        members["assessments"] = {
            name: {
                "number": self._text(f"assessments.{name}.number"),
                "date": self._convert(f"assessments.{name}.date", values.day, needed=False) or "",
            }
            for name in ("secrecy", "privacy")
        }
        for name in ("conditions", "citation", "open_conditions"):
            if members[name] in _NOTHING_SAID:
                members[name] = ""
        return members

    def _category(self) -> dict[str, Any]:
        parts = [
            values.one_line(self._text(f"category.{name}"))
            for name in ("division", "group", "subgroup")
        ]
        text = self._text("category.class")
        whole = values.category_path(text)
        if len(whole) > 1 and not any(parts):
            text, parts = whole[0], [*whole[1:4], "", "", ""][:3]
        category: dict[str, Any] = dict(zip(("division", "group", "subgroup"), parts, strict=True))
        if text:
            place = self._rows.table.place(self._rows.row, "category.class")
            its_class = self._try(place, text, values.category_class)
            if its_class is not None:
                category["class"] = its_class
        category.setdefault("class", self._class_of_code())
        return category

    def _class_of_code(self) -> int:
        first = values.half_width(self._text("code"))[:1]
        return int(first) if first in ("1", "2", "3") else 1

    def _words(self, members: dict[str, Any]) -> dict[str, int] | None:
        sharing = self._convert("sharing_class", values.sharing_class)
        cycle = self._convert("update_cycle", values.update_cycle)
        opened = self._convert(
            "openness", lambda text: values.openness(text, conditions=members["open_conditions"])
        )
        library = self._convert("library", values.library, needed=False)
        if library is None:
            library = _LIBRARY_OF_CLASS.get(members["category"]["class"], 1)
        kind, its_type = self._text("mode.kind"), self._text("mode.type")
        chosen = self._convert(
            "mode.kind" if kind else "mode.type", lambda _: values.mode(kind, its_type)
        )
        if sharing == _NOT_SHARED and not members["citation"]:
            # The guide has one column for the conditions and for what forbids sharing.
            members["citation"], members["conditions"] = members["conditions"], ""
        if chosen is not None:
            members["medium"] = chosen[1]
        if sharing is None or cycle is None or opened is None or chosen is None:
            return None
        return {
            "sharing_class": sharing,
            "library": library,
            "update_cycle": cycle,
            "openness": opened,
            "mode": chosen[0],
        }

    def _items(self) -> tuple[list[dict[str, Any]], set[str]]:
        items: list[dict[str, Any]] = []
        for table, row in self._rows.items:
            kind = self._cell(table, row, "item.type", values.item_type)
            length = self._cell(table, row, "item.length", values.item_length)
            sensitive = self._cell(table, row, "item.sensitive", values.flag)
            letter, stated = kind if kind is not None else ("C", None)
            items.append(
                {
                    "name": values.one_line(table.cell(row, "item.name")),
                    "name_en": values.one_line(table.cell(row, "item.name_en")),
                    "code": values.half_width(table.cell(row, "item.code")),
                    "type": letter,
                    "length": length or stated or 0,
                    "sensitive": bool(sensitive),
                    "element": values.half_width(table.cell(row, "item.element")),
                }
            )
        taken = {item["code"] for item in items}
        made: set[str] = set()
        number = 0
        for item in items:
            if not item["code"]:
                while (code := f"I{number + 1:03d}") in taken:
                    number += 1
                item["code"] = code
                taken.add(code)
                made.add(code)
        return items, made

    def _cell(
        self, table: Table, row: int, column: str, convert: Callable[[str], Result]
    ) -> Result | None:
        text = table.cell(row, column) or self._defaults.get(column, "")
        place = table.place(row, column)
        if text or column != "item.type":
            return self._try(place, text, convert)
        self._note(place, "TEXT_EMPTY", "缺少数据类型", "the data type is missing")
        return None

    # the whole

    def _document(self, whole: Mapping[str, Any]) -> EntryDocument | None:
        place = self._rows.table.place(self._rows.row)
        try:
            data = canonical_json(whole)
            if len(data) <= MAX_DOCUMENT_SIZE:
                return parse_entry_document(data)
        except CryptoError:
            self._note(place, "TEXT_UNFIT", "含有无法写入的字符", "holds characters unfit for JSON")
            return None
        self._note(
            place,
            "DOCUMENT_TOO_LARGE",
            f"条目超过 {MAX_DOCUMENT_SIZE} 字节",
            f"the entry's document is larger than {MAX_DOCUMENT_SIZE} bytes",
        )
        return None

    def _compare(self, document: EntryDocument, words: Mapping[str, int]) -> None:
        signed: dict[str, object] = {
            **words,
            "items": document.mask,
            "sensitive": document.sensitive_mask,
            "basis": basis_of(document.members, words["sharing_class"]),
        }
        chinese = {
            "conditions": "有条件共享须写明共享条件；不予共享不填",
            "citation": "不予共享须写明依据；其他类型不填",
            "open_conditions": "有条件开放须写明开放条件；其他不填",
            "medium": "介质与共享方式不一致",
        }
        for name, text in find_word_conflicts(document, signed):
            column = "mode.kind" if name == "medium" else name
            self._note(
                self._rows.table.place(self._rows.row, column),
                "WORDS_DIFFER",
                chinese.get(name, "与其他字段不一致"),
                f"{name} {text}",
            )

    def _place(self, path: tuple[str, ...]) -> Place:
        """Return the cell that states what a problem's path names."""
        if path[:1] == ("items",) and len(path) > 1 and int(path[1]) < len(self._rows.items):
            table, row = self._rows.items[int(path[1])]
            return table.place(row, f"item.{path[2]}" if len(path) > 2 else None)
        for length in range(len(path), 0, -1):
            column = ".".join(path[:length])
            if column in self._rows.table.columns:
                return self._rows.table.place(self._rows.row, column)
        return self._rows.table.place(self._rows.row)


def keep_indices(entry: CatalogueEntry, previous: Sequence[EntryDocument]) -> CatalogueEntry:
    """Return an entry with the indices that its items have had in earlier versions.

    An item is the same if its code is; where the file has no codes, if its name is. A new item gets
    an index that no version has used: what a mask has meant once it means for ever.

    Args:
        entry: the entry of the file.
        previous: documents of all earlier versions, the oldest first.

    Raises:
        ProtocolError: ITEMS_EXHAUSTED when all 256 indices were used.
    """
    index_of: dict[str, int] = {}
    code_of: dict[str, str] = {}
    for document in previous:
        for old in document.items:
            index_of[old.code] = old.index
            code_of[old.name] = old.code
    free = max(index_of.values(), default=-1) + 1
    taken = {
        item["code"] for item in entry.members["items"] if item["code"] not in entry.made_codes
    }
    taken |= set(index_of)
    items: list[dict[str, Any]] = []
    for item in entry.members["items"]:
        code = item["code"]
        if code in entry.made_codes:
            code = code_of.get(item["name"], "")
            if not code or any(code == one["code"] for one in items):
                code = next(made for n in range(1, 1000) if (made := f"I{n:03d}") not in taken)
            taken.add(code)
        if code in index_of:
            index = index_of[code]
        else:
            index, free = free, free + 1
        if index > 255:
            raise ProtocolError(
                "ITEMS_EXHAUSTED", "the entry's versions have used all 256 item indices"
            )
        items.append({**item, "code": code, "index": index})
    items.sort(key=lambda item: item["index"])
    return CatalogueEntry(
        {**entry.members, "items": items}, entry.words, entry.made_codes, entry.place
    )
