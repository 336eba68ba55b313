"""Drafts about share requests, up to their answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import ProtocolError
from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal

#: Way of sharing: a service interface (Art 20).
SERVICE = 1


@dataclass(frozen=True, slots=True)
class Term:
    """How long and how often data may be asked for.

    Attributes:
        valid_from: first second, unix time.
        valid_until: last second, unix time.
        quota: number of data requests, at least 1.
    """

    valid_from: int
    valid_until: int
    quota: int

    def values(self) -> dict[str, Value]:
        """Return the words of an act."""
        return {
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
            "quota": self.quota,
        }


def mask_of(items: Sequence[int]) -> int:
    """Return the mask of item indices (0 to 255)."""
    if any(not 0 <= item <= 255 for item in items):
        raise ProtocolError("ACT_MALFORMED", "an item's index is 0 to 255", field="items")
    return sum(1 << item for item in set(items))


class RequestActs(ActBuilder):
    """A request's filing, supplement and withdrawal; the provider's answer."""

    def file_request(
        self,
        operator: bytes,
        officer: bytes,
        *,
        interface: bytes,
        interface_version: int,
        items: int,
        term: Term,
        legal_basis: str,
        scenario: str,
        case: bytes,
        way: int = SERVICE,
    ) -> tuple[Draft, Sealed]:
        """Draft a share request.

        Args:
            operator: key id of the operator.
            officer: key id of an officer of the same department, another person.
            interface: what is asked for.
            interface_version: its current version, which the signers saw.
            items: mask of the items asked for.
            term: from when to when, and how often.
            legal_basis: code of the legal basis, 1 to 32 ASCII characters.
            scenario: code of the scenario, the same.
            case: the scenario document, which gets sealed.
            way: 1 service interface, 2 batch exchange, 3 file download (Art 20).
        """
        values, sealed = _asked(
            interface=interface,
            interface_version=interface_version,
            items=items,
            term=term,
            legal_basis=legal_basis,
            scenario=scenario,
            case=case,
            way=way,
        )
        return self.build("RequestFiled", [operator, officer], values), sealed

    def agree(self, officer: bytes, request: bytes, *, items: int, term: Term) -> Draft:
        """Draft the consent to a request: the grant has the request's id."""
        values: dict[str, Value] = {"items": items, **term.values()}
        return self.build("RequestAgreed", [officer], values, target=request)

    def refuse(self, officer: bytes, request: bytes, reason: bytes) -> tuple[Draft, Sealed]:
        """Draft the refusal of a request for a sealed reason."""
        return self._reasoned("RequestRefused", officer, request, reason)

    def ask_supplement(
        self, officer: bytes, request: bytes, missing: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the one notice of everything that a request lacks; the list gets sealed."""
        sealed = seal(missing)
        values: dict[str, Value] = {"missing": sealed.commitment}
        return self.build("SupplementAsked", [officer], values, target=request), sealed

    def supplement_request(
        self,
        operator: bytes,
        officer: bytes,
        request: bytes,
        *,
        interface: bytes,
        interface_version: int,
        items: int,
        term: Term,
        legal_basis: str,
        scenario: str,
        case: bytes,
        way: int = SERVICE,
    ) -> tuple[Draft, Sealed]:
        """Draft the supplement of a request: it states everything anew, see file_request."""
        values, sealed = _asked(
            interface=interface,
            interface_version=interface_version,
            items=items,
            term=term,
            legal_basis=legal_basis,
            scenario=scenario,
            case=case,
            way=way,
        )
        draft = self.build("RequestSupplemented", [operator, officer], values, target=request)
        return draft, sealed

    def extend_answer(
        self,
        officer: bytes,
        authority: bytes,
        request: bytes,
        *,
        extension_days: int,
        reason: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft that the answer takes 1 to 10 working days longer, with the authority's consent."""
        sealed = seal(reason)
        values: dict[str, Value] = {"extension_days": extension_days, "reason": sealed.commitment}
        draft = self.build("RequestExtended", [officer, authority], values, target=request)
        return draft, sealed

    def withdraw_request(self, officer: bytes, request: bytes) -> Draft:
        """Draft that the requester no longer asks; before the answer only."""
        return self.build("RequestWithdrawn", [officer], {}, target=request)


def _asked(
    *,
    interface: bytes,
    interface_version: int,
    items: int,
    term: Term,
    legal_basis: str,
    scenario: str,
    case: bytes,
    way: int,
) -> tuple[dict[str, Value], Sealed]:
    sealed = seal(case)
    values: dict[str, Value] = {
        "interface": interface,
        **term.values(),
        "interface_version": interface_version,
        "way": way,
        "items": items,
        "legal_basis": legal_basis,
        "scenario": scenario,
        "case": sealed.commitment,
    }
    return values, sealed
