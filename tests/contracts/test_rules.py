"""Each act type: its legal case, and what its own rules refuse (docs/protocol.md 3.4)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.description import Role
from tests.contracts.city import (
    AUTHORITY,
    CITY_HEAD,
    ITEMS,
    ORIGIN,
    City,
    Refused,
    digest,
    key,
    key_words,
)

OPERATOR, OFFICER, HEAD = (
    "civil affairs operator",
    "civil affairs officer",
    "civil affairs head",
)
PROVIDER = (OPERATOR, HEAD)
REQUESTER = ("housing operator", "housing officer")
REASON = digest("reason")


def refused(action: Callable[[], Any]) -> Refused:
    """Return the contract's refusal."""
    with pytest.raises(Refused) as caught:
        action()
    return caught.value


def attempt(
    city: City, act: str, signers: Sequence[str], target: bytes = ZERO_ID, **values: Any
) -> str:
    """Return the code that refuses an act."""
    return refused(lambda: city.do(act, signers, target, **values)).code


def value_refused(
    city: City, act: str, signers: Sequence[str], target: bytes, values: Mapping[str, Any]
) -> tuple[str, object, object]:
    """Return code, act type and field of a refused value."""
    error = refused(lambda: city.do(act, signers, target, **values))
    return error.code, error.details.get("act_type"), error.details.get("field")


def key_id(name: str) -> bytes:
    """Return the id of a fixed key."""
    return key(name).public_key.key_id


def department(**changes: Any) -> dict[str, Any]:
    """Return the words of a further department."""
    return {
        "level": 4,
        "kind": 1,
        "region": 441521,
        "parent": ZERO_ID,
        "uscc": "",
        "uscc_override": 0,
        "name": "海丰县政务服务和数据管理局",
        **key_words("county head"),
        **changes,
    }


REVOKED = 3
FOUNDERS = ("authority 3", "authority 1", "county head")


# Registry


def test_department_registered(city: City) -> None:
    parent = city.ids["housing"]
    words = department(parent=parent, uscc="91330100799655058B")
    id_ = city.do("DepartmentRegistered", FOUNDERS, **words)
    assert city.read("Registry", "departments", id_) == (1,)
    assert city.read("Registry", "persons", id_) == (id_, 1, Role.HEAD, 0, False)
    city.enrol("county operator", "county head", Role.OPERATOR)
    assert city.field("Registry", "persons", city.ids["county operator"], "department") == id_


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", 0),
        ("level", 7),
        ("kind", 0),
        ("kind", 6),
        ("parent", digest("nobody")),
        ("uscc", "91330100799655058A"),
        ("uscc", "9133010079965505"),
        ("uscc", "9133010079965505IB"),
        ("uscc_override", 2),
        ("name", ""),
    ],
)
def test_department_registered_values(city: City, field: str, value: Any) -> None:
    words = department(**{field: value})
    assert value_refused(city, "DepartmentRegistered", FOUNDERS, ZERO_ID, words) == (
        "VALUE_INVALID",
        "DepartmentRegistered",
        field,
    )


@pytest.mark.parametrize(
    "code", ["9144030071526726XG", "91330100799655058B", "91350100M000100Y43", "91512081MA62K0260E"]
)
def test_unified_social_credit_codes(city: City, code: str) -> None:
    city.do("DepartmentRegistered", FOUNDERS, **department(uscc=code))


def test_a_credit_code_with_a_wrong_check_needs_the_override(city: City) -> None:
    words = department(uscc="91330100799655058A", uscc_override=1)
    city.do("DepartmentRegistered", FOUNDERS, **words)


def test_department_registered_needs_the_threshold(city: City) -> None:
    words = department()
    one = ("authority 1", "county head")
    assert attempt(city, "DepartmentRegistered", one, **words) == "SIGNATURE_COUNT"
    heads = (CITY_HEAD, "authority 1", "county head")
    assert attempt(city, "DepartmentRegistered", heads, **words) == "ROLE_MISSING"
    heads = ("authority 1", HEAD, "county head")
    assert attempt(city, "DepartmentRegistered", heads, **words) == "ROLE_MISSING"


