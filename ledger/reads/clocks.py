"""Clocks of an entry on the day of the newest block: what is due, what is late, what is fresh."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crypto.errors import ProtocolError
from ledger.db import models as table
from ledger.db.store import SqlStore
from protocol.calendar import date_of, day_at
from protocol.model import (
    Entry,
    is_fresh,
    is_review_late,
    is_update_late,
    review_due,
    update_due,
)


def clocks_of(session: Session, entry: Entry) -> dict[str, Any]:
    """Return an entry's clocks; the day is that of the newest block, so that all agree.

    Due days are ISO dates, null while nothing is due; all of them are null where the calendar of a
    year is missing, which `calendar_unknown` names.
    """
    store = SqlStore(session)
    today = day_at(session.scalar(select(table.Head.time)) or 0)
    newest = store.find_refresh(entry.id)
    found: dict[str, Any] = {
        "day": date_of(today).isoformat(),
        "review_due": None,
        "review_late": False,
        "update_due": None,
        "update_late": False,
        "refreshed_until": None if newest is None else _date(newest.until_day),
        "fresh": is_fresh(store, entry.id, today),
        "calendar_unknown": None,
    }
    try:
        found |= {
            "review_due": _date(review_due(store, entry)),
            "review_late": is_review_late(store, entry, today),
            "update_due": _date(update_due(store, entry)),
            "update_late": is_update_late(store, entry, today),
        }
    except ProtocolError as error:
        if error.code != "CALENDAR_UNKNOWN":
            raise
        found["calendar_unknown"] = error.details["year"]
    return found


def _date(day: int | None) -> str | None:
    return None if day is None else date_of(day).isoformat()
