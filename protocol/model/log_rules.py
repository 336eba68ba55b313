"""Rules of the logs' acts (docs/protocol.md, 3.4)."""

from dataclasses import replace

from protocol.checkpoint import ORIGIN_PATTERN
from protocol.description import Role
from protocol.model.logs import Log
from protocol.model.registry_rules import Rule
from protocol.model.step import Step, refuse

DISPOSED_KINDS = (1, 3)
FIRST_PERIOD = 200_000
LAST_PERIOD = 999_912
MAX_RECORD = 2**63 - 1


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


def parameters_disposed(step: Step) -> tuple[bytes, int]:
    """A log's keys of parameters were disposed of; the log itself is as it was."""
    act = step.act
    log = step.store.find_log(act.target)
    if log is None:
        raise refuse("TARGET_UNKNOWN", "there is no such log")
    step.require_revision(log.revision)
    step.require_role(step.actor, Role.GATEWAY)
    if step.key_ids[0] != log.gateway_key:
        raise refuse("GATEWAY_MISMATCH", "the log is another gateway's")
    step.require_range("disposed_kind", *DISPOSED_KINDS)
    period = act.number("period")
    step.require_value(
        "period",
        "must be a month of the years 2000 to 9999",
        ok=FIRST_PERIOD < period <= LAST_PERIOD and 1 <= period % 100 <= 12,
    )
    step.require_range("record", 1, MAX_RECORD)
    step.require_nonzero("record_leaf")
    # The block stays that of the registration: evidence compares it with the deciding block.
    step.store.put_log(replace(log, revision=log.revision + 1))
    return log.id, log.revision + 1


LOG_RULES: dict[str, Rule] = {
    "LogRegistered": log_registered,
    "ParametersDisposed": parameters_disposed,
}
