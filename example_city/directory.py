"""The rest of the city's directory, read from a file as a department would bring it."""

from collections.abc import Sequence
from importlib.resources import files

from crypto.errors import LedgerError
from example_city.units import load_units
from sanlian_client.catalogue import CatalogueEntry, read_catalogue

FILE = "catalogue.csv"


def load_entries() -> Sequence[CatalogueEntry]:
    """Read data/catalogue.csv with the import that departments use.

    Raises:
        LedgerError: EXAMPLE_CATALOGUE_INVALID with the first thing that is wrong in it.
    """
    data = files("example_city").joinpath(f"data/{FILE}").read_bytes()
    found = read_catalogue(data, FILE)
    if found.problems.count:
        first = found.problems.in_order()[0].line("en")
        raise LedgerError("EXAMPLE_CATALOGUE_INVALID", first)
    return found.entries


def unit_of(entry: CatalogueEntry) -> int:
    """Return the number of the unit that provides an entry.

    Raises:
        KeyError: the file names a provider that is no unit of the city.
    """
    numbers = {unit.name: unit.number for unit in load_units()}
    return numbers[str(entry.members["provider"])]
