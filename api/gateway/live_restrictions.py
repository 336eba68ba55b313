"""The networks of grants as this gateway holds them in memory, from all logs of its database.

A declaration that is being written counts beside the one before it: whatever the log comes to say,
no request is let through that one of them excludes.
"""

from collections.abc import Iterable
from typing import Any

from crypto.errors import RequestRefused
from protocol.restriction import Restrictions


class LiveRestrictions:
    """Networks of grants, kept and being written.

    Args:
        records: the records `restricted` of the own log, in order.
    """

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self._kept = Restrictions()
        self._times: dict[tuple[str, str], int] = {}
        for record in records:
            self.take(record)
        self._pending: list[Restrictions] = []

    def check(self, grant: bytes, source: str) -> None:
        """Refuse a source that a grant excludes.

        Raises:
            RequestRefused: SOURCE_NOT_ALLOWED.
        """
        all_ = (self._kept, *self._pending)
        if not all(one.allows(grant.hex(), source) for one in all_):
            raise RequestRefused(
                "SOURCE_NOT_ALLOWED", "the grant may not be used from this address"
            )

    def take(self, record: dict[str, Any]) -> None:
        """Let a record of a log count, unless a newer one of its side does, from whichever log."""
        self._apply(record, record["time_ms"])

    def _apply(self, draft: dict[str, Any], time_ms: int) -> None:
        place = (draft["request"]["grant"], draft["side"])
        if time_ms >= self._times.get(place, 0):
            self._times[place] = time_ms
            self._kept.apply(draft)

    @property
    def unsettled(self) -> int:
        """Number of declarations that are being written, or of which nobody knows."""
        return len(self._pending)

    def begin(self, draft: dict[str, Any]) -> Restrictions:
        """Let a declaration count that is about to be written; end it with settle."""
        pending = Restrictions()
        pending.apply(draft)
        self._pending.append(pending)
        return pending

    def settle(
        self, pending: Restrictions, draft: dict[str, Any] | None, *, time_ms: int = 0
    ) -> None:
        """End what began: the draft is in the log with this time, or without one, certainly is not.

        A declaration of which nobody knows is never settled, and counts until the next start.
        """
        if draft is not None:
            self._apply(draft, time_ms)
        self._pending.remove(pending)
