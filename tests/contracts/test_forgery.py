"""Forged, replayed and altered acts, sent straight to the contract; each must change nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crypto.sm2 import N, Signature
from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_call
from protocol.acts import MAX_LIFETIME_S, ActSignature, SignedAct
from protocol.description import Role
from tests.contracts.city import (
    CHAIN_ID,
    CITY_HEAD,
    ITEMS,
    City,
    Refused,
    digest,
    key,
    key_words,
    resigned,
)

OFFICER = "civil affairs officer"
REQUESTER = ("housing operator", "housing officer")


def refusal(action: Callable[[], Any]) -> tuple[str, Any]:
    """Return the code and details with which the contract refuses."""
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.code, caught.value.details


def agree(city: City, *signers: str, **header: Any) -> SignedAct:
    """Sign the provider's consent to the filed request."""
    return city.sign(
        "RequestAgreed",
        signers or (OFFICER,),
        city.ids["filed"],
        header=header,
        **city.agreed_values(),
    )


def file(city: City, *signers: str) -> SignedAct:
    """Sign a new request."""
    return city.sign("RequestFiled", signers or REQUESTER, **city.request_values())


def unchanged(city: City) -> bool:
    """Return whether the filed request stands as it was filed, and can still be agreed to."""
    state = city.read("Requests", "requests", city.ids["filed"])
    assert state[3:5] == (1, 1)
    return city.record(agree(city)).event.name == "RequestAgreed"


def test_wrong_key(city: City) -> None:
    signed = agree(city)
    (signature,) = signed.signatures
    forged = SignedAct(signed.data, (replace(signature, signature=key("thief").sign(signed.data)),))
    code, details = refusal(lambda: city.record(forged))
    assert code == "SIGNATURE_INVALID"
    assert details["keyId"] == signature.key_id.hex()
    assert unchanged(city)


def test_unknown_key(city: City) -> None:
    assert refusal(lambda: city.record(agree(city, "thief")))[0] == "KEY_UNKNOWN"
    assert unchanged(city)


def test_revoked_key(city: City) -> None:
    signed = agree(city)
    city.do(
        "KeyRevoked",
        ("civil affairs head",),
        key(OFFICER).public_key.key_id,
        reason_code=3,
    )
    assert refusal(lambda: city.record(signed))[0] == "KEY_NOT_ACTIVE"


def test_wrong_role(city: City) -> None:
    code, details = refusal(lambda: city.record(agree(city, "civil affairs operator")))
    assert (code, details) == ("ROLE_MISSING", {"role": "OFFICER"})
    assert unchanged(city)


def test_wrong_department(city: City) -> None:
    code, details = refusal(lambda: city.record(agree(city, "housing officer")))
    assert (code, details["department"]) == (
        "DEPARTMENT_MISMATCH",
        city.ids["civil affairs"].hex(),
    )
    assert unchanged(city)


def test_cosigner_of_another_department(city: City) -> None:
    signed = file(city, "housing operator", OFFICER)
    assert refusal(lambda: city.record(signed))[0] == "DEPARTMENT_MISMATCH"


def test_another_chain_id(city: City) -> None:
    code, details = refusal(lambda: city.record(agree(city, chain_id=CHAIN_ID + 1)))
    assert (code, details["chainId"]) == ("WRONG_CHAIN", CHAIN_ID + 1)
    assert unchanged(city)


def test_another_contract(city: City) -> None:
    signed = agree(city, contract=city.contracts["Entries"])
    assert refusal(lambda: city.record(signed))[0] == "WRONG_CONTRACT"
    assert refusal(lambda: city.record(signed, "Entries"))[0] == "ACT_TYPE_UNKNOWN"
    assert refusal(lambda: city.record(agree(city), "Interfaces"))[0] == "WRONG_CONTRACT"
    assert unchanged(city)


def test_replayed(city: City) -> None:
    signed = file(city)
    city.record(signed)
    code, details = refusal(lambda: city.record(signed))
    assert (code, details["expected"]) == (
        "NONCE_MISMATCH",
        city.nonce("Requests", "housing operator"),
    )


