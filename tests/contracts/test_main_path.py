"""The whole way from a registered department to a grant, a log and an anchor."""

from eth_account import Account

from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_call
from protocol.acts import SignedAct
from protocol.description import ACT_TYPES, BY_NAME
from protocol.documents import document_digest
from tests.contracts.city import AUTHORITY, CITY_HEAD, City, key


def test_every_step_of_the_main_path_was_recorded(built: City) -> None:
    names = {outcome.event.name for _, outcome in built.sent}
    assert {
        "CalendarPublished",
        "DepartmentRegistered",
        "PersonEnrolled",
        "EntrySubmitted",
        "EntryPublished",
        "ElementClaimed",
        "InterfaceRegistered",
        "InterfaceTested",
        "InterfaceOnline",
        "RequestFiled",
        "RequestAgreed",
        "LogRegistered",
    } == names
    assert names <= set(BY_NAME)
    assert len(ACT_TYPES) > len(names)


def test_the_event_holds_the_act_as_it_was_signed(built: City) -> None:
    for signed, outcome in built.sent:
        values = outcome.event.values
        assert values["actId"] == signed.act_id
        assert values["m"] == signed.data
        assert values["revision"] >= 1
        assert [tuple(s) for s in values["signatures"]] == [
            (s.key_id, s.signature.r, s.signature.s) for s in signed.signatures
        ]
        created = not any(signed.data[96:128])
        assert values["target"] == (signed.act_id if created else signed.data[96:128])


def test_genesis_makes_the_authority_and_its_head(built: City) -> None:
    head = key(CITY_HEAD).public_key.key_id
    assert built.read("Registry", "authority") == (head,)
    assert built.read("Registry", "threshold") == (2,)
    for name, role in ((CITY_HEAD, 4), *((n, 8) for n in AUTHORITY)):
        ((_, _, person, department, roles, active),) = built.read(
            "Registry", "keyRecord", key(name).public_key.key_id
        )
        assert (person, department, roles, active) == (
            key(name).public_key.key_id,
            head,
            role,
            True,
        )


def test_the_grant_is_live_and_releases_the_granted_items(city: City) -> None:
    grant = city.ids["grant"]
    assert city.read("Requests", "isLive", grant, city.now()) == (True,)
    assert city.read("Requests", "effectiveItems", grant) == (1,)
    assert city.read("Requests", "isLive", city.ids["filed"], city.now()) == (False,)


def test_nonces_count_per_contract_and_only_the_actors(city: City) -> None:
    assert city.nonce("Requests", "housing operator") == 2
    assert city.nonce("Requests", "housing officer") == 0
    assert city.nonce("Entries", "housing operator") == 0


def test_a_document_travels_in_pieces(city: City) -> None:
    text = b"{}" * 100
    outcome = city.send("Documents", encode_call("Documents", "put", sm3(text), 0, 1, text))
    assert outcome.event.values["piece"] == text
    assert outcome.event.values["digest"] == document_digest(text)


def test_another_sender_carries_an_act_as_well(city: City) -> None:
    signed: SignedAct = city.sign(
        "GrantRevoked", ("housing officer",), city.ids["grant"], reason=sm3(b"done"), cause=4
    )
    city.sender = Account.from_key(bytes(range(1, 33)))
    assert city.record(signed).event.name == "GrantRevoked"
