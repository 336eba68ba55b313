"""Loads what runs now on top of the history: three interfaces that are tested, two requests."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from crypto.errors import LedgerError
from example_city.catalogue import COMPANIES, DIVISIONS, OFFERS, Offer
from example_city.history import History
from example_city.plan import Planned, Planner
from example_city.units import HOUSING, MEDICAL
from protocol.acts import ZERO_ID
from sanlian_client.platform import Platform

RECORD_TIMEOUT_S = 120.0
SCENARIO = "DIVISION-LOOKUP"
QUOTA = 100_000
YEAR_S = 365 * 24 * 3600
#: Result of a test that succeeded (docs/protocol.md 3.4).
PASSED = 1


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


#: Lets the gateway test an offer's interface and waits until its result is recorded.
Test = Callable[[Offer, bytes], None]


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


def have_tested(
    planner: Planner,
    platform: Platform,
    offers: Iterable[Offer],
    interfaces: Mapping[str, bytes],
    test: Test,
) -> None:
    """Let the gateway test each interface, unless an earlier start got so far."""
    for offer in offers:
        interface = interfaces[offer.slug]
        found = platform.read("interfaces", interface.hex())
        pending = found["pending"]
        if pending is not None and pending["test_result"] != PASSED:
            test(offer, interface)
        planner.note_test(interface)


def load_interfaces(
    planner: Planner, platform: Platform, history: History, *, say: Callable[[str], None]
) -> Loaded:
    """Register the interfaces of what runs here; playing it again changes nothing.

    Args:
        planner: the planner that told the history.
        platform: its api.
        history: the history, which the chain holds.
        say: takes one line of news.

    Raises:
        LedgerError: the deployment is not the example.
    """
    if not platform.deployment().example:
        raise LedgerError("NOT_THE_EXAMPLE", "the example is loaded into example deployments only")
    entries = {offer.slug: history.entries[offer.code] for offer in OFFERS}
    say(f"registering the interfaces of {len(OFFERS)} entries")
    registered = {o.slug: planner.register_interface(o, entries[o.slug]) for o in OFFERS}
    send_all(platform, registered.values())
    interfaces = {slug: act.id for slug, act in registered.items()}
    return Loaded(planner.departments, history.log, entries, interfaces, ZERO_ID, ZERO_ID)


def load_sharing(
    planner: Planner,
    platform: Platform,
    loaded: Loaded,
    *,
    test: Test,
    started_at: int,
    say: Callable[[str], None],
) -> Loaded:
    """Put the interfaces online and file the requests; playing it again changes nothing.

    Args:
        planner: the planner that load_interfaces used.
        platform: its api.
        loaded: what load_interfaces returned; providers and gateway run by now.
        test: lets the gateway test an interface.
        started_at: unix seconds, fixed at the first start.
        say: takes one line of news.
    """
    interfaces = loaded.interfaces
    say(f"the gateway tests {len(OFFERS)} interfaces before they go online")
    have_tested(planner, platform, OFFERS, interfaces, test)
    send_all(platform, [planner.interface_online(o, interfaces[o.slug]) for o in OFFERS])
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
    return replace(loaded, grant=filed.id, open_request=waiting.id)
