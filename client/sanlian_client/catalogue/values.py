"""What cells say: choices by their Chinese or English names, dates, numbers, flags, lists."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final, TypeVar

from protocol.documents.terms import (
    CATEGORY_CLASSES,
    FORMAT_KINDS,
    ITEM_TYPES,
    WORD_CHOICES,
    Term,
)

Key = TypeVar("Key", int, str)

_DATE = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?: 00:00:00)?")
_COMPACT_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_SERIAL_DATE = re.compile(r"[3-6][0-9]{4}")
_SERIAL_ZERO = date(1899, 12, 30)
_TYPE = re.compile(r"([^()]*?)(?:\(([0-9]{1,7})\))?")
_SEPARATORS = re.compile(r"[;,、\n]")
_PATH_SEPARATORS = re.compile(r"\s*(?:--+|—+|[-/>→\\])\s*")


class CellUnclear(Exception):
    """A cell's text is none of what may stand there.

    Args:
        chinese: what may stand there, in Chinese.
        english: the same in English.
        code: stable code.
    """

    def __init__(self, chinese: str, english: str, code: str = "CHOICE_UNKNOWN") -> None:
        super().__init__(english)
        self.chinese = chinese
        self.english = english
        self.code = code


def half_width(text: str) -> str:
    """Return text with full-width letters, digits and signs as half-width ones."""
    return unicodedata.normalize("NFKC", text).strip()


def one_line(text: str) -> str:
    """Return text without line breaks; between ASCII characters a blank takes their place."""
    parts = [part.strip() for part in text.split("\n")]
    line = parts[0]
    for part in parts[1:]:
        line += (" " if line[-1:].isascii() and part[:1].isascii() else "") + part
    return line


def compact(text: str) -> str:
    """Return half-width text without blanks, in small letters, for comparing."""
    return re.sub(r"\s", "", half_width(text)).casefold()


def _names(choices: Mapping[Key, Term], others: Mapping[str, Key]) -> dict[str, Key]:
    names: dict[str, Key] = {}
    for key, (zh, en) in choices.items():
        names.update({compact(name): key for name in (zh, en, str(key))})
    names.update({compact(name): key for name, key in others.items()})
    return names


_CLASSES: Final = _names(
    CATEGORY_CLASSES,
    {
        name + end: number
        for number, name in ((1, "基础"), (2, "主题"), (3, "部门"))
        for end in ("", "类", "信息资源类", "信息资源目录", "政务信息资源")
    },
)
_SHARING: Final = _names(
    WORD_CHOICES["sharing_class"],
    {
        name + end: number
        for number, name in ((1, "无条件共享"), (2, "有条件共享"), (3, "不予共享"))
        for end in ("类", "类型")
    } | {"无条件": 1, "有条件": 2, "不共享": 3},
)  # fmt: skip
_LIBRARIES: Final = _names(WORD_CHOICES["library"], {})
_CYCLES: Final = _names(
    WORD_CHOICES["update_cycle"],
    {"日": 2, "天": 2, "每天": 2, "周": 3, "旬": 4, "月": 5, "季": 6, "季度": 6, "每季": 6, "年": 7,
     "年度": 7, "daily": 2, "weekly": 3, "monthly": 5, "quarterly": 6, "yearly": 7},
)  # fmt: skip
_OPENNESS: Final = _names(
    WORD_CHOICES["openness"], {"否": 0, "不予开放": 0, "no": 0, "不开放类": 0, "有条件开放类": 1,
                               "无条件开放类": 2}
)  # fmt: skip
_YES: Final = frozenset({"是", "y", "yes", "true", "√", "敏感", "1"})
_NO: Final = frozenset({"", "否", "n", "no", "false", "×", "x", "非敏感", "不敏感", "0", "无"})
_OPEN: Final = frozenset({"是", "yes", "y", "开放"})
_FORMATS: Final = _names(
    FORMAT_KINDS, {"图形图像类": "image", "自描述": "described", "流媒体类": "stream"}
)
_TYPES: Final = _names(
    ITEM_TYPES,
    {name + letter: letter for letter, (name, _) in ITEM_TYPES.items()}
    | {letter + name: letter for letter, (name, _) in ITEM_TYPES.items()}
    | {"字符串": "C", "字符串型": "C", "字符": "C", "数值": "N", "整数型": "I", "日期": "D",
       "时间型": "T", "日期时间": "T", "布尔型": "L", "浮点": "F"},
)  # fmt: skip
_PLATFORM: Final = frozenset({"共享平台方式", "共享平台", "平台方式", "平台"})
_MODES: Final = {
    "接口": 1, "服务接口": 1, "接口方式": 1, "平台接口": 1, "数据库": 2, "库表": 2, "库表交换": 2,
    "文件": 3, "文件下载": 3, "1": 1, "2": 2, "3": 3,
}  # fmt: skip
_MEDIA: Final = {
    "邮件": "mail", "拷盘": "disk", "介质": "medium", "介质交换": "medium",
    "介质交换方式": "medium", "邮件方式": "mail", "拷盘方式": "disk", "mail": "mail",
    "disk": "disk", "medium": "medium",
}  # fmt: skip


def _choose(text: str, names: Mapping[str, Key], choices: Mapping[Key, Term]) -> Key:
    found = names.get(compact(text))
    if found is None:
        raise CellUnclear(
            "应为：" + "、".join(zh for zh, _ in choices.values()),
            "must be one of: " + ", ".join(en for _, en in choices.values()),
        )
    return found


def category_class(text: str) -> int:
    """Return 1 base, 2 theme or 3 department.

    Raises:
        CellUnclear: it is none.
    """
    return _choose(text, _CLASSES, CATEGORY_CLASSES)


def category_path(text: str) -> list[str]:
    """Split a class that is written with its division, group and subgroup in one cell."""
    return _PATH_SEPARATORS.split(half_width(text))


def sharing_class(text: str) -> int:
    """Return 1 unconditional, 2 conditional, 3 not shared.

    Raises:
        CellUnclear: it is none.
    """
    return _choose(text, _SHARING, WORD_CHOICES["sharing_class"])


def library(text: str) -> int:
    """Return the number of a library.

    Raises:
        CellUnclear: it is none.
    """
    return _choose(text, _LIBRARIES, WORD_CHOICES["library"])


def update_cycle(text: str) -> int:
    """Return the number of an update cycle.

    Raises:
        CellUnclear: it is none.
    """
    return _choose(text, _CYCLES, WORD_CHOICES["update_cycle"])


def openness(text: str, *, conditions: str) -> int:
    """Return 0 closed, 1 under conditions, 2 open; a mere yes depends on the conditions.

    Raises:
        CellUnclear: it is none.
    """
    if compact(text) in _OPEN:
        return 1 if conditions else 2
    return _choose(text, _OPENNESS, WORD_CHOICES["openness"])


def mode(kind: str, its_type: str) -> tuple[int, str]:
    """Return the mode's number and, where it is 4, the medium.

    Args:
        kind: 共享方式分类.
        its_type: 共享方式类型.

    Raises:
        CellUnclear: they name none.
    """
    texts = [compact(text) for text in (kind, its_type) if text]
    if texts and texts[0] in _MEDIA:
        return 4, _MEDIA[texts[0]]
    if len(texts) > 1 and texts[0] in _PLATFORM:
        texts = texts[1:]
    if len(texts) == 1 or (len(texts) > 1 and texts[0] == texts[1]):
        # The longest first: one name of the platform is the beginning of another.
        for word in ("", *sorted(_PLATFORM, key=len, reverse=True)):
            part = texts[0].removeprefix(word).strip("-—()")
            if part in _MODES:
                return _MODES[part], ""
    raise CellUnclear(
        "应为共享平台方式（接口、数据库、文件）、邮件、拷盘或介质交换",
        "must be the platform (接口 interface, 数据库 database, 文件 file), 邮件, 拷盘 or 介质交换",
    )


def format_kind(text: str) -> str:
    """Return the kind of a format.

    Raises:
        CellUnclear: it is none.
    """
    return _choose(text, _FORMATS, FORMAT_KINDS)


def item_type(text: str) -> tuple[str, int | None]:
    """Return the letter of an item's type, and its length where it stands with it, as in C(18).

    Raises:
        CellUnclear: it is none.
    """
    found = _TYPE.fullmatch(compact(text))
    name, length = found.groups() if found else (text, None)
    return _choose(name, _TYPES, ITEM_TYPES), None if length is None else int(length)


def item_length(text: str) -> int:
    """Return an item's length; nothing, "-" and 不限 are 0.

    Raises:
        CellUnclear: it is not a whole number.
    """
    plain = compact(text)
    if plain in ("", "-", "无", "不限"):
        return 0
    if not re.fullmatch(r"[0-9]{1,7}", plain):
        raise CellUnclear("应为整数", "must be a whole number", "NUMBER_INVALID")
    return int(plain)


def flag(text: str) -> bool:
    """Return yes or no.

    Raises:
        CellUnclear: it is neither.
    """
    plain = compact(text)
    if plain in _YES or plain in _NO:
        return plain in _YES
    raise CellUnclear("应为“是”或“否”", "must be 是 (yes) or 否 (no)")


def day(text: str) -> str:
    """Return a date as YYYY-MM-DD; "" for nothing.

    Raises:
        CellUnclear: it is none.
    """
    plain = half_width(text)
    if not plain:
        return ""
    found = _DATE.fullmatch(plain) or _COMPACT_DATE.fullmatch(plain)
    try:
        if found:
            return date(*(int(part) for part in found.groups())).isoformat()
        if _SERIAL_DATE.fullmatch(plain):  # a spreadsheet's number of a day
            return (_SERIAL_ZERO + timedelta(days=int(plain))).isoformat()
    except ValueError:
        pass
    raise CellUnclear("不是日期，应为 YYYY-MM-DD", "is no date: YYYY-MM-DD", "DATE_INVALID")


def listed(text: str) -> list[str]:
    """Return the parts of a list that is separated by signs or line breaks."""
    return unique(part.strip() for part in _SEPARATORS.split(half_width(text)))


def unique(parts: Iterable[str]) -> list[str]:
    """Return the parts that are not empty, each once."""
    return [part for part in dict.fromkeys(parts) if part]
