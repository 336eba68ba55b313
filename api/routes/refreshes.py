"""Statements that the data behind entries was refreshed."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import PageOut, RefreshOut
from api.strict import StrictRoute
from ledger.reads import refreshes

router = APIRouter(prefix="/v1/refreshes", tags=["directory"], route_class=StrictRoute)


@router.get("", summary="数据更新申报列表 / Refreshes of data")
def list_refreshes(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    entry: IdFilter = None,
    department: IdFilter = None,
) -> PageOut[RefreshOut]:
    """Return refreshes in the order in which they were recorded."""
    page = services.read(
        refreshes.list_refreshes,
        cursor=cursor,
        limit=limit,
        entry=as_bytes(entry),
        department=as_bytes(department),
    )
    return PageOut[RefreshOut].model_validate(page, from_attributes=True)


@router.get("/{refresh_id}", summary="数据更新申报 / A refresh")
def get_refresh(refresh_id: Hex32, services: ServicesDep) -> RefreshOut:
    """Return a refresh."""
    found = services.read(refreshes.get_refresh, bytes.fromhex(refresh_id))
    return RefreshOut.model_validate(found)
