"""Token buckets by source, in a table of bounded size."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from crypto.errors import RequestRefused

MAX_SOURCES = 4096


class RateLimit:
    """Lets each source make a burst of calls, then a steady number per second.

    When the table is full the source that was idle longest is forgotten: forgetting gives it a full
    bucket, which a source can reach by waiting anyway.

    Args:
        burst: calls that a source may make at once.
        per_second: calls that come back each second.
        max_sources: size of the table.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        burst: int,
        per_second: float,
        max_sources: int = MAX_SOURCES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._max_sources = max_sources
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, source: str) -> None:
        """Count one call of a source.

        Args:
            source: address it came from. Of IPv6 the first 64 bits count: one host has them all.

        Raises:
            RequestRefused: RATE_LIMITED.
        """
        name, now = _network(source), self._clock()
        with self._lock:
            tokens, then = self._buckets.pop(name, (self._burst, now))
            tokens = min(self._burst, tokens + (now - then) * self._per_second)
            allowed = tokens >= 1
            self._buckets[name] = (tokens - 1 if allowed else tokens, now)
            while len(self._buckets) > self._max_sources:
                self._buckets.popitem(last=False)
        if not allowed:
            raise RequestRefused("RATE_LIMITED", "this source sends too much; wait and try again")


def _network(source: str) -> str:
    try:
        address = ip_address(source.split("%", 1)[0])
    except ValueError:
        return source[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return str(address)
