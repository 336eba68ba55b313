"""Keys over time, sent straight to the contract: every rule, and every way around it."""

from typing import Any

import pytest

from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.description import Role
from protocol.model import REPLACEMENT_WINDOW_S
from tests.contracts.city import (
    AUTHORITY,
    CITY_HEAD,
    DELAY_S,
    City,
    Refused,
    digest,
    key,
    key_words,
)

HEAD = "civil affairs head"
OFFICER = "civil affairs officer"
OPERATOR = "civil affairs operator"
PROTECTED = "AUTHORITY_KEY_PROTECTED"
TWO = ("authority 1", "authority 2")
ACTIVE, SUSPENDED, REVOKED, EXPIRED = 1, 2, 3, 4


def key_id(name: str) -> bytes:
    """Return a key's id."""
    return key(name).public_key.key_id


def attempt(city: City, *arguments: Any, **values: Any) -> str:
    """Return the code with which the contract refuses an act."""
    with pytest.raises(Refused) as caught:
        city.do(*arguments, **values)
    code = caught.value.code
    return f"{code} {caught.value.details['field']}" if code == "VALUE_INVALID" else code


def state(city: City, name: str) -> int:
    """Return a key's state as other contracts see it."""
    return int(city.read("Registry", "keyRecord", key_id(name))[0][5])


def wait(city: City, seconds: int) -> None:
    """Let time pass on the chain."""
    city.rpc.call("evm_increaseTime", seconds)
    city.rpc.call("evm_mine")


def refuse_grant(city: City, officer: str = OFFICER) -> str:
    """Let an officer act; return the refusal's code, or nothing."""
    snapshot = city.rpc.call("evm_snapshot")
    try:
        city.do("RequestRefused", (officer,), city.ids["filed"], reason=digest("no"))
    except Refused as refused:
        return refused.code
    finally:
        city.rpc.call("evm_revert", snapshot)
    return ""


def certificate(city: City, **changes: Any) -> dict[str, Any]:
    """Return the words of a binding."""
    return {
        "issuer": digest("issuer"),
        "serial": 7,
        "certificate": digest("certificate"),
        "not_after": city.now() + 1000,
        **changes,
    }


# Expiry


def test_a_key_expires_by_itself(city: City) -> None:
    until = city.now() + 500
    words = {**key_words("short"), "valid_until": until}
    city.ids["short"] = city.do("PersonEnrolled", (HEAD, "short"), roles=2, **words)
    assert refuse_grant(city, "short") == ""
    wait(city, 600)
    assert refuse_grant(city, "short") == "KEY_EXPIRED"
    assert state(city, "short") == EXPIRED
    assert refuse_grant(city) == ""
    # An expired key hands over to nobody and stops nothing.
    assert attempt(city, "KeyRotated", ("short", "n"), key_id("short"), **key_words("n")) == (
        "KEY_EXPIRED"
    )
    assert attempt(city, "KeySuspended", ("short",), key_id("short"), reason_code=2) == (
        "KEY_EXPIRED"
    )
    city.do("KeyAdded", (HEAD, "next"), city.ids["short"], **key_words("next"))
    assert refuse_grant(city, "next") == ""


@pytest.mark.parametrize(
    "act", ["PersonEnrolled", "KeyAdded", "DepartmentRegistered", "KeyRotated"]
)
def test_no_key_is_registered_with_an_end_in_the_past(city: City, act: str) -> None:
    words: dict[str, Any] = {**key_words("late"), "valid_until": city.now()}
    arguments: dict[str, tuple[Any, ...]] = {
        "PersonEnrolled": ((HEAD, "late"),),
        "KeyAdded": ((HEAD, "late"), city.ids[OFFICER]),
        "DepartmentRegistered": ((*TWO, "late"),),
        "KeyRotated": ((OFFICER, "late"), key_id(OFFICER)),
    }
    if act == "PersonEnrolled":
        words["roles"] = int(Role.OFFICER)
    if act == "DepartmentRegistered":
        words |= {"level": 3, "kind": 1, "region": 1, "parent": ZERO_ID, "uscc": "", "name": "n"}
        words["uscc_override"] = 0
    assert attempt(city, act, *arguments[act], **words) == "VALUE_INVALID valid_until"


