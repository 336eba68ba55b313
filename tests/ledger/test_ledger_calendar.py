"""The calendar between outbox and chain: what waits counts, what breaks a rule is refused."""

import pytest
from ledger_city import AUTHORITY, City, calendar_values, key

from crypto.errors import ProtocolError
from crypto.sm3 import sm3
from ledger.db.engine import read_transaction
from ledger.db.state import load_changes, load_state
from protocol.calendar import plain_weekdays
from protocol.model import MemoryStore, PublishedYears


def refused(city: City, *arguments: object, **options: object) -> str:
    """Return the code with which the outbox refuses an act."""
    with pytest.raises(ProtocolError) as caught:
        city.accept(city.sign(*arguments, **options))  # type: ignore[arg-type]
    return caught.value.code


def test_a_year_that_waits_is_taken(city: City) -> None:
    city.publish_calendar(2026)
    other = [AUTHORITY[1]]
    assert refused(city, "CalendarPublished", other, calendar_values(2026)) == "YEAR_TAKEN"
    city.run()
    assert refused(city, "CalendarPublished", other, calendar_values(2026)) == "YEAR_TAKEN"


def test_a_year_that_waits_can_be_corrected(city: City) -> None:
    published = city.publish_calendar(2026)
    values = {**calendar_values(2026), "reason": sm3(b"reason")}
    correction = city.sign("CalendarCorrected", AUTHORITY, values, target=published, revision=1)
    accepted = city.accept(correction)
    city.run()
    assert city.status(accepted.act_id) == "recorded"


def test_others_are_refused_before_the_chain(city: City) -> None:
    published = city.publish_calendar(2026)
    city.run()
    values = {**calendar_values(2026), "reason": sm3(b"reason")}
    alone = city.sign("CalendarCorrected", AUTHORITY[:1], values, target=published)
    with pytest.raises(ProtocolError) as caught:
        city.accept(alone)
    assert caught.value.code == "SIGNATURE_COUNT"
    head = [key("authority head")]
    assert refused(city, "CalendarPublished", head, calendar_values(2025)) == "ROLE_MISSING"
    far = {**calendar_values(2026), "year": 2199}
    assert refused(city, "CalendarPublished", AUTHORITY[:1], far) == "VALUE_INVALID"


def test_a_view_in_memory_follows_changes(city: City) -> None:
    published = city.publish_calendar(2026)
    city.run()
    store = MemoryStore()
    with read_transaction(city.engine) as connection:
        head = load_state(connection, store)
    assert head is not None
    years = PublishedYears(store)
    assert (years.get(2026), years.get(2025)) == (plain_weekdays(2026), None)
    bits = plain_weekdays(2026) ^ (1 << 10)
    values = {**calendar_values(2026), "working_days": bits, "reason": sm3(b"reason")}
    city.accept(city.sign("CalendarCorrected", AUTHORITY, values, target=published))
    city.run()
    with read_transaction(city.engine) as connection:
        load_changes(connection, store, head.number)
    assert years.get(2026) == bits
    found = store.find_calendar_publication(published)
    assert found is not None
    assert (found.year, found.revision, found.reason) == (2026, 2, sm3(b"reason"))
