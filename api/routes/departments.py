"""Departments."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.reading import Cursor, Limit, Text
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import DepartmentOut, PageOut
from api.strict import StrictRoute
from ledger.reads import departments

router = APIRouter(prefix="/v1/departments", tags=["registry"], route_class=StrictRoute)


@router.get("", summary="部门列表 / Departments")
def list_departments(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    level: Annotated[int | None, Query(ge=1, le=6, description="层级")] = None,
    region: Annotated[
        int | None, Query(ge=0, le=0xFFFFFFFF, description="region code / 区划代码")
    ] = None,
    parent: Annotated[
        Hex32 | None, Query(description="directly below this department / 上级部门")
    ] = None,
    has_ended: Annotated[bool | None, Query(description="has ended / 是否已撤销")] = None,
    text: Text = None,
) -> PageOut[DepartmentOut]:
    """Return departments in the order of their registration."""
    page = services.read(
        departments.list_departments,
        cursor=cursor,
        limit=limit,
        level=level,
        region=region,
        parent=None if parent is None else bytes.fromhex(parent),
        has_ended=has_ended,
        text=text,
    )
    return PageOut[DepartmentOut].model_validate(page, from_attributes=True)


@router.get("/{department_id}", summary="部门 / A department")
def get_department(department_id: Hex32, services: ServicesDep) -> DepartmentOut:
    """Return a department."""
    found = services.read(departments.get_department, bytes.fromhex(department_id))
    return DepartmentOut.model_validate(found)