def test_an_anchor_needs_the_gateways_key_at_its_time(city: City) -> None:
    city.do("KeySuspended", (CITY_HEAD,), key_id("gateway"), reason_code=2)
    with pytest.raises(Refused, match="KEY_NOT_ACTIVE"):
        city.anchor(1, sm3(b"root"))
    city.do("KeyResumed", (CITY_HEAD,), key_id("gateway"))
    city.do("CertificateBound", (CITY_HEAD,), key_id("gateway"), **certificate(city))
    city.anchor(1, sm3(b"root"))
    wait(city, 1100)
    with pytest.raises(Refused, match="KEY_EXPIRED"):
        city.anchor(2, sm3(b"root 2"))
    city.do("CertificateBound", (CITY_HEAD,), key_id("gateway"), **certificate(city))
    city.anchor(2, sm3(b"root 2"))


# Rotation


def test_rotation_keeps_the_person_and_ends_the_old_key(city: City) -> None:
    old_act = city.sign("RequestRefused", (OFFICER,), city.ids["filed"], reason=digest("no"))
    city.do("KeyRotated", (OFFICER, "new"), key_id(OFFICER), **key_words("new"))
    assert (state(city, OFFICER), state(city, "new")) == (REVOKED, ACTIVE)
    assert city.field("Registry", "keys", key_id("new"), "person") == city.ids[OFFICER]
    # What the old key signed before and nobody recorded is dead, as is the key.
    with pytest.raises(Refused, match="KEY_NOT_ACTIVE"):
        city.record(old_act)
    again = attempt(city, "KeyRotated", (OFFICER, "x"), key_id(OFFICER), **key_words("x"))
    assert again == "KEY_NOT_ACTIVE"
    assert attempt(city, "KeyResumed", (HEAD,), key_id(OFFICER)) == "STATE_INVALID"
    assert refuse_grant(city, "new") == ""


@pytest.mark.parametrize("who", [CITY_HEAD, "authority 1", HEAD, "gateway"])
def test_everybody_can_rotate(city: City, who: str) -> None:
    before = city.read("Registry", "activeAuthorityKeys")
    city.do("KeyRotated", (who, "new"), key_id(who), **key_words("new"))
    assert state(city, "new") == ACTIVE
    assert city.read("Registry", "activeAuthorityKeys") == before
    assert (
        city.read("Registry", "keyRecord", key_id("new"))[0][2:5]
        == (city.read("Registry", "keyRecord", key_id(who))[0][2:5])
    )


def test_nobody_rotates_anothers_key(city: City) -> None:
    for thief in (HEAD, OPERATOR, "civil affairs both", CITY_HEAD, "authority 1"):
        found = attempt(city, "KeyRotated", (thief, "n"), key_id(OFFICER), **key_words("n"))
        assert found == "NOT_OWN_KEY"
    city.do("PersonRolesSet", (HEAD,), city.ids[OFFICER], roles=0)
    ended = attempt(city, "KeyRotated", (OFFICER, "n"), key_id(OFFICER), **key_words("n"))
    assert ended == "STATE_INVALID"


def test_the_new_key_of_a_rotation_proves_possession(city: City) -> None:
    taken = attempt(city, "KeyRotated", (OFFICER, HEAD), key_id(OFFICER), **key_words(HEAD))
    assert taken == "KEY_TAKEN"
    other = attempt(city, "KeyRotated", (OFFICER, "thief"), key_id(OFFICER), **key_words("new"))
    assert other == "KEY_UNKNOWN"


# Suspension


