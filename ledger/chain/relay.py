"""Sends what waits in the outbox to the chain, in order, and says what came of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError
from ledger.chain.artifacts import decode_revert, encode_act_call, encode_call
from ledger.chain.rpc import MAX_BATCH, Rpc
from ledger.chain.sender import Outgoing, Sender
from ledger.chain.worker import Worker
from ledger.db import models as table
from ledger.db.engine import read_transaction, write_transaction
from ledger.db.packing import unpack_signatures
from ledger.db.queue import leave_queue, refuse_act
from ledger.outbox.documents import find_named_digest
from protocol.acts import Act, SignedAct
from protocol.deployment import Deployment

POLL_S = 0.25
MAX_OPEN = 64
MAX_ACTS_PER_STEP = 16
PIECE_SIZE = 16_384
#: Gas limits: room for the call itself, and for each SM2 signature that it verifies.
PIECE_GAS = 1_000_000
ACT_GAS = 1_000_000
SIGNATURE_GAS = 1_000_000


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

    def step(self) -> bool:
        """Settle what was sent, then send what waits; return whether anything moved."""
        self._sender.resume()
        settled = self._settle()
        sent = self._send_waiting()
        return settled or sent

    # --- sending -----------------------------------------------------------------------------

    def _send_waiting(self) -> bool:
        with read_transaction(self._engine) as connection, Session(connection) as session:
            outgoing = self._choose(session)
        if outgoing:
            self._sender.send(outgoing)
        return bool(outgoing)

    def _choose(self, session: Session) -> list[Outgoing]:
        """Return the next transactions: documents before the acts that name them."""
        open_count = session.scalar(
            select(func.count()).where(table.RelayTransaction.status == "open")
        )
        room = MAX_OPEN - (open_count or 0)
        outgoing: list[Outgoing] = []
        digests: set[bytes] = set()
        for row in session.scalars(
            select(table.OutboxAct)
            .where(table.OutboxAct.status == "queued")
            .order_by(table.OutboxAct.sequence)
            .limit(MAX_ACTS_PER_STEP)
        ):
            signed = SignedAct(row.data, unpack_signatures(row.signatures))
            parts = self._pieces(session, Act.from_bytes(row.data), digests)
            parts.append(
                Outgoing(
                    "act",
                    self._deployment.contracts[row.contract],
                    encode_act_call(signed),
                    ACT_GAS + SIGNATURE_GAS * len(signed.signatures),
                    act_id=row.act_id,
                )
            )
            if len(outgoing) + len(parts) > room:
                break
            outgoing += parts
        return outgoing

    def _pieces(self, session: Session, act: Act, digests: set[bytes]) -> list[Outgoing]:
        digest = find_named_digest(act)
        if digest is None or digest in digests:
            return []
        document = session.get(table.Document, digest)
        if document is None or document.block_number is not None:
            return []
        head = session.scalar(select(table.Head.number)) or 0
        for status, block in session.execute(
            select(table.RelayTransaction.status, table.RelayTransaction.block_number).where(
                table.RelayTransaction.digest == digest, table.RelayTransaction.kind == "piece"
            )
        ):
            if status == "open" or (status == "done" and block is not None and block > head):
                return []  # on its way
        digests.add(digest)
        data = document.data
        pieces = [data[at : at + PIECE_SIZE] for at in range(0, len(data), PIECE_SIZE)]
        return [
            Outgoing(
                "piece",
                self._deployment.contracts["Documents"],
                encode_call("Documents", "put", digest, index, len(pieces), piece),
                PIECE_GAS,
                digest=digest,
            )
            for index, piece in enumerate(pieces)
        ]

    # --- settling ----------------------------------------------------------------------------

    def _settle(self) -> bool:
        with read_transaction(self._engine) as connection, Session(connection) as session:
            hashes = session.scalars(
                select(table.RelayTransaction.hash)
                .where(table.RelayTransaction.status == "open")
                .order_by(table.RelayTransaction.nonce)
                .limit(MAX_BATCH)
            ).all()
            head = session.scalar(select(table.Head.number))
        if not hashes:
            return False
        receipts = self._rpc.call_many(
            [("eth_getTransactionReceipt", ["0x" + one.hex()]) for one in hashes]
        )
        moved = False
        for transaction_hash, receipt in zip(hashes, receipts, strict=True):
            if receipt is None:
                continue
            if not isinstance(receipt, Mapping):
                raise LedgerError("NODE_ANSWER_MALFORMED", "a receipt is not an object")
            block_number = int(str(receipt.get("blockNumber")), 16)
            if receipt.get("status") == "0x1":
                self._close(transaction_hash, "done", block_number)
            elif head is None or head < block_number:
                break  # whether the act is recorded by another way is known once that block is
            else:
                self._settle_failed(transaction_hash, block_number)
            moved = True
        return moved

    def _close(self, transaction_hash: bytes, status: str, block_number: int) -> None:
        with write_transaction(self._engine) as connection, Session(connection) as session:
            row = session.get_one(table.RelayTransaction, transaction_hash)
            row.status, row.block_number = status, block_number
            session.flush()

    def _settle_failed(self, transaction_hash: bytes, block_number: int) -> None:
        with read_transaction(self._engine) as connection, Session(connection) as session:
            act_id = session.get_one(table.RelayTransaction, transaction_hash).act_id
            event = None if act_id is None else session.get(table.Event, act_id)
            needs_reason = act_id is not None and event is None
        code = self._reason(transaction_hash, block_number) if needs_reason else ""
        with write_transaction(self._engine) as connection, Session(connection) as session:
            row = session.get_one(table.RelayTransaction, transaction_hash)
            row.status, row.block_number = "failed", block_number
            if needs_reason:
                act = session.scalars(
                    select(table.OutboxAct).where(table.OutboxAct.act_id == act_id)
                ).one()
                if act.status == "sent":
                    refuse_act(session, act, code)
            leave_queue(session)
            session.flush()

    def _reason(self, transaction_hash: bytes, block_number: int) -> str:
        """Ask the contract again, at that block and the one before, why it refused."""
        transaction: Any = self._rpc.call("eth_getTransactionByHash", "0x" + transaction_hash.hex())
        if not isinstance(transaction, Mapping):
            return "TRANSACTION_FAILED"
        call = {
            "from": transaction.get("from"),
            "to": transaction.get("to"),
            "data": transaction.get("input"),
            "gas": transaction.get("gas"),
        }
        for number in (block_number, block_number - 1):
            try:
                self._rpc.call("eth_call", call, hex(number))
            except LedgerError as error:
                if error.code != "NODE_REFUSED":
                    raise
                code = _revert_code(error.details.get("data"))
                if code is not None:
                    return code
        return "TRANSACTION_FAILED"


def _revert_code(data: object) -> str | None:
    if isinstance(data, Mapping):
        data = data.get("data")
    if not isinstance(data, str) or not data.startswith("0x"):
        return None
    try:
        decoded = decode_revert(bytes.fromhex(data[2:]))
    except ValueError:
        return None
    return None if decoded is None else decoded[0]
