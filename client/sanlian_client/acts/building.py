"""What the drafts of all subjects share: nonce, revision and life of an act, and its way out."""

import time
from collections.abc import Callable, Mapping, Sequence

from crypto.errors import ProtocolError
from crypto.sm2 import Signer
from protocol.acts import MAX_LIFETIME_S, ZERO_ID, Value, make_act
from protocol.description import BY_NAME
from sanlian_client.drafts import Draft, make_draft
from sanlian_client.platform import Acknowledgement, Platform
from sanlian_client.sealing import Sealed, seal


class ActBuilder:
    """Builds acts for one platform: nonces and revisions come from it, the rest from the caller.

    Args:
        platform: where nonces and revisions are asked for and acts are sent.
        lifetime_s: an act that is not recorded for so long is dead; at most 30 days.
        clock: unix time in seconds.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        lifetime_s: int = 7 * 24 * 3600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= lifetime_s <= MAX_LIFETIME_S:
            raise ProtocolError("EXPIRY_TOO_FAR", "an act lives at most 30 days")
        self._platform = platform
        self._lifetime_s = lifetime_s
        self._clock = clock

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
        """Build any act.

        Args:
            name: name of the act type.
            signers: key ids of all signers in the type's order; the first is the actor.
            values: the act's own words.
            target: what it acts on; zeros where it creates something.
            documents: public documents that it names.
            nonce: the actor's nonce; asked for when absent.
            revision: the target's revision that the signer saw; asked for when absent.

        Raises:
            ProtocolError: ACT_TYPE_UNKNOWN, ACT_MALFORMED, DOCUMENT_MISMATCH.
        """
        act_type = BY_NAME.get(name)
        if act_type is None:
            raise ProtocolError("ACT_TYPE_UNKNOWN", "this act type is not known", act_type=name)
        deployment = self._platform.deployment()
        if nonce is None:
            nonce = self._platform.next_nonce(signers[0], act_type.contract)
        if revision is None:
            kind = act_type.target_kind
            revision = 0 if target == ZERO_ID else self._platform.target_revision(target, kind)
        act = make_act(
            name,
            chain_id=deployment.chain_id,
            contract=deployment.contracts[act_type.contract],
            key_id=signers[0],
            nonce=nonce,
            expires_at=int(self._clock()) + self._lifetime_s,
            values=values,
            target=target,
            revision=revision,
        )
        return make_draft(act, signers, documents)

    def contract_addresses(self) -> Mapping[str, bytes]:
        """Return the 20-byte address of each contract of the deployment by name."""
        return self._platform.deployment().contracts

    def submit(self, draft: Draft) -> Acknowledgement:
        """Send a draft that everybody has signed, see Platform.send_act."""
        return self._platform.send_act(draft.signed(), draft.documents)

    def submit_and_wait(
        self, draft: Draft, keys: Sequence[Signer] = (), *, timeout_s: float = 60.0
    ) -> bytes:
        """Sign, send, wait until it is recorded, and return the act's id.

        Raises:
            RequestRefused: a rule refused it, with the rule's code.
            OutcomeUnknown: ask again by the act's id.
        """
        signed = draft.sign(*keys)
        self.submit(signed)
        self._platform.wait_for(signed.act_id, timeout_s)
        return signed.act_id

    def _reasoned(
        self, name: str, signer: bytes, target: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        sealed = seal(reason)
        return self.build(name, [signer], {"reason": sealed.commitment}, target=target), sealed

    def _sealed(
        self,
        name: str,
        signers: Sequence[bytes],
        target: bytes,
        text: tuple[str, bytes],
        values: Mapping[str, Value] | None = None,
    ) -> tuple[Draft, Sealed]:
        """Draft an act with one sealed text, given with its field."""
        sealed = seal(text[1])
        words: dict[str, Value] = {**(values or {}), text[0]: sealed.commitment}
        return self.build(name, signers, words, target=target), sealed