def test_suspended_keys_sign_nothing_until_resumed(city: City) -> None:
    city.do("KeySuspended", (HEAD,), key_id(OFFICER), reason_code=2)
    assert state(city, OFFICER) == SUSPENDED
    assert refuse_grant(city) == "KEY_NOT_ACTIVE"
    again = attempt(city, "KeySuspended", (HEAD,), key_id(OFFICER), reason_code=2)
    assert again == "STATE_INVALID"
    for who, code in (
        (OPERATOR, "ROLE_MISSING"),
        ("housing head", "DEPARTMENT_MISMATCH"),
        (CITY_HEAD, "DEPARTMENT_MISMATCH"),
        (OFFICER, "KEY_NOT_ACTIVE"),
    ):
        assert attempt(city, "KeyResumed", (who,), key_id(OFFICER)) == code
    city.do("KeyResumed", (HEAD,), key_id(OFFICER))
    assert refuse_grant(city) == ""
    assert attempt(city, "KeyResumed", (HEAD,), key_id(OFFICER)) == "STATE_INVALID"


def test_a_key_can_pull_its_own_brake(city: City) -> None:
    city.do("KeySuspended", (OPERATOR,), key_id(OPERATOR), reason_code=3)
    assert attempt(city, "KeyRevoked", (OPERATOR,), key_id(OPERATOR), reason_code=3) == (
        "KEY_NOT_ACTIVE"
    )
    city.do("KeyRevoked", (HEAD,), key_id(OPERATOR), reason_code=3)
    assert state(city, OPERATOR) == REVOKED


def test_reasons(city: City) -> None:
    for reason in (0, 1, 5):
        found = attempt(city, "KeySuspended", (HEAD,), key_id(OFFICER), reason_code=reason)
        assert found == "VALUE_INVALID reason_code"
    for who in (OPERATOR, "housing head"):
        found = attempt(city, "KeySuspended", (who,), key_id(OFFICER), reason_code=2)
        assert found in ("ROLE_MISSING", "DEPARTMENT_MISMATCH")


def test_a_head_without_a_key_gets_one_back(city: City) -> None:
    """The head's last key pulls the brake; the replacement is the way back."""
    city.do("KeySuspended", (HEAD,), key_id(HEAD), reason_code=3)
    assert attempt(city, "KeyResumed", (HEAD,), key_id(HEAD)) == "KEY_NOT_ACTIVE"
    head = city.ids["civil affairs"]
    propose(city, head, "new head")
    wait(city, DELAY_S + 1)
    city.do("HeadKeyReplaced", ("authority 3",), head, key=key_id("new head"))
    city.enrol("clerk", "new head", Role.OPERATOR)


# The authority never falls below its threshold


def test_the_authority_cannot_stop_itself(city: City) -> None:
    third = "authority 3"
    city.do("KeySuspended", (third,), key_id(third), reason_code=2)
    assert city.read("Registry", "activeAuthorityKeys") == (2,)
    for act in ("KeySuspended", "KeyRevoked"):
        found = attempt(city, act, ("authority 1",), key_id("authority 1"), reason_code=2)
        assert found == PROTECTED
    removed = attempt(city, "AuthorityPersonRemoved", TWO, key_id("authority 1"), reason_code=4)
    assert removed == PROTECTED
    # The suspended one may go: it does not count any more.
    city.do("AuthorityPersonRemoved", TWO, key_id(third), reason_code=2)
    assert city.read("Registry", "authorityPersons") == (2,)
    assert attempt(city, "AuthorityKeyResumed", TWO, key_id(third)) == "STATE_INVALID"
    assert attempt(city, "ThresholdSet", TWO, key_id(CITY_HEAD), threshold=3) == (
        "VALUE_INVALID threshold"
    )


def test_authority_keys_are_resumed_by_m_of_n_alone(city: City) -> None:
    third = "authority 3"
    city.do("KeySuspended", (third,), key_id(third), reason_code=3)
    assert attempt(city, "KeyResumed", (CITY_HEAD,), key_id(third)) == PROTECTED
    assert attempt(city, "AuthorityKeyResumed", ("authority 1",), key_id(third)) == (
        "SIGNATURE_COUNT"
    )
    assert attempt(city, "AuthorityKeyResumed", ("authority 1", CITY_HEAD), key_id(third)) == (
        "ROLE_MISSING"
    )
    assert attempt(city, "AuthorityKeyResumed", TWO, key_id("authority 1")) == "STATE_INVALID"
    assert attempt(city, "AuthorityKeyResumed", TWO, key_id(OFFICER)) == "STATE_INVALID"
    city.do("AuthorityKeyResumed", TWO, key_id(third))
    assert city.read("Registry", "activeAuthorityKeys") == (3,)
    assert attempt(city, "KeySuspended", (CITY_HEAD,), key_id(third), reason_code=2) == PROTECTED


