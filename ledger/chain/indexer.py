"""Follows the chain: verifies every act again and keeps the state that follows from it.

One database transaction holds a few whole blocks with everything that follows from them. What
the model refuses, or a chain that no longer holds what was followed, ends the indexer with a
finding: it is never skipped.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError, ProtocolError
from crypto.sm3 import sm3
from ledger.chain.rpc import Rpc
from ledger.chain.worker import FatalFinding, Worker
from ledger.db import models as table
from ledger.db.engine import read_transaction, write_transaction
from ledger.db.packing import pack_signatures
from ledger.db.queue import record_act
from ledger.db.state import Head, find_head
from ledger.db.store import SqlStore
from ledger.outbox.documents import describe, keep_document
from protocol.deployment import Deployment
from protocol.description import BY_NAME
from protocol.documents import MAX_DOCUMENT_SIZE
from protocol.documents.pieces import MAX_PIECES
from protocol.ethereum import (
    GENESIS_TOPIC,
    ActEvent,
    AnchorEvent,
    EventLog,
    GenesisEvent,
    PieceEvent,
    decode_event,
)
from protocol.model import apply_act, apply_anchor, apply_genesis

POLL_S = 0.25
MAX_BLOCKS_PER_STEP = 50
MAX_LOG_BLOCKS = 10_000
LOGS_PER_TRANSACTION = 200
#: `polled_at` is written at most so often: every write is synced to disk.
POLLED_EVERY_S = 1
_HEAD_ID = 1
_WITHOUT_TRANSACTIONS = False


@dataclass(frozen=True, slots=True)
class _Block:
    number: int
    hash: bytes
    parent_hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class _Log:
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int
    event: EventLog


class Indexer(Worker):
    """Follows blocks into the database. A chain that disagrees with itself stops it for good."""

    name = "indexer"

    def __init__(
        self,
        engine: Engine,
        deployment: Deployment,
        rpc: Rpc,
        *,
        interval_s: float = POLL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the indexer.

        Args:
            engine: the ledger's database, upgraded.
            deployment: chain id and contracts.
            rpc: the chain's node.
            interval_s: pause while there is no new block.
            clock: unix time in seconds.
        """
        super().__init__(interval_s=interval_s)
        self._engine = engine
        self._deployment = deployment
        self._rpc = rpc
        self._clock = clock
        self._names = {address: name for name, address in deployment.contracts.items()}
        self._batch = MAX_BLOCKS_PER_STEP

    def step(self) -> bool:
        """Follow at most a batch of blocks; return whether there are more.

        Raises:
            FatalFinding: CHAIN_DIVERGED, INDEX_DISAGREES; kept in the database.
            LedgerError: the node cannot be asked; NODE_BEHIND.
        """
        with read_transaction(self._engine) as connection:
            head = find_head(connection)
        if head is not None and head.finding_code:
            raise FatalFinding(head.finding_code, "stopped by an earlier finding; rebuild")
        asked_at = int(self._clock())
        latest = _read_block(
            self._rpc.call("eth_getBlockByNumber", "latest", _WITHOUT_TRANSACTIONS)
        )
        if head is None:
            first = self._find_genesis(latest.number)
        else:
            self._require_same_chain(head, latest)
            first = head.number + 1
        if first > latest.number:
            self._note_poll()
            return False
        last = min(latest.number, first + self._batch - 1)
        try:
            blocks, logs = self._fetch(first, last)
        except LedgerError as error:
            # Too much for one answer: a node says so, or its answer breaks off.
            if self._batch > 1 and error.code in ("NODE_REFUSED", "NODE_UNAVAILABLE"):
                self._batch = max(1, self._batch // 4)
                if error.code == "NODE_REFUSED":
                    return True
            raise
        self._require_chain(head, blocks)
        for part_blocks, part_logs in _parts(blocks, logs):
            if self.is_stopping:
                return False
            try:
                is_newest = part_blocks[-1].number == latest.number
                self._apply(part_blocks, part_logs, asked_at if is_newest else None)
            except ProtocolError as error:
                self._stop_with(
                    "INDEX_DISAGREES",
                    f"an event in blocks {part_blocks[0].number} to {part_blocks[-1].number} "
                    f"breaks a rule: {error}",
                )
        self._batch = min(MAX_BLOCKS_PER_STEP, self._batch * 2)
        return last < latest.number

    # --- asking the node ---------------------------------------------------------------------

    def _find_genesis(self, latest: int) -> int:
        """Return the block that holds the registry's Genesis event."""
        end = min(latest, self._deployment.block)
        for start in range(0, end + 1, MAX_LOG_BLOCKS):
            logs = self._rpc.call(
                "eth_getLogs",
                {
                    "address": "0x" + self._deployment.contracts["Registry"].hex(),
                    "topics": ["0x" + GENESIS_TOPIC.hex()],
                    "fromBlock": hex(start),
                    "toBlock": hex(min(end, start + MAX_LOG_BLOCKS - 1)),
                },
            )
            if logs:
                return _read_log(logs[0]).block_number
        raise LedgerError("GENESIS_NOT_FOUND", "the chain does not hold the registry's genesis yet")

    def _require_same_chain(self, head: Head, latest: _Block) -> None:
        if latest.number > head.number:
            return  # the next block's parent hash is checked
        with read_transaction(self._engine) as connection, Session(connection) as session:
            ours = session.get(table.Block, latest.number)
            first = session.scalar(select(func.min(table.Block.number)))
        if (ours is not None and ours.hash != latest.hash) or latest.number < (first or 0):
            self._stop_with(
                "CHAIN_DIVERGED", f"block {latest.number} of the node is not the one followed"
            )
        if latest.number < head.number:
            raise LedgerError("NODE_BEHIND", "the node is behind what has been followed")

    def _fetch(self, first: int, last: int) -> tuple[list[_Block], list[_Log]]:
        numbers = range(first, last + 1)
        blocks = [
            _read_block(one)
            for one in self._rpc.call_many(
                [
                    ("eth_getBlockByNumber", [hex(number), _WITHOUT_TRANSACTIONS])
                    for number in numbers
                ]
            )
        ]
        if [block.number for block in blocks] != list(numbers):
            raise LedgerError("NODE_ANSWER_MALFORMED", "the node gave other blocks")
        answer = self._rpc.call(
            "eth_getLogs",
            {
                "address": ["0x" + address.hex() for address in self._names],
                "fromBlock": hex(first),
                "toBlock": hex(last),
            },
        )
        if not isinstance(answer, list):
            raise LedgerError("NODE_ANSWER_MALFORMED", "logs are not a list")
        logs = sorted(
            (_read_log(one) for one in answer), key=lambda x: (x.block_number, x.log_index)
        )
        hashes = {block.number: block.hash for block in blocks}
        if any(hashes.get(log.block_number) != log.block_hash for log in logs):
            raise LedgerError("NODE_ANSWER_MALFORMED", "logs are of other blocks; asking again")
        return blocks, logs

    def _require_chain(self, head: Head | None, blocks: Sequence[_Block]) -> None:
        parent = None if head is None else head.hash
        for block in blocks:
            if parent is not None and block.parent_hash != parent:
                self._stop_with(
                    "CHAIN_DIVERGED", f"block {block.number} does not follow the one before it"
                )
            parent = block.hash

    # --- keeping -----------------------------------------------------------------------------

    def _note_poll(self) -> None:
        now = int(self._clock())
        with read_transaction(self._engine) as connection:
            polled_at = connection.scalar(select(table.Head.polled_at)) or 0
        if now - polled_at >= POLLED_EVERY_S:
            with write_transaction(self._engine) as connection, Session(connection) as session:
                session.get_one(table.Head, _HEAD_ID).polled_at = now
                session.flush()

    def _stop_with(self, code: str, text: str) -> None:
        with write_transaction(self._engine) as connection, Session(connection) as session:
            row = session.get(table.Head, _HEAD_ID)
            if row is not None:
                row.finding_code, row.finding = code, text[:2000]
            session.flush()
        raise FatalFinding(code, text)

    def _apply(self, blocks: Sequence[_Block], logs: Sequence[_Log], polled_at: int | None) -> None:
        """Keep blocks; a time with the node's newest one alone, as of which the state then is."""
        by_block: dict[int, list[_Log]] = {}
        for log in logs:
            by_block.setdefault(log.block_number, []).append(log)
        with write_transaction(self._engine) as connection, Session(connection) as session:
            store = SqlStore(session)
            if session.get(table.Head, _HEAD_ID) is None:
                first = blocks[0]
                session.add(
                    table.Head(
                        id=_HEAD_ID,
                        number=first.number,
                        hash=first.hash,
                        time=first.time,
                        polled_at=0,
                        outbox_epoch=0,
                        finding_code="",
                        finding="",
                    )
                )
            for block in blocks:
                session.add(
                    table.Block(
                        number=block.number,
                        hash=block.hash,
                        parent_hash=block.parent_hash,
                        time=block.time,
                    )
                )
                session.flush()
                for log in by_block.get(block.number, ()):
                    store.at(block.number, log.log_index, log.transaction_hash)
                    self._apply_log(session, store, block, log)
            head = session.get_one(table.Head, _HEAD_ID)
            session.refresh(head)
            last = blocks[-1]
            head.number, head.hash, head.time = last.number, last.hash, last.time
            if polled_at is not None:
                head.polled_at = polled_at
            session.flush()

    def _apply_log(self, session: Session, store: SqlStore, block: _Block, log: _Log) -> None:
        event = decode_event(log.event)
        name = self._names[log.event.address]
        if isinstance(event, ActEvent):
            self._apply_act(session, store, block, log, event)
        elif isinstance(event, GenesisEvent):
            _require_contract(name, "Registry")
            apply_genesis(
                store,
                department=event.department,
                head=event.head,
                authority_keys=event.authority_keys,
                threshold=event.threshold,
                replacement_delay_s=event.replacement_delay_s,
                block_number=block.number,
            )
        elif isinstance(event, AnchorEvent):
            _require_contract(name, "Logs")
            apply_anchor(
                store,
                event.log,
                event.size,
                event.root,
                event.signature,
                block_number=block.number,
                block_time=block.time,
            )
        elif isinstance(event, PieceEvent):
            _require_contract(name, "Documents")
            _keep_piece(session, block.number, event)

    def _apply_act(
        self, session: Session, store: SqlStore, block: _Block, log: _Log, event: ActEvent
    ) -> None:
        act_type = BY_NAME[event.name]
        _require_contract(self._names[log.event.address], act_type.contract)
        applied = apply_act(
            store,
            event.signed,
            chain_id=self._deployment.chain_id,
            contracts=self._deployment.contracts,
            block_number=block.number,
            block_time=block.time,
        )
        if (applied.act_id, applied.act.type.name, applied.target, applied.revision) != (
            event.act_id,
            event.name,
            event.target,
            event.revision,
        ):
            raise ProtocolError("EVENT_DIFFERS", "an event says something else than its act")
        session.add(
            table.Event(
                act_id=event.act_id,
                block_number=block.number,
                transaction_index=log.transaction_index,
                log_index=log.log_index,
                transaction_hash=log.transaction_hash,
                type_code=act_type.code,
                contract=act_type.contract,
                key_id=applied.act.key_id,
                target=event.target,
                revision=event.revision,
                data=event.signed.data,
                signatures=pack_signatures(event.signed.signatures),
                position=block.number * table.EVENTS_PER_BLOCK + log.log_index,
            )
        )
        session.flush()
        record_act(
            session,
            event.act_id,
            transaction_hash=log.transaction_hash,
            block_number=block.number,
        )


def _parts(
    blocks: Sequence[_Block], logs: Sequence[_Log]
) -> Iterator[tuple[list[_Block], list[_Log]]]:
    """Split into runs of whole blocks with about LOGS_PER_TRANSACTION logs each.

    A long transaction would keep the outbox from accepting acts.
    """
    by_block: dict[int, list[_Log]] = {}
    for log in logs:
        by_block.setdefault(log.block_number, []).append(log)
    part_blocks: list[_Block] = []
    part_logs: list[_Log] = []
    for block in blocks:
        part_blocks.append(block)
        part_logs += by_block.get(block.number, ())
        if len(part_logs) >= LOGS_PER_TRANSACTION:
            yield part_blocks, part_logs
            part_blocks, part_logs = [], []
    if part_blocks:
        yield part_blocks, part_logs


def _require_contract(found: str, expected: str) -> None:
    if found != expected:
        raise ProtocolError("EVENT_DIFFERS", f"an event of {expected} came from {found}")


def _keep_piece(session: Session, block_number: int, event: PieceEvent) -> None:
    """Keep the newest piece of each place; join them once they match the digest."""
    document = session.get(table.Document, event.digest)
    if document is not None and document.block_number is not None:
        return
    if not (1 <= event.count <= MAX_PIECES and event.index < event.count):
        raise ProtocolError("EVENT_DIFFERS", "a piece is numbered outside its document")
    session.merge(
        table.DocumentPiece(
            digest=event.digest,
            count=event.count,
            index=event.index,
            piece=event.piece,
            block_number=block_number,
        )
    )
    session.flush()
    pieces = session.scalars(
        select(table.DocumentPiece.piece)
        .where(table.DocumentPiece.digest == event.digest, table.DocumentPiece.count == event.count)
        .order_by(table.DocumentPiece.index)
    ).all()
    data = b"".join(pieces)
    if len(pieces) < event.count or len(data) > MAX_DOCUMENT_SIZE or sm3(data) != event.digest:
        return
    keep_document(session, describe(data), block_number)
    session.execute(delete(table.DocumentPiece).where(table.DocumentPiece.digest == event.digest))


def _octets(value: object, size: int | None = None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError
    data = bytes.fromhex(value[2:])
    if size is not None and len(data) != size:
        raise ValueError
    return data


def _read_block(answer: object) -> _Block:
    try:
        if not isinstance(answer, Mapping):
            raise TypeError
        return _Block(
            number=int(answer["number"], 16),
            hash=_octets(answer["hash"], 32),
            parent_hash=_octets(answer["parentHash"], 32),
            time=int(answer["timestamp"], 16),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError("NODE_ANSWER_MALFORMED", "the node's block is not readable") from error


def _read_log(answer: Any) -> _Log:
    try:
        return _Log(
            block_number=int(answer["blockNumber"], 16),
            block_hash=_octets(answer["blockHash"], 32),
            transaction_hash=_octets(answer["transactionHash"], 32),
            transaction_index=int(answer["transactionIndex"], 16),
            log_index=int(answer["logIndex"], 16),
            event=EventLog(
                _octets(answer["address"], 20),
                tuple(_octets(topic, 32) for topic in answer["topics"]),
                _octets(answer["data"]),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError("NODE_ANSWER_MALFORMED", "the node's log is not readable") from error