@pytest.mark.parametrize(
    "roles",
    [
        Role.OPERATOR | Role.OFFICER | Role.CDO,
        Role.AUDITOR | Role.WITNESS,
        Role.SYSADMIN | Role.SECADMIN,
        Role.SYSTEM | Role.PROVIDER,
        Role.GATEWAY | Role.PLATFORM,
    ],
)
def test_person_enrolled(city: City, roles: Role) -> None:
    id_ = city.enrol("newcomer", HEAD, roles)
    assert city.read("Registry", "persons", id_) == (
        city.ids["civil affairs"],
        1,
        roles,
        0,
        False,
    )


@pytest.mark.parametrize(
    "roles",
    [
        0,
        Role.HEAD,
        Role.AUTHORITY,
        Role.OPERATOR | Role.AUDITOR,
        Role.SYSADMIN | Role.AUDITOR,
        Role.OFFICER | Role.SYSTEM,
        Role.GATEWAY | Role.WITNESS,
        8192,
        1 << 32 | 1,
        1 << 255,
    ],
)
def test_person_enrolled_roles(city: City, roles: int) -> None:
    words = {"roles": int(roles), **key_words("newcomer")}
    assert value_refused(city, "PersonEnrolled", (HEAD, "newcomer"), ZERO_ID, words) == (
        "VALUE_INVALID",
        "PersonEnrolled",
        "roles",
    )
    words["roles"] = 1
    assert attempt(city, "PersonEnrolled", (OFFICER, "newcomer"), **words) == "ROLE_MISSING"


def test_person_roles_set(city: City) -> None:
    person = city.ids[OFFICER]
    city.do("PersonRolesSet", (HEAD,), person, roles=int(Role.OPERATOR))
    words = city.agreed_values()
    assert attempt(city, "RequestAgreed", (OFFICER,), city.ids["filed"], **words) == "ROLE_MISSING"
    mixed = int(Role.OPERATOR | Role.WITNESS)
    assert attempt(city, "PersonRolesSet", (HEAD,), person, roles=mixed) == "VALUE_INVALID"
    assert attempt(city, "PersonRolesSet", (HEAD,), person, roles=4) == "VALUE_INVALID"
    other = ("housing head",)
    assert attempt(city, "PersonRolesSet", other, person, roles=1) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "PersonRolesSet", (OPERATOR,), person, roles=1) == "ROLE_MISSING"


def test_a_person_who_has_ended_stays_so(city: City) -> None:
    person = city.ids[OFFICER]
    city.do("PersonRolesSet", (HEAD,), person, roles=0)
    assert attempt(city, "PersonRolesSet", (HEAD,), person, roles=1) == "STATE_INVALID"
    signers = (HEAD, "further")
    assert attempt(city, "KeyAdded", signers, person, **key_words("further")) == "STATE_INVALID"


def test_a_head_stays_head(city: City) -> None:
    head = city.ids["housing"]
    assert attempt(city, "PersonRolesSet", ("housing head",), head, roles=1) == "STATE_INVALID"


def test_key_added(city: City) -> None:
    person = city.ids[OFFICER]
    city.do("KeyAdded", (HEAD, "further"), person, **key_words("further"))
    assert city.revision("KeyAdded", person) == 2
    city.do("RequestAgreed", ("further",), city.ids["filed"], **city.agreed_values())
    signers = ("housing head", "stranger")
    words = key_words("stranger")
    assert attempt(city, "KeyAdded", signers, person, **words) == "DEPARTMENT_MISMATCH"
    assert attempt(city, "KeyAdded", (OFFICER, "stranger"), person, **words) == "ROLE_MISSING"


def test_a_head_adds_a_key_to_himself(city: City) -> None:
    head = city.ids["housing"]
    city.do("KeyAdded", ("housing head", "spare"), head, **key_words("spare"))
    city.do("KeyRevoked", ("spare",), key_id("housing head"), reason_code=3)
    city.enrol("newcomer", "spare", Role.SYSTEM)


def test_key_revoked(city: City) -> None:
    city.do("KeyRevoked", (OPERATOR,), key_id(OPERATOR), reason_code=1)
    assert city.field("Registry", "keys", key_id(OPERATOR), "state") == REVOKED
    again = attempt(city, "KeyRevoked", (HEAD,), key_id(OPERATOR), reason_code=1)
    assert again == "STATE_INVALID"
    for reason in (0, 5):
        words = {"reason_code": reason}
        assert value_refused(city, "KeyRevoked", (HEAD,), key_id(OFFICER), words)[2] == (
            "reason_code"
        )
    other = attempt(city, "KeyRevoked", ("housing head",), key_id(OFFICER), reason_code=1)
    assert other == "DEPARTMENT_MISMATCH"
    both = attempt(city, "KeyRevoked", ("civil affairs both",), key_id(OFFICER), reason_code=1)
    assert both == "ROLE_MISSING"


