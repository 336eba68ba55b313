"""The units of the example city and the persons who act for them."""

import csv
from dataclasses import dataclass
from importlib.resources import files

from crypto.sm2 import PrivateKey
from protocol.description import Role
from protocol.example_keys import example_key

AUTHORITY = 0
CIVIL, MARKET, LABOUR = 39, 1, 37
MEDICAL, HOUSING = 38, 6
AUDIT, JUSTICE = 16, 22
THRESHOLD = 2
#: Units whose entries data/catalogue.csv holds.
CATALOGUERS = (3, 6, 8, 11, 12, 14, 17, 19, 20, 21, 22, 25, 26, 27, 29, 30, 31, 32, 36, 38)

_LEVELS = {"state": 1, "province": 2, "city": 3, "county": 4, "town": 5, "village": 6}
_KINDS = {"department": 1, "government": 2, "zone": 3, "institution": 4, "bank": 5}

#: Persons that the example enrols beside the heads: unit, role name of the key, roles.
PERSONS: tuple[tuple[int, str, Role], ...] = (
    (AUTHORITY, "gateway", Role.GATEWAY),
    (AUTHORITY, "platform", Role.PLATFORM),
    (AUTHORITY, "cdo", Role.CDO),
    (AUDIT, "auditor", Role.AUDITOR),
    (AUDIT, "witness", Role.WITNESS),
    (JUSTICE, "witness", Role.WITNESS),
    *(
        (unit, name, role)
        for unit in (CIVIL, MARKET, LABOUR)
        for name, role in (
            ("operator", Role.OPERATOR),
            ("officer", Role.OFFICER),
            ("provider", Role.PROVIDER),
        )
    ),
    *(
        (unit, name, role)
        for unit in (MEDICAL, HOUSING)
        for name, role in (
            ("operator", Role.OPERATOR),
            ("officer", Role.OFFICER),
            ("system", Role.SYSTEM),
        )
    ),
    *(
        (unit, name, role)
        for unit in CATALOGUERS
        if unit not in (MEDICAL, HOUSING)
        for name, role in (("operator", Role.OPERATOR), ("officer", Role.OFFICER))
    ),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of units.csv.

    Attributes:
        number: its number there, 1 to 40.
        name: its name.
        region: GB/T 2260 code.
        level: 1 state to 6 village.
        kind: 1 department, 2 government, 3 zone, 4 institution, 5 bank.
    """

    number: int
    name: str
    region: int
    level: int
    kind: int


def load_units() -> tuple[Unit, ...]:
    """Read the 40 units (the units that the city's digital-government plan consulted)."""
    text = files("example_city").joinpath("data/units.csv").read_text("utf-8")
    return tuple(
        Unit(
            number=int(row["seq"]),
            name=row["name"],
            region=int(row["region"]),
            level=_LEVELS[row["level"]],
            kind=_KINDS[row["kind"]],
        )
        for row in csv.DictReader(text.splitlines())
    )


def unit_key(unit: int, role: str) -> PrivateKey:
    """Return the example key of a unit's role, such as (39, "officer")."""
    return example_key(f"{unit:02d}/{role}")


def authority_keys() -> tuple[PrivateKey, ...]:
    """Return the authority's three keys, of which THRESHOLD sign acts of weight."""
    return tuple(unit_key(AUTHORITY, f"authority-{i}") for i in (1, 2, 3))
