"""What is wrong with a catalogue file: sheet, row and column, in Chinese and English."""

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_PROBLEMS = 1000
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a file.

    Attributes:
        sheet: name of the sheet; the file's name for CSV.
        row: number of the row, from 1.
        column: number of the column, from 1; 0 for the whole row.
        heading: heading of the column, or "".
    """

    sheet: str
    row: int
    column: int = 0
    heading: str = ""

    @property
    def letter(self) -> str:
        """Column in letters, as a spreadsheet shows it; "" for the whole row."""
        letters, number = "", self.column
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(ord("A") + rest) + letters
        return letters


@dataclass(frozen=True, slots=True)
class SheetProblem:
    """One thing that is wrong in a file.

    Attributes:
        place: where.
        code: stable code.
        chinese: what, in Chinese.
        english: what, in English.
        value: what stands there, cut.
    """

    place: Place
    code: str
    chinese: str
    english: str
    value: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the problem's members as JSON."""
        place = asdict(self.place)
        place["column"] = self.place.letter
        return {
            **place,
            "code": self.code,
            "zh": self.chinese,
            "en": self.english,
            "value": self.value[:_SHOWN],
        }

    def line(self, language: str) -> str:
        """Return the problem as one line for a person."""
        place = f"{self.place.sheet}!{self.place.letter}{self.place.row}"
        if self.place.heading:
            place += f" {self.place.heading}"
        text = self.chinese if language == "zh" else self.english
        value = f" “{self.value[:_SHOWN]}”" if self.value else ""
        line = f"{place}: {self.code} {text}{value}"
        return "".join(c if c.isprintable() else "�" for c in line)


@dataclass(slots=True)
class Problems:
    """Problems as they are found; beyond MAX_PROBLEMS they are only counted."""

    found: list[SheetProblem] = field(default_factory=list)
    count: int = 0

    def add(self, place: Place, code: str, chinese: str, english: str, value: str = "") -> None:
        """Note a problem."""
        self.count += 1
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(SheetProblem(place, code, chinese, english, value))

    def in_order(self) -> list[SheetProblem]:
        """Return the problems by sheet, row and column."""
        sheets = list(dict.fromkeys(one.place.sheet for one in self.found))
        return sorted(
            self.found,
            key=lambda one: (sheets.index(one.place.sheet), one.place.row, one.place.column),
        )