def test_a_nonce_of_the_future(city: City) -> None:
    assert refusal(lambda: city.record(agree(city, nonce=99)))[0] == "NONCE_MISMATCH"


def test_a_refused_act_leaves_its_nonce_unused(city: City) -> None:
    before = city.nonce("Requests", OFFICER)
    refusal(lambda: city.record(agree(city, revision=7)))
    assert city.nonce("Requests", OFFICER) == before


def test_expired(city: City) -> None:
    signed = agree(city, expires_at=city.now() - 1)
    assert refusal(lambda: city.record(signed))[0] == "ACT_EXPIRED"
    assert unchanged(city)


def test_withheld_until_it_expires(city: City) -> None:
    signed = agree(city, expires_at=city.now() + 600)
    city.rpc.call("evm_increaseTime", 1200)
    city.rpc.call("evm_mine")
    assert refusal(lambda: city.record(signed))[0] == "ACT_EXPIRED"


def test_expiry_too_far(city: City) -> None:
    # The clock runs while the test does: an hour beyond the limit stays beyond it.
    signed = agree(city, expires_at=city.now() + MAX_LIFETIME_S + 3600)
    assert refusal(lambda: city.record(signed))[0] == "EXPIRY_TOO_FAR"


# A byte of the actor, the target, the revision and the words; the header's other bytes have
# errors of their own, which the other tests name.
@pytest.mark.parametrize(
    ("offset", "code"),
    [
        (0, "ACT_MALFORMED"),
        (7, "ACT_MALFORMED"),
        (8, "WRONG_CHAIN"),
        (23, "NONCE_MISMATCH"),
        (31, "SIGNATURE_INVALID"),
        (40, "WRONG_CONTRACT"),
        (52, "ACT_TYPE_UNKNOWN"),
        (63, "SIGNATURE_INVALID"),
        (64, "ACTOR_MISMATCH"),
        (96, "SIGNATURE_INVALID"),
        (127, "SIGNATURE_INVALID"),
        (159, "SIGNATURE_INVALID"),
        (167, "SIGNATURE_INVALID"),
        (191, "ACT_MALFORMED"),
    ],
)
def test_altered_byte(city: City, offset: int, code: str) -> None:
    signed = agree(city)
    altered = bytearray(signed.data)
    altered[offset] ^= 1
    forged = replace(signed, data=bytes(altered))
    assert refusal(lambda: city.record(forged, "Requests"))[0] == code
    assert unchanged(city)


def test_another_length(city: City) -> None:
    signed = agree(city)
    for data in (signed.data[:-1], signed.data[:-32], signed.data + bytes(32), b"", bytes(10_000)):
        forged = replace(signed, data=data)
        assert refusal(lambda forged=forged: city.record(forged, "Requests"))[0] == "ACT_MALFORMED"


def test_swapped_signatures(city: City) -> None:
    signed = file(city)
    first, second = signed.signatures
    swapped = replace(signed, signatures=(second, first))
    assert refusal(lambda: city.record(swapped))[0] == "ACTOR_MISMATCH"
    crossed = replace(
        signed,
        signatures=(
            replace(first, signature=second.signature),
            replace(second, signature=first.signature),
        ),
    )
    assert refusal(lambda: city.record(crossed))[0] == "SIGNATURE_INVALID"


def test_the_roles_of_two_signers_in_the_wrong_order(city: City) -> None:
    signed = file(city, "housing officer", "housing operator")
    assert refusal(lambda: city.record(signed))[0] == "ROLE_MISSING"


def test_same_person_twice(city: City) -> None:
    both = "housing both"
    assert refusal(lambda: city.record(file(city, both, both)))[0] == "SIGNER_REPEATED"
    city.do("KeyAdded", ("housing head", "second key"), city.ids[both], **key_words("second key"))
    signed = file(city, both, "second key")
    code, details = refusal(lambda: city.record(signed))
    assert (code, details["person"]) == ("SIGNER_REPEATED", city.ids[both].hex())
    assert city.record(file(city, "second key", "housing officer")).event.name == "RequestFiled"


