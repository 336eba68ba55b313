"""Catalogue entries."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.reading import Cursor, IdFilter, Limit, Text, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import EntryDetail, EntryOut, EntryState, PageOut
from api.strict import StrictRoute
from ledger.reads import entries

router = APIRouter(prefix="/v1/entries", tags=["directory"], route_class=StrictRoute)


@router.get("", summary="目录条目列表 / Catalogue entries")
def list_entries(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    department: IdFilter = None,
    state: EntryState | None = None,
    sharing_class: Annotated[int | None, Query(ge=1, le=3)] = None,
    text: Text = None,
) -> PageOut[EntryOut]:
    """Return entries in the order of their first submission."""
    page = services.read(
        entries.list_entries,
        cursor=cursor,
        limit=limit,
        department=as_bytes(department),
        state=state,
        sharing_class=sharing_class,
        text=text,
    )
    return PageOut[EntryOut].model_validate(page, from_attributes=True)


@router.get("/{entry_id}", summary="目录条目 / An entry with all its versions")
def get_entry(entry_id: Hex32, services: ServicesDep) -> EntryDetail:
    """Return an entry with all versions and their documents."""
    return EntryDetail.model_validate(services.read(entries.get_entry, bytes.fromhex(entry_id)))
