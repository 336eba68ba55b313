"""Raw transactions of the relay's account: numbered, stored durably, then sent."""

from sqlalchemy import Engine

from ledger.chain.rpc import Rpc


class Sender:
    """The one place that numbers transactions of the relay's account."""

    def __init__(self, engine: Engine, rpc: Rpc, *, chain_id: int, private_key: bytes) -> None:
        """Create the sender.

        Args:
            engine: the ledger's database, upgraded.
            rpc: the chain's node.
            chain_id: chain id.
            private_key: 32-byte secp256k1 key of the relay's account; it proves nothing.
        """
