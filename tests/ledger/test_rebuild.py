"""A rebuild makes the same database from the chain alone."""

import pytest
from ledger_city import AUTHORITY, City, calendar_values, entry_document, entry_values, key
from sqlalchemy import select, text

from crypto.errors import LedgerError
from crypto.sm3 import sm3
from ledger.db.engine import make_engine, read_transaction
from ledger.rebuild import DERIVED, rebuild
from ledger.settings import Settings
from protocol.description import Role


def settings_of(city: City) -> Settings:
    (city.directory / "deployment.json").write_bytes(city.deployment.to_bytes())
    return Settings(home=city.directory, node_url=city.node.url)


def derived_rows(city: City) -> dict[str, list[object]]:
    with read_transaction(city.engine) as connection:
        rows: dict[str, list[object]] = {
            kind.__tablename__: [
                tuple(row)
                for row in connection.execute(
                    select(kind.__table__).order_by(*kind.__table__.primary_key)
                )
            ]
            for kind in DERIVED
        }
        rows["documents"] = [
            tuple(row)
            for row in connection.execute(
                text("SELECT * FROM documents WHERE block_number IS NOT NULL ORDER BY digest")
            )
        ]
    return rows


def fill(city: City) -> None:
    city.register("civil")
    document = entry_document()
    signers = [key("civil operator"), key("civil head")]
    city.accept(city.sign("EntrySubmitted", signers, entry_values(document)), document)
    published = city.publish_calendar(2026)
    correction = {**calendar_values(2026), "reason": sm3(b"reason")}
    city.publish_calendar(2025)
    city.run()
    city.accept(city.sign("CalendarCorrected", AUTHORITY, correction, target=published))
    city.run()


def test_every_row_comes_back(city: City) -> None:
    fill(city)
    waiting = city.enrol("late", Role.AUDITOR, "authority head")
    received_at = city.outbox.get_act(waiting).received_at
    before = derived_rows(city)
    assert all(before[name] for name in ("events", "entries", "documents", "nonces", "blocks"))
    years = {row[1]: row[5] for row in before["calendar_years"]}
    assert years == {2025: 1, 2026: 2}
    city.engine.dispose()
    lines: list[str] = []
    report = rebuild(settings_of(city), lines.append)
    assert (report.old_was_readable, report.differences) == (True, ())
    assert report.backup is not None
    assert report.backup.exists()
    assert lines
    city.open()
    assert derived_rows(city) == before
    act = city.outbox.get_act(waiting)
    assert (act.status, act.received_at) == ("queued", received_at)
    city.run()
    assert city.status(waiting) == "recorded"


def test_a_changed_row_is_named_and_put_right(city: City) -> None:
    fill(city)
    before = derived_rows(city)
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE persons SET roles = 8 WHERE roles = 1"))
    assert derived_rows(city) != before
    city.engine.dispose()
    assert rebuild(settings_of(city)).differences == ("persons",)
    city.open()
    assert derived_rows(city) == before


def test_a_changed_calendar_is_named_and_put_right(city: City) -> None:
    fill(city)
    before = derived_rows(city)
    with city.engine.begin() as connection:
        changed = "UPDATE calendar_years SET working_days = zeroblob(64) WHERE year = 2026"
        connection.execute(text(changed))
    city.engine.dispose()
    assert rebuild(settings_of(city)).differences == ("calendar_years",)
    city.open()
    assert derived_rows(city) == before


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_without_a_readable_old_database(city: City, damage: str) -> None:
    fill(city)
    before = derived_rows(city)
    city.engine.dispose()
    city.database.unlink()
    if damage == "garbage":
        city.database.write_bytes(b"not a database" * 1000)
    report = rebuild(settings_of(city))
    assert report.old_was_readable == (damage == "missing")
    city.open()
    assert derived_rows(city) == before
    city.enrol("next", Role.AUDITOR, "authority head")  # the relay's numbers go on
    city.run()


def test_not_while_another_process_has_it_open(city: City) -> None:
    fill(city)
    other = make_engine(f"sqlite:///{city.database}")
    with other.connect() as connection:
        connection.execute(text("SELECT count(*) FROM blocks")).scalar()
        with pytest.raises(LedgerError) as refused:
            rebuild(settings_of(city))
    other.dispose()
    assert refused.value.code == "DATABASE_IN_USE"
