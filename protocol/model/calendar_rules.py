"""Rules of the calendar's acts (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.calendar import FIRST_YEAR, LAST_YEAR, calendar_problem, day_at, place_of
from protocol.description import Role
from protocol.model.calendar import CalendarYear
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse


def _require_working_days(step: Step, year: int) -> None:
    problem = calendar_problem(year, step.act.number("working_days"))
    step.require_value("working_days", problem, ok=not problem)


def calendar_published(step: Step) -> tuple[bytes, int]:
    """The working days of a year that has none yet."""
    act = step.act
    step.require_new()
    step.require_role(step.actor, Role.AUTHORITY)
    # The notice for a year comes in the year before it.
    this_year, _ = place_of(day_at(step.block_time))
    step.require_range("year", FIRST_YEAR, min(LAST_YEAR, this_year + 1))
    year = act.number("year")
    _require_working_days(step, year)
    step.require_nonzero("source")
    if step.store.find_calendar_year(year) is not None:
        raise refuse("YEAR_TAKEN", f"the working days of {year} are published already", year=year)
    step.store.put_calendar_year(
        CalendarYear(
            id=step.act_id,
            year=year,
            working_days=act.number("working_days"),
            source=act.octets("source"),
            reason=ZERO_ID,
            revision=1,
            block_number=step.block_number,
        )
    )
    return step.act_id, 1


def calendar_corrected(step: Step) -> tuple[bytes, int]:
    """Other working days for a published year."""
    act = step.act
    found = step.store.find_calendar_publication(act.target)
    if found is None:
        raise refuse("TARGET_UNKNOWN", "no year was published by this act")
    step.require_revision(found.revision)
    for person in step.persons:
        step.require_role(person, Role.AUTHORITY)
    step.require_value("year", "is not that of the target", ok=act.number("year") == found.year)
    _require_working_days(step, found.year)
    step.require_nonzero("source")
    step.require_nonzero("reason")
    corrected = replace(
        found,
        working_days=act.number("working_days"),
        source=act.octets("source"),
        reason=act.octets("reason"),
        revision=found.revision + 1,
        block_number=step.block_number,
    )
    step.store.put_calendar_year(corrected)
    return corrected.id, corrected.revision


CALENDAR_RULES: dict[str, Rule] = {
    "CalendarPublished": calendar_published,
    "CalendarCorrected": calendar_corrected,
}
