"""Rows of claims to data elements."""

from sqlalchemy import select

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model
from protocol.model.claims import OPEN_CLAIMS


class ClaimRows(Rows):
    """Claims to be the source of a data element."""

    def find_claim(self, claim_id: bytes) -> model.Claim | None:
        """Return a claim."""
        row = self._session.get(table.Claim, claim_id)
        return None if row is None else claim_of(row)

    def find_source_claim(self, element: bytes) -> model.Claim | None:
        """Return the one claim to an element that is SOURCE."""
        kind = table.Claim
        row = self._session.scalars(
            select(kind).where(kind.element == element, kind.state == str(model.ClaimState.SOURCE))
        ).first()
        return None if row is None else claim_of(row)

    def find_open_claim(self, element: bytes, department: bytes) -> model.Claim | None:
        """Return the one claim of a department to an element that is SOURCE or CONFLICT."""
        kind = table.Claim
        row = self._session.scalars(
            select(kind).where(
                kind.element == element,
                kind.department == department,
                kind.state.in_([str(state) for state in OPEN_CLAIMS]),
            )
        ).first()
        return None if row is None else claim_of(row)

    def put_claim(self, claim: model.Claim) -> None:
        """Keep a claim."""
        self._put(
            table.Claim,
            claim.id,
            id=claim.id,
            element=claim.element,
            entry=claim.entry,
            item=claim.item,
            department=claim.department,
            state=str(claim.state),
            revision=claim.revision,
            block_number=claim.block_number,
        )


def claim_of(row: table.Claim) -> model.Claim:
    """Return the model's claim."""
    return model.Claim(
        id=row.id,
        element=row.element,
        entry=row.entry,
        item=row.item,
        department=row.department,
        state=model.ClaimState(row.state),
        revision=row.revision,
        block_number=row.block_number,
    )
