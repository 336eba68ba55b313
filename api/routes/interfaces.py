"""Interfaces."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import InterfaceDetail, InterfaceOut, InterfaceState, PageOut
from api.strict import StrictRoute
from ledger.reads import interfaces

router = APIRouter(prefix="/v1/interfaces", tags=["interfaces"], route_class=StrictRoute)


@router.get("", summary="接口列表 / Interfaces")
def list_interfaces(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    department: IdFilter = None,
    entry: IdFilter = None,
    state: InterfaceState | None = None,
) -> PageOut[InterfaceOut]:
    """Return interfaces in the order of their registration."""
    page = services.read(
        interfaces.list_interfaces,
        cursor=cursor,
        limit=limit,
        department=as_bytes(department),
        entry=as_bytes(entry),
        state=state,
    )
    return PageOut[InterfaceOut].model_validate(page, from_attributes=True)


@router.get("/{interface_id}", summary="接口 / An interface with all its versions")
def get_interface(interface_id: Hex32, services: ServicesDep) -> InterfaceDetail:
    """Return an interface with all versions and their documents."""
    found = services.read(interfaces.get_interface, bytes.fromhex(interface_id))
    return InterfaceDetail.model_validate(found)
