"""Drafts about the life of keys, and a head's replacement."""

from collections.abc import Sequence

from crypto.certificates import Certificate
from crypto.sm2 import PublicKey
from protocol.acts import Value
from protocol.binding import binding_values
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft


def key_values(key: PublicKey, valid_until: int = 0) -> dict[str, Value]:
    """Return the words with which an act brings a key.

    Args:
        key: the new key.
        valid_until: last second of its validity, unix time; 0 for no end.
    """
    return {"key_x": key.x, "key_y": key.y, "valid_until": valid_until}


class KeyActs(ActBuilder):
    """Further keys, their suspension, revocation, rotation and binding; a head's new key."""

    def add_key(self, head: bytes, person: bytes, key: PublicKey, *, valid_until: int = 0) -> Draft:
        """Draft a further key of a person, which signs second; see key_values."""
        values = key_values(key, valid_until)
        return self.build("KeyAdded", [head, key.key_id], values, target=person)

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
