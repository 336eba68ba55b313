"""Rows of gateways' logs and their anchors."""

from sqlalchemy import select

from crypto.sm2 import Signature
from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class LogRows(Rows):
    """Logs and their anchors."""

    def find_log(self, log_id: bytes) -> model.Log | None:
        """Return a log."""
        row = self._session.get(table.Log, log_id)
        return None if row is None else log_of(row)

    def find_log_by_origin(self, origin: str) -> model.Log | None:
        """Return the log with this origin."""
        row = self._session.scalars(select(table.Log).where(table.Log.origin == origin)).first()
        return None if row is None else log_of(row)

    def put_log(self, log: model.Log) -> None:
        """Keep a log."""
        self._put(
            table.Log,
            log.id,
            id=log.id,
            gateway_key=log.gateway_key,
            origin=log.origin,
            revision=log.revision,
            block_number=log.block_number,
        )

    def find_anchor(self, log_id: bytes) -> model.Anchor | None:
        """Return the newest anchor of a log."""
        row = self._session.scalars(
            select(table.Anchor)
            .where(table.Anchor.log == log_id)
            .order_by(table.Anchor.size.desc())
            .limit(1)
        ).first()
        return None if row is None else anchor_of(row)

    def put_anchor(self, anchor: model.Anchor) -> None:
        """Keep an anchor."""
        self._put(
            table.Anchor,
            (anchor.log, anchor.size),
            log=anchor.log,
            size=anchor.size,
            root=anchor.root,
            signature=anchor.signature.to_bytes(),
            block_number=anchor.block_number,
            block_time=anchor.block_time,
            transaction_hash=self._transaction_hash,
        )


def log_of(row: table.Log) -> model.Log:
    """Return the model's log."""
    return model.Log(row.id, row.gateway_key, row.origin, row.revision, row.block_number)


def anchor_of(row: table.Anchor) -> model.Anchor:
    """Return the model's anchor."""
    return model.Anchor(
        log=row.log,
        size=row.size,
        root=row.root,
        signature=Signature.from_bytes(row.signature),
        block_number=row.block_number,
        block_time=row.block_time,
    )