def test_the_same_authority_person_twice(city: City) -> None:
    signed = city.sign(
        "DepartmentRegistered",
        ("authority 1", "authority 1", "third head"),
        level=3,
        kind=1,
        region=441500,
        parent=bytes(32),
        uscc="",
        uscc_override=0,
        name="third",
        **key_words("third head"),
    )
    assert refusal(lambda: city.record(signed))[0] == "SIGNER_REPEATED"


def test_stale_revision(city: City) -> None:
    code, details = refusal(lambda: city.record(agree(city, revision=0)))
    assert (code, details["current"]) == ("STALE_REVISION", 1)
    refusal_ = city.sign("RequestRefused", (OFFICER,), city.ids["filed"], reason=digest("no"))
    city.record(agree(city))
    # Signed over revision 1; only the nonce is brought up to date.
    late = city.sign(
        "RequestRefused", (OFFICER,), city.ids["filed"], header={"revision": 1}, reason=digest("no")
    )
    assert refusal(lambda: city.record(refusal_))[0] == "NONCE_MISMATCH"
    assert refusal(lambda: city.record(late))[0] == "STALE_REVISION"


def test_unknown_target(city: City) -> None:
    signed = city.sign("RequestAgreed", (OFFICER,), digest("nothing"), **city.agreed_values())
    assert refusal(lambda: city.record(signed))[0] == "TARGET_UNKNOWN"


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_wrong_number_of_signatures(city: City, count: int) -> None:
    signed = file(city)
    names = [*REQUESTER, *("civil affairs head",) * 7][:count]
    assert refusal(lambda: city.record(resigned(signed, *names)))[0] == "SIGNATURE_COUNT"


def test_malleable_or_empty_signatures(city: City) -> None:
    signed = agree(city)
    (signature,) = signed.signatures
    r, s = signature.signature.r, signature.signature.s
    for bad_r, bad_s in ((0, s), (r, 0), (0, 0), (r + N, s), (r, s + N), (r, N - s), (s, r)):
        call = [(signature.key_id, bad_r % 2**256, bad_s % 2**256)]
        data = _act_call(signed.data, call)
        code = refusal(lambda data=data: city.send("Requests", data))[0]
        assert code == "SIGNATURE_INVALID", (bad_r, bad_s)
    assert unchanged(city)


def _act_call(data: bytes, signatures: list[tuple[bytes, int, int]]) -> bytes:
    return encode_call("Requests", "act", data, signatures)


def test_a_signature_for_another_act_of_the_same_person(city: City) -> None:
    other = city.sign("RequestRefused", (OFFICER,), city.ids["filed"], reason=digest("no"))
    forged = replace(agree(city), signatures=other.signatures)
    assert refusal(lambda: city.record(forged))[0] == "SIGNATURE_INVALID"
    assert unchanged(city)


# The authority cannot speak for a department.


@pytest.mark.parametrize("who", ["authority 1", CITY_HEAD])
def test_the_authority_cannot_agree_for_a_department(city: City, who: str) -> None:
    assert refusal(lambda: city.record(agree(city, who)))[0] == "ROLE_MISSING"
    assert unchanged(city)


def test_the_authority_cannot_file_a_request_for_a_department(city: City) -> None:
    for signers in (
        ("authority 1", "authority 2"),
        ("housing operator", "authority 1"),
        ("authority 1", "housing officer"),
        (CITY_HEAD, "authority 1"),
    ):
        signed = file(city, *signers)
        assert refusal(lambda signed=signed: city.record(signed))[0] == "ROLE_MISSING"


