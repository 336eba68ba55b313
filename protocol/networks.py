"""IP addresses and networks in one spelling each (docs/protocol.md 7.8)."""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from crypto.errors import ProtocolError

MAX_NETWORKS = 32
_FORM = re.compile(r"[0-9a-f:.]{2,39}/[0-9]{1,3}")


class Network(NamedTuple):
    """A network: IP version, first address as a number, and the bits that are free in it."""

    version: int
    first: int
    free_bits: int


def parse_network(text: object) -> Network:
    """Parse a network such as ``192.0.2.0/24`` or ``2001:db8::/32`` in its one spelling.

    An IPv4 network is never written as IPv6 (``::ffff:192.0.2.0/120``).

    Raises:
        ProtocolError: NETWORK_MALFORMED.
    """
    refusal = ProtocolError("NETWORK_MALFORMED", "a network is address/bits in its one spelling")
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise refusal
    try:
        found = ip_network(text)
    except ValueError as error:
        raise refusal from error
    first = found.network_address
    if str(found) != text or (isinstance(first, IPv6Address) and first.ipv4_mapped is not None):
        raise refusal
    return Network(found.version, int(first), found.max_prefixlen - found.prefixlen)


def parse_networks(value: object) -> tuple[Network, ...]:
    """Parse a list of at most MAX_NETWORKS networks, sorted as text, each once.

    Raises:
        ProtocolError: NETWORK_MALFORMED.
    """
    if not isinstance(value, list) or len(value) > MAX_NETWORKS:
        raise ProtocolError("NETWORK_MALFORMED", f"networks are at most {MAX_NETWORKS} in a list")
    networks = tuple(parse_network(one) for one in value)
    if value != sorted(set(value)):
        raise ProtocolError("NETWORK_MALFORMED", "networks stand sorted, each once")
    return networks


def plain_address(text: str) -> str | None:
    """Return an address in its one spelling, IPv4 where it is mapped into IPv6; None if it is none.

    The zone of a link-local address is dropped.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


def is_within(source: str, networks: Sequence[Network]) -> bool:
    """Return whether an address lies in one of the networks; what is no address never does."""
    plain = plain_address(source)
    if plain is None:
        return False
    address = ip_address(plain)
    version, number = address.version, int(address)
    return any(
        one.version == version and number >> one.free_bits == one.first >> one.free_bits
        for one in networks
    )