def test_the_threshold_changes_by_itself_alone(city: City) -> None:
    authority = key_id(CITY_HEAD)
    for signers, code in (
        (("authority 1",), "SIGNATURE_COUNT"),
        (("authority 1", "authority 1"), "SIGNER_REPEATED"),
        ((CITY_HEAD, "authority 1"), "ROLE_MISSING"),
        (("authority 1", HEAD), "ROLE_MISSING"),
        (AUTHORITY, "SIGNATURE_COUNT"),
    ):
        assert attempt(city, "ThresholdSet", signers, authority, threshold=1) == code
    for value in (0, 4, 2**255):
        assert attempt(city, "ThresholdSet", TWO, authority, threshold=value) == (
            "VALUE_INVALID threshold"
        )
    other = attempt(city, "ThresholdSet", TWO, city.ids["housing"], threshold=1)
    assert other == "STATE_INVALID"
    stale = city.sign("ThresholdSet", ("authority 3", "authority 2"), authority, threshold=1)
    city.do("ThresholdSet", TWO, authority, threshold=3)
    # Signed by as many as were asked for then: too few now.
    with pytest.raises(Refused, match="SIGNATURE_COUNT"):
        city.record(stale)
    with pytest.raises(Refused, match="SIGNATURE_COUNT"):
        city.register("new")
    city.do("ThresholdSet", AUTHORITY, authority, threshold=1)
    words = {"level": 3, "kind": 1, "region": 1, "parent": ZERO_ID, "uscc": "", "name": "n"}
    signers = ("authority 2", "n head")
    city.do("DepartmentRegistered", signers, **words, uscc_override=0, **key_words("n head"))


def test_other_contracts_ask_for_the_present_threshold(city: City) -> None:
    assert city.read("Registry", "threshold") == (2,)
    city.do("ThresholdSet", TWO, key_id(CITY_HEAD), threshold=3)
    assert city.read("Registry", "threshold") == (3,)


def test_authority_persons_come_and_go(city: City) -> None:
    for signers, code in (
        (("authority 1", "a4"), "SIGNATURE_COUNT"),
        (("authority 1", CITY_HEAD, "a4"), "ROLE_MISSING"),
        (("authority 1", "authority 1", "a4"), "SIGNER_REPEATED"),
    ):
        assert attempt(city, "AuthorityPersonAdded", signers, **key_words("a4")) == code
    dated = {**key_words("a4"), "valid_until": city.now() + 10_000}
    found = attempt(city, "AuthorityPersonAdded", (*TWO, "a4"), **dated)
    assert found == "VALUE_INVALID valid_until"
    people = []
    for number in range(4, 8):
        name = f"a{number}"
        people.append(city.do("AuthorityPersonAdded", (*TWO, name), **key_words(name)))
    full = attempt(city, "AuthorityPersonAdded", (*TWO, "a8"), **key_words("a8"))
    assert full == "STATE_INVALID"
    # Seven and a new key are eight signatures: the most that an act carries.
    city.do("ThresholdSet", TWO, key_id(CITY_HEAD), threshold=7)
    everybody = (*AUTHORITY, "a4", "a5", "a6", "a7")
    propose(city, city.ids["housing"], "new head", everybody)
    assert attempt(city, "AuthorityPersonRemoved", everybody, people[0], reason_code=4) == PROTECTED
    city.do("ThresholdSet", everybody, key_id(CITY_HEAD), threshold=2)
    city.do("AuthorityPersonRemoved", ("a4", "a5"), people[0], reason_code=4)
    gone = attempt(city, "EntryPublished", ("a4",), city.ids["entry"], document=digest("d"))
    assert gone == "ROLE_MISSING"
    assert attempt(city, "AuthorityPersonRemoved", TWO, people[0], reason_code=4) == "STATE_INVALID"
    wrong = attempt(city, "AuthorityPersonRemoved", TWO, city.ids[OFFICER], reason_code=4)
    assert wrong == "STATE_INVALID"
    assert attempt(city, "AuthorityPersonRemoved", TWO, people[1], reason_code=1) == (
        "VALUE_INVALID reason_code"
    )


