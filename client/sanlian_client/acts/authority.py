"""Drafts about the authority itself: its persons, its threshold, its contracts."""

from collections.abc import Sequence

from crypto.errors import ProtocolError
from crypto.sm2 import PublicKey
from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.acts.keys import key_values
from sanlian_client.drafts import Draft


class AuthorityActs(ActBuilder):
    """Persons and threshold of the authority, and the contract that follows another."""

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
