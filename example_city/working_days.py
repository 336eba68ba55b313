"""The working days that the example's authority publishes, typed in from the yearly notices."""

from importlib.resources import files

from sanlian_client.calendar import read_csv

YEARS = (2025, 2026)


def read_notice(year: int) -> bytes:
    """Return the file of a year's notice, as an administrator types it in."""
    return files("example_city").joinpath(f"data/calendar-{year}.csv").read_bytes()


def load_working_days(year: int) -> int:
    """Return a year's working days as bits, see protocol.calendar."""
    return read_csv(year, read_notice(year))