def test_the_authoritys_keys_are_protected(city: City) -> None:
    protected = "AUTHORITY_KEY_PROTECTED"
    first = key_id("authority 1")
    assert attempt(city, "KeyRevoked", (CITY_HEAD,), first, reason_code=3) == protected
    signers, words = (CITY_HEAD, "planted"), key_words("planted")
    assert attempt(city, "KeyAdded", signers, first, **words) == protected
    assert attempt(city, "PersonRolesSet", (CITY_HEAD,), first, roles=0) == protected
    # Three keys, threshold two: one may go, by its own hand.
    city.do("KeyRevoked", ("authority 3",), key_id("authority 3"), reason_code=3)
    assert city.read("Registry", "activeAuthorityKeys") == (2,)
    assert attempt(city, "KeyRevoked", ("authority 1",), first, reason_code=3) == protected
    assert len(AUTHORITY) == 3
    # The head is a head like any other: m of n give the head another key.
    city.do("KeyRevoked", (CITY_HEAD,), key_id(CITY_HEAD), reason_code=2)


# Entries


def test_entry_versions_supersede_without_interruption(city: City) -> None:
    entry = city.ids["entry"]
    city.do("EntrySubmitted", PROVIDER, entry, **city.entry_values(items=0b11, sensitive=0))
    assert city.field("Entries", "entries", entry, "items") == ITEMS
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (True,)
    replaced = city.entry_values(items=0b111, sensitive=0, document=digest("second try"))
    city.do("EntrySubmitted", PROVIDER, entry, **replaced)
    old = attempt(
        city, "EntryPublished", ("authority 2",), entry, document=digest("entry document")
    )
    assert old == "VALUE_INVALID"
    city.do("EntryPublished", ("authority 2",), entry, document=digest("second try"))
    assert city.field("Entries", "entries", entry, "version") == 2
    assert city.field("Entries", "entries", entry, "items") == 0b111
    none = attempt(city, "EntryPublished", ("authority 2",), entry, document=digest("second try"))
    assert none == "STATE_INVALID"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sharing_class", 0),
        ("sharing_class", 4),
        ("library", 0),
        ("library", 6),
        ("update_cycle", 0),
        ("update_cycle", 8),
        ("openness", 3),
        ("mode", 0),
        ("mode", 5),
        ("grading", 0),
        ("grading", 4),
        ("items", 0),
        ("sensitive", 0b10000),
        ("document", ZERO_ID),
        ("secrecy_assessment", ZERO_ID),
        ("privacy_assessment", ZERO_ID),
        ("basis", ZERO_ID),
    ],
)
def test_entry_submitted_values(city: City, field: str, value: Any) -> None:
    changes = {field: value, **({"sensitive": 0} if field == "items" else {})}
    words = city.entry_values(**changes)
    assert value_refused(city, "EntrySubmitted", PROVIDER, ZERO_ID, words) == (
        "VALUE_INVALID",
        "EntrySubmitted",
        field,
    )


def test_unconditional_sharing_has_no_basis(city: City) -> None:
    words = city.entry_values(sharing_class=1)
    assert attempt(city, "EntrySubmitted", PROVIDER, **words) == "VALUE_INVALID"
    city.do("EntrySubmitted", PROVIDER, **city.entry_values(sharing_class=1, basis=ZERO_ID))


def test_entry_submitted_signers(city: City) -> None:
    words = city.entry_values()
    assert attempt(city, "EntrySubmitted", (HEAD, OPERATOR), **words) == "ROLE_MISSING"
    mixed = (OPERATOR, "housing head")
    assert attempt(city, "EntrySubmitted", mixed, **words) == "DEPARTMENT_MISMATCH"
    foreign = ("housing operator", "housing head")
    entry = city.ids["entry"]
    assert attempt(city, "EntrySubmitted", foreign, entry, **words) == "DEPARTMENT_MISMATCH"


