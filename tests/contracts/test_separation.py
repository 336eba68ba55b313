"""Roles and their separation (domain section 2, GB/T 39477-2020): who may not, act by act."""

import copy
from typing import Any

import pytest

from protocol.acts import ZERO_ID
from protocol.description import ACT_TYPES, ROLE_GROUPS, ActType, Field, Role
from protocol.model import MemoryStore, apply_act, grant_problem
from tests.contracts.city import CHAIN_ID, CITY_HEAD, City, Refused, digest, key, key_words
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_rules import HEAD, OPERATOR, attempt, department

# A key acts for itself whatever its person's roles.
TYPES = [a for a in ACT_TYPES if a.signers[0] != "the key itself"]
ENROLLED = tuple(role for role in Role if role not in (Role.HEAD, Role.AUTHORITY))


def allowed(act_type: ActType) -> Role:
    """Return the roles that the table of act types names for the actor."""
    text = act_type.signers[0]
    if text in ("the side that suspended", "the mediator"):
        return Role.OFFICER | Role.AUTHORITY
    return roles_in(text)


def roles_in(text: str) -> Role:
    """Return the roles that a signer's text names."""
    words = text.replace(",", " ").replace("*m", " ").split()
    found = Role(0)
    for word in words:
        if word in Role.__members__:
            found |= Role[word]
    return found


@pytest.fixture
def people(city: City) -> dict[Role, str]:
    """A person of each role; all but the authority's belong to the provider."""
    names = {Role.HEAD: HEAD, Role.AUTHORITY: "authority 1"}
    for role in ENROLLED:
        names[role] = f"only {role.name}"
        city.enrol(names[role], HEAD, role)
    return names


def value_of(field: Field, newcomer: str) -> Any:
    """Return a value of the right form; roles are checked before values."""
    if field.name in ("key_x", "key_y"):
        return key_words(newcomer)[field.name]
    if field.kind == "uint":
        return 1
    return digest(field.name)[: field.size] if field.kind == "bytes" else ""


def matter_of(city: City, contract: str) -> bytes:
    """Open a correction, a dispute or a consent to a third party, for somebody to act on."""
    reason, grant = digest("reason"), city.ids["grant"]
    if contract == "Corrections":
        found = {"subject": grant, "subject_kind": 1, "items": 1, "errors": reason}
        return city.do("CorrectionFiled", ("housing operator",), **found)
    if contract == "Disputes":
        city.do("RequestRefused", ("civil affairs officer",), city.ids["filed"], reason=reason)
        words = {"request": city.ids["filed"], "statement": reason}
        return city.do("DisputeOpened", ("housing officer",), **words)
    third = {"third_party": digest("a bank"), "third_party_kind": 2, "purpose": reason}
    words = {"grant": grant, "valid_until": city.now() + 600, "items": 1, **third}
    return city.do("ThirdPartyConsented", ("civil affairs officer",), **words)


def target_of(city: City, act_type: ActType) -> bytes:
    """Return something of the provider that the act could change."""
    if act_type.creates:
        return ZERO_ID
    ids = city.ids
    if act_type.contract in ("Corrections", "Disputes", "ThirdParties"):
        return matter_of(city, act_type.contract)
    by_name = {
        "AuthorityKeyResumed": key("authority 3").public_key.key_id,
        "ThresholdSet": key(CITY_HEAD).public_key.key_id,
        "CalendarCorrected": ids.get("calendar 2026", ZERO_ID),
        "DepartmentChanged": ids["housing"],
        "DepartmentEnded": ids["housing"],
    }
    if act_type.target_kind == "key":
        by_name.setdefault(act_type.name, key("civil affairs both").public_key.key_id)
    by_contract = {
        "Registry": ids["civil affairs both"],
        "Entries": ids["entry"],
        "Elements": ids["claim"],
        "Interfaces": ids["interface"],
        "Requests": ids["grant"],
        "Logs": ids["log"],
    }
    return by_name.get(act_type.name) or by_contract.get(act_type.contract, ZERO_ID)


def others(act_type: ActType) -> list[str]:
    """Return good signers for the other places."""
    names = ["authority 2"] if act_type.signers[0] == "AUTHORITY*m" else []
    for text in act_type.signers[1:]:
        if text.startswith("the"):
            names.append("gateway" if act_type.name == "LogRegistered" else "newcomer")
        elif text.startswith("HEAD"):
            names.append("housing head")
        else:
            names.append("authority 3" if text.startswith("AUTHORITY") else "housing officer")
    return names


