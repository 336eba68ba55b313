"""Random acts: the contracts and protocol.model accept and refuse the same."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.errors import ProtocolError
from protocol.acts import ZERO_ID, SignedAct
from protocol.calendar import day_at, plain_weekdays
from protocol.description import ACT_TYPES, ActType, Field
from protocol.model import (
    Entry,
    KeyState,
    MemoryStore,
    apply_act,
    apply_genesis,
    effective_items,
    find_source,
    is_claim_live,
    is_fresh,
    is_grant_live,
    is_interface_live,
    is_review_late,
    is_update_late,
    review_due,
    state_of,
    update_due,
)
from tests.contracts.city import (
    AUTHORITY,
    CHAIN_ID,
    CITY_HEAD,
    DELAY_S,
    ELEMENT,
    ORIGIN,
    City,
    Refused,
    digest,
    key,
    key_words,
)

STEPS = 12
PEOPLE = (
    CITY_HEAD,
    *AUTHORITY,
    "gateway",
    *(
        f"{department} {role}"
        for department in ("civil affairs", "housing")
        for role in ("head", "operator", "officer", "both")
    ),
)
NEW_KEYS = ("new 1", "new 2", "gateway")
DIGESTS = (ZERO_ID, digest("entry document"), digest("interface document"), digest("other"))


@pytest.fixture(scope="session")
def replayed(built: City) -> MemoryStore:
    """The model's state after the acts that built the city."""
    store = MemoryStore()
    apply_genesis(
        store,
        department=key(CITY_HEAD).public_key.key_id,
        head=key(CITY_HEAD).public_key,
        authority_keys=[key(name).public_key for name in AUTHORITY],
        threshold=2,
        replacement_delay_s=3600,
        block_number=1,
    )
    for signed, outcome in built.sent:
        applied = apply_act(
            store,
            signed,
            chain_id=CHAIN_ID,
            contracts=built.contracts,
            block_number=outcome.block_number,
            block_time=outcome.block_time,
        )
        assert applied.target == outcome.event.values["target"]
        assert applied.revision == outcome.event.values["revision"]
    return store


def value_of(draw: st.DataObject, city: City, field: Field, ids: list[bytes]) -> Any:
    """Draw a value that is often legal."""
    if field.kind == "uint":
        if field.name == "valid_from":
            return city.now() + draw.draw(st.integers(0, 100))
        if field.name == "valid_until":
            return city.now() + draw.draw(st.integers(100, 200_000))
        if field.name.endswith("_day"):
            return day_at(city.now()) + draw.draw(st.integers(-2, 1))
        if field.name == "not_after":
            return city.now() + draw.draw(st.sampled_from((-100, 100_000, 200_000)))
        if field.name in ("items", "sensitive"):
            return draw.draw(st.sampled_from((0b0001, 0b0011, 0b0111, 0b1111, 0b10000, 0)))
        if field.name == "year":
            return draw.draw(st.sampled_from((2025, 2026, 2027, 2024, 2028, 1999)))
        if field.name == "working_days":
            plain = [plain_weekdays(year) for year in (2024, 2025, 2026, 2027)]
            return draw.draw(st.sampled_from((*plain, 0, plain[0] | 1 << 366)))
        if field.name == "roles":
            return draw.draw(st.sampled_from((1, 2, 3, 4, 17, 128, 256, 0)))
        return draw.draw(st.integers(0, 3))
    if field.size == 20:
        return draw.draw(st.sampled_from((bytes(20), *city.contracts.values())))
    if field.kind == "bytes":
        if field.name == "element":
            return draw.draw(st.sampled_from((ELEMENT, digest("another element"))))
        if field.name == "source_department":
            return draw.draw(st.sampled_from((city.ids["civil affairs"], city.ids["housing"])))
        names = {"entry": "entry", "interface": "interface", "log": "log"}
        if field.name in names:
            return draw.draw(st.sampled_from((city.ids[names[field.name]], *ids)))
        if field.name == "key":
            return key(draw.draw(st.sampled_from(NEW_KEYS))).public_key.key_id
        if field.name == "gateway_key":
            return key("gateway").public_key.key_id
        return draw.draw(st.sampled_from(DIGESTS))
    if field.name == "uscc":
        return draw.draw(st.sampled_from(("", "91330100799655058B", "91330100799655058A")))
    return draw.draw(st.sampled_from((ORIGIN, "log.city/2", "A code", "")))


def heads_of(city: City) -> list[bytes]:
    """Return the ids of all heads, who are persons."""
    return [key(CITY_HEAD).public_key.key_id, city.ids["civil affairs"], city.ids["housing"]]


