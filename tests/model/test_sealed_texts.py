"""Parties to sealed texts: who they are for each record, and who is none."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.acts import ZERO_ID, Act, SignedAct
from protocol.description import ACT_TYPES
from protocol.model.sealed_texts import SEALED_WORDS, sealed_commitments, sealed_parties
from tests.model.test_model import DOCUMENT, KEYS, NOW
from tests.model.test_model import town as town  # noqa: PLC0414 - a fixture, shared

TEXT = b"\x22" * 32


def department_of(town: Any, name: str) -> bytes:
    person = town.store.find_key(KEYS[name].public_key.key_id).person
    found: bytes = town.store.find_person(person).department
    return found


def parties(town: Any, signed: SignedAct) -> set[str]:
    """Return the names of the parties' heads."""
    ids = sealed_parties(town.store, Act.from_bytes(signed.data))
    names = {department_of(town, name): name for name in ("ph", "rh", "city")}
    return {names[one] for one in ids}


def done(town: Any, *arguments: Any, **values: Any) -> set[str]:
    signed = town.sign(*arguments, **values)
    town.apply(signed)
    return parties(town, signed)


def test_every_commitment_to_a_sealed_text_is_a_sealed_word() -> None:
    for act_type in ACT_TYPES:
        fields = [field for word in act_type.words for field in word]
        said = {
            field.name
            for field in fields
            if field.meaning.startswith("commitment to the sealed")
            or "assessment (Art 13)" in field.meaning
        }
        assert said == set(SEALED_WORDS.get(act_type.name, ())), act_type.name


def test_commitments(town: Any) -> None:
    signed = town.sign("GrantRevoked", "rf", town.grant, 2, reason=TEXT, cause=4)
    assert sealed_commitments(Act.from_bytes(signed.data)) == {"reason": TEXT}
    for name, signers, values in (
        ("GrantRevoked", "rf", {"reason": ZERO_ID, "cause": 4}),
        ("GrantResumed", "rf", {}),
    ):
        act = Act.from_bytes(town.sign(name, signers, town.grant, 2, **values).data)
        assert sealed_commitments(act) == {}
        assert sealed_parties(town.store, act) == frozenset()


def test_request(town: Any) -> None:
    reason = {"reason": TEXT, "cause": 1}
    assert done(town, "GrantSuspended", "pf", town.grant, 2, **reason) == {"ph", "rh", "city"}


def test_entry_and_interface_are_nothing_to_the_requester(town: Any) -> None:
    suspended = done(town, "InterfaceSuspended", "pf", town.interface, 3, reason=TEXT)
    assert suspended == {"ph", "city"}
    assert done(town, "EntryRetired", "ph", town.entry, 2, reason=TEXT) == {"ph", "city"}


def test_correction_is_between_the_two(town: Any) -> None:
    words = {"subject": town.grant, "subject_kind": 1, "items": 2, "errors": TEXT}
    assert done(town, "CorrectionFiled", "ro", **words) == {"ph", "rh"}


def test_dispute_reaches_the_authority_when_it_is_escalated(town: Any) -> None:
    town.do("GrantRevoked", "pf", town.grant, 2, reason=DOCUMENT, cause=1)
    opened = town.sign("DisputeOpened", "rf", request=town.grant, statement=TEXT)
    dispute = town.apply(opened)
    assert parties(town, opened) == {"ph", "rh"}
    steps = {"superior": ZERO_ID, "requester_steps": 1, "provider_steps": 1}
    escalated = done(town, "DisputeEscalated", "rf", dispute, 1, statement=TEXT, **steps)
    assert escalated == {"ph", "rh", "city"}
    # What was said before comes before the mediator too.
    assert parties(town, opened) == {"ph", "rh", "city"}


def test_the_authority_stands_in_for_a_superior_that_ended(town: Any) -> None:
    town.do("GrantRevoked", "pf", town.grant, 2, reason=DOCUMENT, cause=1)
    opened = town.sign("DisputeOpened", "rf", request=town.grant, statement=TEXT)
    dispute = town.store.find_dispute(town.apply(opened))
    one = town.store.find_department(department_of(town, "ph"))
    province = replace(one, id=b"\x77" * 32, level=2)
    authority = department_of(town, "city")
    town.store.put_dispute(replace(dispute, superior=province.id))
    for ended_day, stands_in in ((0, False), (20_000, True)):
        town.store.put_department(replace(province, ended_day=ended_day))
        found = sealed_parties(town.store, Act.from_bytes(opened.data))
        assert province.id in found
        assert (authority in found) == stands_in


@pytest.mark.parametrize("kind", [1, 2])
def test_third_party(town: Any, kind: int) -> None:
    third = department_of(town, "city") if kind == 1 else TEXT
    words = {"grant": town.grant, "third_party": third, "third_party_kind": kind}
    term = {"valid_until": NOW + 50, "items": 2, "purpose": TEXT}
    expected = {"ph", "rh", "city"} if kind == 1 else {"ph", "rh"}
    assert done(town, "ThirdPartyConsented", "pf", **words, **term) == expected


def test_no_party_without_the_record(town: Any) -> None:
    """An act that was never taken, or another record, gives nobody a part in the text."""
    filed = town.sign(
        "CorrectionFiled", "ro", subject=town.grant, subject_kind=1, items=2, errors=TEXT
    )
    assert parties(town, filed) == set()
    town.apply(filed)
    assert parties(town, filed) == {"ph", "rh"}
    elsewhere = town.sign("GrantRevoked", "rf", town.entry, 2, reason=TEXT, cause=4)
    assert parties(town, elsewhere) == set()
    stranger = town.sign("GrantRevoked", "ps", town.grant, 2, reason=TEXT, cause=4)
    assert parties(town, stranger) == set()


def test_authority_that_decided_stays_a_party(town: Any) -> None:
    town.do("GrantRevoked", "pf", town.grant, 2, reason=DOCUMENT, cause=1)
    opened = town.sign("DisputeOpened", "rf", request=town.grant, statement=TEXT)
    dispute = town.apply(opened)
    steps = {"superior": ZERO_ID, "requester_steps": 1, "provider_steps": 1}
    town.do("DisputeEscalated", "rf", dispute, 1, statement=TEXT, **steps)
    town.do("DisputeMediated", "a1", dispute, 2, proposal=TEXT)
    decided = done(town, "DisputeDecided", "a1", dispute, 3, ruling=1, decision=TEXT)
    assert decided == {"ph", "rh", "city"}
    assert parties(town, opened) == {"ph", "rh", "city"}
