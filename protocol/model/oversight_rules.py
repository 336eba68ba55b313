"""Rules of the oversight reports (docs/protocol.md, 3.4)."""

from protocol.calendar import day_at
from protocol.description import Role
from protocol.model.oversight import OversightReport
from protocol.model.registry_rules import Rule
from protocol.model.step import Step

_OTHER = 2


def oversight_reported(step: Step) -> tuple[bytes, int]:
    """A chief data officer states what was found in a period that is over."""
    act = step.act
    step.require_new()
    step.require_role(step.actor, Role.CDO)
    from_day, until_day = act.number("from_day"), act.number("until_day")
    today = day_at(step.block_time)
    step.require_value("from_day", "is zero, or behind until_day", ok=0 < from_day <= until_day)
    step.require_value("until_day", "is not over", ok=until_day < today)
    step.require_range("report_kind", 1, _OTHER)
    step.require_nonzero("report_digest")
    step.store.put_oversight_report(
        OversightReport(
            id=step.act_id,
            department=step.actor.department,
            person=step.actor.id,
            from_day=from_day,
            until_day=until_day,
            report_kind=act.number("report_kind"),
            report_digest=act.octets("report_digest"),
            findings=act.octets("findings"),
            day=today,
            revision=1,
            block_number=step.block_number,
        )
    )
    return step.act_id, 1


OVERSIGHT_RULES: dict[str, Rule] = {"OversightReported": oversight_reported}
