"""Disputes over sharing."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import DisputeOut, DisputeState, PageOut
from api.strict import StrictRoute
from ledger.reads import disputes

router = APIRouter(prefix="/v1/disputes", tags=["sharing"], route_class=StrictRoute)


@router.get("", summary="争议列表 / Disputes over sharing")
def list_disputes(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    requester: IdFilter = None,
    provider: IdFilter = None,
    department: IdFilter = None,
    request: IdFilter = None,
    state: DisputeState | None = None,
) -> PageOut[DisputeOut]:
    """Return disputes in the order of their opening; `department` is requester or provider."""
    page = services.read(
        disputes.list_disputes,
        cursor=cursor,
        limit=limit,
        requester=as_bytes(requester),
        provider=as_bytes(provider),
        department=as_bytes(department),
        request=as_bytes(request),
        state=state,
    )
    return PageOut[DisputeOut].model_validate(page, from_attributes=True)


@router.get("/{dispute_id}", summary="争议 / A dispute")
def get_dispute(dispute_id: Hex32, services: ServicesDep) -> DisputeOut:
    """Return a dispute."""
    found = services.read(disputes.get_dispute, bytes.fromhex(dispute_id))
    return DisputeOut.model_validate(found)