def test_entry_retired_ends_what_rests_on_it(city: City) -> None:
    entry, grant = city.ids["entry"], city.ids["grant"]
    zero = attempt(city, "EntryRetired", (HEAD,), entry, reason=ZERO_ID)
    assert zero == "VALUE_INVALID"
    other = attempt(city, "EntryRetired", ("housing head",), entry, reason=REASON)
    assert other == "DEPARTMENT_MISMATCH"
    city.do("EntryRetired", (HEAD,), entry, reason=REASON)
    assert city.read("Interfaces", "interfaceView", city.ids["interface"])[0][4] is False
    assert city.read("Requests", "isLive", grant, city.now()) == (False,)
    words = city.agreed_values()
    agreed = attempt(city, "RequestAgreed", (OFFICER,), city.ids["filed"], **words)
    assert agreed == "INTERFACE_NOT_LIVE"
    assert attempt(city, "RequestFiled", REQUESTER, **city.request_values()) == "INTERFACE_NOT_LIVE"
    late = attempt(city, "InterfaceRegistered", (OPERATOR,), **city.interface_values())
    assert late == "ENTRY_NOT_LIVE"
    assert attempt(city, "EntryRetired", (HEAD,), entry, reason=REASON) == "STATE_INVALID"
    words = city.entry_values()
    assert attempt(city, "EntrySubmitted", PROVIDER, entry, **words) == "STATE_INVALID"


def test_an_entry_that_is_no_longer_shared_ends_sharing(city: City) -> None:
    entry = city.ids["entry"]
    city.do("EntrySubmitted", PROVIDER, entry, **city.entry_values(sharing_class=3))
    city.do("EntryPublished", ("authority 1",), entry, document=digest("entry document"))
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)
    words = city.interface_values(entry_version=2)
    assert attempt(city, "InterfaceRegistered", (OPERATOR,), **words) == "ENTRY_NOT_SHARED"


# Interfaces


def test_no_interface_without_a_published_live_entry(city: City) -> None:
    unpublished = city.do("EntrySubmitted", PROVIDER, **city.entry_values())
    for entry in (unpublished, digest("no entry")):
        words = city.interface_values(entry=entry)
        assert attempt(city, "InterfaceRegistered", (OPERATOR,), **words) == "ENTRY_NOT_LIVE"


def test_interface_registered(city: City) -> None:
    covered = refused(
        lambda: city.do("InterfaceRegistered", (OPERATOR,), **city.interface_values(items=0b10001))
    )
    assert (covered.code, covered.details["covered"]) == ("ITEMS_NOT_COVERED", ITEMS)
    words = city.interface_values(entry_version=2)
    assert attempt(city, "InterfaceRegistered", (OPERATOR,), **words) == "VERSION_NOT_CURRENT"
    for field, value in (("items", 0), ("document", ZERO_ID), ("node", "")):
        words = city.interface_values(**{field: value})
        found = value_refused(city, "InterfaceRegistered", (OPERATOR,), ZERO_ID, words)
        assert found == ("VALUE_INVALID", "InterfaceRegistered", field)
    words = city.interface_values()
    foreign = attempt(city, "InterfaceRegistered", ("housing operator",), **words)
    assert foreign == "DEPARTMENT_MISMATCH"
    assert attempt(city, "InterfaceRegistered", (OFFICER,), **words) == "ROLE_MISSING"


def test_a_new_version_of_an_interface_serves_the_same_entry(city: City) -> None:
    other = city.do("EntrySubmitted", PROVIDER, **city.entry_values())
    city.do("EntryPublished", ("authority 1",), other, document=digest("entry document"))
    words = city.interface_values(entry=other)
    found = value_refused(city, "InterfaceRegistered", (OPERATOR,), city.ids["interface"], words)
    assert found == ("VALUE_INVALID", "InterfaceRegistered", "entry")


