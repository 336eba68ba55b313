"""Share requests and grants."""

import time

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import PageOut, RequestOut, RequestState
from api.strict import StrictRoute
from ledger.reads import requests

router = APIRouter(prefix="/v1/requests", tags=["sharing"], route_class=StrictRoute)


@router.get("", summary="共享申请列表 / Share requests")
def list_requests(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    requester: IdFilter = None,
    provider: IdFilter = None,
    department: IdFilter = None,
    interface: IdFilter = None,
    state: RequestState | None = None,
) -> PageOut[RequestOut]:
    """Return requests in the order of their filing; `department` is requester or provider.

    What is due, late, live or expired is derived from the state of now.
    """
    page = services.read(
        requests.list_requests,
        cursor=cursor,
        limit=limit,
        requester=as_bytes(requester),
        provider=as_bytes(provider),
        department=as_bytes(department),
        interface=as_bytes(interface),
        state=state,
        at_s=int(time.time()),
        supplement_stops_clock=services.deployment.supplement_stops_clock,
    )
    return PageOut[RequestOut].model_validate(page, from_attributes=True)


@router.get("/{request_id}", summary="共享申请 / A request with its grant")
def get_request(request_id: Hex32, services: ServicesDep) -> RequestOut:
    """Return a request with its grant."""
    found = services.read(
        requests.get_request,
        bytes.fromhex(request_id),
        at_s=int(time.time()),
        supplement_stops_clock=services.deployment.supplement_stops_clock,
    )
    return RequestOut.model_validate(found)
