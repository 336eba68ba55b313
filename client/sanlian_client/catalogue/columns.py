"""Columns of a catalogue file: the guide's headings, ours, and how a header is found.

The guide's table (发改高技〔2017〕1272号) is one flat sheet whose header has two rows, whose
entries span several rows of items, and whose cells are merged. Ours has one sheet of entries and
one of items, with the same headings.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sanlian_client.catalogue.problems import Place, Problems
from sanlian_client.catalogue.sheets import Sheet

_HEADER_WITHIN = 30
_HEADER_ROWS = 3

#: column -> its heading in our template, then others that files have. The order is the template's.
ENTRY_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "category.class": ("类", "类名称", "分类", "资源分类", "信息资源分类", "政务信息资源分类"),
    "category.division": ("项", "项名称"),
    "category.group": ("目", "目名称"),
    "category.subgroup": ("细目", "细目名称"),
    "name": ("信息资源名称", "政务信息资源名称", "资源名称", "名称", "目录名称", "name"),
    "name_en": ("英文名称", "信息资源英文名称", "name_en"),
    "code": ("信息资源代码", "政务信息资源代码", "资源代码", "代码", "目录代码", "code"),
    "provider": ("信息资源提供方", "政务信息资源提供方", "资源提供方", "提供方", "提供部门",
                 "provider"),
    "provider_uscc": ("信息资源提供方代码", "资源提供方代码", "提供方代码",
                      "统一社会信用代码", "provider_uscc"),
    "uscc_override": ("代码校验位例外", "uscc_override"),
    "summary": ("信息资源摘要", "政务信息资源摘要", "资源摘要", "摘要", "summary"),
    "summary_en": ("英文摘要", "summary_en"),
    "format.kind": ("信息资源格式分类", "格式分类", "信息资源格式", "资源格式"),
    "format.type": ("信息资源格式类型", "格式类型"),
    "sharing_class": ("共享类型", "共享属性", "sharing_class"),
    "conditions": ("共享条件", "conditions"),
    "citation": ("不予共享依据", "citation"),
    "mode.kind": ("共享方式分类", "共享方式"),
    "mode.type": ("共享方式类型",),
    "openness": ("是否向社会开放", "开放属性", "开放类型", "openness"),
    "open_conditions": ("开放条件", "open_conditions"),
    "update_cycle": ("更新周期", "更新频率", "update_cycle"),
    "published": ("发布日期", "published"),
    "related": ("关联资源代码", "关联信息资源代码", "关联政务信息资源代码", "related"),
    "library": ("资源库", "library"),
    "classification": ("数据分类", "classification"),
    "grading": ("数据分级", "分类分级", "grading"),
    "source_department": ("数源部门", "source_department"),
    "systems": ("系统目录", "所属系统", "systems"),
    "tables": ("库表目录", "tables"),
    "duty": ("职责依据", "职责", "duty"),
    "assessments.secrecy.number": ("保密评估文号",),
    "assessments.secrecy.date": ("保密评估日期",),
    "assessments.privacy.number": ("个人信息保护评估文号",),
    "assessments.privacy.date": ("个人信息保护评估日期",),
}  # fmt: skip
ITEM_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "item.name": ("信息项名称", "数据项名称", "item_name"),
    "item.name_en": ("信息项英文名称", "item_name_en"),
    "item.code": ("信息项代码", "信息项编码", "数据项代码", "字段名", "item_code"),
    "item.type": ("数据类型", "信息项类型", "item_type"),
    "item.length": ("数据长度", "长度", "item_length"),
    "item.sensitive": ("是否敏感", "item_sensitive"),
    "item.element": ("数据元标识", "数据元", "item_element"),
}
#: Headings above others, which say nothing of their own.
_GROUPS: Final = frozenset(
    {"信息项信息", "信息项", "共享信息", "开放信息", "基本信息", "信息资源基本信息"}
)
_ALL: Final = {**ENTRY_COLUMNS, **ITEM_COLUMNS}


def plain_heading(text: str) -> str:
    """Return a heading as it is compared: half-width, without blanks, marks and remarks."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"\(.*?\)|\[.*?\]", "", text)
    return re.sub(r"[\s*:]", "", text)


