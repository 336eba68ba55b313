"""What always holds, read from the contracts.

The integrity across the chains that docs/protocol.md promises: no interface without a current
published entry, interface items within the entry's, no grant without a live interface, granted
items within the interface's, one source department per data element. And that contracts and model
say the same of keys and clocks.
"""

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import Role
from protocol.model import (
    Entry,
    KeyState,
    MemoryStore,
    effective_items,
    is_department_live,
    is_fresh,
    is_grant_live,
    is_interface_live,
    is_review_late,
    is_update_late,
    review_due,
    state_of,
    update_due,
)
from tests.contracts.city import City

NOT_SHARED = 3
IN_FORCE = 1


def verify_integrity(city: City, store: MemoryStore) -> None:
    """Fail unless all of it holds now, and the model says the same of what is live.

    Args:
        city: the contracts.
        store: the model's state; it names what exists.
    """
    _interfaces_rest_on_entries(city, store)
    _grants_rest_on_interfaces(city, store)
    _one_source_per_element(city, store)


def _interfaces_rest_on_entries(city: City, store: MemoryStore) -> None:
    for one in store.interfaces.values():
        view = city.read("Interfaces", "interfaceView", one.id)[0]
        entry = city.read("Entries", "entryView", one.entry)[0]
        _, items, effective, _, live = view[:5]
        entry_items, _, sharing_class, entry_live = entry[1:5]
        assert live == is_interface_live(store, one.id)
        assert effective & ~(items & entry_items) == 0
        if live:
            assert entry_live
            assert sharing_class != NOT_SHARED
            # What is online was tested.
            assert one.current is not None
            assert one.current.test_result == 1


def _grants_rest_on_interfaces(city: City, store: MemoryStore) -> None:
    now = city.now()
    for one in store.requests.values():
        (live,) = city.read("Requests", "isLive", one.id, now)
        assert live == is_grant_live(store, one.id, now)
        (items,) = city.read("Requests", "effectiveItems", one.id)
        assert items == effective_items(store, one.id)
        view = city.read("Interfaces", "interfaceView", one.interface)[0]
        assert items & ~(view[2] & one.granted_items) == 0
        assert not live or view[4]


def _one_source_per_element(city: City, store: MemoryStore) -> None:
    sources: dict[bytes, set[bytes]] = {}
    for one in store.claims.values():
        element, entry, department, _, state, item = city.read("Elements", "claims", one.id)
        found = city.read("Elements", "sourceOf", element)
        if found[1] != one.id:
            continue
        sources.setdefault(element, set()).add(department)
        view = city.read("Entries", "entryView", entry)[0]
        assert found[0] == department == view[0]
        assert (state, view[4], view[1] >> item & 1) == (IN_FORCE, True, 1)
    assert all(len(departments) == 1 for departments in sources.values())


def verify_departments(city: City, store: MemoryStore) -> None:
    """Compare where departments stand on chain with the model; none stands above itself."""
    for id_, one in store.departments.items():
        view = city.read("Registry", "departmentView", id_)[0]
        assert view == (one.parent, one.level, is_department_live(store, id_))
        above, at = {id_}, one.parent
        while at != ZERO_ID:
            assert at not in above
            above.add(at)
            at = store.departments[at].parent


def verify_keys(city: City, store: MemoryStore) -> None:
    """Compare the keys' states and the authority's counts on chain with those of the model.

    As many persons as the threshold always have a usable key: counted, not believed.
    """
    now = city.now()
    usable: set[bytes] = set()
    for id_, one in store.keys.items():
        person = store.find_person(one.person)
        assert person is not None
        state = state_of(store, one, person, now)
        assert city.read("Registry", "keyRecord", id_)[0][5] == list(KeyState).index(state) + 1
        if person.roles & Role.AUTHORITY and state is KeyState.ACTIVE:
            usable.add(person.id)
    authority = store.find_authority()
    assert authority is not None
    assert len(usable) == authority.active_keys
    assert 1 <= authority.threshold <= authority.active_keys <= authority.persons <= 7
    for name, count in (
        ("threshold", authority.threshold),
        ("authorityPersons", authority.persons),
        ("activeAuthorityKeys", authority.active_keys),
    ):
        assert city.read("Registry", name) == (count,)


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
