"""The networks of grants as one log's gateway had to know them, in the order of its records.

Gateways that keep their logs in one database follow each other's declarations (docs/protocol.md
7.8): what was declared at another one counts for MAX_SKEW_S at the latest, by their clocks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.evidence.decision import MAX_SKEW_S
from protocol.networks import Network, is_within, parse_networks
from protocol.restriction import SIDES

_LATE_MS = 1000 * MAX_SKEW_S

#: Hex of a grant's id, and a side.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Declared:
    """One declaration.

    Attributes:
        time_ms: time of its record.
        networks: none lift what was declared before.
    """

    time_ms: int
    networks: tuple[Network, ...]

    def allows(self, source: str) -> bool:
        """Return whether an address may use the grant."""
        return not self.networks or is_within(source, self.networks)


#: What counts before anything was declared.
_NOTHING = Declared(-1, ())


def collect(records: Iterable[Mapping[str, Any]]) -> dict[Place, list[Declared]]:
    """Return what records `restricted` declare, by grant and side; others are left out.

    Raises:
        ProtocolError: NETWORK_MALFORMED.
    """
    found: dict[Place, list[Declared]] = {}
    for record in records:
        if record["event"] == "restricted":
            found.setdefault(_place(record), []).append(_declared(record))
    return found


def is_among(record: Mapping[str, Any], declared: Mapping[Place, Sequence[Declared]]) -> bool:
    """Return whether a record `restricted` is among what was collected."""
    return _declared(record) in declared.get(_place(record), ())


class LogNetworks:
    """Follows one log.

    Args:
        others: what was declared in each of the other logs in the same database.
    """

    def __init__(self, others: Sequence[Mapping[Place, Sequence[Declared]]] = ()) -> None:
        self._others = others
        self._own: dict[Place, Declared] = {}

    def apply(self, record: Mapping[str, Any]) -> None:
        """Let a record `restricted` of the log count."""
        self._own[_place(record)] = _declared(record)

    def allows(self, grant: str, source: str, time_ms: int) -> bool:
        """Return whether a gateway could let a source use a grant.

        Args:
            grant: its id in hex.
            source: the address.
            time_ms: time of the decision.
        """
        return all(
            any(one.allows(source) for one in self._counting((grant, side), time_ms))
            for side in SIDES
        )

    def _counting(self, place: Place, time_ms: int) -> list[Declared]:
        """Return the declarations of a side of which the gateway may have taken any for newest."""
        own = self._own.get(place, _NOTHING)
        others = [one for log in self._others for one in log.get(place, ())]
        newest = own
        for one in others:
            if newest.time_ms <= one.time_ms <= time_ms - _LATE_MS:
                newest = one
        later = [o for o in others if newest.time_ms <= o.time_ms <= time_ms + _LATE_MS]
        return [newest, *later]


def _place(record: Mapping[str, Any]) -> Place:
    return record["request"]["grant"], record["side"]


def _declared(record: Mapping[str, Any]) -> Declared:
    return Declared(record["time_ms"], parse_networks(record["networks"]))
