"""Everything that is wrong with an entry document, field by field, in Chinese and English."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from protocol.credit_code import is_credit_code
from protocol.documents.pointer import join_pointer
from protocol.documents.terms import CATEGORY_CLASSES, FORMAT_KINDS, ITEM_TYPES, MEDIA

ENTRY_TYPE = "sanlian/entry/v1"
MAX_ITEMS = 256
MAX_LENGTH = 1_000_000
MAX_RELATED = 100
MAX_LISTED = 100

#: class (1 digit), item (2), 目 (3), 细目 (any number), "/", sequence (guide, 代码结构)
_CODE = re.compile(r"[1-3][0-9]{5}[0-9]{0,16}/[0-9]{1,16}")
_DIGITS_WITHOUT_SUBGROUP = 6
_ELEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Controls, and characters that change how the text around them is shown. A line break may stand
#: in long texts alone. The list is fixed here, because Unicode's own classes change with time.
_UNFIT = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb]"
)

#: member -> longest number of characters, whether it must be said, whether lines may break
_TEXTS: Mapping[str, tuple[int, bool, bool]] = {
    "name": (50, True, False),
    "name_en": (200, False, False),
    "provider": (64, True, False),
    "summary": (256, False, True),
    "summary_en": (1000, False, True),
    "conditions": (2000, False, True),
    "citation": (2000, False, True),
    "open_conditions": (2000, False, True),
    "classification": (64, False, False),
    "grading": (64, False, False),
    "source_department": (64, False, False),
    "duty": (2000, True, True),
}
_MEMBERS = frozenset(
    {
        "type", "code", "category", "provider_uscc", "uscc_override", "format", "items", "medium",
        "published", "related", "systems", "tables", "assessments", *_TEXTS,
    }
)  # fmt: skip
_ITEM_MEMBERS = frozenset(
    {"index", "name", "name_en", "code", "type", "length", "sensitive", "element"}
)

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document.

    Attributes:
        path: parts of the JSON Pointer of the field.
        code: stable code.
        chinese: what is wrong, in Chinese.
        english: the same in English.
    """

    path: Path
    code: str
    chinese: str
    english: str

    @property
    def pointer(self) -> str:
        """JSON Pointer of the field."""
        return join_pointer(self.path)


