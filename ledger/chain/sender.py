"""Raw transactions of the relay's account: numbered, stored durably, then sent.

A transaction is open from the moment it is stored until its receipt is seen. Whatever happens in
between, the same bytes are sent again; a node knows them by their hash.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_utils.address import to_checksum_address
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError, OutcomeUnknown
from ledger.chain.rpc import MAX_BATCH, Rpc
from ledger.db import models as table
from ledger.db.engine import read_transaction, write_transaction
from ledger.db.queue import leave_queue, refuse_act

_KNOWN = ("already known", "already imported", "known transaction")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A transaction to be made.

    Attributes:
        kind: act, piece or anchor.
        to: 20-byte address of the contract.
        data: call data.
        gas: gas limit.
        act_id: act that it carries, for kind act.
        digest: document of a piece, or log of an anchor.
    """

    kind: str
    to: bytes
    data: bytes
    gas: int
    act_id: bytes | None = None
    digest: bytes | None = None


class Sender:
    """The one place that numbers transactions of the relay's account. Safe between threads."""

    def __init__(self, engine: Engine, rpc: Rpc, *, chain_id: int, private_key: bytes) -> None:
        """Create the sender.

        Args:
            engine: the ledger's database, upgraded.
            rpc: the chain's node.
            chain_id: chain id.
            private_key: 32-byte secp256k1 key of the relay's account; it proves nothing.
        """
        self._engine = engine
        self._rpc = rpc
        self._chain_id = chain_id
        self._account = Account.from_key(private_key)
        self._lock = threading.Lock()
        self._next_nonce: int | None = None

    @property
    def address(self) -> str:
        """Address of the account, 0x-hex."""
        return str(self._account.address)

    def resume(self) -> None:
        """After a start or a failure: bring all open transactions to the node again.

        Raises:
            LedgerError: NODE_UNAVAILABLE, NODE_REFUSED; nothing is lost, call again.
        """
        with self._lock:
            if self._next_nonce is None:
                self._next_nonce = self._reconcile()

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Store transactions in one go, durably, then send them in order.

        Acts among them become `sent` in the same database transaction.

        Raises:
            LedgerError: NODE_UNAVAILABLE, NODE_REFUSED, NODE_OUTCOME_UNKNOWN; what was stored is
                sent again by the next resume().
        """
        with self._lock:
            if self._next_nonce is None:
                self._next_nonce = self._reconcile()
            rows = [self._sign(one, self._next_nonce + at) for at, one in enumerate(outgoing)]
            with write_transaction(self._engine) as connection, Session(connection) as session:
                for row in rows:
                    session.add(row)
                    if row.act_id is not None:
                        act = _act_of(session, row.act_id)
                        act.status = "sent"
                        act.transaction_hash = row.hash
                session.flush()
                to_send = [(row.hash, row.raw) for row in rows]
            self._next_nonce += len(rows)
            self._deliver_all(to_send)

    def _sign(self, one: Outgoing, nonce: int) -> table.RelayTransaction:
        signed = self._account.sign_transaction(
            {
                "chainId": self._chain_id,
                "nonce": nonce,
                "gas": one.gas,
                "gasPrice": 0,
                "value": 0,
                "to": to_checksum_address(one.to),
                "data": one.data,
            }
        )
        return table.RelayTransaction(
            hash=bytes(signed.hash),
            sender=bytes.fromhex(self.address[2:]),
            nonce=nonce,
            kind=one.kind,
            act_id=one.act_id,
            digest=one.digest,
            raw=bytes(signed.raw_transaction),
            status="open",
        )

    def _deliver_all(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        for transaction_hash, raw in rows:
            try:
                self._deliver(raw)
            except _RefusedForGood as error:
                self._next_nonce = None
                self._drop_from(transaction_hash, error.code)
                return
            except LedgerError:
                self._next_nonce = None
                raise

    def _deliver(self, raw: bytes) -> None:
        """Hand one transaction to the node; it may know it already."""
        try:
            self._rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
        except OutcomeUnknown:
            raise
        except LedgerError as error:
            if error.code != "NODE_REFUSED":
                raise
            data = error.details.get("data")
            code = str(data.get("code", "")) if isinstance(data, Mapping) else ""
            text = error.message.lower()
            if any(words in text for words in _KNOWN):
                return
            if code == "TRANSACTION_REFUSED":
                raise _RefusedForGood(code) from error
            raise  # numbering or a full pool: the next resume() sorts it out

    def _reconcile(self) -> int:
        """Compare open transactions with the chain; return the next nonce."""
        count = int(self._rpc.call("eth_getTransactionCount", self.address, "latest"), 16)
        sender = bytes.fromhex(self.address[2:])
        with read_transaction(self._engine) as connection, Session(connection) as session:
            rows = [
                (row.hash, row.nonce, row.raw)
                for row in session.scalars(
                    select(table.RelayTransaction)
                    .where(
                        table.RelayTransaction.status == "open",
                        table.RelayTransaction.sender == sender,
                    )
                    .order_by(table.RelayTransaction.nonce)
                )
            ]
        used = [h for h, nonce, _ in rows if nonce < count]
        for start in range(0, len(used), MAX_BATCH):
            part = used[start : start + MAX_BATCH]
            receipts = self._rpc.call_many(
                [("eth_getTransactionReceipt", ["0x" + h.hex()]) for h in part]
            )
            for transaction_hash, receipt in zip(part, receipts, strict=True):
                if receipt is None:  # another transaction took its number
                    self._drop(transaction_hash)
        waiting = [(h, nonce, raw) for h, nonce, raw in rows if nonce >= count]
        if waiting and waiting[0][1] != count:  # what came before them is gone for good
            self._drop_from(waiting[0][0], None)
            waiting = []
        for transaction_hash, _, raw in waiting:
            try:
                self._deliver(raw)
            except _RefusedForGood as error:
                self._drop_from(transaction_hash, error.code)
                break
        return int(self._rpc.call("eth_getTransactionCount", self.address, "pending"), 16)

    def _drop(self, transaction_hash: bytes) -> None:
        with write_transaction(self._engine) as connection, Session(connection) as session:
            self._drop_row(session, transaction_hash)
            session.flush()

    def _drop_from(self, transaction_hash: bytes, refused_code: str | None) -> None:
        """Give up a transaction that can never be sent, and all that are numbered behind it."""
        with write_transaction(self._engine) as connection, Session(connection) as session:
            first = session.get_one(table.RelayTransaction, transaction_hash)
            for row in session.scalars(
                select(table.RelayTransaction)
                .where(
                    table.RelayTransaction.status == "open",
                    table.RelayTransaction.sender == first.sender,
                    table.RelayTransaction.nonce >= first.nonce,
                )
                .order_by(table.RelayTransaction.nonce.desc())
            ).all():
                self._drop_row(session, row.hash)
            if refused_code is not None and first.act_id is not None:
                refuse_act(session, _act_of(session, first.act_id), refused_code)
            session.flush()

    @staticmethod
    def _drop_row(session: Session, transaction_hash: bytes) -> None:
        row = session.get_one(table.RelayTransaction, transaction_hash)
        row.status = "dropped"
        if row.act_id is not None:
            act = _act_of(session, row.act_id)
            if act.status == "sent":
                act.status = "queued"
                act.transaction_hash = None
        leave_queue(session)


class _RefusedForGood(LedgerError):
    """The node will never take this transaction."""

    def __init__(self, code: str) -> None:
        super().__init__(code, "the node refuses the transaction")


def _act_of(session: Session, act_id: bytes) -> table.OutboxAct:
    return session.scalars(select(table.OutboxAct).where(table.OutboxAct.act_id == act_id)).one()
