"""Catalogue entries: lists, search, counts, versions and their differences."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.entry_schemas import DifferencesOut, FacetsOut
from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import EntryDetail, EntryOut, EntryState, PageOut
from api.strict import StrictRoute
from ledger.reads import entries, search
from ledger.reads.search import MAX_TEXT, EntryFilter

router = APIRouter(prefix="/v1", tags=["directory"], route_class=StrictRoute)

VersionNumber = Annotated[int, Query(ge=1, le=2**31 - 1)]


def _filter(
    *,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_TEXT,
            description="words in names, codes, items or summaries, all of them / 检索词",
        ),
    ] = None,
    department: IdFilter = None,
    state: EntryState | None = None,
    category: Annotated[
        int | None, Query(ge=1, le=3, description="1 base 2 theme 3 department / 分类")
    ] = None,
    sharing_class: Annotated[int | None, Query(ge=1, le=3)] = None,
    library: Annotated[int | None, Query(ge=1, le=5)] = None,
    update_cycle: Annotated[int | None, Query(ge=1, le=7)] = None,
) -> EntryFilter:
    return EntryFilter(
        text=q,
        department=as_bytes(department),
        state=state,
        category=category,
        sharing_class=sharing_class,
        library=library,
        update_cycle=update_cycle,
    )


Filter = Annotated[EntryFilter, Depends(_filter)]


@router.get("/entries", summary="目录条目列表与检索 / Catalogue entries and search")
def list_entries(
    *,
    services: ServicesDep,
    wanted: Filter,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[EntryOut]:
    """Return entries in the order of their first submission; with `q` those whose names match
    stand first.
    """
    page = services.read(entries.list_entries, cursor=cursor, limit=limit, wanted=wanted)
    return PageOut[EntryOut].model_validate(page, from_attributes=True)


@router.get(
    "/entry-facets", summary="目录条目分面统计 / Numbers of entries by what one may filter by"
)
def count_entries(services: ServicesDep, wanted: Filter) -> FacetsOut:
    """Return how many entries match, and how many by class, library, cycle and provider."""
    return FacetsOut.model_validate(services.read(search.count_entries, wanted))


@router.get("/entries/{entry_id}", summary="目录条目 / An entry with all its versions")
def get_entry(entry_id: Hex32, services: ServicesDep) -> EntryDetail:
    """Return an entry with all versions and their documents."""
    return EntryDetail.model_validate(services.read(entries.get_entry, bytes.fromhex(entry_id)))


@router.get(
    "/entries/{entry_id}/differences", summary="版本差异 / What changed between two versions"
)
def get_differences(
    entry_id: Hex32,
    services: ServicesDep,
    old: Annotated[VersionNumber, Query(alias="from", description="older version / 旧版本")],
    new: Annotated[VersionNumber, Query(alias="to", description="newer version / 新版本")],
) -> DifferencesOut:
    """Return added, removed and changed fields and items, as sentences in both languages."""
    return DifferencesOut.model_validate(
        services.read(entries.get_differences, bytes.fromhex(entry_id), old=old, new=new)
    )
