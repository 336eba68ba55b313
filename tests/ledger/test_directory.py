"""The directory chain through the ledger: what waits counts, and a rebuild restores it."""

import pytest
from ledger_city import AUTHORITY, City, entry_document, entry_values, key
from test_rebuild import derived_rows, settings_of

from crypto.errors import ProtocolError
from crypto.sm3 import sm3
from ledger.db.engine import read_transaction
from ledger.reads import claims
from ledger.rebuild import rebuild

ELEMENT = sm3(b"a data element")


def publish(city: City, name: str) -> bytes:
    """Register a department and publish an entry of it."""
    city.register(name)
    document = entry_document(name)
    signers = [key(f"{name} operator"), key(f"{name} head")]
    entry = city.accept(
        city.sign("EntrySubmitted", signers, entry_values(document)), document
    ).act_id
    city.run()
    city.accept(
        city.sign("EntryPublished", AUTHORITY[:1], {"document": sm3(document)}, target=entry)
    )
    city.run()
    return entry


def claim(city: City, name: str, entry: bytes) -> bytes:
    """Hand in a claim."""
    signers = [key(f"{name} operator"), key(f"{name} head")]
    values = {"entry": entry, "element": ELEMENT, "item": 0}
    return city.accept(city.sign("ElementClaimed", signers, values)).act_id


def test_claims_that_wait_count_and_a_rebuild_restores_them(city: City) -> None:
    civil, tax = publish(city, "civil"), publish(city, "tax")
    first = claim(city, "civil", civil)
    with pytest.raises(ProtocolError, match="ELEMENT_ALREADY_CLAIMED"):
        claim(city, "civil", civil)
    second = claim(city, "tax", tax)  # a conflict with an act that is not recorded yet
    city.run()
    with read_transaction(city.engine) as connection:
        states = [one["state"] for one in claims.list_claims(connection).items]
        assert states == ["SOURCE", "CONFLICT"]
        assert claims.get_source(connection, ELEMENT)["claim"] == first.hex()
        department = bytes.fromhex(claims.get_claim(connection, second)["department"])
    city.accept(
        city.sign(
            "ConflictDecided",
            AUTHORITY[:1],
            {"source_department": department, "reason": sm3(b"reason")},
            target=second,
        )
    )
    # The decision waits, and the loser's claim has ended: its department may claim anew.
    third = claim(city, "civil", civil)
    city.run()
    with read_transaction(city.engine) as connection:
        assert claims.get_source(connection, ELEMENT)["claim"] == second.hex()
        found = {one["id"]: one["state"] for one in claims.list_claims(connection).items}
    assert found == {
        first.hex(): "REJECTED",
        second.hex(): "SOURCE",
        third.hex(): "CONFLICT",
    }
    before = derived_rows(city)
    assert before["claims"]
    city.engine.dispose()
    assert rebuild(settings_of(city)).differences == ()
    city.open()
    assert derived_rows(city) == before
