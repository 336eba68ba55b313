"""Rows of disputes over requests."""

from sqlalchemy import select

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class DisputeRows(Rows):
    """Disputes over requests."""

    def find_dispute(self, dispute_id: bytes) -> model.Dispute | None:
        """Return a dispute."""
        row = self._session.get(table.Dispute, dispute_id)
        return None if row is None else dispute_of(row)

    def put_dispute(self, dispute: model.Dispute) -> None:
        """Keep a dispute."""
        self._put(
            table.Dispute,
            dispute.id,
            id=dispute.id,
            request=dispute.request,
            requester=dispute.requester,
            provider=dispute.provider,
            state=str(dispute.state),
            superior=dispute.superior,
            ruling=None if dispute.ruling is None else str(dispute.ruling),
            revision=dispute.revision,
            block_number=dispute.block_number,
        )

    def find_newest_dispute(self, request_id: bytes) -> model.Dispute | None:
        """Return the dispute over a request that was opened last."""
        row = self._session.scalars(
            select(table.Dispute)
            .where(table.Dispute.request == request_id)
            .order_by(table.Dispute.position.desc())
            .limit(1)
        ).first()
        return None if row is None else dispute_of(row)


def dispute_of(row: table.Dispute) -> model.Dispute:
    """Return the model's dispute."""
    return model.Dispute(
        id=row.id,
        request=row.request,
        requester=row.requester,
        provider=row.provider,
        state=model.DisputeState(row.state),
        superior=row.superior,
        ruling=None if row.ruling is None else model.Ruling(row.ruling),
        revision=row.revision,
        block_number=row.block_number,
    )
