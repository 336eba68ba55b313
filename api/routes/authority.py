"""The authority."""

from fastapi import APIRouter

from api.services import ServicesDep
from api.state_schemas import AuthorityOut
from api.strict import StrictRoute
from ledger.reads import departments

router = APIRouter(prefix="/v1/authority", tags=["registry"], route_class=StrictRoute)


@router.get("", summary="主管部门 / The authority")
def get_authority(services: ServicesDep) -> AuthorityOut:
    """Return threshold, persons and delay of the authority, and named successors."""
    return AuthorityOut.model_validate(services.read(departments.get_authority))
