"""Entry documents: every field of the guide, checked; what the act says must agree."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError, RequestRefused
from crypto.sm3 import sm3
from protocol.documents import (
    basis_of,
    complete_entry,
    find_entry_problems,
    find_word_conflicts,
    make_entry_document,
    parse_entry_document,
    verify_entry_words,
)
from protocol.documents.entry_problems import _MEMBERS
from protocol.documents.terms import ENTRY_TERMS, ITEM_TERMS


def item(index: int, **others: Any) -> dict[str, Any]:
    return {
        "index": index,
        "name": f"信息项{index}",
        "code": f"I{index}",
        "type": "C",
        "length": 18,
        "sensitive": index == 1,
        **others,
    }


def entry(**others: Any) -> dict[str, Any]:
    return complete_entry(
        {
            "name": "人口基本信息",
            "name_en": "Basic population data",
            "code": "1010010001/000001",
            "category": {"division": "人口", "group": "基本信息", "subgroup": "户籍"},
            "provider": "示范市公安局",
            "provider_uscc": "9144030071526726XG",
            "summary": "户籍人口\n基本信息",
            "format": {"kind": "database", "type": "MySQL"},
            "items": [item(0, element="PERSON.NAME"), item(1), item(255, name_en="place")],
            "conditions": "仅用于核验",
            "published": "2024-02-29",
            "related": ["1020010001/1"],
            "classification": "自然人数据",
            "grading": "三级",
            "source_department": "示范市公安局",
            "systems": ["人口系统"],
            "tables": ["T_PERSON"],
            "duty": "户籍管理",
            "assessments": {"secrecy": {"number": "密评〔2026〕1号", "date": "2026-01-05"}},
            **others,
        }
    )


def test_entry() -> None:
    document = parse_entry_document(canonical_json(entry()))
    assert (document.name, document.code) == ("人口基本信息", "1010010001/000001")
    assert document.category_class == 1
    assert document.mask == 1 | 2 | 1 << 255
    assert document.sensitive_mask == 2
    assert document.items[0].element == "PERSON.NAME"
    assert make_entry_document(**entry()) == canonical_json(entry())


def test_every_member_has_a_name_in_both_languages() -> None:
    assert set(ENTRY_TERMS) >= _MEMBERS - {"type"}
    assert set(ITEM_TERMS) == set(entry()["items"][0])


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "another type": ("CHOICE_UNKNOWN", {"type": "sanlian/entry/v2"}),
    "odd member": ("MEMBERS_DIFFER", {"extra": 1}),
    "no name": ("TEXT_EMPTY", {"name": ""}),
    "blank name": ("TEXT_EMPTY", {"name": "　"}),
    "name of 51": ("TEXT_TOO_LONG", {"name": "名" * 51}),
    "name with a line break": ("TEXT_UNFIT", {"name": "a\nb"}),
    "name with a direction mark": ("TEXT_UNFIT", {"name": "a\u202eb"}),
    "name with a zero-width mark": ("TEXT_UNFIT", {"name": "a\u200bb"}),
    "name with a trailing blank": ("TEXT_UNFIT", {"name": "a "}),
    "summary is a number": ("TEXT_EXPECTED", {"summary": 1}),
    "summary of 257": ("TEXT_TOO_LONG", {"summary": "x" * 257}),
    "code without sequence": ("ENTRY_CODE_INVALID", {"code": "1010010001"}),
    "code of another class": ("ENTRY_CODE_INVALID", {"code": "4010010001/1"}),
    "code with letters": ("ENTRY_CODE_INVALID", {"code": "101001A/1"}),
    "code in full width": ("ENTRY_CODE_INVALID", {"code": "１０１００１/1"}),
    "code is a number": ("ENTRY_CODE_INVALID", {"code": 101001}),
    "class is not the code's": ("CATEGORY_DIFFERS", {"category": {"class": 2}}),
    "class is true": ("CHOICE_UNKNOWN", {"category": {"class": True}}),
    "subgroup without digits": (
        "CATEGORY_DIFFERS",
        {"code": "101001/1", "category": {"subgroup": "户籍"}},
    ),
    "credit code": ("CREDIT_CODE_INVALID", {"provider_uscc": "9144030071526726XX"}),
    "override is text": ("CHOICE_UNKNOWN", {"uscc_override": "yes"}),
    "format": ("CHOICE_UNKNOWN", {"format": {"kind": "paper", "type": ""}}),
    "format is text": ("MEMBERS_DIFFER", {"format": "JSON"}),
    "medium": ("CHOICE_UNKNOWN", {"medium": "pigeon"}),
    "medium is a list": ("CHOICE_UNKNOWN", {"medium": []}),
    "day that is none": ("DATE_INVALID", {"published": "2023-02-29"}),
    "day in another form": ("DATE_INVALID", {"published": "2023-2-9"}),
    "day in other digits": ("DATE_INVALID", {"published": "٢٠٢٣-٠٢-٠٩"}),
    "related is text": ("LIST_INVALID", {"related": "1020010001/1"}),
    "related to itself": ("RELATED_INVALID", {"related": ["1010010001/000001"]}),
    "related twice": ("RELATED_INVALID", {"related": ["1020010001/1"] * 2}),
    "related is a number": ("RELATED_INVALID", {"related": [1]}),
    "too many related": ("LIST_INVALID", {"related": [f"1020010001/{n}" for n in range(101)]}),
    "a system without name": ("TEXT_EMPTY", {"systems": [""]}),
    "tables as text": ("LIST_INVALID", {"tables": "T"}),
    "assessment's date": ("DATE_INVALID", {"assessments": {"privacy": {"date": "today"}}}),
    "no item": ("LIST_INVALID", {"items": []}),
    "257 items": ("LIST_INVALID", {"items": [item(0, code=f"x{n}") for n in range(257)]}),
    "item order": ("ITEM_ORDER", {"items": [item(1), item(0)]}),
    "item index twice": ("ITEM_ORDER", {"items": [item(0), item(0, code="other")]}),
    "item code twice": ("ITEM_REPEATED", {"items": [item(0), item(1, code="I0")]}),
    "element twice": ("ITEM_REPEATED", {"items": [item(0, element="A"), item(1, element="A")]}),
    "element's form": ("ELEMENT_INVALID", {"items": [item(0, element="姓名")]}),
    "element of 33": ("ELEMENT_INVALID", {"items": [item(0, element="a" * 33)]}),
    "index 256": ("NUMBER_INVALID", {"items": [item(256)]}),
    "index true": ("NUMBER_INVALID", {"items": [{**item(0), "index": True}]}),
    "type X": ("CHOICE_UNKNOWN", {"items": [item(0, type="X")]}),
    "type CN": ("CHOICE_UNKNOWN", {"items": [item(0, type="CN")]}),
    "length": ("NUMBER_INVALID", {"items": [item(0, length=-1)]}),
    "length as text": ("NUMBER_INVALID", {"items": [item(0, length="18")]}),
    "sensitive 0": ("CHOICE_UNKNOWN", {"items": [item(0, sensitive=0)]}),
    "item without name": ("TEXT_EMPTY", {"items": [item(0, name="")]}),
    "item with odd member": ("MEMBERS_DIFFER", {"items": [item(0, extra=1)]}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    code, others = FAULTS[name]
    value = entry(**others)
    problems = list(find_entry_problems(value))
    assert code in [one.code for one in problems]
    assert all(one.chinese and one.english for one in problems)
    with pytest.raises(ProtocolError) as refused:
        parse_entry_document(canonical_json(value))
    assert refused.value.code == "DOCUMENT_MALFORMED"
    assert refused.value.details["problem"] == problems[0].code


def test_all_faults_are_found_at_once() -> None:
    items = [item(0, type="X"), item(1, length=-1)]
    value = entry(name="", summary="x" * 257, published="x", items=items)
    assert [one.pointer for one in find_entry_problems(value)] == [
        "/name", "/summary", "/published", "/items/0/type", "/items/1/length",
    ]  # fmt: skip


def test_credit_code_with_override() -> None:
    value = entry(provider_uscc="9144030071526726XX", uscc_override=True)
    assert list(find_entry_problems(value)) == []


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ),
    st.sampled_from([*sorted(_MEMBERS), "items/0/name", "items/0/type", "items/0/element",
                     "category/class", "assessments/secrecy", "assessments/privacy/date"]),
)  # fmt: skip
def test_no_value_of_any_field_breaks_the_parser(odd: Any, where: str) -> None:
    value = json.loads(json.dumps(entry()))
    at: Any = value
    *way, last = where.split("/")
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at[part]
    at[last] = odd
    try:
        data = canonical_json(value)
    except Exception:  # noqa: BLE001 - text that JSON cannot hold
        return
    code = ""
    try:
        parse_entry_document(data)
    except ProtocolError as error:
        code = error.code
    assert code in ("", "DOCUMENT_MALFORMED")


# --- the act's words ----------------------------------------------------------------------------


def words(**others: Any) -> dict[str, Any]:
    return {
        "sharing_class": 2,
        "openness": 0,
        "mode": 1,
        "items": 1 | 2 | 1 << 255,
        "sensitive": 2,
        "basis": sm3("仅用于核验".encode()),
        **others,
    }


def test_words_agree() -> None:
    document = parse_entry_document(canonical_json(entry()))
    verify_entry_words(document, words())
    verify_entry_words(document, words(sharing_class=1, basis=bytes(32)))  # how to use it
    closed = parse_entry_document(canonical_json(entry(conditions="", citation="某法第一条")))
    basis = basis_of(closed.members, 3)
    assert basis == sm3("某法第一条".encode())
    verify_entry_words(closed, words(sharing_class=3, basis=basis))


@pytest.mark.parametrize(
    ("field", "members", "others"),
    [
        ("items", {}, {"items": 1}),
        ("sensitive", {}, {"sensitive": 0}),
        ("basis", {}, {"basis": bytes(32)}),
        ("basis", {}, {"basis": sm3(b"other")}),
        ("conditions", {"citation": "某法"}, {"sharing_class": 3, "basis": sm3("某法".encode())}),
        ("conditions", {"conditions": ""}, {"basis": sm3(b"")}),
        ("citation", {"conditions": ""}, {"sharing_class": 3, "basis": sm3(b"")}),
        ("citation", {"citation": "某法"}, {}),
        ("open_conditions", {}, {"openness": 1}),
        ("open_conditions", {"open_conditions": "登记"}, {"openness": 2}),
        ("medium", {}, {"mode": 4}),
        ("medium", {"medium": "mail"}, {"mode": 3}),
    ],
)
def test_words_that_disagree(field: str, members: dict[str, Any], others: dict[str, Any]) -> None:
    document = parse_entry_document(canonical_json(entry(**members)))
    assert field in [name for name, _ in find_word_conflicts(document, words(**others))]
    with pytest.raises(RequestRefused, match="DOCUMENT_DIFFERS"):
        verify_entry_words(document, words(**others))
