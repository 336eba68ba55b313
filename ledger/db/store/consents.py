"""Rows of consents to third parties."""

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class ConsentRows(Rows):
    """Consents to third parties."""

    def find_consent(self, consent_id: bytes) -> model.Consent | None:
        """Return a consent to a third party."""
        row = self._session.get(table.Consent, consent_id)
        return None if row is None else consent_of(row)

    def put_consent(self, consent: model.Consent) -> None:
        """Keep a consent to a third party."""
        self._put(
            table.Consent,
            consent.id,
            id=consent.id,
            grant=consent.grant,
            provider=consent.provider,
            third_party=consent.third_party,
            third_party_kind=consent.third_party_kind,
            items=consent.items,
            valid_until=consent.valid_until,
            purpose=consent.purpose,
            state=str(consent.state),
            revision=consent.revision,
            block_number=consent.block_number,
        )


def consent_of(row: table.Consent) -> model.Consent:
    """Return the model's consent."""
    return model.Consent(
        id=row.id,
        grant=row.grant,
        provider=row.provider,
        third_party=row.third_party,
        third_party_kind=row.third_party_kind,
        items=row.items,
        valid_until=row.valid_until,
        purpose=row.purpose,
        state=model.ConsentState(row.state),
        revision=row.revision,
        block_number=row.block_number,
    )
