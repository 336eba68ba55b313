"""The report: figures of each department for a period, as counts; shares are left to the reader.

Meaning of every figure: docs/performance.md. Whoever has the chain gets the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crypto.errors import ProtocolError
from protocol.calendar import date_of
from protocol.documents import parse_entry_document
from protocol.model import (
    CorrectionState,
    EntryVersion,
    Request,
    is_entry_live,
    is_fresh,
    is_grant_live,
)
from protocol.performance.duties import KINDS, Duty, duties_of
from protocol.performance.history import History

FORMAT = "sanlian/performance/v1"
MAX_PERIOD_DAYS = 1_100
_DAY_S = 86_400
_OFFSET_S = 8 * 3600
_OF_GRANT = 1
#: What an entry's document may leave empty, whatever its class: the guide's and Art 13's fields.
OPTIONAL_FIELDS = (
    "summary",
    "provider_uscc",
    "classification",
    "grading",
    "source_department",
    "systems",
    "tables",
    "assessments/secrecy/number",
    "assessments/secrecy/date",
    "assessments/privacy/number",
    "assessments/privacy/date",
)


@dataclass(slots=True)
class _Timeliness:
    """Duties of one kind: see docs/performance.md."""

    in_time: int = 0
    late: int = 0
    overdue: int = 0
    undecided: int = 0
    missing_years: set[int] = field(default_factory=set)

    def count(self, duty: Duty, from_day: int, until_day: int) -> None:
        """Count a duty if it was decided in the period whether it is in time."""
        try:
            due = duty.due()
        except ProtocolError as error:
            if error.code != "CALENDAR_UNKNOWN":
                raise
            if not duty.done or duty.done >= from_day:
                self.undecided += 1
                self.missing_years.add(int(str(error.details["year"])))
            return
        if due is None:
            return
        if duty.done and duty.done <= due:
            if not duty.is_void:
                self.in_time += from_day <= duty.done <= until_day
            return
        self.late += from_day <= max(due + 1, duty.known) <= until_day
        self.overdue += not duty.done and due < until_day

    def to_value(self) -> dict[str, Any]:
        return {
            "in_time": self.in_time,
            "late": self.late,
            "overdue": self.overdue,
            "undecided": self.undecided,
            "years_not_published": sorted(self.missing_years),
        }


def require_period(from_day: int, until_day: int) -> None:
    """Refuse a period that is none, before anything is read for it.

    Raises:
        ProtocolError: PERIOD_INVALID.
    """
    if not 0 < from_day <= until_day or until_day - from_day >= MAX_PERIOD_DAYS:
        raise ProtocolError(
            "PERIOD_INVALID", f"a period has 1 to {MAX_PERIOD_DAYS} days, the first one first"
        )


def make_report(
    history: History,
    *,
    from_day: int,
    until_day: int,
    block: tuple[int, bytes],
    is_final: bool,
    chain_id: int,
    supplement_stops_clock: bool,
) -> dict[str, Any]:
    """Return the report of a period, ready for RFC 8785.

    Args:
        history: the chain up to the last block of `until_day`, and nothing behind it.
        from_day: first day of the period, as protocol.calendar counts days.
        until_day: last day of the period.
        block: number and hash of that last block.
        is_final: whether the chain has passed the last day, so that nothing will be added.
        chain_id: id of the chain.
        supplement_stops_clock: what the deployment fixed.

    Raises:
        ProtocolError: PERIOD_INVALID.
    """
    require_period(from_day, until_day)
    duties: dict[bytes, dict[str, _Timeliness]] = {
        id_: {kind: _Timeliness() for kind in KINDS} for id_ in history.store.departments
    }
    for duty in duties_of(history, supplement_stops_clock=supplement_stops_clock):
        duties[duty.department][duty.kind].count(duty, from_day, until_day)
    quality = _Quality(history, from_day, until_day)
    departments = [
        {
            "id": one.id.hex(),
            "name": one.name,
            "ended_day": date_of(one.ended_day).isoformat() if one.ended_day else None,
            **{kind: found.to_value() for kind, found in duties[one.id].items()},
            "entries": quality.of(one.id),
            "use": _use(history, one.id, from_day, until_day),
        }
        for one in sorted(history.store.departments.values(), key=lambda one: one.id)
    ]
    number, hash_ = block
    return {
        "format": FORMAT,
        "chain_id": chain_id,
        "block": {"number": number, "hash": hash_.hex()},
        "from": date_of(from_day).isoformat(),
        "until": date_of(until_day).isoformat(),
        "final": is_final,
        "supplement_stops_clock": supplement_stops_clock,
        "departments": departments,
    }


class _Quality:
    """Freshness, completeness and accuracy of the entries in the catalogue on the last day."""

    def __init__(self, history: History, from_day: int, until_day: int) -> None:
        self._history = history
        self._day = until_day
        #: By department: id and current version.
        self._entries: dict[bytes, list[tuple[bytes, EntryVersion]]] = {}
        for entry in history.store.entries.values():
            if entry.current is not None and is_entry_live(history.store, entry.id):
                self._entries.setdefault(entry.department, []).append((entry.id, entry.current))
        self._wrong = {
            self._entry_of(one.subject, one.subject_kind)
            for one in history.store.corrections.values()
            if one.state is CorrectionState.CORRECTED and from_day <= one.closed_day <= until_day
        }

    def _entry_of(self, subject: bytes, kind: int) -> bytes:
        if kind != _OF_GRANT:
            return subject
        store = self._history.store
        return store.interfaces[store.requests[subject].interface].entry

    def of(self, department: bytes) -> dict[str, int]:
        """Return the counts of a department's entries."""
        entries = self._entries.get(department, [])
        return {
            "published": len(entries),
            "fresh": sum(is_fresh(self._history.store, id_, self._day) for id_, _ in entries),
            "accurate": sum(id_ not in self._wrong for id_, _ in entries),
            "fields": len(entries) * len(OPTIONAL_FIELDS),
            "fields_filled": sum(self._filled(version) for _, version in entries),
        }

    def _filled(self, version: EntryVersion) -> int:
        """Return how many optional fields the document of a version fills."""
        data = self._history.documents.find(version.document)
        if data is None:
            return 0
        try:
            members = parse_entry_document(data).members
        except ProtocolError:
            return 0
        return sum(bool(_member(members, path)) for path in OPTIONAL_FIELDS)


def _member(members: Mapping[str, Any], path: str) -> Any:
    value: Any = members
    for name in path.split("/"):
        value = value[name]
    return value.strip() if isinstance(value, str) else value


def _use(history: History, department: bytes, from_day: int, until_day: int) -> dict[str, int]:
    """Return how a department shares and uses: counts of requests, grants and reported uses."""
    store = history.store
    end_s = (until_day + 1) * _DAY_S - _OFFSET_S - 1

    def filed(request: Request) -> bool:
        return from_day <= request.clock.filed_day <= until_day

    given = [one for one in store.requests.values() if one.provider == department]
    taken = [one for one in store.requests.values() if one.requester == department]
    reported = [one for one in history.uses if from_day <= one.until_day <= until_day]
    return {
        "requests_received": sum(map(filed, given)),
        "grants_given": sum(is_grant_live(store, one.id, end_s) for one in given),
        "uses_of_own_data": sum(
            one.uses for one in reported if store.requests[one.grant].provider == department
        ),
        "requests_filed": sum(map(filed, taken)),
        "grants_held": sum(is_grant_live(store, one.id, end_s) for one in taken),
        "uses_reported": sum(
            one.uses for one in reported if store.requests[one.grant].requester == department
        ),
    }
