"""Loads the example city: every unit, the three providers' offers, and two requests."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crypto.errors import LedgerError
from example_city.catalogue import COMPANIES, DIVISIONS, OFFERS, Offer
from example_city.plan import Planned, Planner
from example_city.units import AUTHORITY, HOUSING, MEDICAL, PERSONS, load_units
from example_city.working_days import YEARS
from sanlian_client.platform import Platform

RECORD_TIMEOUT_S = 120.0
SCENARIO = "DIVISION-LOOKUP"
QUOTA = 100_000
YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the loaded example holds, by id.

    Attributes:
        departments: by unit number; 0 is the authority.
        log: the gateway's access log.
        entries: by the offer's slug.
        interfaces: by the offer's slug.
        grant: 市医保局 may ask for divisions.
        open_request: 市住建局 asks for company registrations; nobody has answered.
    """

    departments: dict[int, bytes]
    log: bytes
    entries: dict[str, bytes]
    interfaces: dict[str, bytes]
    grant: bytes
    open_request: bytes


def send_all(platform: Platform, acts: Iterable[Planned]) -> None:
    """Send acts that do not rest on each other, then wait until all are recorded.

    Raises:
        RequestRefused: a rule refused one.
        OutcomeUnknown: one was not recorded in time.
    """
    planned = list(acts)
    for one in planned:
        platform.send_act(one.signed, one.documents)
    deadline = time.monotonic() + RECORD_TIMEOUT_S
    for one in planned:
        platform.wait_for(one.id, max(1.0, deadline - time.monotonic()))


def register_base(
    planner: Planner, platform: Platform, units: Iterable[int], *, origin: str
) -> bytes:
    """Register units, enrol their persons, register the log; return the log's id."""
    wanted = set(units)
    send_all(platform, [planner.register_unit(u) for u in load_units() if u.number in wanted])
    enrolled = [unit for unit in {u for u, _, _ in PERSONS} if unit == AUTHORITY or unit in wanted]
    send_all(platform, planner.enrol_all(*enrolled))
    log = planner.register_log(origin)
    send_all(platform, [log])
    return log.id


def load_offers(
    planner: Planner, platform: Platform, offers: Iterable[Offer]
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Publish entries and put their interfaces online; return both ids by slug."""
    offers = list(offers)
    submitted = {offer.slug: planner.submit_entry(offer) for offer in offers}
    send_all(platform, submitted.values())
    entries = {slug: act.id for slug, act in submitted.items()}
    send_all(platform, [planner.publish_entry(o, entries[o.slug]) for o in offers])
    registered = {o.slug: planner.register_interface(o, entries[o.slug]) for o in offers}
    send_all(platform, registered.values())
    interfaces = {slug: act.id for slug, act in registered.items()}
    send_all(platform, [planner.interface_online(o, interfaces[o.slug]) for o in offers])
    return entries, interfaces


def load(
    planner: Planner,
    platform: Platform,
    *,
    origin: str,
    started_at: int,
    say: Callable[[str], None],
) -> Loaded:
    """Load the whole example; playing it again changes nothing.

    Args:
        planner: planner of a fresh deployment.
        platform: its api.
        origin: origin of the gateway's log.
        started_at: unix seconds, fixed at the first start.
        say: takes one line of news.

    Raises:
        LedgerError: the deployment is not the example.
    """
    if not platform.deployment().example:
        raise LedgerError("NOT_THE_EXAMPLE", "the example is loaded into example deployments only")
    units = [unit.number for unit in load_units()]
    say(f"registering {len(units)} units, their heads and {len(PERSONS)} further persons")
    log = register_base(planner, platform, units, origin=origin)
    say(f"publishing the working days of {', '.join(map(str, YEARS))}")
    send_all(platform, [planner.publish_calendar(year) for year in YEARS])
    say(f"publishing {len(OFFERS)} catalogue entries, putting their interfaces online")
    entries, interfaces = load_offers(planner, platform, OFFERS)
    valid = (started_at - 60, started_at + YEAR_S)
    say("filing two requests; one is agreed to")
    filed = planner.file_request(
        MEDICAL,
        interfaces[DIVISIONS.slug],
        items=DIVISIONS.mask,
        scenario=SCENARIO,
        case="divisions for the medical insurance register",
        valid=valid,
        quota=QUOTA,
        words="市医保局 asks for administrative divisions",
    )
    waiting = planner.file_request(
        HOUSING,
        interfaces[COMPANIES.slug],
        items=COMPANIES.mask_of("uscc", "name", "state"),
        scenario="LICENCE-CHECK",
        case="licences of construction companies",
        valid=valid,
        quota=QUOTA,
        words="市住建局 asks for company registrations",
    )
    send_all(platform, [filed, waiting])
    agreed = planner.agree(DIVISIONS, filed.id, items=DIVISIONS.mask, valid=valid, quota=QUOTA)
    send_all(platform, [agreed])
    return Loaded(planner.departments, log, entries, interfaces, filed.id, waiting.id)
