"""The unanchored tail: records that no anchor on the chain covers, as /health tells of them."""

import logging
import time
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.state import Snapshot
from crypto.errors import SanlianError
from ledger.log.reader import LogReader
from protocol.records import parse_record

_LOGGER = logging.getLogger(__name__)


class UnanchoredTail:
    """Knows since when the oldest record waits for an anchor, also after a restart.

    The file is read when another record is the oldest, beside everything that serves requests.
    """

    def __init__(self) -> None:
        self._oldest: int | None = None
        self._since_ms = 0

    def look(self, reader: LogReader, *, size: int, anchored: int) -> None:
        """Find the oldest record of the tail; to be called every now and then, in a thread.

        Args:
            reader: reader of the log.
            size: number of records.
            anchored: number of records that the newest anchor covers.
        """
        if size <= anchored:
            self._oldest = None
        elif self._oldest != anchored:
            try:
                self._since_ms = parse_record(reader.get_record(anchored))["time_ms"]
                self._oldest = anchored
            except (SanlianError, SQLAlchemyError) as error:
                _LOGGER.warning("the tail's age cannot be read: %s", type(error).__name__)

    def report(
        self, snapshot: Snapshot | None, *, log_id: bytes, size: int | None
    ) -> dict[str, Any]:
        """Return the members of /health about head and tail, from memory.

        Args:
            snapshot: newest state, None before the first.
            log_id: id of the log.
            size: number of records, None before the log is open.

        Returns:
            head_age_s, seconds since the node was last seen; anchored_size, records that the
            newest anchor covers; unanchored_records; unanchored_age_s, seconds since the oldest
            of these was written, 0 with none or none seen yet. None for what is not known yet.
        """
        now = time.time()
        found: dict[str, Any] = dict.fromkeys(
            ("head_age_s", "anchored_size", "unanchored_records", "unanchored_age_s")
        )
        if snapshot is None:
            return found
        found["head_age_s"] = max(0, int(now - snapshot.polled_at))
        if size is None:
            return found
        anchored = anchored_size(snapshot, log_id)
        is_known = self._oldest == anchored and size > anchored
        found["anchored_size"] = anchored
        found["unanchored_records"] = max(0, size - anchored)
        found["unanchored_age_s"] = max(0, int(now - self._since_ms / 1000)) if is_known else 0
        return found


def anchored_size(snapshot: Snapshot, log_id: bytes) -> int:
    """Return how many records of a log its newest anchor covers, 0 before the first."""
    anchor = snapshot.store.find_anchor(log_id)
    return 0 if anchor is None else anchor.size
