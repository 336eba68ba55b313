"""Reads XLSX and CSV files of foreign origin into plain text cells, within limits.

Nothing is evaluated: a formula is a problem. XML with a document type or entities is refused before
anything parses it, and what is unpacked is counted, not believed.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from crypto.errors import ProtocolError
from sanlian_client.catalogue.problems import Place, Problems

MAX_FILE_SIZE = 16 * 1024 * 1024
MAX_UNPACKED_SIZE = 128 * 1024 * 1024
MAX_PARTS = 1000
MAX_SHEETS = 20
MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_CELL_LENGTH = 32_767
_MAX_MERGED = 100_000
_MAX_WIDE = 1000
#: Spreadsheets hold 15 digits of a number exactly.
_EXACT = 10**15
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BLANK = " \t\r\n\v\f\u00a0\u3000\ufeff"
_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\b[^>]*\bref=\"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})\""
)
_NOT_XML = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
#: Cells that begin so would run as a formula when a spreadsheet opens the file.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as text.

    Attributes:
        name: its name; the file's name for CSV.
        rows: cells of row 1, 2, …; stripped, "" where nothing stands.
    """

    name: str
    rows: Sequence[Sequence[str]]


def read_sheets(data: bytes, name: str, problems: Problems) -> list[Sheet]:
    """Read a file: XLSX by its first bytes, else CSV.

    Args:
        data: the file, at most 16 MiB.
        name: its name, for messages.
        problems: takes what is wrong with single cells.

    Raises:
        ProtocolError: TABLE_TOO_LARGE, TABLE_MALFORMED, TABLE_UNSAFE, TABLE_ENCODING.
    """
    if len(data) > MAX_FILE_SIZE:
        raise too_large(f"the file is larger than {MAX_FILE_SIZE} bytes")
    if data.startswith(_OLE):
        raise ProtocolError(
            "TABLE_MALFORMED",
            "this is an XLS or an encrypted file: save it as XLSX without a password",
        )
    if data.startswith(_ZIP):
        return _read_xlsx(data, problems)
    return [_read_csv(data, name, problems)]


def too_large(message: str) -> ProtocolError:
    """Return the error for a file that is beyond a limit."""
    return ProtocolError("TABLE_TOO_LARGE", message)


