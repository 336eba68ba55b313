"""Oversight reports of chief data officers."""

from fastapi import APIRouter

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import OversightReportOut, PageOut
from api.strict import StrictRoute
from ledger.reads import oversight

router = APIRouter(prefix="/v1/oversight-reports", tags=["performance"], route_class=StrictRoute)


@router.get("", summary="首席数据官监督报告列表 / Oversight reports")
def list_oversight_reports(
    *,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    department: IdFilter = None,
) -> PageOut[OversightReportOut]:
    """Return oversight reports in the order in which they were recorded."""
    page = services.read(
        oversight.list_oversight_reports,
        cursor=cursor,
        limit=limit,
        department=as_bytes(department),
    )
    return PageOut[OversightReportOut].model_validate(page, from_attributes=True)


@router.get("/{report_id}", summary="首席数据官监督报告 / An oversight report")
def get_oversight_report(report_id: Hex32, services: ServicesDep) -> OversightReportOut:
    """Return an oversight report."""
    found = services.read(oversight.get_oversight_report, bytes.fromhex(report_id))
    return OversightReportOut.model_validate(found)
