"""Differences between two versions: complete, and readable in both languages."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.canonical import canonical_json
from protocol.documents import EntrySide, complete_entry, find_differences, parse_entry_document

WORDS = {"sharing_class": 1, "library": 1, "update_cycle": 5, "openness": 0, "mode": 1}


def item(index: int, **others: Any) -> dict[str, Any]:
    return {"index": index, "name": f"项{index}", "code": f"I{index}", "type": "C", **others}


def side(words: dict[str, int] | None = None, **members: Any) -> EntrySide:
    value = complete_entry(
        {
            "name": "企业",
            "code": "1020010001/1",
            "provider": "市监局",
            "duty": "登记",
            "items": [item(0), item(1)],
            **members,
        }
    )
    return EntrySide({**WORDS, **(words or {})}, parse_entry_document(canonical_json(value)))


def test_nothing_changed() -> None:
    assert find_differences(side(), side()) == []


def test_changes_are_said_in_words() -> None:
    old = side(related=["1030010001/1"], assessments={"secrecy": {"number": "1号"}})
    new = side(
        {"sharing_class": 2, "update_cycle": 2},
        name="企业登记",
        conditions="仅用于核验",
        related=["1030010001/2"],
        format={"kind": "database", "type": "MySQL"},
        assessments={"secrecy": {"number": "2号"}},
        items=[item(0, type="N", sensitive=True), item(7)],
    )
    found = find_differences(old, new)
    assert [(one.kind, one.field) for one in found] == [
        ("changed", "sharing_class"),
        ("changed", "update_cycle"),
        ("changed", "/name"),
        ("changed", "/format/kind"),
        ("changed", "/format/type"),
        ("changed", "/conditions"),
        ("removed", "/related"),
        ("added", "/related"),
        ("changed", "/assessments/secrecy/number"),
        ("changed", "/items/0/type"),
        ("changed", "/items/0/sensitive"),
        ("removed", "/items/1"),
        ("added", "/items/7"),
    ]
    chinese = [one.chinese for one in found]
    assert chinese[:4] == [
        "变更 共享类型：无条件共享 → 有条件共享",
        "变更 更新周期：每月 → 每日",
        "变更 名称：“企业” → “企业登记”",
        "变更 格式 格式分类：自描述格式 → 数据库",
    ]
    assert chinese[9:] == [
        "变更 信息项 0 “项0” (I0) 数据类型：字符型 → 数值型",
        "变更 信息项 0 “项0” (I0) 是否敏感：否 → 是",
        "删除 信息项 1 “项1” (I1)",
        "新增 信息项 7 “项7” (I7)",
    ]
    english = [one.english for one in found]
    assert english[0] == "changed sharing class: unconditional → conditional"
    assert english[5] == "changed conditions of sharing: (nothing) → “仅用于核验”"
    assert english[7] == "added related codes: “1030010001/2”"
    assert english[10] == "changed item 0 “项0” (I0), sensitive: no → yes"


def test_without_a_document_the_words_alone_are_compared() -> None:
    unknown = EntrySide({**WORDS, "mode": 2}, None)
    assert [one.field for one in find_differences(side(), unknown)] == ["mode"]


texts = st.text(st.sampled_from("甲乙ab"), max_size=3)
items = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("CN"), texts), max_size=4, unique_by=lambda x: x[0]
).map(lambda found: [item(n, type=t, name_en=e) for n, t, e in sorted(found)] or [item(0)])
entries = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["甲", "乙"]),
        "summary": texts,
        "systems": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True),
        "category": st.fixed_dictionaries({"group": texts}),
        "items": items,
    },
)


@settings(max_examples=200)
@given(entries, entries)
def test_differences_lead_from_one_version_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    old, new = side(**before), side(**after)
    assert old.document is not None
    assert new.document is not None
    value = json.loads(json.dumps(dict(old.document.members)))
    rows = {one["index"]: one for one in value["items"]}
    for one in find_differences(old, new):
        parts = one.field.split("/")[1:]
        if parts[0] == "items":
            index = int(parts[1])
            if len(parts) == 3:
                rows[index][parts[2]] = one.after
            elif one.kind == "removed":
                del rows[index]
            else:
                rows[index] = one.after
        elif isinstance(one.before, list):
            value[parts[0]] = one.after
        elif one.kind != "changed":
            listed = value[parts[0]]
            listed.remove(one.before) if one.kind == "removed" else listed.append(one.after)
        elif len(parts) == 1:
            value[parts[0]] = one.after
        else:
            value[parts[0]][parts[1]] = one.after
    value["items"] = [rows[index] for index in sorted(rows)]
    expected = dict(new.document.members)
    for name in ("systems",):
        assert sorted(value.pop(name)) == sorted(expected[name])
        expected.pop(name)
    assert value == expected
