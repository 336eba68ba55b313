"""Where a request came from: the peer, or whom a trusted reverse proxy names.

An address in a header is anybody's claim. It counts only when the peer is a proxy that the settings
name, and then as far back as the proxies that passed it on are named themselves.
"""

from collections.abc import Sequence
from typing import Any

from starlette.types import Scope

from protocol.networks import Network, is_within, plain_address

#: A trusted proxy that names no address at all; it lies in no network.
UNKNOWN = "unknown"
_HEADER = b"x-forwarded-for"


def find_client(scope: Scope, proxies: Sequence[Network]) -> tuple[str, int] | None:
    """Return address and port of a request's sender; an IPv4 address is never written as IPv6.

    Args:
        scope: the request's ASGI scope, with the peer in ``client``.
        proxies: networks of trusted reverse proxies.

    Returns:
        The address and 0 where a proxy named it; None when the peer has no address.
    """
    client: Any = scope.get("client")
    if client is None:
        return None
    peer, port = client[0], client[1]
    if ":" in peer:
        peer = plain_address(peer) or peer
    if not proxies or not is_within(peer, proxies):
        return peer, port
    claims = [value for name, value in scope["headers"] if name.lower() == _HEADER]
    named = b",".join(claims).decode("latin-1").split(",") if claims else []
    # Each proxy adds whom it heard it from at the end: the newest claim is the best founded.
    at = peer
    while named and is_within(at, proxies):
        found = plain_address(named.pop().strip(" \t"))
        if found is None:
            return UNKNOWN, 0
        at = found
    return at, port if at == peer else 0
