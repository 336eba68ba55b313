"""Keys over time through outbox, relay and indexer, and back from the chain alone."""

import time

import pytest
from ledger_city import AUTHORITY, DELAY_S, City, department_values, key
from test_rebuild import derived_rows, settings_of

from crypto.errors import ProtocolError
from crypto.sm3 import sm3
from ledger.db.engine import read_transaction
from ledger.db.state import find_head, load_changes, load_state
from ledger.reads import departments
from ledger.rebuild import rebuild
from protocol.acts import Value
from protocol.calendar import date_of, day_at
from protocol.description import BY_NAME, Role
from protocol.model import KeyState, MemoryStore, state_of

FIRST = "authority 0"


def _id(name: str) -> bytes:
    return key(name).public_key.key_id


def do(
    city: City, name: str, signers: list[str], target: bytes = bytes(32), /, **values: Value
) -> bytes:
    """Hand in an act that names what the queue's state will be; return its id."""
    act_type = BY_NAME[name]
    if act_type.brings_key:
        public = key(signers[-1]).public_key
        values = {"key_x": public.x, "key_y": public.y, "valid_until": 0, **values}
    revision = 0
    if target != bytes(32):
        revision = city.outbox.get_target(target, act_type.target_kind or None).revision
    keys = [key(signer) for signer in signers]
    signed = city.sign(name, keys, values, target=target, revision=revision)
    return city.accept(signed).act_id


def state(city: City, name: str) -> str:
    """Return a key's state as the reads show it."""
    with read_transaction(city.engine) as connection:
        return str(departments.get_key(connection, _id(name))["state"])


def proposal(city: City, person: bytes) -> tuple[str, str]:
    """Return the newest proposal for a head: its key and state."""
    with read_transaction(city.engine) as connection:
        found = departments.get_person(connection, person)["proposal"]
    return found["key_id"], found["state"]


def authority(city: City) -> tuple[int, int]:
    """Return threshold and number of active keys."""
    with read_transaction(city.engine) as connection:
        found = departments.get_authority(connection)
    return found["threshold"], found["active_keys"]


def wait_for_objections(city: City, person: bytes) -> None:
    """Wait until a proposal's delay is over; many quick blocks run ahead of the clock."""
    with read_transaction(city.engine) as connection:
        found = departments.get_person(connection, person)["proposal"]
    assert found["ready_at"] == found["proposed_at"] + DELAY_S
    time.sleep(max(0.0, found["ready_at"] + 1 - time.time()))


def end_an_office(city: City, authorities: list[str], office: bytes, successor: bytes) -> None:
    """Let a further department change and end."""
    words = {
        **department_values(key("office head"), "bureau"),
        "region": 990101,
        "reason": sm3(b"reason"),
    }
    for name in ("key_x", "key_y", "valid_until"):
        del words[name]
    do(city, "DepartmentChanged", authorities, office, **words)
    city.run()
    do(city, "DepartmentEnded", authorities, office, successor=successor, reason=sm3(b"reform"))
    # What waits counts already.
    with pytest.raises(ProtocolError, match="KEY_NOT_ACTIVE"):
        do(city, "KeyRevoked", ["office head"], _id("office officer"), reason_code=1)
    city.run()


def live_a_life(city: City) -> bytes:
    """Let keys come and go; return the department's id."""
    tax, office = city.register("tax"), city.register("office")
    city.run()
    now = int(time.time())
    do(city, "KeySuspended", ["tax head"], _id("tax officer"), reason_code=2)
    do(city, "KeyRotated", ["tax operator", "tax operator 2"], _id("tax operator"))
    do(
        city,
        "CertificateBound",
        ["tax head"],
        _id("tax head"),
        issuer=sm3(b"issuer"),
        serial=(1 << 159) - 1,
        certificate=sm3(b"certificate"),
        not_after=now + 100_000,
    )
    signers = [FIRST, "authority 1", "authority 7"]
    person = do(city, "AuthorityPersonAdded", signers)
    city.run()
    do(city, "ThresholdSet", [FIRST, "authority 7"], _id("authority head"), threshold=3)
    city.run()
    three = [FIRST, "authority 1", "authority 7"]
    do(city, "HeadKeyProposed", [*three, "tax head 2"], tax, reason_code=2)
    city.run()
    assert proposal(city, tax) == (_id("tax head 2").hex(), "PENDING")
    do(city, "HeadKeyObjected", ["tax head"], tax, key=_id("tax head 2"))
    city.run()
    assert proposal(city, tax) == (_id("tax head 2").hex(), "OBJECTED")
    do(city, "HeadKeyProposed", [*three, "tax head 3"], tax, reason_code=3)
    city.run()
    wait_for_objections(city, tax)
    do(city, "HeadKeyReplaced", [FIRST], tax, key=_id("tax head 3"))
    end_an_office(city, three, office, tax)
    do(city, "KeySuspended", ["authority 7"], _id("authority 7"), reason_code=4)
    old, new = city.deployment.contracts["Entries"], bytes.fromhex("ab" * 20)
    city.run()
    do(city, "SuccessorNamed", [FIRST, "authority 1", "authority 2"], contract=old, successor=new)
    city.run()
    assert city.status(person) == "recorded"
    return tax


