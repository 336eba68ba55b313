"""Claims to data elements, and the source department of each element."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import ClaimOut, ClaimState, PageOut, SourceOut
from api.strict import StrictRoute
from ledger.reads import claims

router = APIRouter(prefix="/v1", tags=["directory"], route_class=StrictRoute)


@router.get("/claims", summary="数源认领列表 / Claims to data elements")
def list_claims(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    element: IdFilter = None,
    entry: IdFilter = None,
    department: IdFilter = None,
    state: ClaimState | None = None,
) -> PageOut[ClaimOut]:
    """Return claims in the order in which they were made."""
    page = services.read(
        claims.list_claims,
        cursor=cursor,
        limit=limit,
        element=as_bytes(element),
        entry=as_bytes(entry),
        department=as_bytes(department),
        state=state,
    )
    return PageOut[ClaimOut].model_validate(page, from_attributes=True)


@router.get("/claims/{claim_id}", summary="数源认领 / A claim")
def get_claim(claim_id: Hex32, services: ServicesDep) -> ClaimOut:
    """Return a claim."""
    return ClaimOut.model_validate(services.read(claims.get_claim, bytes.fromhex(claim_id)))


@router.get("/elements/{element}/source", summary="数源部门 / Source department of a data element")
def get_source(element: Hex32, services: ServicesDep) -> SourceOut:
    """Return the source department of an element; null while it has none."""
    return SourceOut.model_validate(services.read(claims.get_source, bytes.fromhex(element)))
