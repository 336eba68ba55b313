"""Limits of data requests that no rule of the ledger sets: rates, shares, and replays seen early.

They are this gateway's own, held in memory, and protect departments from each other. What a grant
allows in all, its quota, is counted in the access log.
"""

from api.gateway.counting import RateLimiter
from crypto.errors import RequestRefused

#: Nonces of the newest requests; more come within a signature's time on no gateway.
MAX_NONCES_KEPT = 1 << 17


class SeenNonces:
    """Nonces of calls that came to this process, the newest ones."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str], None] = {}

    def check(self, key_id: bytes, nonce: str) -> None:
        """Refuse a call that was seen.

        Raises:
            RequestRefused: NONCE_REPLAYED.
        """
        if (key_id, nonce) in self._kept:
            raise RequestRefused("NONCE_REPLAYED", "this key has used the nonce before")

    def keep(self, key_id: bytes, nonce: str) -> None:
        """Remember a call's."""
        while len(self._kept) >= MAX_NONCES_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key_id, nonce] = None


class Limits:
    """Rates of interfaces, grants and departments, and the places that a department may take.

    Args:
        grant_rate: most data requests of a grant a minute, 0 for no limit.
        department_rate: most data requests of a department a minute, 0 for no limit.
        department_places: most data requests of a department in work at a time.
    """

    def __init__(self, *, grant_rate: int, department_rate: int, department_places: int) -> None:
        self._interfaces, self._grants, self._departments = (RateLimiter() for _ in range(3))
        self._grant_rate = grant_rate
        self._department_rate = department_rate
        self._department_places = department_places
        self._in_work: dict[bytes, int] = {}
        self._nonces = SeenNonces()

    def enter(self, department: bytes) -> None:
        """Take one of a department's places, and give it back by leave.

        Raises:
            RequestRefused: DEPARTMENT_BUSY.
        """
        used = self._in_work.get(department, 0)
        if used >= self._department_places:
            raise RequestRefused(
                "DEPARTMENT_BUSY", "the department has too many requests in work at a time"
            )
        self._in_work[department] = used + 1

    def leave(self, department: bytes) -> None:
        """Give back a place."""
        left = self._in_work[department] - 1
        if left:
            self._in_work[department] = left
        else:
            del self._in_work[department]

    def check_rates(
        self, *, interface: bytes, interface_rate: int, grant: bytes, department: bytes, time_s: int
    ) -> None:
        """Count a request that nothing else refuses.

        Raises:
            RequestRefused: RATE_EXCEEDED, GRANT_RATE_EXCEEDED, DEPARTMENT_RATE_EXCEEDED.
        """
        if not self._departments.is_allowed(department, self._department_rate, time_s):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's rate per minute is used up"
            )
        if not self._grants.is_allowed(grant, self._grant_rate, time_s):
            raise RequestRefused("GRANT_RATE_EXCEEDED", "the grant's rate per minute is used up")
        if not self._interfaces.is_allowed(interface, interface_rate, time_s):
            raise RequestRefused("RATE_EXCEEDED", "the interface's rate per minute is used up")

    def check_nonce(self, key_id: bytes, nonce: str) -> None:
        """Refuse a replay before it takes anything; the log refuses those that are not known here.

        Raises:
            RequestRefused: NONCE_REPLAYED.
        """
        self._nonces.check(key_id, nonce)

    def keep_nonce(self, key_id: bytes, nonce: str) -> None:
        """Remember a nonce that the log has."""
        self._nonces.keep(key_id, nonce)
