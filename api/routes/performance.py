"""The departments' performance, computed from the chain."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.reading import IdFilter
from api.routes.calendar import Date
from api.services import ServicesDep
from api.strict import StrictRoute
from crypto.canonical import canonical_json
from crypto.errors import RequestRefused
from protocol.calendar import day_of

router = APIRouter(prefix="/v1", tags=["performance"], route_class=StrictRoute)


@router.get(
    "/performance",
    summary="部门绩效 / Performance of departments",
    description="由链上记录计算，任何人可复算；指标见 docs/performance.md。 / Computed from the "
    "chain; `sanlian performance` gives the same bytes without trusting this platform.",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
def get_performance(
    services: ServicesDep,
    first: Annotated[Date, Query(alias="from", description="first day / 起始日")],
    until: Annotated[Date, Query(description="last day, up to the newest block's / 截止日")],
    department: IdFilter = None,
) -> Response:
    """Return the report of a period; PERIOD_OPEN while the chain has not reached its last day."""
    period = day_of(date.fromisoformat(first)), day_of(date.fromisoformat(until))
    report = services.reports.get(period)
    if department is not None:
        found = [one for one in report["departments"] if one["id"] == department]
        if not found:
            raise RequestRefused("NOT_FOUND", "no department has this id in that period")
        report = {**report, "departments": found}
    return Response(canonical_json(report), media_type="application/json")
