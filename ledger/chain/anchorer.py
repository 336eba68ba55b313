"""Anchors the newest checkpoint of the gateway's log on the chain."""

from sqlalchemy import Engine

from ledger.chain.sender import Sender
from ledger.chain.worker import Worker
from ledger.deployment import Deployment

POLL_S = 1.0


class Anchorer(Worker):
    """Fetches checkpoints from the gateway and sends them to the Logs contract."""

    name = "anchorer"

    def __init__(
        self,
        engine: Engine,
        deployment: Deployment,
        sender: Sender,
        gateway_url: str,
        *,
        anchor_interval_s: float,
        anchor_records: int,
        interval_s: float = POLL_S,
    ) -> None:
        """Create the anchorer.

        Args:
            engine: the ledger's database, upgraded.
            deployment: origin and key of the gateway's log.
            sender: the sender that the relay uses.
            gateway_url: base URL of the gateway.
            anchor_interval_s: time between two anchors while there are new records.
            anchor_records: anchor sooner after so many new records.
            interval_s: pause between two looks at the gateway.
        """
        super().__init__(interval_s=interval_s)
