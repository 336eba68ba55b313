"""Rules of the logs' acts (docs/protocol.md, 3.4)."""

from protocol.checkpoint import ORIGIN_PATTERN
from protocol.description import Role
from protocol.model.logs import Log
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse


def log_registered(step: Step) -> tuple[bytes, int]:
    """A gateway's log."""
    act = step.act
    step.require_new()
    step.require_role(step.persons[0], Role.AUTHORITY)
    step.require_role(step.persons[1], Role.GATEWAY)
    gateway_key = act.octets("gateway_key")
    step.require_value(
        "gateway_key", "is not the second signer's", ok=gateway_key == step.key_ids[1]
    )
    origin = act.text("origin")
    step.require_value(
        "origin",
        "must be 1 to 30 of a-z 0-9 . / -",
        ok=ORIGIN_PATTERN.fullmatch(origin) is not None,
    )
    if step.store.find_log_by_origin(origin) is not None:
        raise refuse("ORIGIN_TAKEN", "another log has this origin")
    step.store.put_log(Log(step.act_id, gateway_key, origin, 1, step.block_number))
    return step.act_id, 1


LOG_RULES: dict[str, Rule] = {"LogRegistered": log_registered}
