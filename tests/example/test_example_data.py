"""The example's data: real where they say so, plainly made up where not."""

import re

import pytest

from example_city.catalogue import OFFERS
from example_city.directory import load_entries, unit_of
from example_city.records import load_divisions, make_companies, make_insured
from example_city.units import CATALOGUERS, PERSONS, load_units
from example_city.uscc import check_character
from example_city.working_days import YEARS, load_working_days
from protocol.documents import parse_entry_document, parse_interface_document
from sanlian_client.calendar import read_package


@pytest.mark.parametrize(
    ("first17", "check"),
    [  # GB 32100-2015, codes in public use
        ("9144030071526726X", "G"),
        ("91330100799655058", "B"),
        ("91350100M000100Y4", "3"),
        ("91512081MA62K0260", "E"),
    ],
)
def test_credit_code_check_character(first17: str, check: str) -> None:
    assert check_character(first17) == check


def test_forty_units_of_the_plan() -> None:
    units = load_units()
    assert [unit.number for unit in units] == list(range(1, 41))
    assert len({unit.name for unit in units}) == 40
    assert {unit.region for unit in units} <= {441500, 441502, 441521, 441523, 441581}
    assert {unit for unit, _, _ in PERSONS} <= {0, *range(1, 41)}


def test_divisions_are_those_of_the_city() -> None:
    codes = {division["code"]: division["name"] for division in load_divisions()}
    assert codes["441500"] == "汕尾市"
    assert set(codes) == {"440000", "441500", "441502", "441521", "441523", "441581"}


def test_companies_have_valid_codes_and_are_the_same_at_every_call() -> None:
    companies = make_companies()
    assert companies == make_companies()
    assert len({company["uscc"] for company in companies}) == len(companies)
    for company in companies:
        assert check_character(company["uscc"][:17]) == company["uscc"][17]
        assert "示例" in company["name"]


@pytest.mark.parametrize("year", YEARS)
def test_working_days_are_those_of_the_notices(year: int) -> None:
    assert load_working_days(year) == read_package(year)


def test_no_identity_number_can_be_a_persons() -> None:
    insured = make_insured()
    assert len({person["id_number"] for person in insured}) == len(insured)
    for person in insured:
        assert person["id_number"].startswith("000000")
        assert re.fullmatch(r"测试\d{4}", person["name"])


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.slug)
def test_documents_agree_with_each_other(offer) -> None:
    entry = parse_entry_document(offer.entry_document())
    interface = parse_interface_document(offer.interface_document())
    assert entry.mask == interface.mask == offer.mask
    assert entry.sensitive_mask == offer.sensitive_mask
    assert interface.required == ({offer.parameter} if offer.required else set())


def test_the_directory_has_sixty_entries_of_many_departments() -> None:
    entries = load_entries()
    assert len(entries) + len(OFFERS) == 60
    assert {unit_of(entry) for entry in entries} == set(CATALOGUERS)
    assert {(unit, "operator") for unit in CATALOGUERS} <= {(u, name) for u, name, _ in PERSONS}
    codes = [entry.members["code"] for entry in entries]
    codes += [offer.code for offer in OFFERS]
    assert len(set(codes)) == len(codes)
    assert {entry.words["sharing_class"] for entry in entries} == {1, 2, 3}


@pytest.mark.parametrize("entry", load_entries(), ids=lambda entry: entry.members["code"])
def test_every_entry_of_the_file_is_filled(entry) -> None:
    members = entry.members
    needed = ("name_en", "summary", "duty", "classification", "grading", "systems", "tables")
    assert all(members[name] for name in needed)
    assert members["source_department"] == members["provider"]
    assert all(one["number"] and one["date"] for one in members["assessments"].values())
    assert bool(members["conditions"]) == (entry.words["sharing_class"] == 2)
    assert bool(members["citation"]) == (entry.words["sharing_class"] == 3)
    assert len(parse_entry_document(entry.document).items) == len(members["items"]) >= 2
