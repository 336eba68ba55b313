"""Sends what waits in the outbox to the chain, in order, and says what came of it."""

from sqlalchemy import Engine

from ledger.chain.rpc import Rpc
from ledger.chain.sender import Sender
from ledger.chain.worker import Worker
from ledger.deployment import Deployment

POLL_S = 0.25


class Relay(Worker):
    """Takes queued acts to the chain. ``wake()`` it after an act was accepted."""

    name = "relay"

    def __init__(
        self,
        engine: Engine,
        deployment: Deployment,
        rpc: Rpc,
        sender: Sender,
        *,
        interval_s: float = POLL_S,
    ) -> None:
        """Create the relay.

        Args:
            engine: the ledger's database, upgraded.
            deployment: chain id and contracts.
            rpc: the chain's node.
            sender: the one sender of this database; the anchorer shares it.
            interval_s: pause while nothing waits.
        """
        super().__init__(interval_s=interval_s)
        self._engine = engine
        self._deployment = deployment
        self._rpc = rpc
        self._sender = sender
