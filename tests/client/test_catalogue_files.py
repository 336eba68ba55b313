"""Catalogue files: the guide's table and ours, real-life mess, everything wrong at its cell."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from crypto.errors import ProtocolError, SanlianError
from example_city.catalogue import OFFERS
from protocol.documents import parse_entry_document
from sanlian_client.catalogue import (
    CatalogueEntry,
    CatalogueFile,
    Place,
    keep_indices,
    read_catalogue,
    write_csv,
    write_xlsx,
)
from sanlian_client.catalogue import sheets as limits
from sanlian_client.cli import main

DUTY = {"职责依据": "户籍管理"}

#: The guide's table: a header of two rows, cells merged over the rows of items.
GUIDE_HEAD = [
    line.split("|")
    for line in (
        "信息资源分类||||信息资源名称|信息资源代码|信息资源提供方|信息资源提供方代码|信息资源摘要"
        "|信息资源格式||信息项信息|||共享属性||||开放属性||更新周期|发布日期|关联资源代码|备注",
        "类|项|目|细目||||||信息资源格式分类|信息资源格式类型|信息项名称|数据类型|数据长度"
        "|共享类型|共享条件|共享方式分类|共享方式类型|是否向社会开放|开放条件||||",
    )
]
GUIDE_ROWS: list[list[Any]] = [
    ["基础信息资源", "人口", "基本信息", "户籍", "户籍人口信息", "1010010001/000001", "市公安局",
     "9144030071526726XG", "户籍人口", "数据库", "MySQL", "姓名", "字符型C", 50, "有条件共享",
     "仅用于核验", "共享平台方式", "接口", "否", "", "每日", date(2024, 2, 29), "", "x"],
    [None] * 11 + ["出生日期", "日期型D", None] + [None] * 10,
    [None] * 11 + ["身高", "N", 3] + [None] * 10,
    [None] * 4 + ["暂住人口信息", "1010010001/000002", None, None, "暂住人口", "电子表格", "xlsx",
     "姓名", "C(60)", None, "不予共享类", "《某法》第一条", "邮件", "", "是", "", "月", 45351,
     "1010010001/000001", None],
]  # fmt: skip


def guide_book(rows: list[list[Any]] | None = None) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "目录"
    sheet["A1"] = "市公安局政务信息资源目录"
    for row in [*GUIDE_HEAD, *(GUIDE_ROWS if rows is None else rows)]:
        sheet.append([None if cell == "" else cell for cell in row])
    sheet.merge_cells("A1:X1")
    sheet.merge_cells("A2:D2")
    sheet.merge_cells("L2:N2")
    for letter in "EFGHIUVW":
        sheet.merge_cells(f"{letter}2:{letter}3")
    for letter in "EFIJKOPQRSTUVW":
        sheet.merge_cells(f"{letter}4:{letter}6")
    for letter in "ABCDGH":
        sheet.merge_cells(f"{letter}4:{letter}7")
    return saved(book)


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_csv(rows: list[list[Any]], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def good(data: bytes, name: str = "f.xlsx", **defaults: str) -> CatalogueFile:
    found = read_catalogue(data, name, defaults={**DUTY, **defaults})
    assert [one.line("en") for one in found.problems.in_order()] == []
    return found


def test_the_guides_table() -> None:
    found = good(guide_book())
    assert (found.entry_count, found.item_count) == (2, 4)
    assert found.ignored == ["目录!备注"]
    one, other = found.entries
    assert one.words == {
        "sharing_class": 2, "library": 1, "update_cycle": 2, "openness": 0, "mode": 1,
    }  # fmt: skip
    document = parse_entry_document(one.document)
    assert document.members["category"] == {
        "class": 1, "division": "人口", "group": "基本信息", "subgroup": "户籍",
    }  # fmt: skip
    assert document.members["published"] == "2024-02-29"
    assert [(item.name, item.type, item.length, item.code) for item in document.items] == [
        ("姓名", "C", 50, "I001"), ("出生日期", "D", 0, "I002"), ("身高", "N", 3, "I003"),
    ]  # fmt: skip
    assert other.members["provider"] == "市公安局"
    assert other.members["provider_uscc"] == "9144030071526726XG"
    assert other.members["citation"] == "《某法》第一条"
    assert other.members["conditions"] == ""
    assert other.members["medium"] == "mail"
    assert other.members["related"] == ["1010010001/000001"]
    assert other.members["published"] == "2024-02-29"
    assert (other.words["mode"], other.words["openness"], other.words["update_cycle"]) == (4, 2, 5)
    assert other.members["items"][0]["length"] == 60


def flat_rows() -> list[list[Any]]:
    return [
        ["" if cell is None else str(cell) for cell in row] for row in [*GUIDE_HEAD, *GUIDE_ROWS]
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_guides_table_as_csv(encoding: str, delimiter: str) -> None:
    found = good(as_csv(flat_rows(), encoding, delimiter), "f.csv")
    assert [one.members for one in found.entries] == [
        one.members for one in good(guide_book()).entries
    ]


def test_full_width_blank_rows_and_line_breaks() -> None:
    rows = flat_rows()
    rows[2][5] = "１０１００１０００１／０００００１"
    rows[2][4] = "　户籍\n人口信息 "
    rows[2][13] = "５０"
    rows.insert(3, [""] * 24)
    rows += [[""] * 24] * 3
    found = good(as_csv(rows), "f.csv")
    assert [one.members["code"] for one in found.entries] == [
        "1010010001/000001", "1010010001/000002",
    ]  # fmt: skip
    assert found.entries[0].members["name"] == "户籍人口信息"
    assert found.entries[0].members["items"][0]["length"] == 50


def example_entries() -> list[CatalogueEntry]:
    made = []
    for offer in OFFERS:
        words = {
            "sharing_class": offer.sharing_class, "library": 1, "openness": 0, "mode": 1,
            "update_cycle": offer.update_cycle,
        }  # fmt: skip
        members = parse_entry_document(offer.entry_document()).members
        made.append(CatalogueEntry(members, words, frozenset(), Place("", 0)))
    return made


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_what_is_written_reads_back(write: Callable[[Any], bytes]) -> None:
    entries = example_entries()
    found = read_catalogue(write(entries), "f")
    assert found.problems.count == 0
    assert [one.document for one in found.entries] == [one.document for one in entries]
    assert [one.words for one in found.entries] == [one.words for one in entries]


def test_template_holds_every_column_and_no_entry() -> None:
    found = read_catalogue(write_xlsx(), "t.xlsx")
    assert (found.entry_count, found.problems.count, list(found.ignored)) == (0, 0, ["填写说明"])


# --- what is wrong ------------------------------------------------------------------------------

#: name: (row in the guide's sheet, column letter, new cell, code)
FAULTS: dict[str, tuple[int, str, Any, str]] = {
    "no name": (4, "E", None, "TEXT_EMPTY"),
    "name too long": (4, "E", "名" * 51, "TEXT_TOO_LONG"),
    "code's form": (4, "F", "10100/1", "ENTRY_CODE_INVALID"),
    "code as a number": (4, "F", 1010010001, "ENTRY_CODE_INVALID"),
    "class is not the code's": (4, "A", "部门信息资源", "CATEGORY_DIFFERS"),
    "class unknown": (4, "A", "其他", "CHOICE_UNKNOWN"),
    "credit code": (4, "H", "9144030071526726XX", "CREDIT_CODE_INVALID"),
    "credit code as a number": (4, "H", 914403007152672612, "NUMBER_INEXACT"),
    "summary too long": (4, "I", "摘" * 257, "TEXT_TOO_LONG"),
    "format unknown": (4, "J", "石碑", "CHOICE_UNKNOWN"),
    "type unknown": (5, "M", "大字型", "CHOICE_UNKNOWN"),
    "type missing": (5, "M", None, "TEXT_EMPTY"),
    "length is no number": (5, "N", "十", "NUMBER_INVALID"),
    "length negative": (5, "N", -1, "NUMBER_INVALID"),
    "length with decimals": (5, "N", 1.5, "NUMBER_INVALID"),
    "item without name": (5, "L", None, "TEXT_EMPTY"),
    "sharing class unknown": (4, "O", "看情况", "CHOICE_UNKNOWN"),
    "sharing class missing": (4, "O", None, "TEXT_EMPTY"),
    "no conditions": (4, "P", None, "WORDS_DIFFER"),
    "mode unknown": (4, "Q", "飞鸽", "CHOICE_UNKNOWN"),
    "openness unknown": (4, "S", "也许", "CHOICE_UNKNOWN"),
    "conditions of opening for what is closed": (4, "T", "登记", "WORDS_DIFFER"),
    "cycle unknown": (4, "U", "不定期", "CHOICE_UNKNOWN"),
    "no date": (4, "V", "去年", "DATE_INVALID"),
    "day that is none": (4, "V", "2023-02-29", "DATE_INVALID"),
    "related": (4, "W", "abc", "RELATED_INVALID"),
    "formula": (5, "L", "=1+1", "FORMULA_REFUSED"),
    "formula that calls out": (4, "I", '=HYPERLINK("http://x","y")', "FORMULA_REFUSED"),
    "error value": (4, "I", "#REF!", "CELL_ERROR"),
    "code twice": (7, "F", "1010010001/000001", "ENTRY_REPEATED"),
    "invisible character": (4, "E", "名\u202e称", "TEXT_UNFIT"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_at_its_cell(name: str) -> None:
    row, letter, cell, code = FAULTS[name]
    book = load_workbook(io.BytesIO(guide_book()))
    sheet: Any = book.active
    sheet[f"{letter}{row}"] = cell
    if name == "code twice":  # else it is taken for the same entry
        sheet["E7"] = "另一个"
        sheet["F7"] = "1010010001/000002"
        sheet.append([None, None, None, None, "又一个", "1010010001/000001", *GUIDE_ROWS[3][6:]])
        row = 8
    found = read_catalogue(saved(book), "f.xlsx", defaults=DUTY)
    places = {(one.place.row, one.place.letter, one.code) for one in found.problems.in_order()}
    assert (row, letter, code) in places, places
    for one in found.problems.in_order():
        assert one.chinese
        assert one.english
        assert set(one.to_json()) == {
            "sheet", "row", "column", "heading", "code", "zh", "en", "value",
        }  # fmt: skip


def test_all_faults_at_once() -> None:
    book = load_workbook(io.BytesIO(guide_book()))
    sheet: Any = book.active
    sheet["E4"], sheet["M5"], sheet["U4"], sheet["O7"] = "名" * 51, "?", "?", "?"
    found = read_catalogue(saved(book), "f.xlsx", defaults=DUTY)
    assert [(one.place.row, one.place.letter) for one in found.problems.in_order()] == [
        (4, "E"), (4, "U"), (5, "M"), (7, "O"),
    ]  # fmt: skip
    assert found.entries == []


def test_rows_of_one_entry_that_differ() -> None:
    rows = flat_rows()
    rows[3][14] = "无条件共享"
    found = read_catalogue(as_csv(rows), "f.csv", defaults=DUTY)
    (only,) = found.problems.in_order()
    assert (only.place.row, only.place.letter, only.code) == (4, "O", "ROWS_DIFFER")


def test_two_sheets() -> None:
    data = write_xlsx(example_entries())
    book = load_workbook(io.BytesIO(data))
    items: Any = book["信息项"]
    items["A3"] = "9999999999/1"
    found = read_catalogue(saved(book), "f.xlsx")
    (only,) = found.problems.in_order()
    assert (only.place.sheet, only.place.row, only.place.letter) == ("信息项", 3, "A")
    assert only.code == "ENTRY_UNKNOWN"


# --- files that are none -------------------------------------------------------------------------


def repacked(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, change(part, old.read(part)))
    return out.getvalue()


def with_entity(name: str, data: bytes) -> bytes:
    if name != "xl/worksheets/sheet1.xml":
        return data
    declared = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    head, mark, rest = data.partition(b"?>")
    return head + mark + declared + rest if mark else declared + data


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(3):
            package.writestr(f"xl/{number}.bin", bytes(50 * 1024 * 1024))
    return out.getvalue()


def many_parts() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for number in range(limits.MAX_PARTS + 1):
            package.writestr(str(number), b"")
    return out.getvalue()


def far_cell(reference: str) -> bytes:
    def change(name: str, data: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return data
        row = reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        cell = f'<row r="{row}"><c r="{reference}" t="inlineStr"><is><t>x</t></is></c></row>'
        return data.replace(b"</sheetData>", cell.encode() + b"</sheetData>")

    return repacked(guide_book(), change)


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "external entity": (repacked(guide_book(), with_entity), "TABLE_UNSAFE"),
    "utf-16 xml": (
        repacked(
            guide_book(),
            lambda n, d: d.decode().encode("utf-16") if n.endswith("sheet1.xml") else d,
        ),
        "TABLE_UNSAFE",
    ),
    "zip bomb": (bomb(), "TABLE_TOO_LARGE"),
    "too many parts": (many_parts(), "TABLE_TOO_LARGE"),
    "last row": (far_cell("A1048576"), "TABLE_TOO_LARGE"),
    "last column": (far_cell("XFD9"), "TABLE_TOO_LARGE"),
    "no workbook": (repacked(guide_book(), lambda n, d: b"" if n.endswith("sheet1.xml") else d),
                    "TABLE_MALFORMED"),
    "cut": (guide_book()[:-100], "TABLE_MALFORMED"),
    "zip's head alone": (b"PK\x03\x04", "TABLE_MALFORMED"),
    "old or encrypted": (b"\xd0\xcf\x11\xe0" + bytes(600), "TABLE_MALFORMED"),
    "binary": (bytes(range(256)) * 4, "TABLE_ENCODING"),
    "nothing": (b"", "TABLE_MISSING"),
    "another table": (b"a,b\n1,2\n", "TABLE_MISSING"),
    "open quote": ('名称,代码\n"x,1'.encode(), "TABLE_MALFORMED"),
    "too many columns": (b",".join([b"x"] * 300), "TABLE_TOO_LARGE"),
    "too many rows": (b"a\n" * (limits.MAX_ROWS + 1), "TABLE_TOO_LARGE"),
    "too large": (b" " * (limits.MAX_FILE_SIZE + 1), "TABLE_TOO_LARGE"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_file_that_is_none(name: str) -> None:
    data, code = BAD_FILES[name]
    with pytest.raises(ProtocolError) as refused:
        read_catalogue(data, "f")
    assert refused.value.code == code


def test_default_for_no_column() -> None:
    with pytest.raises(ProtocolError, match="COLUMN_UNKNOWN"):
        read_catalogue(guide_book(), "f", defaults={"没有": "x"})


cells = st.one_of(
    st.none(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(date(1950, 1, 1), date(2100, 1, 1)),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12),
    st.sampled_from(["=1", "C", "是", "每日", "信息项名称", "1010010001/1", "'=x", "#N/A"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 23), cells), max_size=8),
    st.sampled_from(["xlsx", "csv", "gb18030"]),
)
def test_no_cell_breaks_the_reader(changes: list[tuple[int, int, Any]], form: str) -> None:
    book = load_workbook(io.BytesIO(guide_book()))
    sheet: Any = book.active
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    for row, column, cell in changes:
        sheet.cell(row, column + 1).value = cell
    if form == "xlsx":
        data = saved(book)
    else:
        rows = [[str(c) if c is not None else "" for c in row] for row in sheet.values]
        data = as_csv(rows, "gb18030" if form == "gb18030" else "utf-8")
    code = "TABLE_MISSING"
    try:
        found = read_catalogue(data, "f", defaults=DUTY)
    except ProtocolError as error:
        code = error.code
    else:
        for entry in found.entries:
            parse_entry_document(entry.document)
        json.dumps([one.to_json() for one in found.problems.in_order()])
    assert code == "TABLE_MISSING"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for prefix in (b"", b"PK\x03\x04", "名称,代码\n".encode()):
        outcome = "read"
        try:
            read_catalogue(prefix + data, "f")
        except SanlianError as error:
            outcome = error.code
        assert outcome


texts = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Cn", "Co")
    ),
    min_size=1,
    max_size=20,
).filter(lambda text: not text.startswith("'"))


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from(["=", "+", "-", "@", ""]), st.sampled_from([write_csv, write_xlsx]))
def test_no_text_becomes_a_formula_and_all_come_back(
    text: str, sign: str, write: Callable[[Any], bytes]
) -> None:
    entry = example_entries()[0]
    members = {**entry.members, "summary": sign + text, "grading": sign + text}
    changed = CatalogueEntry(members, entry.words, frozenset(), entry.place)
    data = write([changed])
    if write is write_xlsx:
        for sheet in load_workbook(io.BytesIO(data)).worksheets:
            assert all(c.data_type != "f" for row in sheet.iter_rows() for c in row)
    else:
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))):
            assert not any(cell.startswith(limits.FORMULA_SIGNS) for cell in row)
    found = read_catalogue(data, "f")
    assert found.problems.count == 0
    assert found.entries[0].members["summary"] == sign + text


# --- indices -------------------------------------------------------------------------------------


def test_items_keep_their_indices() -> None:
    first = good(guide_book()).entries[0]
    old = parse_entry_document(first.document)
    rows = [list(row) for row in GUIDE_ROWS]
    rows[0][11] = "住址"  # in the place of 姓名
    rows[1][11], rows[2][11] = "身高", "出生日期"  # the other way round
    again = good(guide_book(rows)).entries[0]
    kept = keep_indices(again, [old])
    document = parse_entry_document(kept.document)
    assert {item.name: (item.index, item.code) for item in document.items} == {
        "出生日期": (1, "I002"), "身高": (2, "I003"), "住址": (3, "I004"),
    }  # fmt: skip
    third = keep_indices(first, [old, document])
    names = {item.name: item.index for item in parse_entry_document(third.document).items}
    assert names == {"姓名": 0, "出生日期": 1, "身高": 2}


def test_indices_run_out() -> None:
    first = good(guide_book()).entries[0]
    members = {
        **first.members,
        "items": [{**first.members["items"][0], "index": 255, "code": "old", "name": "旧"}],
    }
    full = parse_entry_document(CatalogueEntry(members, {}, frozenset(), first.place).document)
    with pytest.raises(ProtocolError, match="ITEMS_EXHAUSTED"):
        keep_indices(first, [full])


# --- commands ------------------------------------------------------------------------------------


def test_check_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "目录.xlsx"
    book = load_workbook(io.BytesIO(guide_book()))
    sheet: Any = book.active
    sheet["U4"], sheet["I4"] = "不定期", "\x1b[31m红".replace("\x1b", "\u009b")
    path.write_bytes(saved(book))
    run = CliRunner()
    result = run.invoke(main, ["catalogue", "check", str(path), "--default", "职责=户籍"])
    assert result.exit_code == 1
    assert "目录!U4 更新周期: CHOICE_UNKNOWN" in result.output
    assert "\u009b" not in result.output
    result = run.invoke(main, ["catalogue", "check", str(path), "--default", "职责=户籍", "--json"])
    found = json.loads(result.output)
    assert (found["entries"], found["good_entries"], found["problem_count"]) == (2, 1, 2)
    assert {one["code"] for one in found["problems"]} == {"CHOICE_UNKNOWN", "TEXT_UNFIT"}


def test_template_command(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    run = CliRunner()
    assert run.invoke(main, ["catalogue", "template", str(path)]).exit_code == 0
    assert run.invoke(main, ["catalogue", "check", str(path), "--lang", "en"]).exit_code == 0
    again = run.invoke(main, ["catalogue", "template", str(path)])
    assert (again.exit_code, again.output[:11]) == (1, "FILE_EXISTS")