def draw_act(draw: st.DataObject, city: City, ids: list[bytes]) -> SignedAct:
    """Draw a signed act of any type."""
    act_type: ActType = draw.draw(st.sampled_from(ACT_TYPES))
    values = {f.name: value_of(draw, city, f, ids) for word in act_type.words for f in word}
    signers: list[str] = []
    for wanted in act_type.signers:
        if wanted == "AUTHORITY*m":
            count = city.read("Registry", "threshold")[0] + draw.draw(st.sampled_from((0, 0, 0, 1)))
            signers += draw.draw(st.permutations(AUTHORITY))[:count]
            continue
        if wanted == "the key itself":
            signers.append(draw.draw(st.sampled_from(PEOPLE)))
            continue
        if "key" in wanted.split() and wanted.startswith("the"):
            name = draw.draw(st.sampled_from(NEW_KEYS))
            signers.append("gateway" if act_type.name == "LogRegistered" else name)
            continue
        role = wanted.split()[0].lower()
        fitting = [p for p in PEOPLE if p.endswith(role) or p.startswith(role)]
        signers.append(draw.draw(st.sampled_from((*fitting, *fitting, *PEOPLE))))
    if act_type.brings_key:
        # A new key mostly has no end: the authority's must not, and of others time would end most.
        values |= key_words(signers[-1])
        if draw.draw(st.integers(0, 3)) == 0:
            values["valid_until"] = city.now() + draw.draw(st.sampled_from((-1, 100, 100_000)))
    target = ZERO_ID
    if not act_type.creates or (act_type.code >> 12 in (1, 2) and draw.draw(st.booleans())):
        usual = {
            "Entries": [city.ids["entry"]],
            "Interfaces": [city.ids["interface"]],
            "Elements": [city.ids["claim"]],
            "Requests": [city.ids["filed"], city.ids["grant"]],
            "Calendar": [city.ids["calendar 2025"], city.ids["calendar 2026"]],
            "Registry": [*(city.ids[p] for p in PEOPLE if p in city.ids), *heads_of(city)],
        }.get(act_type.contract, [])
        if act_type.target_kind == "key":
            own = key(signers[0]).public_key.key_id
            usual = [own, own, *(key(p).public_key.key_id for p in PEOPLE)]
        if act_type.name == "AuthorityPersonRemoved":
            usual = [key(p).public_key.key_id for p in AUTHORITY]
        if act_type.name == "ThresholdSet":
            usual = [key(CITY_HEAD).public_key.key_id]
        if act_type.name.startswith("HeadKey"):
            usual = heads_of(city)
        target = draw.draw(st.sampled_from((*usual, *usual, *ids)))
    return city.sign(act_type.name, signers, target, **values)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(draw=st.data())
def test_random_acts(built: City, replayed: MemoryStore, draw: st.DataObject) -> None:
    snapshot = built.rpc.call("evm_snapshot")
    city = City(built.rpc, built.contracts, built.sender)
    city.ids.update(built.ids)
    store = copy.deepcopy(replayed)
    ids = [digest("nothing"), city.ids["housing"]]
    try:
        for _ in range(STEPS):
            if draw.draw(st.integers(0, 9)) == 0:
                city.rpc.call(
                    "evm_increaseTime", draw.draw(st.sampled_from((120, DELAY_S, 200_000)))
                )
                city.rpc.call("evm_mine")
            signed = draw_act(draw, city, ids)
            before = city.now()
            code, result = "", None
            try:
                outcome = city.record(signed)
                before = outcome.block_time
                result = (outcome.event.values["target"], outcome.event.values["revision"])
                ids.append(result[0])
            except Refused as refused:
                code = refused.code
            # The contract alone counts the authority's keys, before it reads the reason.
            counted = code == "AUTHORITY_KEY_PROTECTED"
            found, applied = "", None
            try:
                done = apply_act(
                    copy.deepcopy(store) if counted else store,
                    signed,
                    chain_id=CHAIN_ID,
                    contracts=city.contracts,
                    block_number=1,
                    block_time=before,
                )
                applied = (done.target, done.revision)
            except ProtocolError as error:
                found = error.code
            if counted and found in ("", "VALUE_INVALID"):
                continue
            assert (found, applied) == (code, result), applied_name(signed)
        for id_ in {city.ids["filed"], city.ids["grant"], *store.requests}:
            now = city.now()
            live = is_grant_live(store, id_, now)
            assert city.read("Requests", "isLive", id_, now) == (live,)
            if live:
                assert city.read("Requests", "effectiveItems", id_) == (
                    effective_items(store, id_),
                )
        for entry in store.entries.values():
            verify_clocks(city, store, entry)
        for claim in store.claims.values():
            assert city.read("Elements", "isLive", claim.id) == (is_claim_live(store, claim),)
            source = find_source(store, claim.element)
            expected = (ZERO_ID, ZERO_ID) if source is None else (source.department, source.id)
            assert city.read("Elements", "sourceOf", claim.element) == expected
        for id_, one in store.keys.items():
            person = store.find_person(one.person)
            assert person is not None
            at_s = city.now()
            call = city.read("Registry", "keyRecord", id_)[0]
            assert call[5] == list(KeyState).index(state_of(one, person, at_s)) + 1
        authority = store.find_authority()
        assert authority is not None
        for name, count in (
            ("threshold", authority.threshold),
            ("authorityPersons", authority.persons),
            ("activeAuthorityKeys", authority.active_keys),
        ):
            assert city.read("Registry", name) == (count,)
        assert authority.threshold <= authority.active_keys
        for id_ in store.interfaces:
            view = city.read("Interfaces", "interfaceView", id_)[0]
            assert view[4] == is_interface_live(store, id_)
    finally:
        assert built.rpc.call("evm_revert", snapshot) is True


def verify_clocks(city: City, store: MemoryStore, entry: Entry) -> None:
    """Compare the clocks of an entry on chain with those of the model."""
    today = day_at(city.now())
    due = (review_due(store, entry) or 0, update_due(store, entry) or 0)
    found = (
        *city.read("Entries", "reviewDue", entry.id),
        *city.read("Entries", "updateDue", entry.id),
    )
    assert found == due
    late = (is_review_late(store, entry, today), is_update_late(store, entry, today))
    assert late == (
        *city.read("Entries", "isReviewLate", entry.id),
        *city.read("Entries", "isUpdateLate", entry.id),
    )
    fresh = is_fresh(store, entry.id, today)
    assert city.read("Refreshes", "isFresh", entry.id) == (fresh,)


def applied_name(signed: SignedAct) -> str:
    """Return the name of an act's type, for a failure's message."""
    code = int.from_bytes(signed.data[52:56], "big")
    return next(a.name for a in ACT_TYPES if a.code == code)