def test_time_does_not_end_the_authoritys_keys(city: City) -> None:
    words = {**key_words("n"), "valid_until": city.now() + 10_000}
    found = attempt(city, "KeyRotated", ("authority 1", "n"), key_id("authority 1"), **words)
    assert found == "VALUE_INVALID valid_until"
    for name in AUTHORITY:
        city.do("CertificateBound", (name,), key_id(name), **certificate(city))
    wait(city, 5000)
    city.register("later")


# A head's key is replaced with delay and objection


def propose(
    city: City, head: bytes, new: str, signers: tuple[str, ...] = TWO, **changes: Any
) -> bytes:
    """Propose a head's new key."""
    words = {**key_words(new), "reason_code": 2, **changes}
    return city.do("HeadKeyProposed", (*signers, new), head, **words)


def test_a_head_gets_another_key(city: City) -> None:
    head = city.ids["civil affairs"]
    city.do("KeyAdded", (HEAD, "spare"), head, **key_words("spare"))
    city.do("KeySuspended", (HEAD,), key_id("spare"), reason_code=2)
    propose(city, head, "new head")
    # Pending: it signs nothing, and the old key still does.
    assert attempt(city, "KeyResumed", ("new head",), key_id("spare")) == "KEY_UNKNOWN"
    city.do("KeySuspended", (HEAD,), key_id(OFFICER), reason_code=2)
    early = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("new head"))
    assert early == "REPLACEMENT_TOO_EARLY"
    wait(city, DELAY_S)
    for who in (CITY_HEAD, HEAD, "new head"):
        code = attempt(city, "HeadKeyReplaced", (who,), head, key=key_id("new head"))
        assert code == ("KEY_UNKNOWN" if who == "new head" else "ROLE_MISSING")
    other = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("thief"))
    assert other == "VALUE_INVALID key"
    city.do("HeadKeyReplaced", ("authority 3",), head, key=key_id("new head"))
    # All keys of the head are gone, without having been looked for.
    assert [state(city, n) for n in (HEAD, "spare", "new head")] == [REVOKED, REVOKED, ACTIVE]
    for act in ("KeyResumed", "KeySuspended", "KeyRevoked"):
        words = {} if act == "KeyResumed" else {"reason_code": 2}
        assert attempt(city, act, ("new head",), key_id("spare"), **words) == "STATE_INVALID"
    bound = attempt(city, "CertificateBound", ("new head",), key_id(HEAD), **certificate(city))
    assert bound == "STATE_INVALID"
    assert attempt(city, "KeyResumed", (HEAD,), key_id(OFFICER)) == "KEY_NOT_ACTIVE"
    city.do("KeyResumed", ("new head",), key_id(OFFICER))
    # Once: the same proposal does nothing more.
    again = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("new head"))
    assert again == "STATE_INVALID"
    propose(city, head, "third head")


