"""Drafts about disputes, from their opening to the decision."""

from crypto.errors import ProtocolError
from protocol.acts import ZERO_ID, Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed

#: Most parents between a party of a dispute and the superior of both.
MAX_STEPS = 8


class DisputeActs(ActBuilder):
    """A dispute between requester and provider, and who settles or decides it."""

    def open_dispute(
        self, officer: bytes, request: bytes, statement: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft a dispute over a refused, suspended or revoked request."""
        values: dict[str, Value] = {"request": request}
        return self._sealed("DisputeOpened", [officer], ZERO_ID, ("statement", statement), values)

    def settle_dispute(
        self, requester: bytes, provider: bytes, dispute: bytes, terms: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that both sides' officers agree; the terms get sealed."""
        return self._sealed("DisputeSettled", [requester, provider], dispute, ("terms", terms))

    def escalate_dispute(
        self,
        officer: bytes,
        dispute: bytes,
        *,
        superior: bytes,
        requester_steps: int,
        provider_steps: int,
        statement: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft that a dispute goes to the authority, or to the superior of both parties.

        Args:
            officer: key id of an officer of either party.
            dispute: the dispute.
            superior: lowest department above both parties, zeros if none; see common_superior.
            requester_steps: parents from the requester to it.
            provider_steps: parents from the provider to it.
            statement: the party's statement, which gets sealed.
        """
        values: dict[str, Value] = {
            "superior": superior,
            "requester_steps": requester_steps,
            "provider_steps": provider_steps,
        }
        return self._sealed(
            "DisputeEscalated", [officer], dispute, ("statement", statement), values
        )

    def common_superior(self, requester: bytes, provider: bytes) -> tuple[bytes, int, int]:
        """Return the lowest department above both, and the steps to it from each; zeros if none.

        The contract checks them again.
        """
        lines: list[list[bytes]] = []
        for department in (requester, provider):
            line = [department]
            while line[-1] != ZERO_ID and len(line) <= MAX_STEPS:
                found = self._platform.read("departments", line[-1].hex())
                line.append(bytes.fromhex(found["parent"]))
            lines.append(line)
        one, other = lines
        for steps, department in enumerate(one[1:], 1):
            if department in other[1:]:
                return department, steps, other.index(department, 1)
        raise ProtocolError("SUPERIOR_WRONG", "no department is above both within eight steps")

    def refer_dispute(
        self, mediator: bytes, dispute: bytes, proposal: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that mediation failed and the government decides; the report gets sealed."""
        return self._sealed("DisputeMediated", [mediator], dispute, ("proposal", proposal))

    def decide_dispute(
        self, signer: bytes, dispute: bytes, *, ruling: int, decision: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the decision; ruling 1 is for the requester, 2 for the provider, 3 in part."""
        values: dict[str, Value] = {"ruling": ruling}
        return self._sealed("DisputeDecided", [signer], dispute, ("decision", decision), values)
