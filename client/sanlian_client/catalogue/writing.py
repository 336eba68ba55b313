"""Writes catalogues: the template that departments fill in, and exports in the same form.

No cell can run as a formula, neither in CSV nor in XLSX: texts that look like one get an
apostrophe, which reading takes away again.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from protocol.documents.terms import (
    CATEGORY_CLASSES,
    FORMAT_KINDS,
    ITEM_TYPES,
    WORD_CHOICES,
    Term,
)
from sanlian_client.catalogue.columns import ENTRY_COLUMNS, ITEM_COLUMNS, heading_of
from sanlian_client.catalogue.reading import CatalogueEntry
from sanlian_client.catalogue.sheets import neutral

ENTRY_SHEET, ITEM_SHEET, HELP_SHEET = "目录条目", "信息项", "填写说明"
_NEEDED = frozenset(
    {"name", "code", "provider", "sharing_class", "mode.kind", "openness", "update_cycle", "duty",
     "item.name", "item.type"}
)  # fmt: skip
_MODE_KINDS = {"mail": "邮件", "disk": "拷盘", "medium": "介质交换"}
_MODE_TYPES = {1: "接口", 2: "数据库", 3: "文件"}
_PLATFORM = "共享平台方式"
_ROWS_WITH_LISTS = 5000
_WIDTH = 18
_GREY, _YELLOW = "D9D9D9", "FFF2CC"


def _chinese(choices: Mapping[Any, Term]) -> list[str]:
    return [zh for zh, _ in choices.values()]


#: Columns that offer a list to choose from.
_LISTS: Mapping[str, Sequence[str]] = {
    "category.class": _chinese(CATEGORY_CLASSES),
    "format.kind": _chinese(FORMAT_KINDS),
    "sharing_class": _chinese(WORD_CHOICES["sharing_class"]),
    "library": _chinese(WORD_CHOICES["library"]),
    "openness": _chinese(WORD_CHOICES["openness"]),
    "update_cycle": _chinese(WORD_CHOICES["update_cycle"]),
    "mode.kind": [_PLATFORM, *_MODE_KINDS.values()],
    "mode.type": list(_MODE_TYPES.values()),
    "uscc_override": ["否", "是"],
    "item.type": [f"{zh}{letter}" for letter, (zh, _) in ITEM_TYPES.items()],
    "item.sensitive": ["否", "是"],
}
_HELP = (
    ("目录条目", "每行一个信息资源；带 * 的列必填。One row an entry; columns with * are needed."),
    ("信息项", "每行一个信息项，以信息资源代码对应条目。One row an item, with its entry's code."),
    (
        "信息资源代码",
        "类 1 位、项 2 位、目 3 位、细目若干位、“/”、顺序号。Digits as the guide says.",
    ),
    ("共享条件", "有条件共享必填；不予共享填“不予共享依据”。Needed for 有条件共享."),
    ("职责依据", "提供方依何职责持有该数据。The duty on which the provider holds the data."),
    (
        "资源库",
        "不填时按类：基础→基础库，主题→主题库，部门→共享库。Follows from the class if empty.",
    ),
    ("信息项代码", "新版本中同一信息项须用同一代码。The same item keeps its code in new versions."),
    ("数据元标识", "全市统一的数据元标识，用于一数一源。City-wide id of the data element."),
    ("公式", "不接受公式，请粘贴为数值。Formulas are not read: paste values."),
    ("检查", "sanlian-client catalogue check FILE"),
)


def entry_cells(entry: CatalogueEntry) -> dict[str, str]:
    """Return an entry's texts by column."""
    members, words = entry.members, entry.words
    cells: dict[str, str] = {
        name: str(members[name]) for name in ENTRY_COLUMNS if isinstance(members.get(name), str)
    }
    category = members["category"]
    cells["category.class"] = CATEGORY_CLASSES[category["class"]][0]
    for name in ("division", "group", "subgroup"):
        cells[f"category.{name}"] = category[name]
    cells["format.kind"] = FORMAT_KINDS[members["format"]["kind"]][0]
    cells["format.type"] = members["format"]["type"]
    cells["uscc_override"] = "是" if members["uscc_override"] else ""
    for name in ("related", "systems", "tables"):
        cells[name] = "；".join(members[name])
    for name, one in members["assessments"].items():
        for part, text in one.items():
            cells[f"assessments.{name}.{part}"] = text
    for name in ("sharing_class", "library", "openness", "update_cycle"):
        cells[name] = WORD_CHOICES[name][words[name]][0]
    mode = words["mode"]
    cells["mode.kind"] = _MODE_KINDS.get(members["medium"], _PLATFORM)
    cells["mode.type"] = _MODE_TYPES.get(mode, "")
    return cells


