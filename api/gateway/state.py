"""The gateway's view of the chain: a copy in memory of what the indexer wrote, kept fresh.

A snapshot never changes once it is made, so that every decision rests on one block's state.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import ProtocolError
from crypto.sm3 import sm3
from ledger.db import models as table
from ledger.db.engine import read_transaction
from ledger.db.state import find_head, load_changes, load_state
from protocol.acts import Act
from protocol.documents import InterfaceDocument, parse_interface_document
from protocol.model import MemoryStore


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one block.

    Attributes:
        store: the state; nobody changes it any more.
        number: number of the block.
        hash: its hash.
        polled_at: when the node last had no newer block than this, unix seconds.
        finding_code: code of the finding that stopped the indexer, or empty.
    """

    store: MemoryStore
    number: int
    hash: bytes
    polled_at: int
    finding_code: str


class StateSource(Protocol):
    """Where the gateway learns the state from."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest state, None before the first."""

    def refresh(self) -> None:
        """Look for newer state; called by one thread at a time."""

    def find_interface_document(self, digest: bytes) -> InterfaceDocument | None:
        """Return an interface's description, None when it is missing or malformed."""

    def find_document_text(self, digest: bytes) -> Mapping[str, Any] | None:
        """Return an interface's whole description as JSON, None when it is missing or malformed."""

    def find_act(self, act_id: bytes) -> Act | None:
        """Return a recorded act, None where there is none."""

    def find_cosignatures(self, log_id: bytes, size: int, root: bytes) -> list[str]:
        """Return the witnesses' signature lines on a checkpoint."""


def copy_store(store: MemoryStore) -> MemoryStore:
    """Return a store with the same contents; its values are immutable and shared."""
    copy = MemoryStore()
    for name, value in vars(store).items():
        setattr(copy, name, value.copy() if isinstance(value, dict) else value)
    return copy


class LedgerState:
    """The state in the ledger's database, which another process writes.

    Args:
        engine: read-only engine of the database (ledger.db.engine.make_engine).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._snapshot: Snapshot | None = None
        self._find_document = lru_cache(maxsize=512)(self._get_document)

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest state, None before the first."""
        return self._snapshot

    def refresh(self) -> None:
        """Look for newer state.

        Raises:
            SQLAlchemyError: the database cannot be read; the last snapshot stays and grows stale.
        """
        old = self._snapshot
        with read_transaction(self._engine) as connection:
            head = find_head(connection)
            # A read model that is being rebuilt is behind what was seen: the copy stays and ages.
            if head is None or (old is not None and head.number < old.number):
                return
            if old is None or not _has_block(connection, old):
                store = MemoryStore()
                load_state(connection, store)
            elif head.number > old.number:
                store = copy_store(old.store)
                load_changes(connection, store, old.number)
            else:
                store = old.store
        self._snapshot = Snapshot(store, head.number, head.hash, head.polled_at, head.finding_code)

    def find_interface_document(self, digest: bytes) -> InterfaceDocument | None:
        """Return an interface's description, None when it is missing or malformed."""
        try:
            return self._find_document(digest)
        except (LookupError, SQLAlchemyError):
            return None

    def find_document_text(self, digest: bytes) -> Mapping[str, Any] | None:
        """Return an interface's whole description as JSON, None when it is missing or malformed."""
        try:
            text: Mapping[str, Any] = json.loads(self._get_data(digest))
        except (LookupError, SQLAlchemyError, ValueError):
            return None
        return text

    def _get_document(self, digest: bytes) -> InterfaceDocument:
        """Only documents that were found are remembered: a missing one may still come."""
        try:
            return parse_interface_document(self._get_data(digest))
        except ProtocolError as error:
            raise LookupError(digest) from error

    def _get_data(self, digest: bytes) -> bytes:
        with read_transaction(self._engine) as connection:
            data = connection.scalar(
                select(table.Document.data).where(table.Document.digest == digest)
            )
        if data is None or sm3(data) != digest:
            raise LookupError(digest)
        return data

    def find_act(self, act_id: bytes) -> Act | None:
        """Return a recorded act, None where there is none."""
        with read_transaction(self._engine) as connection:
            data = connection.scalar(select(table.Event.data).where(table.Event.act_id == act_id))
        return None if data is None else Act.from_bytes(data)

    def find_cosignatures(self, log_id: bytes, size: int, root: bytes) -> list[str]:
        """Return the witnesses' signature lines on a checkpoint."""
        found = table.CheckpointCosignature
        with read_transaction(self._engine) as connection:
            return list(
                connection.scalars(
                    select(found.line)
                    .where(found.log == log_id, found.size == size, found.root == root)
                    .order_by(found.key_id)
                )
            )


def _has_block(connection: Connection, snapshot: Snapshot) -> bool:
    found = connection.scalar(select(table.Block.hash).where(table.Block.number == snapshot.number))
    return found == snapshot.hash


def is_stale(snapshot: Snapshot, max_age_s: int) -> bool:
    """Return whether the node was not seen for longer than max_age_s."""
    return time.time() - snapshot.polled_at > max_age_s
