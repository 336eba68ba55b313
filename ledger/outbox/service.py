"""Accepts signed acts: checked, durable, then acknowledged (docs/protocol.md, 3.6)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from crypto.sm2 import PrivateKey, Signature
from ledger.deployment import Deployment
from protocol.acts import ActSignature

MAX_QUEUED = 1000
MAX_QUEUED_PER_KEY = 64
MAX_DOCUMENTS = 4


@dataclass(frozen=True, slots=True)
class Accepted:
    """Answer to an act that is durable here.

    Attributes:
        act_id: 32-byte id of the act.
        status: queued, sent, recorded, refused or sign_again.
        received_at: unix seconds of the first receipt.
        acknowledgement: the platform's signature on act id and time (protocol 3.6).
    """

    act_id: bytes
    status: str
    received_at: int
    acknowledgement: Signature


@dataclass(frozen=True, slots=True)
class ActStatus:
    """What is known of an act.

    Attributes:
        act_id: 32-byte id of the act.
        type: name of its act type.
        contract: name of its contract.
        key_id: the actor's key.
        nonce: nonce of the act.
        target: id of what it acts on; the act's own id where it creates something.
        data: bytes of the act.
        signatures: signatures of the act.
        status: queued, sent, recorded, refused or sign_again.
        received_at: unix seconds of receipt here; None when it came by another way.
        transaction_hash: transaction that carries it, once sent.
        block_number: block that records it, once recorded.
        revision: new revision of the target, once recorded.
        error_code: why it was refused, or must be signed again.
    """

    act_id: bytes
    type: str
    contract: str
    key_id: bytes
    nonce: int
    target: bytes
    data: bytes
    signatures: tuple[ActSignature, ...]
    status: str
    received_at: int | None
    transaction_hash: bytes | None
    block_number: int | None
    revision: int | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What an act may name as its target.

    Attributes:
        id: its id.
        kind: department, person, key, entry, interface, request or log.
        revision: revision that the next act must name.
    """

    id: bytes
    kind: str
    revision: int


class Outbox:
    """The queue of acts in front of the chain; one process writes it."""

    def __init__(
        self,
        engine: Engine,
        deployment: Deployment,
        platform_key: PrivateKey,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the service.

        Args:
            engine: the ledger's database, upgraded.
            deployment: chain id and contracts.
            platform_key: key that signs acknowledgements.
            clock: unix time in seconds.
        """
        self._engine = engine
        self._deployment = deployment
        self._platform_key = platform_key
        self._clock = clock

    def accept(
        self,
        data: bytes,
        signatures: Sequence[ActSignature],
        documents: Sequence[bytes] = (),
    ) -> Accepted:
        """Check an act, make it durable, and acknowledge it.

        The same act again gets the same time of receipt and is not sent again.

        Args:
            data: bytes of the act.
            signatures: its signatures in order, the actor's first.
            documents: public documents that the act names and the ledger may not know yet.

        Raises:
            ProtocolError: the act or a document is malformed, or a contract's rule would refuse it
                (the contract's error code).
            RequestRefused: DOCUMENT_MISSING, DOCUMENT_UNEXPECTED, DOCUMENT_DIFFERS,
                DOCUMENT_COUNT, OUTBOX_FULL, OUTBOX_KEY_FULL.
        """
        raise NotImplementedError

    def get_act(self, act_id: bytes) -> ActStatus:
        """Return what is known of an act.

        Raises:
            RequestRefused: ACT_UNKNOWN.
        """
        raise NotImplementedError

    def next_nonce(self, contract: str, key_id: bytes) -> int:
        """Return the nonce of the next act of a key, behind its acts that wait here.

        Raises:
            RequestRefused: CONTRACT_UNKNOWN, KEY_UNKNOWN.
        """
        raise NotImplementedError

    def get_target(self, target: bytes) -> Target:
        """Return kind and revision of what an act may name.

        Raises:
            RequestRefused: TARGET_UNKNOWN.
        """
        raise NotImplementedError
