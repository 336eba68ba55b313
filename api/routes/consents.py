"""Consents for third parties."""

import time

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import ConsentOut, ConsentState, PageOut
from api.strict import StrictRoute
from ledger.reads import consents

router = APIRouter(prefix="/v1/consents", tags=["sharing"], route_class=StrictRoute)


@router.get("", summary="第三方提供同意列表 / Consents for third parties")
def list_consents(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    grant: IdFilter = None,
    provider: IdFilter = None,
    state: ConsentState | None = None,
) -> PageOut[ConsentOut]:
    """Return consents in the order of their giving."""
    page = services.read(
        consents.list_consents,
        cursor=cursor,
        limit=limit,
        grant=as_bytes(grant),
        provider=as_bytes(provider),
        state=state,
        at_s=int(time.time()),
    )
    return PageOut[ConsentOut].model_validate(page, from_attributes=True)


@router.get("/{consent_id}", summary="第三方提供同意 / A consent for a third party")
def get_consent(consent_id: Hex32, services: ServicesDep) -> ConsentOut:
    """Return a consent."""
    found = services.read(consents.get_consent, bytes.fromhex(consent_id), at_s=int(time.time()))
    return ConsentOut.model_validate(found)