@pytest.mark.parametrize("act_type", TYPES, ids=lambda one: one.name)
def test_no_role_acts_for_another(city: City, people: dict[Role, str], act_type: ActType) -> None:
    """Whoever lacks the role that the table names is refused, for every act type and role."""
    may = allowed(act_type)
    assert may
    target = target_of(city, act_type)
    assert act_type.creates or target != ZERO_ID, "nothing of this kind in the city"
    values = {f.name: value_of(f, "newcomer") for word in act_type.words for f in word}
    for role, name in people.items():
        if role & may:
            continue
        signers = (name, *others(act_type))
        code = attempt(city, act_type.name, signers, target, **values)
        assert code == "ROLE_MISSING", (act_type.name, role)


BESIDE = [
    (act_type, place)
    for act_type in TYPES
    for place, text in enumerate(act_type.signers)
    if place and not text.startswith("the")
]


@pytest.mark.parametrize(
    ("act_type", "place"), BESIDE, ids=[f"{one.name}-{place}" for one, place in BESIDE]
)
def test_no_role_signs_beside_for_another(
    city: City, people: dict[Role, str], act_type: ActType, place: int
) -> None:
    """The same for every further signer: the first one may, the other one lacks the role."""
    may, beside = allowed(act_type), roles_in(act_type.signers[place])
    target = target_of(city, act_type)
    values = {f.name: value_of(f, "newcomer") for word in act_type.words for f in word}
    first = next(name for role, name in people.items() if role & may)
    sides = any(side in " ".join(act_type.signers) for side in ("requester", "provider"))
    for role, name in people.items():
        if role & beside or name == first:
            continue
        signers = [first, *others(act_type)]
        signers[place] = name
        code = attempt(city, act_type.name, signers, target, **values)
        # Where each side has its signer, the wrong department may be told before the wrong role.
        wanted = {"ROLE_MISSING", "DEPARTMENT_MISMATCH"} if sides else {"ROLE_MISSING"}
        assert code in wanted, (act_type.name, role, code)


def test_authority_acts_need_authority_persons_in_every_place(
    city: City, people: dict[Role, str]
) -> None:
    for act_type in TYPES:
        if act_type.signers[0] != "AUTHORITY*m":
            continue
        target = target_of(city, act_type)
        values = {f.name: value_of(f, "newcomer") for word in act_type.words for f in word}
        for role, name in people.items():
            if role is Role.AUTHORITY:
                continue
            signers = ["authority 1", name, *others(act_type)[1:]]
            code = attempt(city, act_type.name, signers, target, **values)
            assert code == "ROLE_MISSING", (act_type.name, role)


def test_an_auditor_writes_no_business_act(city: City) -> None:
    for role in (Role.AUDITOR, Role.WITNESS):
        assert not any(role & allowed(act_type) for act_type in TYPES)


def test_administrators_write_no_business_act(city: City) -> None:
    for role in (Role.SYSADMIN, Role.SECADMIN, Role.PLATFORM, Role.SYSTEM):
        assert not any(role & allowed(act_type) for act_type in TYPES), role


def test_a_chief_data_officer_reports_and_does_nothing_else(city: City) -> None:
    may = [act_type.name for act_type in TYPES if Role.CDO & allowed(act_type)]
    assert may == ["OversightReported"]


def test_the_authority_cannot_consent_in_a_departments_name(city: City) -> None:
    filed = ("housing operator", "authority 1")
    assert attempt(city, "RequestFiled", filed, **city.request_values()) == "ROLE_MISSING"
    words = city.agreed_values()
    for signer in ("authority 1", CITY_HEAD):
        code = attempt(city, "RequestAgreed", (signer,), city.ids["filed"], **words)
        assert code == "ROLE_MISSING"
    # Nor does it approve a department's entry, or put its interface online.
    entry = (OPERATOR, "authority 1")
    assert attempt(city, "EntrySubmitted", entry, **city.entry_values()) == "ROLE_MISSING"
    assert attempt(city, "EntrySubmitted", (OPERATOR, CITY_HEAD), **city.entry_values()) == (
        "DEPARTMENT_MISMATCH"
    )


def test_the_authoritys_own_officers_consent_for_no_other_department(city: City) -> None:
    city.enrol("city officer", CITY_HEAD, Role.OFFICER)
    code = attempt(
        city, "RequestAgreed", ("city officer",), city.ids["filed"], **city.agreed_values()
    )
    assert code == "DEPARTMENT_MISMATCH"


