"""Working days of the published years, and due days."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, StringConstraints

from api.reading import Cursor, Limit
from api.services import ServicesDep
from api.state_schemas import CalendarYearOut, DueDayOut, PageOut
from api.strict import StrictRoute
from ledger.reads import calendar
from protocol.calendar import FIRST_YEAR, LAST_YEAR, MAX_COUNT

router = APIRouter(prefix="/v1", tags=["calendar"], route_class=StrictRoute)


def _require_date(text: str) -> str:
    date.fromisoformat(text)
    return text


_YEAR = "(19[7-9]|2[0-9]{2})[0-9]"
_LEAP_YEAR = "(19([79][26]|8[048])|2[0-9](0[48]|[2468][048]|[13579][26])|2[048]00)"
_DAY = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    "|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
#: A date in words, never a number of seconds, from 1970-01-01 to 2999-12-31.
Date = Annotated[
    str,
    StringConstraints(pattern=f"^({_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)$"),
    AfterValidator(_require_date),
]


@router.get("/calendar", summary="工作日历列表 / Published years of working days")
def list_calendar(
    services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[CalendarYearOut]:
    """Return the published years in the order of their publication."""
    page = services.read(calendar.list_calendar, cursor=cursor, limit=limit)
    return PageOut[CalendarYearOut].model_validate(page, from_attributes=True)


@router.get("/due-day", summary="到期日 / Due day of a deadline")
def get_due_day(
    services: ServicesDep,
    start: Annotated[Date, Query(description="day of receipt, not counted / 收到之日")],
    working_days: Annotated[int, Query(ge=0, le=MAX_COUNT, description="工作日数")],
) -> DueDayOut:
    """Return the due day; CALENDAR_UNKNOWN where it needs a year that is not published."""
    found = services.read(
        calendar.get_due_day, start=date.fromisoformat(start), working_days=working_days
    )
    return DueDayOut.model_validate(found)


@router.get("/calendar/{year}", summary="某年工作日历 / Working days of a year")
def get_calendar_year(
    year: Annotated[int, Path(ge=FIRST_YEAR, le=LAST_YEAR)], services: ServicesDep
) -> CalendarYearOut:
    """Return a published year; its corrections are the acts with its id as target."""
    return CalendarYearOut.model_validate(services.read(calendar.get_calendar_year, year))
