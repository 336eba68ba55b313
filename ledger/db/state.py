"""The model's state in the database: the indexer's store, and the gateway's copy of it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from protocol.model.store import MemoryStore


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain has been followed.

    Attributes:
        number: number of the last block that the state includes.
        hash: its hash.
        time: its time, unix seconds.
        polled_at: when the node was last seen, unix seconds.
        finding_code: code of the finding that stopped the indexer, empty while there is none.
    """

    number: int
    hash: bytes
    time: int
    polled_at: int
    finding_code: str


def load_state(connection: Connection, store: MemoryStore) -> Head | None:
    """Put the whole state into an empty store.

    Args:
        connection: connection with an open transaction, so that all reads see one snapshot
            (ledger.db.engine.read_transaction).
        store: takes the state.

    Returns:
        The block that the state is of; None before genesis was followed.
    """
    raise NotImplementedError


def load_changes(connection: Connection, store: MemoryStore, after_block: int) -> Head | None:
    """Put what later blocks changed into a store that holds the state of a block.

    Args:
        connection: as for load_state.
        store: holds the state of block `after_block`.
        after_block: number of that block.

    Returns:
        The block that the state is of now.
    """
    raise NotImplementedError