def test_the_old_key_objects(city: City) -> None:
    head = city.ids["civil affairs"]
    propose(city, head, "planted")
    assert attempt(
        city, "HeadKeyProposed", (*TWO, "p2"), head, **key_words("p2"), reason_code=2
    ) == ("STATE_INVALID")
    for who, code in (
        ("authority 1", "ROLE_MISSING"),
        (OFFICER, "ROLE_MISSING"),
        ("housing head", "DEPARTMENT_MISMATCH"),
        (CITY_HEAD, "DEPARTMENT_MISMATCH"),
        ("stranger", "KEY_UNKNOWN"),
        ("planted", "KEY_UNKNOWN"),
    ):
        assert attempt(city, "HeadKeyObjected", (who,), head, key=key_id("planted")) == code
    assert attempt(city, "HeadKeyObjected", (HEAD,), head, key=key_id("other")) == (
        "VALUE_INVALID key"
    )
    long = {"expires_at": city.now() + 10 * DELAY_S}
    objection = city.sign("HeadKeyObjected", (HEAD,), head, header=long, key=key_id("planted"))
    city.record(objection)
    wait(city, DELAY_S + 1)
    found = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("planted"))
    assert found == "STATE_INVALID"
    # The objection is no answer to the next proposal.
    propose(city, head, "planted")
    with pytest.raises(Refused, match="NONCE_MISMATCH"):
        city.record(objection)
    wait(city, DELAY_S + 1)
    city.do("HeadKeyObjected", (HEAD,), head, key=key_id("planted"))  # until it is done


def test_a_proposal_is_not_replayed(city: City) -> None:
    head = city.ids["civil affairs"]
    words = {**key_words("planted"), "reason_code": 2}
    signed = city.sign("HeadKeyProposed", (*TWO, "planted"), head, **words)
    city.record(signed)
    city.do("HeadKeyObjected", (HEAD,), head, key=key_id("planted"))
    with pytest.raises(Refused, match="NONCE_MISMATCH"):
        city.record(signed)
    # With the next nonce it is another act, that m of n sign again over what they see.
    late = city.sign("HeadKeyProposed", (*TWO, "planted"), head, header={"revision": 1}, **words)
    with pytest.raises(Refused, match="STALE_REVISION"):
        city.record(late)


def test_who_may_propose_and_for_whom(city: City) -> None:
    head = city.ids["civil affairs"]
    words = {**key_words("n"), "reason_code": 2}
    for signers, code in (
        (("authority 1", "n"), "SIGNATURE_COUNT"),
        ((HEAD, "n"), "SIGNATURE_COUNT"),
        ((CITY_HEAD, "authority 1", "n"), "ROLE_MISSING"),
    ):
        assert attempt(city, "HeadKeyProposed", signers, head, **words) == code
    for target in (city.ids[OFFICER], key_id("authority 1")):
        assert attempt(city, "HeadKeyProposed", (*TWO, "n"), target, **words) == "STATE_INVALID"
    for changes, field in (
        ({"reason_code": 1}, "reason_code"),
        ({"valid_until": city.now() + DELAY_S - 60}, "valid_until"),
    ):
        found = attempt(city, "HeadKeyProposed", (*TWO, "n"), head, **{**words, **changes})
        assert found == f"VALUE_INVALID {field}"
    taken = attempt(
        city, "HeadKeyProposed", (*TWO, OFFICER), head, **key_words(OFFICER), reason_code=2
    )
    assert taken == "KEY_TAKEN"
    without = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("n"))
    assert without == "STATE_INVALID"


def test_a_proposal_lapses(city: City) -> None:
    head = city.ids["civil affairs"]
    propose(city, head, "new head")
    wait(city, DELAY_S + REPLACEMENT_WINDOW_S + 1)
    for act, who in (("HeadKeyReplaced", "authority 1"), ("HeadKeyObjected", HEAD)):
        assert attempt(city, act, (who,), head, key=key_id("new head")) == "STATE_INVALID"
    propose(city, head, "another")


def test_a_pending_key_that_was_registered_elsewhere(city: City) -> None:
    head = city.ids["civil affairs"]
    propose(city, head, "new head")
    city.enrol("new head", "housing head", Role.OPERATOR)
    wait(city, DELAY_S + 1)
    found = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("new head"))
    assert found == "KEY_TAKEN"
    assert state(city, HEAD) == ACTIVE