def find_entry_problems(value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield everything that is wrong with an entry document, the outermost first.

    Args:
        value: the document's JSON object.
    """
    wrong = list(_members((), value, _MEMBERS))
    if wrong or value["type"] != ENTRY_TYPE:
        yield from wrong
        if not wrong:
            yield Problem(
                ("type",), "CHOICE_UNKNOWN", f"应为 {ENTRY_TYPE}", f"must be {ENTRY_TYPE}"
            )
        return
    for name, (limit, needed, lines) in _TEXTS.items():
        yield from _text((name,), value[name], limit, needed=needed, lines=lines)
    yield from _code_and_category(value)
    yield from _credit_code(value)
    yield from _format(value["format"])
    yield from _choice(("medium",), value["medium"], MEDIA)
    yield from _date(("published",), value["published"])
    yield from _related(value)
    for name in ("systems", "tables"):
        yield from _list((name,), value[name], MAX_LISTED)
    yield from _assessments(value["assessments"])
    yield from _items(value["items"])


def _members(path: Path, value: object, expected: frozenset[str]) -> Iterator[Problem]:
    if not isinstance(value, Mapping) or set(value) != expected:
        odd = sorted(expected ^ set(value)) if isinstance(value, Mapping) else sorted(expected)
        names = ", ".join(odd)
        yield Problem(
            path, "MEMBERS_DIFFER", f"成员不符：{names}", f"members are missing or odd: {names}"
        )


def _text(
    path: Path, value: object, limit: int, *, needed: bool = False, lines: bool = False
) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(path, "TEXT_EXPECTED", "应为文本", "must be text")
        return
    if needed and not value.strip():
        yield Problem(path, "TEXT_EMPTY", "不能为空", "must not be empty")
    if len(value) > limit:
        yield Problem(
            path,
            "TEXT_TOO_LONG",
            f"最多 {limit} 个字符，现有 {len(value)} 个",
            f"has {len(value)} characters, at most {limit} are allowed",
        )
    if _UNFIT.search(value) or (not lines and "\n" in value):
        yield Problem(
            path,
            "TEXT_UNFIT",
            "含有控制字符或不可见字符",
            "holds control characters or invisible ones",
        )
    if value != value.strip():
        yield Problem(path, "TEXT_UNFIT", "首尾不能有空白", "must not begin or end with blanks")


def _choice(path: Path, value: object, choices: Mapping[Any, tuple[str, str]]) -> Iterator[Problem]:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in choices:
        yield Problem(
            path,
            "CHOICE_UNKNOWN",
            "取值应为：" + "、".join(f"{name}（{zh}）" for name, (zh, _) in choices.items()),
            "must be one of " + ", ".join(f"{name} ({en})" for name, (_, en) in choices.items()),
        )


def _date(path: Path, value: object) -> Iterator[Problem]:
    good = value == ""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            date.fromisoformat(value)
            good = True
        except ValueError:
            good = False
    if not good:
        yield Problem(
            path, "DATE_INVALID", "日期应为 YYYY-MM-DD 或留空", "a date is YYYY-MM-DD, or empty"
        )


def _code_and_category(value: Mapping[str, Any]) -> Iterator[Problem]:
    code, category = value["code"], value["category"]
    good_code = isinstance(code, str) and _CODE.fullmatch(code) is not None
    if not good_code:
        yield Problem(
            ("code",),
            "ENTRY_CODE_INVALID",
            "代码应为：类 1 位、项 2 位、目 3 位、细目若干位、“/”、顺序号，全部为数字",
            "a code is class (1 digit), division (2), group (3), subgroup (any), '/', sequence",
        )
    wrong = list(
        _members(("category",), category, frozenset({"class", "division", "group", "subgroup"}))
    )
    yield from wrong
    if wrong:
        return
    yield from _choice(("category", "class"), category["class"], CATEGORY_CLASSES)
    for name in ("division", "group", "subgroup"):
        yield from _text(("category", name), category[name], 64)
    if not good_code:
        return
    if str(category["class"]) != code[0]:
        yield Problem(
            ("category", "class"),
            "CATEGORY_DIFFERS",
            f"与代码首位 {code[0]} 不一致",
            f"is not the code's first digit {code[0]}",
        )
    if category["subgroup"] and len(code.partition("/")[0]) == _DIGITS_WITHOUT_SUBGROUP:
        yield Problem(
            ("category", "subgroup"),
            "CATEGORY_DIFFERS",
            "代码中没有细目",
            "the code has no digits for a subgroup",
        )


def _credit_code(value: Mapping[str, Any]) -> Iterator[Problem]:
    code, override = value["provider_uscc"], value["uscc_override"]
    if not isinstance(override, bool):
        yield Problem(("uscc_override",), "CHOICE_UNKNOWN", "应为是或否", "must be true or false")
        return
    if not isinstance(code, str):
        yield Problem(("provider_uscc",), "TEXT_EXPECTED", "应为文本", "must be text")
    elif code and not is_credit_code(code, overridden=override):
        yield Problem(
            ("provider_uscc",),
            "CREDIT_CODE_INVALID",
            "不是有效的统一社会信用代码",
            "is not a unified social credit code",
        )


def _format(value: object) -> Iterator[Problem]:
    wrong = list(_members(("format",), value, frozenset({"kind", "type"})))
    yield from wrong
    if not wrong and isinstance(value, Mapping):
        yield from _choice(("format", "kind"), value["kind"], FORMAT_KINDS)
        yield from _text(("format", "type"), value["type"], 64)


def _list(path: Path, value: object, most: int) -> Iterator[Problem]:
    if not isinstance(value, list) or len(value) > most:
        yield Problem(path, "LIST_INVALID", f"最多 {most} 项", f"is a list of at most {most}")
        return
    for place, text in enumerate(value):
        yield from _text((*path, str(place)), text, 100, needed=True)


def _related(value: Mapping[str, Any]) -> Iterator[Problem]:
    related = value["related"]
    if not isinstance(related, list) or len(related) > MAX_RELATED:
        yield Problem(
            ("related",),
            "LIST_INVALID",
            f"最多 {MAX_RELATED} 个代码",
            f"is a list of at most {MAX_RELATED} codes",
        )
        return
    for place, code in enumerate(related):
        if (
            not isinstance(code, str)
            or not _CODE.fullmatch(code)
            or code == value["code"]
            or code in related[:place]
        ):
            yield Problem(
                ("related", str(place)),
                "RELATED_INVALID",
                "应为其他资源的代码，且不重复",
                "is the code of another entry, each once",
            )


def _assessments(value: object) -> Iterator[Problem]:
    wrong = list(_members(("assessments",), value, frozenset({"secrecy", "privacy"})))
    yield from wrong
    if wrong or not isinstance(value, Mapping):
        return
    for name, one in value.items():
        path = ("assessments", str(name))
        wrong = list(_members(path, one, frozenset({"number", "date"})))
        yield from wrong
        if not wrong:
            yield from _text((*path, "number"), one["number"], 64)
            yield from _date((*path, "date"), one["date"])


def _items(value: object) -> Iterator[Problem]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ITEMS:
        yield Problem(
            ("items",),
            "LIST_INVALID",
            f"应有 1 至 {MAX_ITEMS} 个信息项",
            f"an entry has 1 to {MAX_ITEMS} items",
        )
        return
    last = -1
    seen: dict[str, set[str]] = {"code": set(), "element": set()}
    for place, item in enumerate(value):
        path = ("items", str(place))
        wrong = list(_members(path, item, _ITEM_MEMBERS))
        yield from wrong
        if wrong:
            continue
        yield from _item(path, item)
        index = item["index"]
        if isinstance(index, int) and not isinstance(index, bool):
            if index <= last:
                yield Problem(
                    (*path, "index"),
                    "ITEM_ORDER",
                    "序号应递增且不重复",
                    "items stand in order of their index, each once",
                )
            last = index
        for name, known in seen.items():
            text = item[name]
            if isinstance(text, str) and text:
                if text in known:
                    yield Problem((*path, name), "ITEM_REPEATED", "重复", "stands twice")
                known.add(text)


def _item(path: Path, item: Mapping[str, Any]) -> Iterator[Problem]:
    for name, most in (("index", MAX_ITEMS - 1), ("length", MAX_LENGTH)):
        number = item[name]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
            yield Problem(
                (*path, name),
                "NUMBER_INVALID",
                f"应为 0 至 {most} 的整数",
                f"is a whole number from 0 to {most}",
            )
    yield from _text((*path, "name"), item["name"], 50, needed=True)
    yield from _text((*path, "name_en"), item["name_en"], 100)
    yield from _text((*path, "code"), item["code"], 64, needed=True)
    yield from _choice((*path, "type"), item["type"], ITEM_TYPES)
    if not isinstance(item["sensitive"], bool):
        yield Problem((*path, "sensitive"), "CHOICE_UNKNOWN", "应为是或否", "must be true or false")
    element = item["element"]
    if not isinstance(element, str) or (element and not _ELEMENT.fullmatch(element)):
        yield Problem(
            (*path, "element"),
            "ELEMENT_INVALID",
            "应为 1 至 32 个字母、数字或 . _ / -，或留空",
            "is 1 to 32 letters, digits or . _ / -, or empty",
        )