def test_the_authority_cannot_enrol_a_departments_persons(city: City) -> None:
    words = {"roles": int(Role.OFFICER), **key_words("planted")}
    assert attempt(city, "PersonEnrolled", ("authority 1", "planted"), **words) == "ROLE_MISSING"
    city.enrol("of the city", CITY_HEAD, Role.OFFICER)
    own = city.field("Registry", "persons", city.ids["of the city"], "department")
    assert own == key(CITY_HEAD).public_key.key_id


def test_no_department_acts_for_another(city: City) -> None:
    for name, signers, target in (
        ("EntryRetired", ("housing head",), "entry"),
        ("InterfaceRetired", ("housing officer",), "interface"),
        ("RequestRefused", ("housing officer",), "filed"),
        ("ElementReleased", ("housing head",), "claim"),
    ):
        code = attempt(city, name, signers, city.ids[target], reason=digest("reason"))
        assert code == "DEPARTMENT_MISMATCH"


def test_management_audit_and_operation_are_separate_persons(city: City) -> None:
    for one in ROLE_GROUPS:
        for other in ROLE_GROUPS:
            if one == other:
                continue
            for first in one:
                for second in other:
                    words = {"roles": int(first | second), **key_words("mixed")}
                    code = attempt(city, "PersonEnrolled", (HEAD, "mixed"), **words)
                    assert code == "VALUE_INVALID", (first, second)


def test_one_person_gives_no_two_consents(city: City) -> None:
    city.do(
        "KeyAdded",
        ("housing head", "second key"),
        city.ids["housing both"],
        **key_words("second key"),
    )
    signers = ("housing both", "second key")
    assert attempt(city, "RequestFiled", signers, **city.request_values()) == "SIGNER_REPEATED"


def test_only_operators_and_systems_ask_for_data(built: City, replayed: MemoryStore) -> None:
    """Administrators read nothing: the gateway's decision names their role."""

    store = copy.deepcopy(replayed)
    city = City(built.rpc, built.contracts, built.sender)
    city.ids.update(built.ids)
    snapshot = city.rpc.call("evm_snapshot")
    try:
        for role in ENROLLED:
            name = f"asks as {role.name}"
            words = {"roles": int(role), **key_words(name)}
            signed = city.sign("PersonEnrolled", ("housing head", name), **words)
            outcome = city.record(signed)
            apply_act(
                store,
                signed,
                chain_id=CHAIN_ID,
                contracts=city.contracts,
                block_number=1,
                block_time=outcome.block_time,
            )
            problem = grant_problem(
                store,
                grant=city.ids["grant"],
                key_id=key(name).public_key.key_id,
                basis="809-20",
                scenario="housing",
                at_s=city.now(),
            )
            may = role in (Role.OPERATOR, Role.SYSTEM)
            assert problem == (None if may else "ROLE_MISSING"), role
    finally:
        assert city.rpc.call("evm_revert", snapshot) is True


@pytest.mark.parametrize(
    ("parent", "child", "ok"),
    [
        ((3, 1), (4, 1), True),
        ((3, 1), (6, 1), True),
        ((1, 2), (2, 1), True),
        ((3, 2), (3, 1), True),
        ((3, 2), (3, 4), True),
        ((3, 1), (3, 1), False),
        ((3, 2), (3, 2), False),
        ((4, 1), (3, 1), False),
        ((5, 2), (4, 1), False),
        ((6, 1), (6, 3), False),
    ],
)
def test_a_parent_stands_above(
    city: City, parent: tuple[int, int], child: tuple[int, int], *, ok: bool
) -> None:
    """State, province, city, county, town, village; a government above its own departments."""
    above = city.register("above", level=parent[0], kind=parent[1])
    words = department(level=child[0], kind=child[1], parent=above)
    founders = ("authority 3", "authority 1", "county head")
    if ok:
        id_ = city.do("DepartmentRegistered", founders, **words)
        assert city.read("Registry", "departmentView", id_)[0] == (above, child[0], True)
        return
    with pytest.raises(Refused, match="VALUE_INVALID"):
        city.do("DepartmentRegistered", founders, **words)


def test_the_citys_authority_stands_above_counties(city: City) -> None:
    authority = key(CITY_HEAD).public_key.key_id
    founders = ("authority 3", "authority 1", "county head")
    city.do("DepartmentRegistered", founders, **department(level=4, parent=authority))
    words = department(level=3, parent=authority, **key_words("peer head"))
    peers = ("authority 3", "authority 1", "peer head")
    assert attempt(city, "DepartmentRegistered", peers, **words) == "VALUE_INVALID"
