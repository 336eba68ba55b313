"""The networks of grants as this gateway holds them in memory.

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
        records: the records `restricted` of the log, in order.
    """

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self._kept = Restrictions()
        for record in records:
            self._kept.apply(record)
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

    def settle(self, pending: Restrictions, draft: dict[str, Any] | None) -> None:
        """End what began: the draft is in the log, or without one, certainly is not.

        A declaration of which nobody knows is never settled, and counts until the next start.
        """
        if draft is not None:
            self._kept.apply(draft)
        self._pending.remove(pending)
