"""Oversight reports of chief data officers (domain section 2; Order 809 Art 38 to 41)."""

from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import Role
from tests.contracts.city import City, digest
from tests.contracts.test_rules import attempt, value_refused

ACT = "OversightReported"
OFFICER = "housing data officer"


@pytest.fixture
def officer(city: City) -> City:
    city.enrol(OFFICER, "housing head", Role.CDO)
    return city


def test_art_38_41_oversight_reported(officer: City) -> None:
    words = officer.oversight_values(findings=digest("findings"))
    outcome = officer.record(officer.sign(ACT, (OFFICER,), **words))
    assert outcome.event.values["target"] == outcome.event.values["actId"]
    # One period may be reported on again: the earlier report stays.
    officer.do(ACT, (OFFICER,), **{**words, "report_digest": digest("corrected")})


def test_oversight_reported_values(officer: City) -> None:
    today = day_at(officer.now())
    for field, value in (
        ("from_day", 0),
        ("from_day", today),
        ("until_day", today),
        ("until_day", today + 1),
        ("report_kind", 0),
        ("report_kind", 3),
        ("report_digest", ZERO_ID),
    ):
        changes: dict[str, Any] = {field: value}
        words = officer.oversight_values(**changes)
        found = value_refused(officer, ACT, (OFFICER,), ZERO_ID, words)
        assert found == ("VALUE_INVALID", ACT, field), (field, value)


@pytest.mark.parametrize("name", ["housing head", "housing officer", "authority 1", "gateway"])
def test_only_a_chief_data_officer_reports(officer: City, name: str) -> None:
    assert attempt(officer, ACT, (name,), **officer.oversight_values()) == "ROLE_MISSING"


def test_a_report_changes_nothing_later(officer: City) -> None:
    """It is a noun of its own that no further act names."""
    id_ = officer.do(ACT, (OFFICER,), **officer.oversight_values())
    header = {"revision": 1}
    words = officer.oversight_values()
    assert attempt(officer, ACT, (OFFICER,), id_, header=header, **words) == "TARGET_UNKNOWN"
