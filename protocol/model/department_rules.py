"""Rules of the departments' acts (docs/protocol.md, 2 and 3.4)."""

from dataclasses import replace

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.credit_code import is_credit_code
from protocol.description import Role
from protocol.model.keys import Rule, read_new_end, require_authority
from protocol.model.registry import Department, is_department_live
from protocol.model.registry_rules import put_new_person
from protocol.model.step import Step, refuse, state_invalid

_GOVERNMENT = 2


def department_registered(step: Step) -> tuple[bytes, int]:
    """A department with its head."""
    step.require_new()
    require_authority(step)
    step.require_range("level", 1, 6)
    step.require_range("kind", 1, 5)
    _require_words(step)
    until = read_new_end(step)
    step.store.put_department(
        _with_words(
            step,
            Department(
                id=step.act_id,
                level=step.act.number("level"),
                kind=0,
                region=0,
                parent=ZERO_ID,
                uscc="",
                uscc_override=0,
                name="",
                ended_day=0,
                successor=ZERO_ID,
                revision=0,
                block_number=0,
            ),
        )
    )
    put_new_person(step, step.act_id, Role.HEAD, until)
    return step.act_id, 1


def department_changed(step: Step) -> tuple[bytes, int]:
    """Other words hold of a department; what decides who stands above whom stays."""
    department = _open_department(step)
    step.require_range("level", department.level, department.level)
    step.require_range("kind", 1, 5)
    is_government = step.act.number("kind") == _GOVERNMENT
    step.require_value(
        "kind",
        "must leave a government one, and nothing else become one",
        ok=is_government == (department.kind == _GOVERNMENT),
    )
    _require_words(step)
    step.require_nonzero("reason")
    changed = _with_words(step, department)
    step.store.put_department(changed)
    return changed.id, changed.revision


def department_ended(step: Step) -> tuple[bytes, int]:
    """A department has ended, as in a reform of the organs (机构改革)."""
    department = _open_department(step)
    successor = step.act.octets("successor")
    step.require_value(
        "successor",
        "must be zero or another department that has not ended",
        ok=successor == ZERO_ID
        or (successor != department.id and is_department_live(step.store, successor)),
    )
    step.require_nonzero("reason")
    revision = department.revision + 1
    step.store.put_department(
        replace(
            department,
            ended_day=day_at(step.block_time),
            successor=successor,
            revision=revision,
            block_number=step.block_number,
        )
    )
    return department.id, revision


def _open_department(step: Step) -> Department:
    """Return the target: one that has not ended, other than the authority's."""
    department = step.store.find_department(step.act.target)
    if department is None:
        raise refuse("TARGET_UNKNOWN", "this department does not exist")
    step.require_revision(department.revision)
    require_authority(step)
    if department.ended_day:
        raise state_invalid("the department has ended")
    if department.id == step.authority.department:
        raise state_invalid("the authority's department stays as genesis made it")
    return department


def _require_words(step: Step) -> None:
    """Refuse words that do not hold of a department, but for level and kind."""
    act = step.act
    parent = act.octets("parent")
    step.require_value(
        "parent",
        "must be zero, a department of a higher level, or the government of its own level",
        ok=not any(parent) or _is_above(step, parent),
    )
    step.require_range("uscc_override", 0, 1)
    uscc = act.text("uscc")
    step.require_value(
        "uscc",
        "is not a unified social credit code",
        ok=not uscc or is_credit_code(uscc, overridden=act.number("uscc_override") == 1),
    )
    step.require_nonzero("name")


def _is_above(step: Step, parent_id: bytes) -> bool:
    """Return whether a live department may stand above the one that the act describes."""
    parent = step.store.find_department(parent_id)
    if parent is None or parent.ended_day:
        return False
    level, kind = step.act.number("level"), step.act.number("kind")
    return parent.level < level or (
        parent.level == level and parent.kind == _GOVERNMENT and kind != _GOVERNMENT
    )


def _with_words(step: Step, department: Department) -> Department:
    """Return the department as the act describes it, its revision one higher."""
    act = step.act
    return replace(
        department,
        kind=act.number("kind"),
        region=act.number("region"),
        parent=act.octets("parent"),
        uscc=act.text("uscc"),
        uscc_override=act.number("uscc_override"),
        name=act.text("name"),
        revision=department.revision + 1,
        block_number=step.block_number,
    )


DEPARTMENT_RULES: dict[str, Rule] = {
    "DepartmentRegistered": department_registered,
    "DepartmentChanged": department_changed,
    "DepartmentEnded": department_ended,
}
