"""What a department had to do by a day, and when it did it (Order 809 Art 16, 17, 21, 22 and 26).

The due days are those of protocol.model; nothing here knows a number of working days.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from protocol.model import (
    Correction,
    MemoryStore,
    PublishedYears,
    Request,
    RequestState,
)
from protocol.model.clocks import change_due, version_review_due
from protocol.model.sharing_clocks import answer_due, correction_due, provide_due
from protocol.performance.history import History, Review, Update

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
        known: day since which the chain tells of it; no lateness counts before.
    """

    kind: str
    department: bytes
    begun: int
    done: int
    due: Callable[[], int | None]
    is_void: bool = False
    known: int = 0


def duties_of(history: History, *, supplement_stops_clock: bool) -> Iterator[Duty]:
    """Yield all duties that the chain knows, of all departments.

    Args:
        history: the chain up to a day.
        supplement_stops_clock: what the deployment fixed (Art 21 leaves it open).
    """
    store = history.store
    for request in store.requests.values():
        for duty in (
            _answer(store, request, supplement_stops_clock=supplement_stops_clock),
            _provision(store, request),
        ):
            yield _while_there(store, duty, request.provider, request.requester)
    for correction in store.corrections.values():
        yield _while_there(store, _correction(store, correction), correction.provider)
    authority = store.find_authority()
    if authority is not None:
        for review in history.reviews():
            yield _while_there(store, _review(store, authority.department, review), review.provider)
    for update in history.updates():
        yield _while_there(store, _update(store, update), update.department)


def _while_there(store: MemoryStore, duty: Duty, *departments: bytes) -> Duty:
    """Return the duty as it stands once one of its departments has ended: void from that day on."""
    days = (store.departments[one].ended_day for one in departments)
    ended = min((day for day in days if day), default=0)
    if not ended or 0 < duty.done <= ended:
        return duty
    if duty.known > ended:  # told of a department that was not there any more
        return replace(duty, due=lambda: None)
    return replace(duty, done=ended, is_void=True)


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


def _review(store: MemoryStore, authority: bytes, review: Review) -> Duty:
    return Duty(
        "reviews",
        authority,
        review.version.submitted_day,
        review.ended_day,
        lambda: version_review_due(store, review.version),
        is_void=review.is_void,
    )


def _update(store: MemoryStore, update: Update) -> Duty:
    return Duty(
        "updates",
        update.department,
        update.change_day,
        update.done_day,
        lambda: change_due(store, update.change_day, update.extended_day),
        is_void=update.is_void,
        known=update.known_day,
    )
