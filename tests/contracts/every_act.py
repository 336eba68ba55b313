"""Every type of act once, in an order in which each is accepted.

A new act type gets its step here; `missing` names those that have none.
"""

from protocol.description import ACT_TYPES, Role
from tests.contracts.city import AUTHORITY, City, digest, key


def record_every_act(city: City) -> None:
    """Build the city and record what `City.build` does not."""
    city.build()
    _record_the_registry(city)
    _record_the_calendar(city)
    _record_the_requests(city)
    # Last, as what depends on an entry or interface needs it live.
    _record_the_ends(city)


def missing(city: City) -> set[str]:
    """Return the act types of which the city recorded none."""
    return {act_type.name for act_type in ACT_TYPES} - set(city.gas)


def signers(city: City) -> list[tuple[int, int]]:
    """Return the keys that signed, as points, in the order of their first signature."""
    ids = dict.fromkeys(s.key_id for signed, _ in city.sent for s in signed.signatures)
    return [
        (
            int(city.field("Registry", "keys", key_id, "x")),
            int(city.field("Registry", "keys", key_id, "y")),
        )
        for key_id in ids
    ]


def _record_the_registry(city: City) -> None:
    head, spare = "housing head", "housing spare"
    public = key(spare).public_key
    words = {"key_x": public.x, "key_y": public.y}
    city.do("KeyAdded", (head, spare), city.ids["housing operator"], **words)
    city.do("KeyRevoked", (head,), public.key_id, reason_code=1)
    city.do("PersonRolesSet", (head,), city.ids["housing both"], roles=int(Role.OPERATOR))


def _record_the_calendar(city: City) -> None:
    target, reason = city.ids["calendar 2026"], digest("reason")
    city.do("CalendarCorrected", AUTHORITY[:2], target, **city.calendar_values(reason=reason))


def _record_the_requests(city: City) -> None:
    officer, grant, reason = ("civil affairs officer",), city.ids["grant"], digest("reason")
    city.do("RequestRefused", officer, city.ids["filed"], reason=reason)
    city.do("GrantSuspended", officer, grant, reason=reason)
    city.do("GrantResumed", officer, grant)
    city.do("GrantRevoked", officer, grant, reason=reason)


def _record_the_ends(city: City) -> None:
    officer, interface, reason = ("civil affairs officer",), city.ids["interface"], digest("reason")
    city.do("InterfaceSuspended", officer, interface, reason=reason)
    city.do("InterfaceResumed", officer, interface)
    city.do("InterfaceRetired", officer, interface, reason=reason)
    city.do("EntryRetired", ("civil affairs head",), city.ids["entry"], reason=reason)
