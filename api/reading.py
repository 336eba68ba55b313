"""Query parameters that lists share."""

from typing import Annotated

from fastapi import Query
from pydantic import WithJsonSchema

from api.schemas import Hex32
from ledger.reads.page import CURSOR_PATTERN, MAX_LIMIT

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="most items / 每页数量")]
#: Its form is described, and checked where it is read: another one is CURSOR_INVALID.
_CursorText = Annotated[str, WithJsonSchema({"type": "string", "pattern": CURSOR_PATTERN})]
Cursor = Annotated[
    _CursorText | None,
    Query(max_length=128, description="`next_cursor` of the page before / 翻页游标"),
]
IdFilter = Annotated[Hex32 | None, Query()]
Text = Annotated[
    str | None, Query(min_length=1, max_length=64, description="part of the name / 名称片段")
]


def as_bytes(value: str | None) -> bytes | None:
    """Return a filter's id as bytes."""
    return None if value is None else bytes.fromhex(value)
