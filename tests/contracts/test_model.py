"""Random acts: the contracts and protocol.model accept and refuse the same."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.acts import ZERO_ID, SignedAct
from protocol.calendar import day_at, plain_weekdays
from protocol.description import ACT_TYPES, ActType, Field
from protocol.model import (
    MemoryStore,
    apply_act,
    apply_genesis,
    find_source,
    is_claim_live,
)
from tests.contracts.city import (
    AUTHORITY,
    CHAIN_ID,
    CITY_HEAD,
    DELAY_S,
    ELEMENT,
    ORIGIN,
    City,
    digest,
    key,
    key_words,
)
from tests.contracts.integrity import verify_clocks, verify_integrity, verify_keys
from tests.contracts.machine import twins

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
        if field.name == "period":
            return draw.draw(st.sampled_from((202_601, 202_612, 202_613, 199_912, 0)))
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
            "Logs": [city.ids["log"]],
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
    with twins(built, replayed) as both:
        city, store = both.city, both.store
        ids = [digest("nothing"), city.ids["housing"]]
        for _ in range(STEPS):
            if draw.draw(st.integers(0, 9)) == 0:
                both.pass_time(draw.draw(st.sampled_from((120, DELAY_S, 200_000))))
            done = both.record(draw_act(draw, city, ids))
            if done is not None:
                ids.append(done.target)
        verify_integrity(city, store)
        for entry in store.entries.values():
            verify_clocks(city, store, entry)
        for claim in store.claims.values():
            assert city.read("Elements", "isLive", claim.id) == (is_claim_live(store, claim),)
            source = find_source(store, claim.element)
            expected = (ZERO_ID, ZERO_ID) if source is None else (source.department, source.id)
            assert city.read("Elements", "sourceOf", claim.element) == expected
        verify_keys(city, store)