def assert_office_ended(city: City, successor: bytes) -> None:
    """See in the reads that the office changed and ended, and its keys with it."""
    with read_transaction(city.engine) as connection:
        (office,) = departments.list_departments(connection, has_ended=True).items
        others = departments.list_departments(connection, has_ended=False).items
        of_region = departments.list_departments(connection, region=990101).items
        below = departments.list_departments(connection, parent=successor).items
    today = date_of(day_at(int(time.time()))).isoformat()
    assert (office["name"], office["region"], office["revision"]) == ("bureau", 990101, 3)
    assert (office["ended_day"], office["successor"]) == (today, successor.hex())
    assert (of_region, below) == ([office], [])
    assert [one["ended_day"] for one in others] == [None] * len(others)
    assert successor.hex() in [one["id"] for one in others]
    assert {state(city, f"office {name}") for name in ("head", "operator", "officer")} == {
        "REVOKED"
    }


def test_a_life_of_keys_as_the_reads_show_it(city: City) -> None:
    tax = live_a_life(city)
    assert {name: state(city, f"tax {name}") for name in ("officer", "operator", "operator 2")} == {
        "officer": "SUSPENDED",
        "operator": "REVOKED",
        "operator 2": "ACTIVE",
    }
    assert (state(city, "tax head"), state(city, "tax head 3")) == ("REVOKED", "ACTIVE")
    assert proposal(city, tax) == (_id("tax head 3").hex(), "REPLACED")
    assert authority(city) == (3, 3)
    assert_office_ended(city, tax)
    with read_transaction(city.engine) as connection:
        head = departments.get_key(connection, _id("tax head"))
        listed = departments.list_keys(connection, department=tax).items
        found = departments.get_authority(connection)
    # Nobody touched the old key itself: it ended with its generation, for the proposal's reason.
    assert (head["reason_code"], head["revision"]) == (3, 2)
    assert head["certificate"]["serial"] == f"{(1 << 159) - 1:064x}"
    assert head["expires_at"] == head["certificate"]["not_after"]
    assert head in listed
    assert [one["has_active_key"] for one in found["persons"]] == [True, True, True, False]
    (successor,) = found["successors"]
    assert successor["successor"] == "0x" + "ab" * 20


def test_art_33_the_chain_alone_brings_it_back(city: City) -> None:
    live_a_life(city)
    before = derived_rows(city)
    assert all(before[name] for name in ("certificates", "proposals", "successors"))
    city.engine.dispose()
    assert rebuild(settings_of(city)).differences == ()
    city.open()
    assert derived_rows(city) == before


def test_the_gateways_view_follows(city: City) -> None:
    """What a gateway loads at once, or piece by piece as blocks come, is one state."""
    pieces = MemoryStore()
    with read_transaction(city.engine) as connection:
        head = load_state(connection, pieces)
    assert head is not None
    tax = live_a_life(city)
    whole = MemoryStore()
    with read_transaction(city.engine) as connection:
        load_changes(connection, pieces, head.number)
        load_state(connection, whole)
    for noun in ("keys", "persons", "departments", "certificates", "proposals", "successors"):
        assert getattr(pieces, noun) == getattr(whole, noun), noun
    assert pieces.find_authority() == whole.find_authority()
    assert pieces.find_proposal(tax) == whole.find_proposal(tax)
    old, person = whole.find_key(_id("tax head")), whole.find_person(tax)
    assert old is not None
    assert person is not None
    assert old.state is KeyState.ACTIVE
    assert state_of(whole, old, person, int(time.time())) is KeyState.REVOKED


def test_what_waits_counts_already(city: City) -> None:
    """A key that a queued act suspends, rotates or lets expire signs nothing behind it."""
    city.register("tax")
    city.run()
    do(city, "KeySuspended", ["tax head"], _id("tax officer"), reason_code=2)
    do(city, "KeyRotated", ["tax operator", "tax operator 2"], _id("tax operator"))
    for name in ("tax officer", "tax operator"):
        with pytest.raises(ProtocolError, match="KEY_NOT_ACTIVE"):
            do(city, "KeyRotated", [name, "next"], _id(name))
    with read_transaction(city.engine) as connection:
        head = find_head(connection)
    assert head is not None
    short = max(int(time.time()), head.time) + 5
    values: dict[str, Value] = {"roles": int(Role.OFFICER), "valid_until": short}
    do(city, "PersonEnrolled", ["tax head", "short"], **values)
    city.run()
    time.sleep(max(0.0, short + 1.5 - time.time()))
    with pytest.raises(ProtocolError, match="KEY_EXPIRED"):
        do(city, "KeySuspended", ["short"], _id("short"), reason_code=2)
    assert state(city, "short") == "EXPIRED"


def test_a_founders_nouns_are_told_apart(city: City) -> None:
    head = _id("authority head")
    do(city, "KeyAdded", ["authority head", "spare"], head)
    city.run()
    revisions = {
        kind: city.outbox.get_target(head, kind).revision
        for kind in ("department", "person", "key")
    }
    assert revisions == {"department": 1, "person": 2, "key": 1}
    assert len(AUTHORITY) == 2
