"""Who holds the connections of a server: bounded in all, and for each address that they come from.

One address has at most a quarter of all. When all are taken, room is made for a newcomer by ending
the oldest connection that never brought a whole request, of the address with most of these; where
there is none, one that waits for its client, between two requests or to read its answer. It gives
way only to an address that has fewer. Whoever only holds connections loses them first; what is in
work here is never ended.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Protocol

from protocol.networks import Network, is_within, plain_address

CODE = "TOO_MANY_CONNECTIONS"
#: One address has at most this part of all connections.
SHARE = 4
LOCAL = "local"


class Held(Protocol):
    """A connection as this module sees it."""

    @property
    def owes_bytes(self) -> bool:
        """Whether it waits for its client, to send or to read: nothing of it is in work here."""

    def cut(self) -> None:
        """End it at once."""


class Connections:
    """Counts connections and decides which may stay.

    Args:
        most: most connections in all.
        proxies: networks of reverse proxies, which speak for many and have no limit of their own.
        on_refused: called with source and code for each connection that was refused or ended.
    """

    def __init__(
        self,
        most: int,
        *,
        proxies: Sequence[Network] = (),
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        self.most = most
        self.most_of_one = max(1, most // SHARE)
        self._proxies = tuple(proxies)
        self._on_refused = on_refused
        self._sources: dict[Held, str] = {}
        # By source, oldest first: those that never brought a whole request, and the others.
        self._silent: dict[str, dict[Held, None]] = {}
        self._known: dict[str, dict[Held, None]] = {}

    def __len__(self) -> int:
        """Return the number of connections that are held."""
        return len(self._sources)

    def enter(self, connection: Held, peer: str) -> bool:
        """Take a connection in, or tell that it has to go.

        Args:
            connection: the connection.
            peer: address it comes from; empty when it has none.
        """
        source = self._source(peer)
        of_one = len(self._silent.get(source, ())) + len(self._known.get(source, ()))
        if of_one >= self.most_of_one and not self._is_proxy(source):
            return self._refuse(source)
        if len(self) >= self.most and not self._make_room(source):
            return self._refuse(source)
        self._sources[connection] = source
        self._silent.setdefault(source, {})[connection] = None
        return True

    def know(self, connection: Held) -> None:
        """Take note of a whole request that came over a connection."""
        source = self._sources.get(connection)
        if source is not None and _take(self._silent, source, connection):
            self._known.setdefault(source, {})[connection] = None

    def leave(self, connection: Held) -> None:
        """Forget a connection; once or more often."""
        source = self._sources.pop(connection, None)
        if source is not None and not _take(self._silent, source, connection):
            _take(self._known, source, connection)

    def _make_room(self, newcomer: str) -> bool:
        silent = len(self._silent.get(newcomer, ()))
        in_all = silent + len(self._known.get(newcomer, ()))
        for held, own in ((self._silent, silent), (self._known, in_all)):
            most_of_all = sorted(held, key=lambda source: -len(held[source]))
            # A proxy's connections go last: behind them may be anybody.
            for source in sorted(most_of_all, key=self._is_proxy):
                if len(held[source]) <= own:
                    continue
                for connection in held[source]:
                    if connection.owes_bytes:
                        self.leave(connection)
                        connection.cut()
                        self._tell(source)
                        return True
        return False

    def _refuse(self, source: str) -> bool:
        self._tell(source)
        return False

    def _tell(self, source: str) -> None:
        if self._on_refused is not None:
            self._on_refused(source, CODE)

    def _source(self, peer: str) -> str:
        return (plain_address(peer) or LOCAL) if self._is_proxy(peer) else source_of(peer)

    def _is_proxy(self, source: str) -> bool:
        return bool(self._proxies) and is_within(source, self._proxies)


def _take(held: dict[str, dict[Held, None]], source: str, connection: Held) -> bool:
    """Take a connection out; tell whether it was there."""
    of_one = held.get(source, {})
    if connection not in of_one:
        return False
    del of_one[connection]
    if not of_one:
        del held[source]
    return True


def source_of(peer: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 one.

    Whoever has one IPv6 address has 2^64 of them. What a source is called is its source again.
    """
    if ":" not in peer:
        return peer or LOCAL
    plain = plain_address(peer)
    if plain is None or ":" not in plain:
        return plain or LOCAL
    return str(ipaddress.IPv6Network((plain, 64), strict=False).network_address)
