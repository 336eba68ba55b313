"""What a department had to do by a day, and when it did it (Order 809 Art 16, 17, 21, 22 and 26).

The due days are those of protocol.model; nothing here knows a number of working days.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from protocol.model import (
    Correction,
    Entry,
    EntryVersion,
    MemoryStore,
    PublishedYears,
    Request,
    RequestState,
)
from protocol.model.clocks import change_due, version_review_due
from protocol.model.sharing_clocks import answer_due, correction_due, provide_due
from protocol.performance.history import History

KINDS = ("answers", "provisions", "updates", "reviews", "corrections")


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that was due.

    Attributes:
        kind: one of KINDS.
        department: id of the department whose duty it is.
        begun: day on which the clock started.
        done: day on which it was done, 0 while it is not.
        due: returns the due day, None while nothing is due; raises CALENDAR_UNKNOWN.
        is_void: whether nothing was to be done any more from the day `done` on.
    """

    kind: str
    department: bytes
    begun: int
    done: int
    due: Callable[[], int | None]
    is_void: bool = False


def duties_of(history: History, *, supplement_stops_clock: bool) -> Iterator[Duty]:
    """Yield all duties that the chain knows, of all departments.

    Args:
        history: the chain up to a day.
        supplement_stops_clock: what the deployment fixed (Art 21 leaves it open).
    """
    store = history.store
    for request in store.requests.values():
        yield _answer(store, request, supplement_stops_clock=supplement_stops_clock)
        yield _provision(store, request)
    for correction in store.corrections.values():
        yield _correction(store, correction)
    authority = store.find_authority()
    for entry, version in history.versions():
        if authority is not None:
            yield _review(store, authority.department, version)
        if version.change_day and version.published_day:
            yield _update(store, store.entries[entry], version)
    for found in store.entries.values():
        if found.change_day:
            yield _waiting_update(store, found)


def _answer(store: MemoryStore, request: Request, *, supplement_stops_clock: bool) -> Duty:
    years = PublishedYears(store)
    return Duty(
        "answers",
        request.provider,
        request.clock.filed_day,
        request.clock.answered_day,
        lambda: answer_due(years, request, supplement_stops_clock=supplement_stops_clock),
        is_void=request.state is RequestState.WITHDRAWN,
    )


def _provision(store: MemoryStore, request: Request) -> Duty:
    years = PublishedYears(store)
    return Duty(
        "provisions",
        request.provider,
        request.clock.answered_day,
        request.clock.provision_day,
        lambda: provide_due(years, request),
    )


def _correction(store: MemoryStore, correction: Correction) -> Duty:
    years = PublishedYears(store)
    return Duty(
        "corrections",
        correction.provider,
        correction.filed_day,
        correction.closed_day,
        lambda: correction_due(years, correction),
    )


def _review(store: MemoryStore, authority: bytes, version: EntryVersion) -> Duty:
    return Duty(
        "reviews",
        authority,
        version.submitted_day,
        version.published_day or version.returned_day,
        lambda: version_review_due(store, version),
    )


def _update(store: MemoryStore, entry: Entry, version: EntryVersion) -> Duty:
    return Duty(
        "updates",
        entry.department,
        version.change_day,
        version.submitted_day,
        lambda: change_due(store, version.change_day, version.extended_day),
    )


def _waiting_update(store: MemoryStore, entry: Entry) -> Duty:
    """A change that no published version answers: one that waits for its review counts."""
    pending = entry.pending
    answered = pending is not None and pending.submitted_day >= entry.change_day
    return Duty(
        "updates",
        entry.department,
        entry.change_day,
        pending.submitted_day if pending is not None and answered else 0,
        lambda: change_due(store, entry.change_day, entry.extended_day),
    )
