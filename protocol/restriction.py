"""Networks from which a grant may be used, declared by one of its two sides (docs/protocol.md 7.8).

Addresses of a department's systems do not belong on chain. So the declaration is signed by the
department, kept as a record of the access log, and every later decision of that log rests on it.
"""

from collections.abc import Sequence
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import VerificationError
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from protocol.description import Role
from protocol.model import Person, Store, key_problem
from protocol.networks import Network, is_within, parse_networks

#: Roles that speak for their department about where its grants are used from.
ROLES = Role.OFFICER | Role.SECADMIN
SIDES = ("provider", "requester")


def restriction_body(networks: Sequence[str], salt: str) -> bytes:
    """Return the body of a declaration, whose digest is signed."""
    return canonical_json({"networks": list(networks), "salt": salt})


def restriction_side(store: Store, *, grant: bytes, key_id: bytes, at_s: int) -> tuple[str, str]:
    """Return a problem's code and the side of a grant that a key may declare networks for.

    Args:
        store: the state.
        grant: id of the grant.
        key_id: id of the key that signed the declaration.
        at_s: unix seconds.

    Returns:
        An empty code and ``provider`` or ``requester``; or KEY_UNKNOWN, KEY_NOT_ACTIVE,
        KEY_EXPIRED, RESTRICTION_NOT_ALLOWED (of an unknown grant too) and an empty text.
    """
    key, person = store.find_key(key_id), _person(store, key_id)
    if key is None or person is None:
        return "KEY_UNKNOWN", ""
    problem = key_problem(store, key, person, at_s)
    if problem is not None:
        return problem, ""
    request = store.find_request(grant)
    sides = (
        {} if request is None else {request.provider: "provider", request.requester: "requester"}
    )
    side = sides.get(person.department, "")
    return ("", side) if side and person.roles & ROLES else ("RESTRICTION_NOT_ALLOWED", "")


def _person(store: Store, key_id: bytes) -> Person | None:
    key = store.find_key(key_id)
    return store.find_person(key.person) if key is not None else None


def verify_restriction(store: Store, record: dict[str, Any]) -> None:
    """Check a record `restricted`, whose request's signature was checked, against the state.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    request = record["request"]
    body = restriction_body(record["networks"], record["salt"])
    if sm3(body).hex() != request["content_digest"]:
        raise VerificationError("DECISION_WRONG", "these are not the networks that were signed")
    key = PublicKey.from_bytes(bytes.fromhex(request["public_key"]))
    grant = bytes.fromhex(request["grant"])
    found = restriction_side(store, grant=grant, key_id=key.key_id, at_s=record["time_ms"] // 1000)
    person = _person(store, key.key_id)
    if (
        found != ("", record["side"])
        or person is None
        or record["department"] != person.department.hex()
    ):
        raise VerificationError("DECISION_WRONG", "the state does not allow this declaration")


class Restrictions:
    """What the records `restricted` of one log say, in their order: the newest of each side counts.

    Both sides may restrict a grant; then both must allow an address.
    """

    def __init__(self) -> None:
        self._networks: dict[tuple[str, str], tuple[Network, ...]] = {}

    def apply(self, record: dict[str, Any]) -> None:
        """Take one record; an empty list lifts what that side declared before."""
        place = (record["request"]["grant"], record["side"])
        networks = parse_networks(record["networks"])
        if networks:
            self._networks[place] = networks
        else:
            self._networks.pop(place, None)

    def allows(self, grant_hex: str, source: str) -> bool:
        """Return whether a grant may be used from an address."""
        found = [self._networks.get((grant_hex, side)) for side in SIDES]
        return all(one is None or is_within(source, one) for one in found)