def test_the_authority_cannot_enrol_a_departments_persons(city: City) -> None:
    values = {"roles": int(Role.OFFICER), **key_words("planted")}
    signed = city.sign("PersonEnrolled", ("authority 1", "planted"), **values)
    assert refusal(lambda: city.record(signed))[0] == "ROLE_MISSING"
    # The authority's head enrols into the authority's department alone.
    city.enrol("planted", CITY_HEAD, Role.OFFICER)
    assert (
        city.field("Registry", "persons", city.ids["planted"], "department")
        == key(CITY_HEAD).public_key.key_id
    )
    assert refusal(lambda: city.record(agree(city, "planted")))[0] == "DEPARTMENT_MISMATCH"
    for name, target in (("KeyAdded", OFFICER), ("PersonRolesSet", OFFICER)):
        new = ("further",) if name == "KeyAdded" else ()
        words: dict[str, Any] = key_words("further") if new else {"roles": int(Role.OPERATOR)}
        act = city.sign(name, (CITY_HEAD, *new), city.ids[target], **words)
        assert refusal(lambda act=act: city.record(act))[0] == "DEPARTMENT_MISMATCH"
    revoke = city.sign("KeyRevoked", (CITY_HEAD,), key(OFFICER).public_key.key_id, reason_code=2)
    assert refusal(lambda: city.record(revoke))[0] == "DEPARTMENT_MISMATCH"


def test_the_authority_cannot_submit_an_entry_for_a_department(city: City) -> None:
    signed = city.sign("EntrySubmitted", ("authority 1", CITY_HEAD), **city.entry_values())
    assert refusal(lambda: city.record(signed))[0] == "ROLE_MISSING"
    signed = city.sign(
        "EntryRetired", ("authority 1",), city.ids["entry"], reason=digest("no reason")
    )
    assert refusal(lambda: city.record(signed))[0] == "ROLE_MISSING"


def test_a_department_cannot_publish(city: City) -> None:
    city.do(
        "EntrySubmitted",
        ("civil affairs operator", "civil affairs head"),
        city.ids["entry"],
        **city.entry_values(items=ITEMS),
    )
    for who in ("civil affairs head", "civil affairs operator", CITY_HEAD):
        signed = city.sign(
            "EntryPublished", (who,), city.ids["entry"], document=digest("entry document")
        )
        assert refusal(lambda signed=signed: city.record(signed))[0] == "ROLE_MISSING"


# A new key proves possession.


def test_a_new_key_without_its_own_signature(city: City) -> None:
    signed = city.sign(
        "PersonEnrolled",
        ("housing head", "newcomer"),
        roles=int(Role.SYSTEM),
        **key_words("newcomer"),
    )
    head, own = signed.signatures
    alone = replace(signed, signatures=(head,))
    assert refusal(lambda: city.record(alone))[0] == "SIGNATURE_COUNT"
    forged = replace(own, signature=key("housing head").sign(signed.data))
    assert (
        refusal(lambda: city.record(replace(signed, signatures=(head, forged))))[0]
        == "SIGNATURE_INVALID"
    )
    other = ActSignature(key("thief").public_key.key_id, key("thief").sign(signed.data))
    assert (
        refusal(lambda: city.record(replace(signed, signatures=(head, other))))[0] == "KEY_UNKNOWN"
    )
    assert city.record(signed).event.name == "PersonEnrolled"


def test_a_key_that_is_registered_or_off_the_curve(city: City) -> None:
    taken = city.sign("PersonEnrolled", ("housing head", OFFICER), roles=1, **key_words(OFFICER))
    assert refusal(lambda: city.record(taken))[0] == "KEY_TAKEN"
    words = key_words("newcomer")
    words["key_y"] ^= 1
    off = city.sign("PersonEnrolled", ("housing head", "newcomer"), roles=1, **words)
    assert refusal(lambda: city.record(off))[0] == "PUBLIC_KEY_INVALID"


def test_a_signature_object_is_what_the_codec_makes(city: City) -> None:
    signed = agree(city)
    (only,) = signed.signatures
    assert Signature.from_bytes(only.signature.to_bytes()) == only.signature
    assert signed.act_id == sm3(only.key_id + signed.data)
    assert city.record(signed).event.values["actId"] == signed.act_id
