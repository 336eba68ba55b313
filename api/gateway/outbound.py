"""Where the gateway connects to: a provider's address is checked when it is called.

Whoever may list providers, or answers for a name in DNS, must not make the gateway talk to the
platform's own services. The check stands between resolving and connecting
(api.gateway.provider_http): the addresses that were checked are the ones that are connected to, so
a name that resolves otherwise a moment later (DNS rebinding) changes nothing. Redirects are not
followed at all (api.gateway.forward).
"""

import ipaddress
import socket
from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

from crypto.errors import LedgerError
from ledger.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Ranges of IPv6 that carry an IPv4 address within, and where it begins, in bits from the right.
_CARRIERS: Final = (
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291 clause 2.5.5.1
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped, clause 2.5.5.2
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
#: Addresses of cloud hosts' metadata services that lie in no forbidden range.
_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254"))
)
_POSTGRES_PORT: Final = 5432


class OutboundRefused(OSError):
    """A provider's name or address leads where the gateway does not connect."""


class OutboundPolicy:
    """Decides which addresses may be connected to.

    Args:
        networks: networks of the providers; none: every one but the forbidden.
        own_ports: TCP ports of the platform's own services.
        own_hosts: addresses on which they listen; all addresses of this host always count.
        allow_loopback: whether providers may run on this host, on other ports than these.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        own_ports: Collection[int],
        own_hosts: Collection[Address] = (),
        allow_loopback: bool = False,
    ) -> None:
        self._networks = tuple(networks)
        self._own_ports = frozenset(own_ports)
        self._own_hosts = frozenset(own_hosts)
        self._allow_loopback = allow_loopback

    @classmethod
    def of(cls, settings: Settings) -> "OutboundPolicy":
        """Return the policy of a gateway's settings.

        Raises:
            LedgerError: PROVIDER_NETWORKS_MALFORMED.
        """
        try:
            networks = [
                ipaddress.ip_network(one.strip())
                for one in settings.provider_networks.split(",")
                if one.strip()
            ]
        except ValueError as error:
            raise LedgerError(
                "PROVIDER_NETWORKS_MALFORMED", "provider_networks are networks with commas"
            ) from error
        ports = {settings.node_port, settings.api_port, settings.gateway_port}
        hosts: set[Address] = set()
        urls = (settings.resolved_node_url, settings.resolved_api_url, f"//{settings.host}")
        for url in urls:
            parts = urlsplit(url)
            if parts.port is not None:
                ports.add(parts.port)
            hosts |= _addresses(parts.hostname)
        for url in (settings.resolved_database_url, settings.resolved_log_database_url):
            for host, port in _database_servers(url):
                ports.add(port)
                hosts |= _addresses(host)
        return cls(
            networks,
            own_ports=ports,
            own_hosts=hosts,
            allow_loopback=settings.allow_loopback_providers,
        )

    def check(self, host: str, port: int) -> None:
        """Check an address to connect to.

        Args:
            host: an address in text, as the resolver gave it.
            port: TCP port.

        Raises:
            OutboundRefused: the gateway does not connect there.
        """
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError as error:
            raise OutboundRefused("not an address") from error
        address = _inner(address)
        if (
            address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address == ipaddress.IPv4Address("255.255.255.255")
            or address in _METADATA
        ):
            raise OutboundRefused("an address that no provider has")
        if port in self._own_ports and (address in self._own_hosts or _is_of_this_host(address)):
            raise OutboundRefused("a service of the platform itself")
        if address.is_loopback:
            if not self._allow_loopback:
                raise OutboundRefused("an address of this host")
        elif self._networks and not any(address in network for network in self._networks):
            raise OutboundRefused("an address outside the providers' networks")


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _OWN_IPV6:
        for network, shift in _CARRIERS:
            if address in network:
                return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFF_FFFF)
    return address


_OWN_IPV6: Final = frozenset(map(ipaddress.IPv6Address, ("::", "::1")))


def _is_of_this_host(address: Address) -> bool:
    """Tell whether an address is one of this host's: a service may listen on all of them."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))  # only an address of this host can be bound
    except OSError:
        return address.is_loopback
    return True


def _database_servers(url: str) -> list[tuple[str, int]]:
    """Return host and port of a database's servers, none where it is a file."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return []
    found = [(parsed.host or "localhost", parsed.port or _POSTGRES_PORT)]
    # Several servers are named in the query, as libpq takes them: host or host:port.
    named = parsed.query.get("host", ())
    for one in (named,) if isinstance(named, str) else named:
        host, _, port = one.rpartition(":") if ":" in one else (one, "", "")
        found.append((host, int(port) if port.isdigit() else _POSTGRES_PORT))
    return found


def _addresses(host: str | None) -> set[Address]:
    """Return the addresses of one of our own hosts, none where it has no name yet."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_inner(ipaddress.ip_address(str(one[4][0]).partition("%")[0])) for one in found}
