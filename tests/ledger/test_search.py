"""Search over entries: Chinese and English words, by pairs of characters; pages and counts."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, update

from crypto.errors import RequestRefused
from crypto.sm3 import sm3
from ledger.db import models as table
from ledger.db.engine import make_engine, read_transaction, write_transaction
from ledger.db.migrate import upgrade
from ledger.reads.entries import get_differences, list_entries
from ledger.reads.search import EntryFilter, count_entries, find_entries
from ledger.search import MAX_GRAMS, index_document, normalise, reindex
from protocol.documents import make_entry_document
from tests.postgres import Server

CIVIL, MARKET = sm3(b"civil"), sm3(b"market")
WORDS = {"sharing_class": 1, "library": 1, "update_cycle": 5, "openness": 0, "mode": 1}


def document(name: str, code: str = "1010010001/1", **members: Any) -> bytes:
    items = members.pop("items", [{"name": "姓名", "code": "name", "type": "C"}])
    return make_entry_document(
        name=name, code=code, provider="民政局", duty="职责", items=items, **members
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    url = f"sqlite:///{tmp_path_factory.mktemp('search') / 'a.db'}"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        url = server.url(server.make_database())
    made = make_engine(url)
    upgrade(made)
    with write_transaction(made) as connection:
        for one, name in ((CIVIL, "市民政局"), (MARKET, "市市监局")):
            connection.execute(
                insert(table.Department).values(
                    id=one, level=3, kind=1, region=0, parent=bytes(32), uscc="", uscc_override=0,
                    name=name, ended_day=0, successor=bytes(32), revision=1, block_number=1,
                    position=1,
                )
            )  # fmt: skip
    return made


def clear(connection: Connection) -> None:
    for kind in (
        table.Entry,
        table.EntryVersion,
        table.Document,
        table.DocumentText,
        table.DocumentGram,
    ):
        connection.execute(delete(kind))


def put(
    connection: Connection,
    data: bytes,
    *,
    department: bytes = CIVIL,
    number: int = 1,
    entry: bytes | None = None,
    position: int = 0,
    words: dict[str, int] | None = None,
    known: bool = True,
) -> bytes:
    """Put an entry whose version with this number is current; return its id."""
    digest = sm3(data)
    entry_id = entry or sm3(digest + position.to_bytes(8, "big"))
    if entry is None:
        connection.execute(
            insert(table.Entry).values(
                id=entry_id, department=department, state="PUBLISHED", current=number,
                pending=None, revision=1, block_number=1, position=position, change_day=0,
                extended_day=0,
            )
        )  # fmt: skip
    else:
        connection.execute(
            update(table.Entry).where(table.Entry.id == entry).values(current=number)
        )
    connection.execute(
        insert(table.EntryVersion).values(
            entry=entry_id, number=number, items=1, sensitive=0, document=digest,
            secrecy_assessment=digest, privacy_assessment=digest, basis=bytes(32), act_id=digest,
            block_number=1, grading=1, submitted_day=1, published_day=1, returned_day=0,
            returned_reason=bytes(32), change_day=0, extended_day=0,
            **{**WORDS, **(words or {})},
        )
    )  # fmt: skip
    if known:
        arrive(connection, data)
    return entry_id


def arrive(connection: Connection, data: bytes) -> None:
    digest = sm3(data)
    if connection.scalar(select(table.Document.digest).where(table.Document.digest == digest)):
        return
    connection.execute(
        insert(table.Document).values(
            digest=digest, kind="entry", title="", data=data, block_number=1
        )
    )
    index_document(connection, digest, data)


def search(connection: Connection, text: str | None = None, **others: Any) -> list[bytes]:
    wanted = EntryFilter(text=text, **others)
    found, cursor = find_entries(connection, wanted, cursor=None, limit=200)
    assert cursor is None
    return found


FOUND = [
    "社会", "保险", "社会保险", "参保", "保", "Social", "social", "INSURANCE", "insurance social",
    "ＳＯＣＩＡＬ", "证件号码", "id_number", "1010030001", "1010030001/7", "社会 1010030001",
    "PERSON.ID", "identity number", "100%", "under_score", "　社会　",
]  # fmt: skip
NOT_FOUND = [
    "社保", "险社", "insurances", "1010030001/8", "社会 没有", "' OR 1=1 --", "\\", "100_", '"',
    "*", "社会*", "NEAR(社会 保险)", "underXscore",
]  # fmt: skip


def test_words_are_found_and_signs_are_only_signs(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        one = put(
            connection,
            document(
                "社会保险参保信息",
                "1010030001/7",
                name_en="Social insurance",
                summary="覆盖 100％ 参保人 under_score",
                items=[
                    {
                        "name": "证件号码",
                        "name_en": "identity number",
                        "code": "id_number",
                        "type": "C",
                        "element": "PERSON.ID",
                    }
                ],
            ),
        )
        put(connection, document("企业登记信息", "1020010001/1"), position=1)
        for text in FOUND:
            assert search(connection, text) == [one], text
        # "%" stands in the first summary, as a sign among others.
        assert search(connection, "%") == [one]
        for text in NOT_FOUND:
            assert search(connection, text) == [], text
        assert len(search(connection, "信息")) == 2


@pytest.mark.parametrize("text", ["", " ", "　", "\x00", "x" * 65, "a b c d e f g h i"])
def test_searches_that_are_none(engine: Engine, text: str) -> None:
    with read_transaction(engine) as connection, pytest.raises(RequestRefused) as refused:
        search(connection, text)
    assert refused.value.code == "QUERY_WORDS_INVALID"


def test_names_come_first_and_pages_hold_every_entry_once(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        put(connection, document("甲", summary="住房保障"), position=1)
        for n in range(7):
            name, summary = ("住房", "") if n % 2 else (f"乙{n}", "住房")
            put(connection, document(name, f"1010010001/{n}", summary=summary), position=n + 2)
        seen: list[bytes] = []
        cursor = None
        for _ in range(9):
            found, cursor = find_entries(
                connection, EntryFilter(text="住房"), cursor=cursor, limit=3
            )
            seen += found
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 8
        positions = [
            connection.scalar(select(table.Entry.position).where(table.Entry.id == one))
            for one in seen
        ]
        assert positions == [3, 5, 7, 1, 2, 4, 6, 8]
        with pytest.raises(RequestRefused, match="CURSOR_INVALID"):
            find_entries(connection, EntryFilter(text="住房"), cursor="x", limit=3)


def test_only_the_current_version_counts(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        old, new = document("旧名称"), document("新名称")
        entry = put(connection, old)
        put(connection, new, entry=entry, number=2, words={"sharing_class": 2, "mode": 2})
        assert search(connection, "旧名") == []
        assert search(connection, "新名") == [entry]
        assert search(connection, sharing_class=1) == []
        assert search(connection, sharing_class=2) == [entry]
        found = get_differences(connection, entry, old=1, new=2)
        assert found["complete"] is True
        assert [one["field"] for one in found["differences"]] == ["sharing_class", "mode", "/name"]
        with pytest.raises(RequestRefused, match="NOT_FOUND"):
            get_differences(connection, entry, old=1, new=3)


def test_a_document_may_come_after_the_act_and_a_wrong_one_is_ignored(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        data = document("迟到的文件")
        entry = put(connection, data, known=False)
        arrive(connection, document("别的文件"))
        arrive(connection, b"not a document")
        assert search(connection, "文件") == []
        assert search(connection) == [entry]
        assert get_differences(connection, entry, old=1, new=1)["complete"] is False
        arrive(connection, data)
        assert search(connection, "文件") == [entry]


def test_counts(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        put(connection, document("住房一", "1010010001/1"))
        put(connection, document("住房二", "2010010001/1"), position=1, department=MARKET,
            words={"sharing_class": 3, "library": 3})  # fmt: skip
        put(connection, document("企业", "3010010001/1"), position=2, department=MARKET)
        everything = count_entries(connection, EntryFilter())
        assert everything["total"] == 3
        assert [(one["value"], one["count"]) for one in everything["category"]] == [
            (1, 1), (2, 1), (3, 1),
        ]  # fmt: skip
        assert [(one["label_zh"], one["count"]) for one in everything["provider"]] == [
            ("市市监局", 2), ("市民政局", 1),
        ]  # fmt: skip
        housing = count_entries(connection, EntryFilter(text="住房", department=MARKET))
        assert housing["total"] == 1
        assert [(one["label_zh"], one["count"]) for one in housing["sharing_class"]] == [
            ("不予共享", 1)
        ]
        assert search(connection, category=2) == search(connection, "住房二")
        page = list_entries(connection, wanted=EntryFilter(text="企业"))
        assert [one["department"] for one in page.items] == [MARKET.hex()]


def rows(connection: Connection) -> list[Any]:
    return [
        *connection.execute(select(table.DocumentText).order_by(table.DocumentText.digest)),
        *connection.execute(
            select(table.DocumentGram.gram, table.DocumentGram.digest).order_by(
                table.DocumentGram.gram, table.DocumentGram.digest
            )
        ),
    ]


def test_the_index_follows_from_the_documents(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        for n in range(3):
            put(connection, document(f"条目{n}", f"1010010001/{n}"), position=n)
        before = rows(connection)
        connection.execute(delete(table.DocumentGram))
        assert search(connection, "条目") == []
        assert reindex(connection) == 3
        assert rows(connection) == before


def test_one_document_has_a_bounded_index(engine: Engine) -> None:
    items = [
        {
            "name": "".join(chr(0x4E00 + (n * 61 + k * 7919) % 20000) for k in range(50)),
            "code": f"c{n}",
            "type": "C",
        }
        for n in range(256)
    ]
    with write_transaction(engine) as connection:
        clear(connection)
        data = document("很大", items=items)
        start = time.monotonic()
        put(connection, data)
        assert time.monotonic() - start < 10
        count = len(connection.execute(select(table.DocumentGram.gram)).all())
        assert 5000 < count <= MAX_GRAMS
        assert len(search(connection, "很大")) == 1


names = st.text(st.sampled_from("社会保险住房ab_% A１"), min_size=1, max_size=6).filter(
    lambda text: text == text.strip() and text != ""
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(names, max_size=6), names)
def test_search_is_what_comparing_all_would_find(
    engine: Engine, titles: list[str], text: str
) -> None:
    with write_transaction(engine) as connection:
        clear(connection)
        ids = [
            put(connection, document(title, f"1010010001/{n}"), position=n)
            for n, title in enumerate(titles)
        ]
        wanted = normalise(text).split(" ")
        whole = {  # everything else in these documents
            one: [normalise(title), "姓名", "name", "民政局", f"1010010001/{n}"]
            for n, (one, title) in enumerate(zip(ids, titles, strict=True))
        }
        expected = {
            one for one, lines in whole.items()
            if all(any(word in line for line in lines) for word in wanted)
        }  # fmt: skip
        assert set(search(connection, text)) == expected


def test_migrated_database_has_the_index(tmp_path: Path) -> None:
    made = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    upgrade(made)
    with read_transaction(made) as connection:
        assert rows(connection) == []
