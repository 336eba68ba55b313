"""The logs of the other gateways in the same PostgreSQL database, as this gateway reads them.

What they hold counts here too: a record that was written once gets its first receipt from whichever
log has it, and networks that were declared at one gateway exclude addresses at all of them.
"""

import threading
from collections.abc import Sequence

from api.gateway.live_restrictions import LiveRestrictions
from crypto.errors import LedgerError
from ledger.log.database import is_postgres
from ledger.log.entries import Known
from ledger.log.reader import LogReader
from protocol.receipt import Receipt


class OtherLogs:
    """Readers of all logs beside one's own; safe to call from any thread.

    Args:
        url: SQLAlchemy URL of the own log's database; a SQLite file has no other logs.
        origin: origin of the own log.
        reader: reader of the own log.
    """

    def __init__(self, url: str, origin: str, reader: LogReader) -> None:
        self._url = url
        self._origin = origin
        self._own = reader
        self._are_there = is_postgres(url)
        self._readers: dict[str, LogReader] = {}
        self._followed: dict[str, int] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release their connections."""
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()

    def first_receipts(self, known: Sequence[Known]) -> list[Receipt]:
        """Return receipts of records, each under the checkpoint of the flush that wrote it.

        Raises:
            LedgerError: LOG_RECORD_UNKNOWN, LOG_MISSING, LOG_DATABASE_UNREACHABLE.
        """
        found: dict[Known, Receipt] = {}
        for origin in {one.log for one in known}:
            wanted = [one for one in known if one.log == origin]
            reader = self._own if origin is None else self._reader(origin)
            receipts = reader.first_receipts([one.index for one in wanted])
            found.update(zip(wanted, receipts, strict=True))
        return [found[one] for one in known]

    def follow(self, restrictions: LiveRestrictions) -> bool:
        """Let the declarations count that came into the other logs since the last call.

        Returns:
            Whether all logs were read.

        Raises:
            SQLAlchemyError: a log cannot be read now; the next call reads on from where this came.
        """
        if not self._are_there:
            return True
        is_whole = True
        for origin in self._own.origins():
            if origin == self._origin:
                continue
            try:
                reader = self._reader(origin)
            except LedgerError as error:
                # One that is missing is just being made, and holds nothing yet.
                if error.code not in {"LOG_MISSING", "LOG_DATABASE_UNREACHABLE"}:
                    raise
                is_whole = is_whole and error.code == "LOG_MISSING"
                continue
            for record in reader.restrictions(after=self._followed.get(origin, -1)):
                restrictions.take(record)
                self._followed[origin] = record["seq"]
        return is_whole

    def _reader(self, origin: str) -> LogReader:
        with self._lock:
            if origin not in self._readers:
                self._readers[origin] = LogReader.open(self._url, origin)
            return self._readers[origin]