def neutral(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(FORMULA_SIGNS) else text


def _plain(text: str) -> str:
    text = text.replace("_x000D_", "").replace("\r\n", "\n").replace("\r", "\n").strip(_BLANK)
    if text.startswith("'") and text[1:].startswith(FORMULA_SIGNS):
        return text[1:]
    return text


# --- CSV ---------------------------------------------------------------------------------------


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise ProtocolError("TABLE_ENCODING", "the file is neither UTF-8 nor GB18030 text, nor XLSX")


def _read_csv(data: bytes, name: str, problems: Problems) -> Sheet:
    text = _decode(data)
    first = next((line for line in text.splitlines() if line.strip(_BLANK)), "")
    delimiter = max((",", "\t", ";", "，"), key=first.count)
    rows: list[list[str]] = []
    try:
        for raw in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if len(rows) >= MAX_ROWS:
                raise too_large(f"more than {MAX_ROWS} rows")
            if len(raw) > MAX_COLUMNS:
                raise too_large(f"more than {MAX_COLUMNS} columns")
            row = []
            for column, cell in enumerate(raw, 1):
                stripped = cell.strip(_BLANK)
                if stripped.startswith("="):
                    _formula(problems, Place(name, len(rows) + 1, column), stripped)
                    stripped = ""
                row.append(_plain(stripped))
            rows.append(row)
    except csv.Error as error:
        raise ProtocolError(
            "TABLE_MALFORMED", f"row {len(rows) + 1} of the CSV file is not readable"
        ) from error
    return Sheet(name, rows)


def _formula(problems: Problems, place: Place, text: str) -> None:
    problems.add(
        place,
        "FORMULA_REFUSED",
        "不接受公式，请粘贴为数值",
        "formulas are not read: paste the value",
        text,
    )


# --- XLSX --------------------------------------------------------------------------------------


def _check_package(data: bytes) -> None:
    """Unpack every part once, counting, and refuse what a spreadsheet has no need of."""
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = package.infolist()
        if len(parts) > MAX_PARTS:
            raise too_large(f"more than {MAX_PARTS} parts")
        if sum(part.file_size for part in parts) > MAX_UNPACKED_SIZE:
            raise too_large(f"more than {MAX_UNPACKED_SIZE} bytes when unpacked")
        for part in parts:
            if part.flag_bits & 1:
                raise ProtocolError("TABLE_UNSAFE", "the file is encrypted")
            tail = b""
            is_xml = part.filename.lower().endswith((".xml", ".rels"))
            with package.open(part) as file:
                while piece := file.read(1 << 20):
                    unpacked += len(piece)
                    if unpacked > MAX_UNPACKED_SIZE:
                        raise too_large(f"more than {MAX_UNPACKED_SIZE} bytes when unpacked")
                    if is_xml and (b"\x00" in piece or _NOT_XML.search(tail + piece)):
                        raise ProtocolError(
                            "TABLE_UNSAFE", "the file's XML has a document type or entities"
                        )
                    tail = piece[-16:]


def _read_xlsx(data: bytes, problems: Problems) -> list[Sheet]:
    # Late, because most commands need no spreadsheet: loading it takes a quarter of a second.
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        _check_package(data)
        book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        try:
            if len(book.worksheets) > MAX_SHEETS:
                raise too_large(f"more than {MAX_SHEETS} sheets")
            return [
                _read_sheet(book, sheet, problems)
                for sheet in book.worksheets
                if sheet.sheet_state == "visible"
            ]
        finally:
            book.close()
    except ProtocolError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ProtocolError("TABLE_MALFORMED", "the file is not a whole XLSX file") from error
    except Exception as error:
        # A reader of foreign files fails in many ways; whatever it is, the file cannot be read.
        raise ProtocolError("TABLE_MALFORMED", "the file is not a readable XLSX file") from error


def _read_sheet(book: Any, sheet: Any, problems: Problems) -> Sheet:
    sheet.reset_dimensions()  # the file's own word about its size is not believed
    rows: list[list[str]] = []
    wide = 0
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if len(cells) > MAX_COLUMNS:  # blank cells may reach far: formats do
            wide += 1
            if wide > _MAX_WIDE or any(cell.value is not None for cell in cells[MAX_COLUMNS:]):
                raise too_large(f"more than {MAX_COLUMNS} columns")
        if number > MAX_ROWS:
            if any(cell.value is not None for cell in cells):
                raise too_large(f"more than {MAX_ROWS} rows")
            continue
        row = [
            _cell_text(cell, Place(sheet.title, number, column), problems)
            for column, cell in enumerate(cells[:MAX_COLUMNS], 1)
        ]
        while row and not row[-1]:
            row.pop()
        rows.append(row)
    while rows and not rows[-1]:
        rows.pop()
    for column, first, last in _merged(book, sheet):
        value = rows[first - 1][column - 1] if _stands(rows, first, column) else ""
        for below in range(first, min(last, len(rows))):
            if value:
                row = rows[below]
                row.extend([""] * (column - len(row)))
                row[column - 1] = value
    return Sheet(sheet.title, rows)


def _stands(rows: list[list[str]], row: int, column: int) -> bool:
    return row <= len(rows) and column <= len(rows[row - 1])


def _merged(book: Any, sheet: Any) -> Iterator[tuple[int, int, int]]:
    """Yield column, first and last row of merged cells; the reader used here skips them."""
    raw: bytes = book._archive.read(sheet._worksheet_path)
    for count, found in enumerate(_MERGED.finditer(raw)):
        if count >= _MAX_MERGED:
            raise too_large(f"more than {_MAX_MERGED} merged ranges")
        letters, first, _, last = (part.decode() for part in found.groups())
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - ord("A") + 1
        if column <= MAX_COLUMNS and 1 <= int(first) < int(last):
            yield column, int(first), int(last)


def _cell_text(cell: Any, place: Place, problems: Problems) -> str:
    value, kind = cell.value, getattr(cell, "data_type", "n")
    if value is None:
        return ""
    if kind == "f":
        _formula(problems, place, str(value))
        return ""
    if kind == "e":
        problems.add(place, "CELL_ERROR", "单元格为错误值", "the cell holds an error", str(value))
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number_text(value, place, problems)
    text = str(value)
    if len(text) > MAX_CELL_LENGTH:
        problems.add(place, "TEXT_TOO_LONG", "单元格文字过长", "the cell is too long", text)
        return ""
    return _plain(text)


def _number_text(value: float, place: Place, problems: Problems) -> str:
    if abs(value) >= _EXACT:
        problems.add(
            place,
            "NUMBER_INEXACT",
            "数字超过 15 位，表格软件已丢失末位，请改为文本格式后重新填写",
            "a spreadsheet keeps 15 digits of a number: format the cell as text and type it again",
            str(value),
        )
        return ""
    return str(int(value)) if value == int(value) else repr(value)
