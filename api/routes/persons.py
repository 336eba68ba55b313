"""Persons: roles in a department."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import PageOut, PersonOut
from api.strict import StrictRoute
from ledger.reads import departments

router = APIRouter(prefix="/v1/persons", tags=["registry"], route_class=StrictRoute)


@router.get("", summary="人员列表 / Persons")
def list_persons(
    services: ServicesDep, limit: Limit = 50, cursor: Cursor = None, department: IdFilter = None
) -> PageOut[PersonOut]:
    """Return persons, of one department where it is given."""
    page = services.read(
        departments.list_persons, cursor=cursor, limit=limit, department=as_bytes(department)
    )
    return PageOut[PersonOut].model_validate(page, from_attributes=True)


@router.get("/{person_id}", summary="人员 / A person")
def get_person(person_id: Hex32, services: ServicesDep) -> PersonOut:
    """Return a person."""
    return PersonOut.model_validate(services.read(departments.get_person, bytes.fromhex(person_id)))
