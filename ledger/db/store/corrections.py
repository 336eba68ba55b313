"""Rows of corrections of data."""

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class CorrectionRows(Rows):
    """Corrections of another department's data."""

    def find_correction(self, correction_id: bytes) -> model.Correction | None:
        """Return a correction."""
        row = self._session.get(table.Correction, correction_id)
        return None if row is None else correction_of(row)

    def put_correction(self, correction: model.Correction) -> None:
        """Keep a correction."""
        self._put(
            table.Correction,
            correction.id,
            id=correction.id,
            requester=correction.requester,
            provider=correction.provider,
            subject=correction.subject,
            subject_kind=correction.subject_kind,
            items=correction.items,
            errors=correction.errors,
            state=str(correction.state),
            filed_day=correction.filed_day,
            closed_day=correction.closed_day,
            revision=correction.revision,
            block_number=correction.block_number,
        )


def correction_of(row: table.Correction) -> model.Correction:
    """Return the model's correction."""
    return model.Correction(
        id=row.id,
        requester=row.requester,
        provider=row.provider,
        subject=row.subject,
        subject_kind=row.subject_kind,
        items=row.items,
        errors=row.errors,
        state=model.CorrectionState(row.state),
        filed_day=row.filed_day,
        closed_day=row.closed_day,
        revision=row.revision,
        block_number=row.block_number,
    )