_COLUMN_BY_HEADING: Final = {
    plain_heading(heading): column for column, headings in _ALL.items() for heading in headings
}
#: What `--default` may name: columns, and headings of the template.
_COLUMN_BY_NAME: Final = {**_COLUMN_BY_HEADING, **{column: column for column in _ALL}}


def heading_of(column: str) -> str:
    """Return a column's heading in our template."""
    return _ALL[column][0]


def find_column(name: str) -> str | None:
    """Return the column of a heading or of a column's own name."""
    return _COLUMN_BY_NAME.get(name) or _COLUMN_BY_NAME.get(plain_heading(name))


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet whose header was understood.

    Attributes:
        sheet: the sheet.
        columns: place of each column, from 1.
        headings: what stands above each column.
        first_row: number of the first row below the header.
        ignored: headings that say nothing to us.
    """

    sheet: Sheet
    columns: Mapping[str, int]
    headings: Mapping[str, str]
    first_row: int
    ignored: Sequence[str]

    @property
    def has_entries(self) -> bool:
        """Whether it states entries."""
        return "name" in self.columns

    @property
    def has_items(self) -> bool:
        """Whether it states items."""
        return "item.name" in self.columns

    def place(self, row: int, column: str | None = None) -> Place:
        """Return the place of a column's cell, or of a whole row."""
        if column is None or column not in self.columns:
            return Place(self.sheet.name, row)
        return Place(self.sheet.name, row, self.columns[column], self.headings[column])

    def cell(self, row: int, column: str) -> str:
        """Return a cell's text; "" where the file has no such column."""
        at = self.columns.get(column)
        cells = self.sheet.rows[row - 1]
        return cells[at - 1] if at is not None and at <= len(cells) else ""


def find_table(sheet: Sheet, problems: Problems) -> Table | None:
    """Find a sheet's header and what its columns are; None where it is no catalogue.

    Args:
        sheet: the sheet.
        problems: takes headings that stand twice.
    """
    start = next(
        (n for n, row in enumerate(sheet.rows[:_HEADER_WITHIN]) if _known_headings(row) >= 2), None
    )
    if start is None:
        return None
    found = {place: cell for place, cell in enumerate(sheet.rows[start], 1) if cell}
    end = start + 1
    while end < min(start + _HEADER_ROWS, len(sheet.rows)) and _is_header(sheet.rows[end]):
        found.update({place: cell for place, cell in enumerate(sheet.rows[end], 1) if cell})
        end += 1
    columns: dict[str, int] = {}
    headings: dict[str, str] = {}
    ignored: list[str] = []
    for place, heading in sorted(found.items()):
        column = _COLUMN_BY_HEADING.get(plain_heading(heading))
        if column is None:
            if plain_heading(heading) not in _GROUPS:
                ignored.append(heading)
        elif column in columns:
            problems.add(
                Place(sheet.name, end, place, heading),
                "HEADING_REPEATED",
                "表头重复",
                "the heading stands twice",
            )
        else:
            columns[column], headings[column] = place, heading
    table = Table(sheet, columns, headings, end + 1, ignored)
    return table if table.has_entries or (table.has_items and "code" in columns) else None


def _known_headings(row: Sequence[str]) -> int:
    return sum(plain_heading(cell) in _COLUMN_BY_HEADING for cell in row)


def _is_header(row: Sequence[str]) -> bool:
    """Return whether a row below the first header row belongs to the header."""
    cells = [plain_heading(cell) for cell in row if cell]
    return len(cells) >= 2 and all(cell in _COLUMN_BY_HEADING or cell in _GROUPS for cell in cells)
