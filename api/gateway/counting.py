"""Counters with bounds: requests without a valid signature, and calls of an interface a minute."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from crypto.errors import RequestRefused

MAX_ROWS = 1024
OTHERS = "others"


class RejectedCounter:
    """Counts requests without a valid signature by source, code and minute.

    They are never attributed to the department that they claim. Beyond MAX_ROWS rows in one
    minute, further sources are counted together. Safe to call from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str, str], int] = {}

    def add(self, source: str, code: str, time_s: int) -> None:
        """Count one request.

        Args:
            source: address it came from.
            code: why it was rejected.
            time_s: unix seconds.
        """
        self._add(time_s // 60, source, code, 1)

    def _add(self, minute: int, source: str, code: str, count: int) -> None:
        with self._lock:
            row = (minute, source, code)
            if row not in self._counts and len(self._counts) >= MAX_ROWS:
                row = (minute, OTHERS, code)
            self._counts[row] = self._counts.get(row, 0) + count

    def take(self, before_minute: int | None = None) -> Iterator[dict[str, Any]]:
        """Remove and yield the counts as drafts of records.

        Args:
            before_minute: only minutes (unix seconds // 60) below this one; all without it.
        """
        with self._lock:
            rows = sorted(self._counts)
        for row in rows:
            minute, source, code = row
            if before_minute is None or minute < before_minute:
                with self._lock:
                    count = self._counts.pop(row)
                yield {
                    "event": "rejected",
                    "source": source,
                    "code": code,
                    "minute": minute,
                    "count": count,
                }

    def put_back(self, draft: Mapping[str, Any]) -> None:
        """Count again what take yielded and could not be recorded."""
        self._add(draft["minute"], draft["source"], draft["code"], draft["count"])


class RateLimiter:
    """Counts data requests by interface and calendar minute; only the newest minute is kept."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[bytes, int] = {}

    def is_allowed(self, interface: bytes, rate_per_minute: int, time_s: int) -> bool:
        """Count one request and return whether it is within the interface's rate.

        Args:
            interface: id of the interface.
            rate_per_minute: most requests a minute, 0 for no limit.
            time_s: unix seconds.
        """
        if rate_per_minute == 0:
            return True
        minute = time_s // 60
        if minute > self._minute:
            self._minute, self._counts = minute, {}
        used = self._counts.get(interface, 0)
        if used >= rate_per_minute:
            return False
        self._counts[interface] = used + 1
        return True

    def require(self, department: bytes, rate_per_minute: int, time_s: int) -> None:
        """Count one call of a department, whose rate nobody set.

        Raises:
            RequestRefused: DEPARTMENT_RATE_EXCEEDED.
        """
        if not self.is_allowed(department, rate_per_minute, time_s):
            raise RequestRefused(
                "DEPARTMENT_RATE_EXCEEDED", "the department's rate per minute is used up"
            )