def test_interface_online(city: City) -> None:
    interface = city.ids["interface"]
    document = digest("interface document")
    none = attempt(city, "InterfaceOnline", (OFFICER,), interface, document=document)
    assert none == "STATE_INVALID"
    city.do("InterfaceRegistered", (OPERATOR,), interface, **city.interface_values(items=0b1000))
    assert city.field("Interfaces", "interfaces", interface, "items") == 0b0111
    wrong = attempt(city, "InterfaceOnline", (OFFICER,), interface, document=digest("other"))
    assert wrong == "VALUE_INVALID"
    operator = attempt(city, "InterfaceOnline", (OPERATOR,), interface, document=document)
    assert operator == "ROLE_MISSING"
    untested = attempt(city, "InterfaceOnline", (OFFICER,), interface, document=document)
    assert untested == "INTERFACE_NOT_TESTED"
    city.do("InterfaceTested", ("gateway",), interface, **city.tested_values())
    # A suspension outlives a new version.
    city.do("InterfaceSuspended", ("authority 1",), interface, reason=REASON)
    city.do("InterfaceOnline", (OFFICER,), interface, document=document)
    assert city.field("Interfaces", "interfaces", interface, "version") == 2
    assert city.read("Interfaces", "interfaceView", interface)[0][4] is False
    city.do("InterfaceResumed", ("authority 2",), interface)
    # The grant's items and the new version's have nothing in common.
    assert city.read("Requests", "effectiveItems", city.ids["grant"]) == (0,)


def test_interface_online_after_the_entry_lost_items(city: City) -> None:
    entry, interface = city.ids["entry"], city.ids["interface"]
    city.do("InterfaceRegistered", (OPERATOR,), interface, **city.interface_values())
    city.do("InterfaceTested", ("gateway",), interface, **city.tested_values())
    city.do("EntrySubmitted", PROVIDER, entry, **city.entry_values(items=0b110, sensitive=0))
    city.do("EntryPublished", ("authority 1",), entry, document=digest("entry document"))
    document = digest("interface document")
    lost = attempt(city, "InterfaceOnline", (OFFICER,), interface, document=document)
    assert lost == "ITEMS_NOT_COVERED"
    assert city.read("Requests", "effectiveItems", city.ids["grant"]) == (0,)


def test_only_the_side_that_suspended_an_interface_resumes_it(city: City) -> None:
    interface = city.ids["interface"]
    assert attempt(city, "InterfaceResumed", (OFFICER,), interface) == "STATE_INVALID"
    zero = attempt(city, "InterfaceSuspended", (OFFICER,), interface, reason=ZERO_ID)
    assert zero == "VALUE_INVALID"
    other = attempt(city, "InterfaceSuspended", ("housing officer",), interface, reason=REASON)
    assert other == "DEPARTMENT_MISMATCH"
    city.do("InterfaceSuspended", (OFFICER,), interface, reason=REASON)
    again = attempt(city, "InterfaceSuspended", (OFFICER,), interface, reason=REASON)
    assert again == "STATE_INVALID"
    assert attempt(city, "InterfaceResumed", ("authority 1",), interface) == "SUSPENDED_BY_OTHER"
    city.do("InterfaceResumed", (OFFICER,), interface)
    city.do("InterfaceSuspended", ("authority 1",), interface, reason=REASON)
    assert attempt(city, "InterfaceResumed", (OFFICER,), interface) == "SUSPENDED_BY_OTHER"


def test_no_grant_without_a_live_interface(city: City) -> None:
    interface = city.ids["interface"]
    city.do("InterfaceSuspended", (OFFICER,), interface, reason=REASON)
    assert attempt(city, "RequestFiled", REQUESTER, **city.request_values()) == "INTERFACE_NOT_LIVE"
    words = city.agreed_values()
    agreed = attempt(city, "RequestAgreed", (OFFICER,), city.ids["filed"], **words)
    assert agreed == "INTERFACE_NOT_LIVE"
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)
    unknown = city.request_values(interface=digest("none"))
    assert attempt(city, "RequestFiled", REQUESTER, **unknown) == "INTERFACE_NOT_LIVE"


def test_interface_retired(city: City) -> None:
    interface = city.ids["interface"]
    assert attempt(city, "InterfaceRetired", (OPERATOR,), interface, reason=REASON) == (
        "ROLE_MISSING"
    )
    city.do("InterfaceRetired", (OFFICER,), interface, reason=REASON)
    words = city.interface_values()
    version = attempt(city, "InterfaceRegistered", (OPERATOR,), interface, **words)
    assert version == "STATE_INVALID"
    again = attempt(city, "InterfaceRetired", (OFFICER,), interface, reason=REASON)
    assert again == "STATE_INVALID"
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (False,)


