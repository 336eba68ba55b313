"""Corrections of data."""

import time

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import CorrectionOut, CorrectionState, PageOut
from api.strict import StrictRoute
from ledger.reads import corrections

router = APIRouter(prefix="/v1/corrections", tags=["sharing"], route_class=StrictRoute)


@router.get("", summary="校核列表 / Corrections of data")
def list_corrections(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    requester: IdFilter = None,
    provider: IdFilter = None,
    department: IdFilter = None,
    subject: IdFilter = None,
    state: CorrectionState | None = None,
) -> PageOut[CorrectionOut]:
    """Return corrections in the order of their filing; `department` is requester or provider."""
    page = services.read(
        corrections.list_corrections,
        cursor=cursor,
        limit=limit,
        requester=as_bytes(requester),
        provider=as_bytes(provider),
        department=as_bytes(department),
        subject=as_bytes(subject),
        state=state,
        at_s=int(time.time()),
    )
    return PageOut[CorrectionOut].model_validate(page, from_attributes=True)


@router.get("/{correction_id}", summary="校核 / A correction")
def get_correction(correction_id: Hex32, services: ServicesDep) -> CorrectionOut:
    """Return a correction."""
    found = services.read(
        corrections.get_correction, bytes.fromhex(correction_id), at_s=int(time.time())
    )
    return CorrectionOut.model_validate(found)
