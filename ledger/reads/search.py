"""Search over catalogue entries: words in Chinese or English, filters, and counts by them.

An entry is searched by its current version, or by its pending one while it has no other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import decode_cursor, encode_cursor, require_limit
from ledger.search import grams_of, normalise
from protocol.documents.terms import CATEGORY_CLASSES, WORD_CHOICES

MAX_TEXT = 64
MAX_WORDS = 8
MAX_GRAMS = 64
MAX_PROVIDERS = 100
_COUNTED = ("sharing_class", "library", "update_cycle")
#: Entries that have all words in their names stand first; positions are smaller than this.
_RANK = 1 << 58


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are asked for; None asks for all.

    Attributes:
        text: words that all occur in names, codes, items or summaries.
        department: id of the provider.
        state: state of the entry.
        category: 1 base, 2 theme, 3 department.
        sharing_class: 1 unconditional, 2 conditional, 3 not shared.
        library: 1 base to 5 model.
        update_cycle: 1 real time to 7 year.
    """

    text: str | None = None
    department: bytes | None = None
    state: str | None = None
    category: int | None = None
    sharing_class: int | None = None
    library: int | None = None
    update_cycle: int | None = None

    def words(self) -> list[str]:
        """Return the words to look for.

        Raises:
            RequestRefused: QUERY_WORDS_INVALID when there are none, or too many.
        """
        if self.text is None:
            return []
        found = list(dict.fromkeys(normalise(self.text).split(" ")))
        if found == [""] or len(found) > MAX_WORDS or len(self.text) > MAX_TEXT:
            raise RequestRefused(
                "QUERY_WORDS_INVALID",
                f"a search has 1 to {MAX_WORDS} words and at most {MAX_TEXT} characters",
            )
        return found


def _has(column: InstrumentedAttribute[str], words: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(column.contains(word, autoescape=True) for word in words))


def _conditions(wanted: EntryFilter, words: Sequence[str]) -> list[ColumnElement[bool]]:
    entry, version, text = table.Entry, table.EntryVersion, table.DocumentText
    pairs: list[tuple[InstrumentedAttribute[Any], object]] = [
        (entry.department, wanted.department),
        (entry.state, wanted.state),
        (text.category, wanted.category),
        (version.sharing_class, wanted.sharing_class),
        (version.library, wanted.library),
        (version.update_cycle, wanted.update_cycle),
    ]
    found: list[ColumnElement[bool]] = [c == value for c, value in pairs if value is not None]
    if words:
        grams = list(dict.fromkeys(g for word in words for g in grams_of(word)))[:MAX_GRAMS]
        having = (
            select(table.DocumentGram.digest)
            .where(table.DocumentGram.gram.in_(grams))
            .group_by(table.DocumentGram.digest)
            .having(func.count() == len(grams))
        )
        found += [version.document.in_(having), _has(text.text, words)]
    return found


def _joined(*columns: Any) -> Any:
    """Select from entries with the version that counts and what is indexed of its document."""
    entry, version, text = table.Entry, table.EntryVersion, table.DocumentText
    return (
        select(*columns)
        .select_from(entry)
        .join(
            version,
            and_(
                version.entry == entry.id,
                version.number == func.coalesce(entry.current, entry.pending),
            ),
        )
        .outerjoin(text, text.digest == version.document)
    )


def find_entries(
    connection: Connection, wanted: EntryFilter, *, cursor: str | None, limit: int
) -> tuple[list[bytes], str | None]:
    """Return ids of entries: those with the words in their names first, else as submitted.

    Args:
        connection: connection with a read transaction.
        wanted: which ones.
        cursor: where to continue.
        limit: most ids, 1 to 200.

    Returns:
        The ids, and the cursor of the next page.

    Raises:
        RequestRefused: QUERY_WORDS_INVALID, CURSOR_INVALID, LIMIT_INVALID.
    """
    limit = require_limit(limit)
    entry = table.Entry
    words = wanted.words()
    place: Any = entry.position
    if words:
        rank = case((_has(table.DocumentText.name, words), literal(0)), else_=literal(_RANK))
        place = entry.position + rank
    query = _joined(entry.id, place.label("place")).where(*_conditions(wanted, words))
    if cursor is not None:
        number, after = decode_cursor(cursor)
        query = query.where((place > number) | and_(place == number, entry.id > after))
    rows = connection.execute(query.order_by("place", entry.id).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    next_cursor = encode_cursor(rows[-1].place, rows[-1].id) if more else None
    return [row.id for row in rows], next_cursor


def count_entries(connection: Connection, wanted: EntryFilter) -> dict[str, Any]:
    """Return how many entries there are, and how many by each value that one may filter by.

    Providers: those with most entries, at most 100.

    Raises:
        RequestRefused: QUERY_WORDS_INVALID.
    """
    version, department = table.EntryVersion, table.Department
    columns = (
        table.DocumentText.category,
        version.sharing_class,
        version.library,
        version.update_cycle,
        table.Entry.department,
        department.name,
    )
    rows = connection.execute(
        _joined(*columns, func.count())
        .join(department, department.id == table.Entry.department)
        .where(*_conditions(wanted, wanted.words()))
        .group_by(*columns)
    ).all()
    choices = {"category": CATEGORY_CLASSES, **{name: WORD_CHOICES[name] for name in _COUNTED}}
    counts: dict[str, Counter[int]] = {name: Counter() for name in choices}
    providers: Counter[tuple[bytes, str]] = Counter()
    for *values, provider, name, count in rows:
        for facet, value in zip(choices, values, strict=True):
            counts[facet][value] += count
        providers[provider, name] += count
    return {
        "total": sum(providers.values()),
        **{
            facet: [
                {
                    "value": value,
                    "label_zh": terms[value][0],
                    "label_en": terms[value][1],
                    "count": counts[facet][value],
                }
                for value in terms
                if counts[facet][value]
            ]
            for facet, terms in choices.items()
        },
        "provider": [
            {"value": one.hex(), "label_zh": name, "label_en": name, "count": count}
            for (one, name), count in sorted(
                providers.items(), key=lambda found: (-found[1], found[0][0])
            )[:MAX_PROVIDERS]
        ],
    }
