"""Share requests and the grants that they became."""

from typing import Any

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError, RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.db.store.requests import request_of
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json
from protocol.calendar import date_text, day_at
from protocol.model import PublishedYears, Request, is_grant_live
from protocol.model.requests import IN_FORCE
from protocol.model.sharing_clocks import answer_due, lateness, provide_due

_CLOCK_DAYS = (
    "filed_day",
    "asked_day",
    "supplemented_day",
    "extended_day",
    "answered_day",
    "provision_day",
)


def list_requests(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    requester: bytes | None = None,
    provider: bytes | None = None,
    department: bytes | None = None,
    interface: bytes | None = None,
    state: str | None = None,
    at_s: int,
    supplement_stops_clock: bool,
) -> Page:
    """Return requests in the order of their filing.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        requester: only requests by this department.
        provider: only requests to this department.
        department: only requests by or to this department.
        interface: only requests for this interface.
        state: only requests in this state.
        at_s: time, in unix seconds, as of which it is said what is late, live or expired.
        supplement_stops_clock: what the deployment fixed.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Request)
    for column, value in (
        (table.Request.requester, requester),
        (table.Request.provider, provider),
        (table.Request.interface, interface),
    ):
        if value is not None:
            query = query.where(column == value)
    if department is not None:
        query = query.where(
            or_(table.Request.requester == department, table.Request.provider == department)
        )
    if state is not None:
        query = query.where(table.Request.state == state)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.Request, cursor, limit)
        store = SqlStore(session)
        items = [_to_json(row, store, at_s, stops=supplement_stops_clock) for row in rows]
        return Page(items, next_cursor)


def get_request(
    connection: Connection, request_id: bytes, *, at_s: int, supplement_stops_clock: bool
) -> dict[str, Any]:
    """Return a request with its grant, see list_requests.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.Request, request_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _to_json(row, SqlStore(session), at_s, stops=supplement_stops_clock)


def _to_json(row: table.Request, store: SqlStore, at_s: int, *, stops: bool) -> dict[str, Any]:
    request = request_of(row)
    told = to_json(row)
    clock: dict[str, Any] = {
        "answer_days": told.pop("answer_days"),
        "extension_days": told.pop("extension_days"),
        **{name: date_text(told.pop(name)) for name in _CLOCK_DAYS},
        **_due(request, PublishedYears(store), day_at(at_s), stops=stops),
    }
    granted = request.granted_term
    told["reported_day"] = date_text(request.reported_day)
    return told | {
        "clock": clock,
        "live": is_grant_live(store, request.id, at_s),
        "expired": request.state in IN_FORCE and granted is not None and granted.valid_until < at_s,
    }


def _due(request: Request, years: PublishedYears, day: int, *, stops: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "as_of_day": date_text(day),
        "answer_due": None,
        "answer_late": None,
        "provide_due": None,
        "provision_late": None,
        "calendar_missing": None,
    }
    try:
        due = answer_due(years, request, supplement_stops_clock=stops)
        provide = provide_due(years, request)
        late = lateness(years, request, day, supplement_stops_clock=stops)
    except ProtocolError as error:
        return told | {"calendar_missing": error.details.get("year")}
    return told | {
        "answer_due": date_text(due or 0),
        "answer_late": late.answer,
        "provide_due": date_text(provide or 0),
        "provision_late": late.provision,
    }
