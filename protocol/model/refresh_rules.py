"""Rules of the statements that data was refreshed (docs/protocol.md, 3.4)."""

from protocol.calendar import day_at
from protocol.description import Role
from protocol.model.decision import is_entry_live
from protocol.model.refreshes import Refresh
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse


def data_refreshed(step: Step) -> tuple[bytes, int]:
    """An entry's data is complete up to a day."""
    act = step.act
    step.require_new()
    step.require_role(step.actor, Role.OPERATOR | Role.PROVIDER)
    entry_id = act.octets("entry")
    entry = step.store.find_entry(entry_id)
    if entry is None or not is_entry_live(step.store, entry_id):
        raise refuse("ENTRY_NOT_LIVE", "the entry is not live")
    step.require_role(step.actor, Role.OPERATOR | Role.PROVIDER, entry.department)
    from_day, until_day = act.number("from_day"), act.number("until_day")
    today = day_at(step.block_time)
    step.require_value("from_day", "is behind until_day", ok=from_day <= until_day)
    newest = step.store.find_refresh(entry_id)
    step.require_value(
        "until_day",
        "is in the future, or before that of an earlier refresh",
        ok=0 < until_day <= today and (newest is None or until_day >= newest.until_day),
    )
    step.store.put_refresh(
        Refresh(
            id=step.act_id,
            entry=entry_id,
            department=entry.department,
            from_day=from_day,
            until_day=until_day,
            rows=act.number("rows"),
            day=today,
            revision=1,
            block_number=step.block_number,
        )
    )
    return step.act_id, 1


REFRESH_RULES: dict[str, Rule] = {"DataRefreshed": data_refreshed}
