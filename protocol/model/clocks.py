"""Statutory clocks of the directory, derived from the state and the published calendar.

The twin of the views of contracts/directory: whoever follows the chain gets the same days.
"""

from protocol.calendar import due_day
from protocol.deadlines import ENTRY_REVIEW, ENTRY_UPDATE, ENTRY_UPDATE_EXTENSION
from protocol.model.decision import is_entry_live
from protocol.model.entries import Entry, EntryVersion
from protocol.model.published_years import PublishedYears
from protocol.model.store import Store

#: Longest number of days between two refreshes, by update cycle 1 real time to 7 year.
CYCLE_DAYS = (1, 1, 7, 11, 31, 92, 366)


def review_due(store: Store, entry: Entry) -> int | None:
    """Return the last day for the authority's review; None while no version is pending.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 17.
    """
    if entry.pending is None:
        return None
    return version_review_due(store, entry.pending)


def version_review_due(store: Store, version: EntryVersion) -> int:
    """Return the last day for the authority's review of a version.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 17.
    """
    return due_day(PublishedYears(store), version.submitted_day, ENTRY_REVIEW.working_days)


def is_review_late(store: Store, entry: Entry, day: int) -> bool:
    """Return whether the authority's review is late on a day.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    due = review_due(store, entry)
    return due is not None and day > due


def change_due(store: Store, change_day: int, extended_day: int) -> int:
    """Return the last day to submit the update that a change demands.

    Args:
        store: the state.
        change_day: day of the change.
        extended_day: day of the authority's consent to a longer time, 0 if none; consent that
            comes when the time has run out does not undo the lateness.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 16.
    """
    years = PublishedYears(store)
    due = due_day(years, change_day, ENTRY_UPDATE.working_days)
    if 0 < extended_day <= due:
        due = due_day(years, due, ENTRY_UPDATE_EXTENSION.working_days)
    return due


def update_due(store: Store, entry: Entry) -> int | None:
    """Return the last day to submit the update that waits; None while no change waits for one.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    if entry.change_day == 0:
        return None
    return change_due(store, entry.change_day, entry.extended_day)


def is_update_late(store: Store, entry: Entry, day: int) -> bool:
    """Return whether the update that a change demands is late on a day.

    A version that was submitted since and waits for its review counts with its day.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    due = update_due(store, entry)
    if due is None:
        return False
    pending = entry.pending
    if pending is not None and pending.submitted_day >= entry.change_day:
        day = pending.submitted_day
    return day > due


def is_fresh(store: Store, entry_id: bytes, day: int) -> bool:
    """Return whether an entry's data is as fresh on a day as its update cycle promises.

    False for an entry that is not live or whose data was never refreshed.
    """
    entry = store.find_entry(entry_id)
    refresh = store.find_refresh(entry_id)
    if entry is None or entry.current is None or not is_entry_live(store, entry_id):
        return False
    cycle = CYCLE_DAYS[entry.current.update_cycle - 1]
    return refresh is not None and refresh.until_day + cycle >= day
