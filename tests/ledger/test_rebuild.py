"""A rebuild makes the same database from the chain alone."""

import time

import pytest
from ledger_city import (
    AUTHORITY,
    ORIGIN,
    City,
    calendar_values,
    entry_document,
    entry_values,
    interface_document,
    key,
)
from sqlalchemy import select, text

from crypto.errors import LedgerError
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.db.engine import make_engine, read_transaction
from ledger.db.state import load_state
from ledger.rebuild import DERIVED, rebuild
from ledger.settings import Settings
from protocol.acts import Value
from protocol.description import Role
from protocol.model import MemoryStore


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


def share(city: City) -> None:
    """Let every noun of the sharing chain come to be, in more than its first state."""
    city.register("housing")
    entry_text, interface_text = entry_document("共享信息"), interface_document()
    provider, requester = (
        ("civil operator", "civil officer"),
        ("housing operator", "housing officer"),
    )
    operator, officer = key(provider[0]), key(provider[1])
    asker = key(requester[1])

    def do(
        name: str, keys: list[PrivateKey], values: dict[str, Value], target: bytes = bytes(32)
    ) -> bytes:
        texts = [entry_text] if name == "EntrySubmitted" else []
        texts += [interface_text] if name == "InterfaceRegistered" else []
        signed = city.sign(name, keys, values, target=target)
        act_id = city.accept(signed, *texts).act_id
        city.run()
        assert city.status(act_id) == "recorded"
        return target if any(target) else act_id

    entry = do("EntrySubmitted", [operator, key("civil head")], entry_values(entry_text))
    do("EntryPublished", [AUTHORITY[0]], {"document": sm3(entry_text)}, entry)
    registered: dict[str, Value] = {
        "entry": entry,
        "entry_version": 1,
        "rate_per_minute": 0,
        "max_rows": 0,
        "items": 3,
        "document": sm3(interface_text),
        "node": "node-1",
    }
    interface = do("InterfaceRegistered", [operator], registered)
    city.enrol("gateway", Role.GATEWAY, "authority head")
    city.run()
    gateway = key("gateway")
    registered_log: dict[str, Value] = {
        "gateway_key": gateway.public_key.key_id,
        "origin": ORIGIN,
    }
    log = do("LogRegistered", [AUTHORITY[0], gateway], registered_log)
    disposed: dict[str, Value] = {
        "disposed_kind": 2,
        "period": 202_601,
        "record": 7,
        "record_leaf": sm3(b"record"),
    }
    do("ParametersDisposed", [gateway], disposed, log)
    tested: dict[str, Value] = {
        "document": sm3(interface_text),
        "test_result": 1,
        "log": log,
        "report": sm3(b"report"),
    }
    do("InterfaceTested", [gateway], tested, interface)
    do("InterfaceOnline", [officer], {"document": sm3(interface_text)}, interface)
    now = int(time.time())
    term: dict[str, Value] = {"valid_from": now, "valid_until": now + 99_999, "quota": 9}
    asked: dict[str, Value] = {
        **term,
        "interface": interface,
        "interface_version": 1,
        "way": 1,
        "items": 3,
        "legal_basis": "809-20",
        "scenario": "housing",
        "case": sm3(b"case"),
    }
    reason: Value = sm3(b"reason")
    both = [key(name) for name in requester]
    grant, refused = do("RequestFiled", both, asked), do("RequestFiled", both, asked)
    do("SupplementAsked", [officer], {"missing": reason}, grant)
    do("RequestSupplemented", both, asked, grant)
    extension: dict[str, Value] = {"extension_days": 3, "reason": reason}
    do("RequestExtended", [officer, AUTHORITY[0]], extension, grant)
    do("RequestAgreed", [officer], {"items": 1, **term}, grant)
    do("DataProvided", [officer], {"way": 1}, grant)
    do("RequestRefused", [officer], {"reason": reason}, refused)
    first = do("DisputeOpened", [asker], {"request": refused, "statement": reason})
    do("DisputeSettled", [asker, officer], {"terms": reason}, first)
    second = do("DisputeOpened", [asker], {"request": refused, "statement": reason})
    steps: dict[str, Value] = {"superior": bytes(32), "requester_steps": 1, "provider_steps": 1}
    do("DisputeEscalated", [asker], {**steps, "statement": reason}, second)
    errors: dict[str, Value] = {"subject": grant, "subject_kind": 1, "items": 1, "errors": reason}
    correction = do("CorrectionFiled", both[:1], errors)
    do("CorrectionVerified", [operator], {"finding": reason}, correction)
    consent: dict[str, Value] = {
        "grant": grant,
        "third_party": sm3(b"a bank"),
        "third_party_kind": 2,
        "valid_until": now + 9_999,
        "items": 1,
        "purpose": reason,
    }
    do("ThirdPartyConsented", [officer], consent)


def test_the_sharing_chain_comes_back(city: City) -> None:
    fill(city)
    share(city)
    before = derived_rows(city)
    assert {row[6] for row in before["requests"]} == {"PROVIDED", "REFUSED"}
    assert {row[4] for row in before["disputes"]} == {"DECIDED", "AUTHORITY"}
    assert len(before["corrections"]) == len(before["consents"]) == 1
    loaded = MemoryStore()
    with read_transaction(city.engine) as connection:
        load_state(connection, loaded)
    assert len(loaded.disputes) == 2
    (open_one,) = [d for d in loaded.disputes.values() if d.ruling is None]
    assert loaded.find_newest_dispute(open_one.request) == open_one
    city.engine.dispose()
    assert rebuild(settings_of(city)).differences == ()
    city.open()
    assert derived_rows(city) == before


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