def test_a_pending_key_that_has_expired(city: City) -> None:
    head = city.ids["civil affairs"]
    propose(city, head, "new head", valid_until=city.now() + 2 * DELAY_S)
    wait(city, 3 * DELAY_S)
    found = attempt(city, "HeadKeyReplaced", ("authority 1",), head, key=key_id("new head"))
    assert found == "KEY_EXPIRED"


def test_the_authoritys_own_head_is_replaced_too(city: City) -> None:
    head = key_id(CITY_HEAD)
    propose(city, head, "new city head")
    wait(city, DELAY_S + 1)
    city.do("HeadKeyReplaced", ("authority 1",), head, key=key_id("new city head"))
    city.enrol("clerk", "new city head", Role.AUDITOR)
    assert state(city, CITY_HEAD) == REVOKED
    assert city.field("Registry", "persons", city.ids["clerk"], "department") == head


# Certificates


def test_a_certificate_ends_its_key(city: City) -> None:
    city.do("CertificateBound", (HEAD,), key_id(OFFICER), **certificate(city))
    assert refuse_grant(city) == ""
    wait(city, 1100)
    assert refuse_grant(city) == "KEY_EXPIRED"
    # Renewed: the key counts again, until the certificate's new end.
    city.do("CertificateBound", (HEAD,), key_id(OFFICER), **certificate(city, serial=8))
    assert refuse_grant(city) == ""


def test_the_sooner_end_counts(city: City) -> None:
    words = {**key_words("short"), "valid_until": city.now() + 500}
    city.ids["short"] = city.do("PersonEnrolled", (HEAD, "short"), roles=2, **words)
    late = certificate(city, not_after=city.now() + 10_000)
    city.do("CertificateBound", (HEAD,), key_id("short"), **late)
    wait(city, 600)
    assert state(city, "short") == EXPIRED


def test_who_binds_a_certificate(city: City) -> None:
    target = key_id(OFFICER)
    for who, code in (
        (OFFICER, "ROLE_MISSING"),
        ("housing head", "DEPARTMENT_MISMATCH"),
        ("authority 1", "ROLE_MISSING"),
    ):
        assert attempt(city, "CertificateBound", (who,), target, **certificate(city)) == code
    mine = key_id("authority 1")
    for who in (CITY_HEAD, "authority 2"):
        assert attempt(city, "CertificateBound", (who,), mine, **certificate(city)) == PROTECTED
    for changes in (
        {"issuer": ZERO_ID},
        {"serial": 0},
        {"serial": 1 << 160},
        {"certificate": ZERO_ID},
        {"not_after": city.now() - 1},
    ):
        (field,) = changes
        words = certificate(city, **changes)
        assert attempt(city, "CertificateBound", (HEAD,), target, **words) == (
            f"VALUE_INVALID {field}"
        )
    city.do("KeyRevoked", (HEAD,), target, reason_code=4)
    assert attempt(city, "CertificateBound", (HEAD,), target, **certificate(city)) == (
        "STATE_INVALID"
    )


# Successors


def test_a_successor_is_named_once(city: City) -> None:
    old, new = city.contracts["Entries"], bytes.fromhex("11" * 20)
    for signers, code in (
        (("authority 1",), "SIGNATURE_COUNT"),
        (("authority 1", CITY_HEAD), "ROLE_MISSING"),
    ):
        found = attempt(city, "SuccessorNamed", signers, contract=old, successor=new)
        assert found == code
    for one, two, field in (
        (bytes(20), new, "contract"),
        (old, bytes(20), "successor"),
        (old, old, "successor"),
    ):
        found = attempt(city, "SuccessorNamed", TWO, contract=one, successor=two)
        assert found == f"VALUE_INVALID {field}"
    city.do("SuccessorNamed", TWO, contract=old, successor=new)
    assert city.read("Registry", "successors", "0x" + old.hex()) == ("0x" + new.hex(),)
    again = attempt(city, "SuccessorNamed", TWO, contract=old, successor=b"\x22" * 20)
    assert again == "STATE_INVALID"
    # Nothing else changes: the old contract goes on.
    city.do("EntryRetired", (HEAD,), city.ids["entry"], reason=digest("reason"))
