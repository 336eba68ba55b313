"""Follows the chain: verifies every act again and keeps the state that follows from it."""

from sqlalchemy import Engine

from ledger.chain.rpc import Rpc
from ledger.chain.worker import Worker
from ledger.deployment import Deployment

POLL_S = 0.25


class Indexer(Worker):
    """Follows blocks into the database. A chain that disagrees with itself stops it for good."""

    name = "indexer"

    def __init__(
        self, engine: Engine, deployment: Deployment, rpc: Rpc, *, interval_s: float = POLL_S
    ) -> None:
        """Create the indexer.

        Args:
            engine: the ledger's database, upgraded.
            deployment: chain id and contracts.
            rpc: the chain's node.
            interval_s: pause while there is no new block.
        """
        super().__init__(interval_s=interval_s)
