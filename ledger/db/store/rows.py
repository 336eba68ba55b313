"""What the parts of the store share: the session, and the event that is being applied."""

from sqlalchemy.orm import Session

from ledger.db import models as table


class Rows:
    """Puts rows into a database session; new ones get the position of the current event."""

    def __init__(self, session: Session) -> None:
        """Create the store.

        Args:
            session: session of the transaction that everything is put into.
        """
        self._session = session
        self._block_number = 0
        self._position = 0
        self._transaction_hash = bytes(32)

    def at(self, block_number: int, event_index: int, transaction_hash: bytes) -> None:
        """Say which event of which block and transaction is being applied."""
        self._block_number = block_number
        self._transaction_hash = transaction_hash
        self._position = block_number * table.EVENTS_PER_BLOCK + event_index

    def _put(self, kind: type[table.Base], key: object, /, **values: object) -> None:
        row = self._session.get(kind, key)
        if row is None:
            if "position" in kind.__table__.columns:
                values["position"] = self._position
            self._session.add(kind(**values))
            self._session.flush()
            return
        for name, value in values.items():
            setattr(row, name, value)
