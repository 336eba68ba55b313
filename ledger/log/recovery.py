"""What the writer learns from its file before it writes: tail, identity, last anchor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, func, select

from crypto.errors import LedgerError, ProtocolError, VerificationError
from crypto.merkle import Frontier, leaf_hash, place_of
from crypto.sm2 import PublicKey
from ledger.log import store
from ledger.log.statements import run
from protocol.checkpoint import parse_note, verify_checkpoint
from protocol.records import parse_record

#: Records at the end of the log that are hashed again at every start.
TAIL_RECORDS = 4096
#: As text: a proof reads many nodes, and building a statement takes longer than to run it.
_NODE = "SELECT hash FROM nodes WHERE place = ?"


@dataclass(frozen=True, slots=True)
class AnchorPoint:
    """The newest checkpoint of this log that is anchored on chain."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the log ends: all that is needed to append.

    Attributes:
        size: number of records.
        edge: hashes of the largest complete subtrees, by (level, index).
    """

    size: int
    edge: Mapping[tuple[int, int], bytes]

    @classmethod
    def from_edge(cls, size: int, nodes: Mapping[tuple[int, int], bytes]) -> Self:
        """Keep of these nodes only those that further records need."""
        kept: dict[tuple[int, int], bytes] = {}

        def get_node(level: int, index: int) -> bytes:
            kept[level, index] = nodes[level, index]
            return nodes[level, index]

        Frontier.from_nodes(size, get_node)
        return cls(size, kept)


def _damaged(reason: str) -> LedgerError:
    return LedgerError("LOG_DAMAGED", f"the access log does not hold together: {reason}")


def read_node(connection: Connection, level: int, index: int) -> bytes:
    """Return the stored hash of a complete subtree.

    Raises:
        LedgerError: LOG_DAMAGED when it is missing.
    """
    found = run(connection, _NODE, (place_of(level, index),)).scalar()
    if found is None:
        raise _damaged("a tree node is missing")
    return bytes(found)


def load_tail(connection: Connection) -> Tail:
    """Read where the log ends, and check that its tree has the root of its last checkpoint.

    Raises:
        LedgerError: LOG_DAMAGED.
    """
    table = store.checkpoints
    newest = connection.execute(
        select(table.c.size, table.c.root).order_by(table.c.size.desc()).limit(1)
    ).first()
    last_seq = connection.scalar(select(func.max(store.records.c.seq)))
    if newest is None:
        if last_seq is not None:
            raise _damaged("there are records and no checkpoint")
        return Tail(0, {})
    size, root = newest
    if last_seq != size - 1:
        raise _damaged("the last checkpoint is not of the last record")
    edge: dict[tuple[int, int], bytes] = {}

    def get_node(level: int, index: int) -> bytes:
        edge[level, index] = read_node(connection, level, index)
        return edge[level, index]

    if Frontier.from_nodes(size, get_node).root() != root:
        raise _damaged("the tree does not have the root of the last checkpoint")
    return Tail(size, edge)


def require_continued(connection: Connection, tail: Tail, known: Tail) -> None:
    """Check that the log still holds what was durable before its connection was lost.

    A database that was replaced by a copy of it may lack the newest records: to go on from there
    would sign another log of the same name.

    Raises:
        LedgerError: LOG_DAMAGED.
    """
    if tail.size < known.size:
        raise _damaged("records that were durable are missing")
    stored = Frontier.from_nodes(known.size, lambda *place: read_node(connection, *place))
    if stored.root() != Frontier.from_nodes(known.size, lambda *place: known.edge[place]).root():
        raise _damaged("records that were durable are others")


def verify_tail(
    connection: Connection, *, origin: str, log_id: bytes, public_key: PublicKey
) -> Tail:
    """Read where the log ends, hash its last records again, and check whose log it is.

    Args:
        connection: connection to the log's file.
        origin: origin that the log must have.
        log_id: id of the registration that the log must belong to.
        public_key: key that must have signed its checkpoints.

    Raises:
        LedgerError: LOG_DAMAGED, LOG_OTHER_IDENTITY.
    """
    tail = load_tail(connection)
    if tail.size == 0:
        return tail
    note = connection.scalar(
        select(store.checkpoints.c.note).where(store.checkpoints.c.size == tail.size)
    )
    table = store.records
    opened = connection.scalar(select(table.c.bytes).where(table.c.seq == 0))
    if opened is None:
        raise _damaged("its first record is missing")
    try:
        checkpoint, _ = parse_note(str(note))
        record = parse_record(bytes(opened))
    except ProtocolError as error:
        raise _damaged("its first record or its last checkpoint is malformed") from error
    identity = (record.get("log_id"), record.get("gateway_key"), checkpoint.origin, record["log"])
    if identity != (log_id.hex(), public_key.key_id.hex(), origin, origin):
        raise LedgerError(
            "LOG_OTHER_IDENTITY", "the file is the access log of another gateway or deployment"
        )
    try:
        signed = verify_checkpoint(str(note), origin=origin, public_key=public_key)
    except (ProtocolError, VerificationError) as error:
        raise _damaged("its last checkpoint is not signed by the gateway") from error
    start = max(0, tail.size - TAIL_RECORDS)
    frontier = Frontier.from_nodes(start, lambda *place: read_node(connection, *place))
    rows = connection.execute(
        select(table.c.seq, table.c.leaf, table.c.bytes)
        .where(table.c.seq >= start)
        .order_by(table.c.seq)
    )
    for seq, leaf, data in rows:
        if seq != frontier.size or leaf_hash(data) != leaf:
            raise _damaged("a record is missing or was changed")
        for level, index, digest in frontier.append(leaf):
            if read_node(connection, level, index) != digest:
                raise _damaged("a tree node was changed")
    if (frontier.size, frontier.root()) != (signed.size, signed.root):
        raise _damaged("its records are not those of the last checkpoint")
    return tail


def verify_anchor(connection: Connection, size: int, anchor: AnchorPoint | None) -> None:
    """Check that the log continues what is anchored on chain.

    Raises:
        LedgerError: LOG_BEHIND_ANCHOR when records that were anchored are missing,
            LOG_ANCHOR_DIFFERS when the log's records are others.
    """
    if anchor is None:
        return
    if anchor.size > size:
        raise LedgerError(
            "LOG_BEHIND_ANCHOR",
            "the access log is shorter than its last anchor: records are missing",
            size=size,
            anchored_size=anchor.size,
        )
    frontier = Frontier.from_nodes(anchor.size, lambda *place: read_node(connection, *place))
    if frontier.root() != anchor.root:
        raise LedgerError(
            "LOG_ANCHOR_DIFFERS", "the access log's records are not those that were anchored"
        )