# Requests and grants


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("valid_until", 1),
        ("quota", 0),
        ("items", 0),
        ("way", 0),
        ("way", 4),
        ("legal_basis", ""),
        ("scenario", ""),
        ("case", ZERO_ID),
    ],
)
def test_request_filed_values(city: City, field: str, value: Any) -> None:
    words = city.request_values(**{field: value})
    assert value_refused(city, "RequestFiled", REQUESTER, ZERO_ID, words) == (
        "VALUE_INVALID",
        "RequestFiled",
        field,
    )


def test_request_filed(city: City) -> None:
    words = city.request_values(items=0b1000)
    assert attempt(city, "RequestFiled", REQUESTER, **words) == "ITEMS_NOT_COVERED"
    words = city.request_values(interface_version=2)
    assert attempt(city, "RequestFiled", REQUESTER, **words) == "VERSION_NOT_CURRENT"
    words = city.request_values()
    assert attempt(city, "RequestFiled", (OPERATOR, OFFICER), **words) == "OWN_DATA"
    past = city.request_values(valid_from=1, valid_until=city.now() - 10)
    assert attempt(city, "RequestFiled", REQUESTER, **past) == "VALUE_INVALID"
    targeted = attempt(city, "RequestFiled", REQUESTER, city.ids["filed"], **words)
    assert targeted == "TARGET_UNKNOWN"


def test_request_agreed(city: City) -> None:
    filed = city.ids["filed"]
    start = city.field("Requests", "requests", filed, "validFrom")
    until = city.field("Requests", "requests", filed, "validUntil")
    for field, value, code in (
        ("items", 0, "VALUE_INVALID"),
        ("items", 0b0100, "ITEMS_NOT_COVERED"),
        ("valid_from", start - 1, "VALUE_INVALID"),
        ("valid_from", until + 1, "VALUE_INVALID"),
        ("valid_until", until + 1, "VALUE_INVALID"),
        ("quota", 0, "VALUE_INVALID"),
        ("quota", 101, "VALUE_INVALID"),
    ):
        words = city.agreed_values(**{field: value})
        assert attempt(city, "RequestAgreed", (OFFICER,), filed, **words) == code
    city.do("RequestAgreed", (OFFICER,), filed, **city.agreed_values(quota=100))
    assert city.read("Requests", "isLive", filed, start) == (True,)
    assert city.read("Requests", "isLive", filed, start - 1) == (False,)
    assert city.read("Requests", "isLive", filed, until) == (True,)
    assert city.read("Requests", "isLive", filed, until + 1) == (False,)
    words = city.agreed_values()
    assert attempt(city, "RequestAgreed", (OFFICER,), filed, **words) == "STATE_INVALID"


def test_request_refused(city: City) -> None:
    filed = city.ids["filed"]
    assert attempt(city, "RequestRefused", (OFFICER,), filed, reason=ZERO_ID) == "VALUE_INVALID"
    other = attempt(city, "RequestRefused", ("housing officer",), filed, reason=REASON)
    assert other == "DEPARTMENT_MISMATCH"
    city.do("RequestRefused", (OFFICER,), filed, reason=REASON)
    words = city.agreed_values()
    assert attempt(city, "RequestAgreed", (OFFICER,), filed, **words) == "STATE_INVALID"


def test_only_the_side_that_suspended_a_grant_resumes_it(city: City) -> None:
    grant = city.ids["grant"]
    own = attempt(city, "GrantSuspended", ("housing officer",), grant, reason=REASON, cause=1)
    assert own == "DEPARTMENT_MISMATCH"
    assert (
        attempt(city, "GrantSuspended", (OPERATOR,), grant, reason=REASON, cause=1)
        == "ROLE_MISSING"
    )
    assert attempt(city, "GrantResumed", (OFFICER,), grant) == "STATE_INVALID"
    city.do("GrantSuspended", ("authority 1",), grant, reason=REASON, cause=1)
    assert city.read("Requests", "isLive", grant, city.now()) == (False,)
    assert attempt(city, "GrantResumed", (OFFICER,), grant) == "SUSPENDED_BY_OTHER"
    city.do("GrantResumed", ("authority 2",), grant)
    city.do("GrantSuspended", (OFFICER,), grant, reason=REASON, cause=1)
    assert attempt(city, "GrantResumed", ("authority 1",), grant) == "SUSPENDED_BY_OTHER"
    city.do("GrantResumed", (OFFICER,), grant)
    assert city.read("Requests", "isLive", grant, city.now()) == (True,)


