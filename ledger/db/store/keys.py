"""Rows of keys: their certificates, proposals of heads' keys, numbers of their acts."""

from sqlalchemy import select

from crypto.sm2 import PublicKey
from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class KeyRows(Rows):
    """Keys, their certificates and nonces, and proposals of heads' keys."""

    def find_key(self, key_id: bytes) -> model.Key | None:
        """Return a key."""
        row = self._session.get(table.Key, key_id)
        return None if row is None else key_of(row)

    def put_key(self, key: model.Key) -> None:
        """Keep a key."""
        self._put(
            table.Key,
            key.id,
            id=key.id,
            public_key=key.public_key.to_bytes(),
            person=key.person,
            state=str(key.state),
            reason_code=key.reason_code,
            valid_until=key.valid_until,
            certificate_until=key.certificate_until,
            generation=key.generation,
            revision=key.revision,
            block_number=key.block_number,
        )

    def find_certificate(self, key_id: bytes) -> model.CertificateBinding | None:
        """Return the certificate that a key is bound to."""
        row = self._session.get(table.Certificate, key_id)
        return None if row is None else certificate_of(row)

    def put_certificate(self, binding: model.CertificateBinding) -> None:
        """Keep the certificate that a key is bound to."""
        b = binding
        self._put(
            table.Certificate,
            b.key_id,
            key_id=b.key_id,
            issuer=b.issuer,
            serial=b.serial,
            certificate=b.certificate,
            not_after=b.not_after,
            act_id=b.act_id,
            block_number=b.block_number,
        )

    def find_proposal(self, person_id: bytes) -> model.HeadKeyProposal | None:
        """Return the newest proposal of a head's key."""
        row = self._session.scalars(
            select(table.Proposal)
            .where(table.Proposal.person == person_id)
            .order_by(table.Proposal.position.desc())
            .limit(1)
        ).first()
        return None if row is None else proposal_of(row)

    def put_proposal(self, proposal: model.HeadKeyProposal) -> None:
        """Keep a proposal."""
        p = proposal
        self._put(
            table.Proposal,
            p.id,
            id=p.id,
            person=p.person,
            public_key=p.public_key.to_bytes(),
            valid_until=p.valid_until,
            reason_code=p.reason_code,
            proposed_at=p.proposed_at,
            ready_at=p.ready_at,
            state=str(p.state),
            generation=p.generation,
            block_number=p.block_number,
        )

    def nonce(self, contract: str, key_id: bytes) -> int:
        """Return how many acts of this key the named contract has accepted."""
        row = self._session.get(table.Nonce, (contract, key_id))
        return 0 if row is None else row.nonce

    def put_nonce(self, contract: str, key_id: bytes, nonce: int) -> None:
        """Keep that number."""
        self._put(
            table.Nonce,
            (contract, key_id),
            contract=contract,
            key_id=key_id,
            nonce=nonce,
            block_number=self._block_number,
        )


def key_of(row: table.Key) -> model.Key:
    """Return the model's key."""
    return model.Key(
        id=row.id,
        public_key=PublicKey.from_bytes(row.public_key),
        person=row.person,
        state=model.KeyState(row.state),
        reason_code=row.reason_code,
        valid_until=row.valid_until,
        certificate_until=row.certificate_until,
        generation=row.generation,
        revision=row.revision,
        block_number=row.block_number,
    )


def certificate_of(row: table.Certificate) -> model.CertificateBinding:
    """Return the model's binding of a certificate."""
    return model.CertificateBinding(
        key_id=row.key_id,
        issuer=row.issuer,
        serial=row.serial,
        certificate=row.certificate,
        not_after=row.not_after,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def proposal_of(row: table.Proposal) -> model.HeadKeyProposal:
    """Return the model's proposal of a head's key."""
    return model.HeadKeyProposal(
        id=row.id,
        person=row.person,
        public_key=PublicKey.from_bytes(row.public_key),
        valid_until=row.valid_until,
        reason_code=row.reason_code,
        proposed_at=row.proposed_at,
        ready_at=row.ready_at,
        state=model.ProposalState(row.state),
        generation=row.generation,
        block_number=row.block_number,
    )
