"""Due days of requests and corrections, and who is late: derived, never states somebody must set.

The twin of the views of contracts/sharing (docs/protocol.md, 3.5). A day is one of
protocol.calendar.
"""

from dataclasses import dataclass

from protocol import deadlines
from protocol.calendar import Years, due_day, working_days
from protocol.model.corrections import Correction
from protocol.model.requests import Request, RequestState

#: Answers after which nothing is to be provided.
_NOT_GRANTED = (RequestState.REFUSED, RequestState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Whether a provider is or was late.

    Attributes:
        answer: to agree or refuse.
        provision: to provide what was agreed.
    """

    answer: bool
    provision: bool


def answer_due(years: Years, request: Request, *, supplement_stops_clock: bool) -> int | None:
    """Return the last day on which the answer is in time, None while the clock stands still.

    A notice or an extension that came when the answer was late already changes nothing. The days
    from the notice to the supplement, both included, are not counted.

    Args:
        years: the published years.
        request: the request.
        supplement_stops_clock: what the deployment fixed.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 21.
    """
    clock = request.clock
    count, extension = clock.answer_days, clock.extension_days
    due = due_day(years, clock.filed_day, count)
    if extension and clock.extended_day <= due:
        count, extension = count + extension, 0
        due = due_day(years, clock.filed_day, count)
    asked = clock.asked_day
    if not asked or asked > due or not supplement_stops_clock:
        return due
    if not clock.supplemented_day:
        return None
    left = count - working_days(years, clock.filed_day, asked - 1)
    due = due_day(years, clock.supplemented_day, left)
    if extension and clock.extended_day <= due:
        due = due_day(years, clock.supplemented_day, left + extension)
    return due


def provide_due(years: Years, request: Request) -> int | None:
    """Return the last day on which the data are provided in time, None unless it was agreed.

    Args:
        years: the published years.
        request: the request.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 22.
    """
    if not request.clock.answered_day or request.state in _NOT_GRANTED:
        return None
    return due_day(years, request.clock.answered_day, deadlines.PROVISION.working_days)


def lateness(years: Years, request: Request, day: int, *, supplement_stops_clock: bool) -> Lateness:
    """Return whether the provider is or was late, as seen from a day.

    Args:
        years: the published years.
        request: the request.
        day: the day; what happened after it counts as not done yet.
        supplement_stops_clock: what the deployment fixed.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.
    """
    answer = answer_due(years, request, supplement_stops_clock=supplement_stops_clock)
    return Lateness(
        answer=is_behind(answer, request.clock.answered_day, day),
        provision=is_behind(provide_due(years, request), request.clock.provision_day, day),
    )


def correction_due(years: Years, correction: Correction) -> int:
    """Return the last day on which a correction is closed in time.

    Args:
        years: the published years.
        correction: the correction.

    Raises:
        ProtocolError: CALENDAR_UNKNOWN, with the year.

    Standard: State Council Order 809 Art 26.
    """
    return due_day(years, correction.filed_day, deadlines.CORRECTION.working_days)


def is_behind(due: int | None, done: int, day: int) -> bool:
    """Return whether something due was not done in time, as seen from a day; done 0: not yet."""
    if done:
        day = min(day, done)
    return due is not None and day > due