def item_cells(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an item's texts by column."""
    return {
        "item.name": item["name"],
        "item.name_en": item["name_en"],
        "item.code": item["code"],
        "item.type": ITEM_TYPES[item["type"]][0] + item["type"],
        "item.length": str(item["length"]) if item["length"] else "",
        "item.sensitive": "是" if item["sensitive"] else "否",
        "item.element": item["element"],
    }


def write_csv(entries: Iterable[CatalogueEntry]) -> bytes:
    """Return a flat CSV with one row an item; UTF-8 with the mark that spreadsheets need."""
    columns = [*ENTRY_COLUMNS, *ITEM_COLUMNS]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([heading_of(column) for column in columns])
    for entry in entries:
        cells = entry_cells(entry)
        for item in entry.members["items"]:
            row = {**cells, **item_cells(item)}
            writer.writerow([neutral(row.get(column, "")) for column in columns])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def write_xlsx(entries: Iterable[CatalogueEntry] = ()) -> bytes:
    """Return a workbook with a sheet of entries, one of items and one of help.

    Args:
        entries: what it holds; without any it is the template.
    """
    # Late, because most commands need no spreadsheet: loading it takes a quarter of a second.
    from openpyxl import Workbook  # noqa: PLC0415

    listed = list(entries)
    book: Any = Workbook()
    sheet = book.active
    sheet.title = ENTRY_SHEET
    _fill(sheet, list(ENTRY_COLUMNS), (entry_cells(entry) for entry in listed))
    items = book.create_sheet(ITEM_SHEET)
    _fill(items, ["code", *ITEM_COLUMNS], _item_rows(listed))
    help_sheet = book.create_sheet(HELP_SHEET)
    for row, (name, text) in enumerate(_HELP, 1):
        help_sheet.cell(row, 1, name)
        help_sheet.cell(row, 2, text)
    help_sheet.column_dimensions["A"].width = _WIDTH
    help_sheet.column_dimensions["B"].width = 100
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _item_rows(entries: Sequence[CatalogueEntry]) -> Iterator[dict[str, str]]:
    for entry in entries:
        for item in entry.members["items"]:
            yield {"code": entry.members["code"], **item_cells(item)}


def _fill(sheet: Any, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415
    from openpyxl.worksheet.datavalidation import DataValidation  # noqa: PLC0415

    for place, column in enumerate(columns, 1):
        letter = get_column_letter(place)
        needed = column in _NEEDED
        head = sheet.cell(1, place, heading_of(column) + ("*" if needed else ""))
        head.font = Font(bold=True)
        head.fill = PatternFill("solid", start_color=_YELLOW if needed else _GREY)
        head.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[letter].width = _WIDTH
        # Codes and numbers as text: a spreadsheet would round them or drop their zeros.
        sheet.column_dimensions[letter].number_format = "@"
        if column in _LISTS:
            offered = ",".join(_LISTS[column])
            choice = DataValidation(type="list", formula1=f'"{offered}"', allow_blank=True)
            choice.add(f"{letter}2:{letter}{_ROWS_WITH_LISTS}")
            sheet.add_data_validation(choice)
    sheet.freeze_panes = "B2"
    for number, row in enumerate(rows, 2):
        for place, column in enumerate(columns, 1):
            text = neutral(row.get(column, ""))
            if text:
                cell = sheet.cell(number, place, text)
                cell.data_type = "s"
                cell.number_format = "@"
