"""Drafts about a provider's consent that granted data go to a third party."""

from protocol.acts import ZERO_ID, Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed


class ConsentActs(ActBuilder):
    """A provider's consent to a third party, and its end."""

    def consent_third_party(
        self,
        officer: bytes,
        grant: bytes,
        *,
        third_party: bytes,
        third_party_kind: int,
        valid_until: int,
        items: int,
        purpose: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft the provider's consent that granted data are passed on.

        Args:
            officer: key id of the provider's officer.
            grant: the grant.
            third_party: id of a department, or commitment to who it is (seal).
            third_party_kind: 1 department, 2 outside the ledger.
            valid_until: last second, unix time; not behind the grant's.
            items: mask of the items, within the grant's.
            purpose: what for, which gets sealed.
        """
        values: dict[str, Value] = {
            "grant": grant,
            "third_party": third_party,
            "third_party_kind": third_party_kind,
            "valid_until": valid_until,
            "items": items,
        }
        return self._sealed("ThirdPartyConsented", [officer], ZERO_ID, ("purpose", purpose), values)

    def revoke_third_party(
        self, officer: bytes, consent: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that the provider takes a consent back for a sealed reason."""
        return self._reasoned("ThirdPartyRevoked", officer, consent, reason)
