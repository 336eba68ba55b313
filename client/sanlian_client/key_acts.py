"""Builders for the acts about keys and the authority; part of sanlian_client.acts.Acts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from crypto.certificates import Certificate
from crypto.errors import ProtocolError
from crypto.sm2 import PublicKey
from protocol.acts import ZERO_ID, Value
from protocol.binding import binding_values
from sanlian_client.drafts import Draft


def key_values(key: PublicKey, valid_until: int = 0) -> dict[str, Value]:
    """Return the words with which an act brings a key.

    Args:
        key: the new key.
        valid_until: last second of its validity, unix time; 0 for no end.
    """
    return {"key_x": key.x, "key_y": key.y, "valid_until": valid_until}


class KeyActs(ABC):
    """Drafts about the life of keys, a head's replacement, and the authority itself."""

    @abstractmethod
    def build(
        self,
        name: str,
        signers: Sequence[bytes],
        values: Mapping[str, Value],
        *,
        target: bytes = ZERO_ID,
        documents: Sequence[bytes] = (),
        nonce: int | None = None,
        revision: int | None = None,
    ) -> Draft:
        """Build any act."""

    @abstractmethod
    def contract_addresses(self) -> Mapping[str, bytes]:
        """Return the 20-byte address of each contract of the deployment by name."""

    def revoke_key(self, signer: bytes, key_id: bytes, reason_code: int) -> Draft:
        """Draft the revocation of a key, by its head or by itself.

        Args:
            signer: key id of the head, or the key itself.
            key_id: the key.
            reason_code: 1 rotated, 2 lost, 3 compromised, 4 left.
        """
        return self.build("KeyRevoked", [signer], {"reason_code": reason_code}, target=key_id)

    def rotate_key(self, key_id: bytes, new_key: PublicKey, *, valid_until: int = 0) -> Draft:
        """Draft that a key hands over to a new one of the same person, which signs second."""
        return self.build(
            "KeyRotated",
            [key_id, new_key.key_id],
            key_values(new_key, valid_until),
            target=key_id,
        )

    def suspend_key(self, signer: bytes, key_id: bytes, reason_code: int) -> Draft:
        """Draft the suspension of a key, by its head or by itself.

        Args:
            signer: key id of the head, or the key itself.
            key_id: the key.
            reason_code: 2 lost, 3 compromised, 4 left.
        """
        return self.build("KeySuspended", [signer], {"reason_code": reason_code}, target=key_id)

    def resume_key(self, head: bytes, key_id: bytes) -> Draft:
        """Draft the end of a key's suspension."""
        return self.build("KeyResumed", [head], {}, target=key_id)

    def bind_certificate(self, signer: bytes, certificate: Certificate) -> Draft:
        """Draft the binding of a certificate to the key that it is of.

        Args:
            signer: key id of the head; of an authority person's key the key itself.
            certificate: the certificate; verify its chain first.
        """
        target = certificate.public_key.key_id
        return self.build("CertificateBound", [signer], binding_values(certificate), target=target)

    def propose_head_key(
        self,
        authorities: Sequence[bytes],
        head: bytes,
        new_key: PublicKey,
        reason_code: int,
        *,
        valid_until: int = 0,
    ) -> Draft:
        """Draft the proposal of a head's new key, which signs last.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            head: id of the head, a person.
            new_key: the new key.
            reason_code: 2 lost, 3 compromised, 4 left.
            valid_until: last second of its validity, unix time; 0 for no end.
        """
        values = {**key_values(new_key, valid_until), "reason_code": reason_code}
        signers = [*authorities, new_key.key_id]
        return self.build("HeadKeyProposed", signers, values, target=head)

    def object_head_key(self, signer: bytes, head: bytes, key_id: bytes) -> Draft:
        """Draft the head's objection to a proposed key; signer is an active key of that head."""
        return self.build("HeadKeyObjected", [signer], {"key": key_id}, target=head)

    def replace_head_key(self, authority: bytes, head: bytes, key_id: bytes) -> Draft:
        """Draft that the proposed key replaces the head's keys, once its delay is over."""
        return self.build("HeadKeyReplaced", [authority], {"key": key_id}, target=head)

    def set_threshold(
        self, authorities: Sequence[bytes], department: bytes, threshold: int
    ) -> Draft:
        """Draft another number of authority persons who act together.

        Args:
            authorities: key ids of as many authority persons as the present threshold says.
            department: id of the authority's department.
            threshold: the new number.
        """
        return self.build(
            "ThresholdSet", list(authorities), {"threshold": threshold}, target=department
        )

    def add_authority_person(self, authorities: Sequence[bytes], key: PublicKey) -> Draft:
        """Draft one more authority person, whose new key signs last."""
        return self.build("AuthorityPersonAdded", [*authorities, key.key_id], key_values(key))

    def remove_authority_person(
        self, authorities: Sequence[bytes], person: bytes, reason_code: int
    ) -> Draft:
        """Draft the end of an authority person; reason 2 lost, 3 compromised, 4 left."""
        values: dict[str, Value] = {"reason_code": reason_code}
        return self.build("AuthorityPersonRemoved", list(authorities), values, target=person)

    def resume_authority_key(self, authorities: Sequence[bytes], key_id: bytes) -> Draft:
        """Draft the end of the suspension of an authority person's key."""
        return self.build("AuthorityKeyResumed", list(authorities), {}, target=key_id)

    def name_successor(
        self, authorities: Sequence[bytes], contract: str, successor: bytes
    ) -> Draft:
        """Draft the naming of the contract that follows one of this deployment.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            contract: name of the contract.
            successor: 20-byte address of its successor.

        Raises:
            ProtocolError: CONTRACT_UNKNOWN.
        """
        address = self.contract_addresses().get(contract)
        if address is None:
            raise ProtocolError("CONTRACT_UNKNOWN", "the deployment has no contract of this name")
        values: dict[str, Value] = {"contract": address, "successor": successor}
        return self.build("SuccessorNamed", list(authorities), values)
