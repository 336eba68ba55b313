"""Access logs and the anchors of their checkpoints (docs/protocol.md, 4)."""

from dataclasses import dataclass

from crypto.sm2 import Signature


@dataclass(frozen=True, slots=True)
class Log:
    """An access log of one gateway.

    Attributes:
        id: id of the act that registered it.
        gateway_key: id of the key that signs its checkpoints.
        origin: origin line of its checkpoints.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    gateway_key: bytes
    origin: str
    revision: int
    block_number: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint on the chain.

    Attributes:
        log: id of the log.
        size: number of records.
        root: root hash of the tree.
        signature: the gateway's signature on the checkpoint.
        block_number: block that anchors it.
        block_time: time of that block, unix seconds.
    """

    log: bytes
    size: int
    root: bytes
    signature: Signature
    block_number: int
    block_time: int