@pytest.mark.parametrize(("who", "cause"), [(OFFICER, 1), ("housing officer", 4)])
def test_grant_revoked(city: City, who: str, cause: int) -> None:
    grant, filed = city.ids["grant"], city.ids["filed"]
    words = {"reason": REASON, "cause": cause}
    assert attempt(city, "GrantRevoked", (who,), filed, **words) == "STATE_INVALID"
    assert attempt(city, "GrantRevoked", ("authority 1",), grant, **words) == "ROLE_MISSING"
    empty = {**words, "reason": ZERO_ID}
    assert attempt(city, "GrantRevoked", (who,), grant, **empty) == "VALUE_INVALID"
    city.do("GrantSuspended", (OFFICER,), grant, reason=REASON, cause=1)
    city.do("GrantRevoked", (who,), grant, **words)
    assert attempt(city, "GrantResumed", (OFFICER,), grant) == "STATE_INVALID"


def test_a_third_department_cannot_revoke_a_grant(city: City) -> None:
    city.enrol("city officer", CITY_HEAD, Role.OFFICER)
    words = {"reason": REASON, "cause": 1}
    third = attempt(city, "GrantRevoked", ("city officer",), city.ids["grant"], **words)
    assert third == "DEPARTMENT_MISMATCH"


# Logs


def log_words(**changes: Any) -> dict[str, Any]:
    """Return the words of a further log."""
    return {"gateway_key": key_id("gateway"), "origin": "log.city/gateway-2", **changes}


def test_log_registered(city: City) -> None:
    signers = ("authority 1", "gateway")
    taken = log_words(origin=ORIGIN)
    assert attempt(city, "LogRegistered", signers, **taken) == "ORIGIN_TAKEN"
    for origin in ("", "Log", "a b", "a_b", "x" * 31, "log:1"):
        words = log_words(origin=origin)
        found = value_refused(city, "LogRegistered", signers, ZERO_ID, words)
        assert found == ("VALUE_INVALID", "LogRegistered", "origin")
    words = log_words(gateway_key=key_id(OFFICER))
    found = value_refused(city, "LogRegistered", signers, ZERO_ID, words)
    assert found == ("VALUE_INVALID", "LogRegistered", "gateway_key")
    words = log_words(gateway_key=key_id(OFFICER))
    assert attempt(city, "LogRegistered", ("authority 1", OFFICER), **words) == "ROLE_MISSING"
    words = log_words()
    assert attempt(city, "LogRegistered", (CITY_HEAD, "gateway"), **words) == "ROLE_MISSING"
    city.do("LogRegistered", signers, **log_words(origin="x" * 30))


def test_disposals_of_parameters(city: City) -> None:
    signers, log = ("gateway",), city.ids["log"]
    before = city.read("Logs", "logs", log)
    for wrong in (
        {"disposed_kind": 0},
        {"disposed_kind": 4},
        {"period": 200_000},
        {"period": 202_600},
        {"period": 202_613},
        {"period": 1_000_001},
        {"record": 0},
        {"record": 2**63},
        {"record_leaf": ZERO_ID},
    ):
        words = city.disposed_values(**wrong)
        found = value_refused(city, "ParametersDisposed", signers, log, words)
        assert found == ("VALUE_INVALID", "ParametersDisposed", *wrong)
    values = city.disposed_values()
    assert attempt(city, "ParametersDisposed", (OFFICER,), log, **values) == "ROLE_MISSING"
    # Another gateway tells nothing of this one's log.
    city.enrol("another gateway", "civil affairs head", Role.GATEWAY)
    another = ("another gateway",)
    assert attempt(city, "ParametersDisposed", another, log, **values) == "GATEWAY_MISMATCH"
    unknown = digest("no log")
    assert attempt(city, "ParametersDisposed", signers, unknown, **values) == "TARGET_UNKNOWN"
    city.do("ParametersDisposed", signers, log, **city.disposed_values(period=999_912))
    after = city.read("Logs", "logs", log)
    # The revision alone is another.
    assert after[:-1] == before[:-1]
    assert after[-1] == before[-1] + 1
