"""Anchors the newest checkpoints of gateways' logs on the chain, one anchorer to a gateway."""

import time
from collections.abc import Callable

import httpx
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError
from crypto.sm2 import PublicKey, Signature
from ledger.chain.artifacts import encode_call
from ledger.chain.sender import Outgoing, Sender
from ledger.chain.worker import Worker
from ledger.db import models as table
from ledger.db.engine import read_transaction
from ledger.db.store import SqlStore
from protocol.checkpoint import MAX_NOTE_SIZE, Checkpoint, key_hash, parse_note, verify_checkpoint
from protocol.deployment import Deployment

POLL_S = 1.0
TIMEOUT_S = 10.0
ANCHOR_GAS = 2_000_000


class Anchorer(Worker):
    """Fetches checkpoints from a gateway and sends them to the Logs contract.

    It keeps nothing itself: what is anchored stands on the chain, what was sent in the database.
    """

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
        further: int = 0,
        interval_s: float = POLL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the anchorer.

        Args:
            engine: the ledger's database, upgraded.
            deployment: contracts; origin and key of the deployment's own gateway.
            sender: the sender that the relay uses; the relay settles what was sent.
            gateway_url: base URL of the gateway.
            anchor_interval_s: time between two anchors while there are new records.
            anchor_records: anchor sooner after so many new records.
            further: number of a further gateway, 0 for the deployment's own: its log is the one
                that its checkpoint names, and its key the one that the chain names for that log.
            interval_s: pause between two looks at the gateway.
            clock: unix time in seconds.
        """
        super().__init__(interval_s=min(interval_s, anchor_interval_s))
        if further:
            self.name = f"anchorer {further + 1}"
        self._further = further
        self._engine = engine
        self._deployment = deployment
        self._sender = sender
        self._url = gateway_url.rstrip("/") + "/log/checkpoint"
        self._anchor_interval_s = anchor_interval_s
        self._anchor_records = anchor_records
        self._clock = clock
        self._sent_at = 0.0

    def step(self) -> bool:
        """Anchor the newest checkpoint when that is due.

        Raises:
            LedgerError: GATEWAY_UNAVAILABLE, LOG_SHRANK, LOG_FORKED, or the node's.
            ProtocolError: CHECKPOINT_MALFORMED.
            VerificationError: CHECKPOINT_INVALID.
        """
        note = self._fetch() if self._further else None
        if self._further and note is None:
            return False
        origin = self._deployment.origin if note is None else parse_note(note)[0].origin
        with read_transaction(self._engine) as connection, Session(connection) as session:
            store = SqlStore(session)
            log = store.find_log_by_origin(origin)
            if log is None or self._is_on_its_way(session, log.id):
                return False
            last, found = store.find_anchor(log.id), store.find_key(log.gateway_key)
        key = self._deployment.gateway_key
        if self._further:
            if found is None:
                raise AssertionError("a registered log's key is registered")
            key = found.public_key
        else:
            note = self._fetch()
        if note is None:
            return False
        checkpoint = verify_checkpoint(note, origin=origin, public_key=key)
        size = 0 if last is None else last.size
        if checkpoint.size < size:
            raise LedgerError("LOG_SHRANK", "the gateway's log is smaller than its last anchor")
        if last is not None and checkpoint.size == size and checkpoint.root != last.root:
            raise LedgerError("LOG_FORKED", "the gateway's log has another root than its anchor")
        since = self._sent_at or (0.0 if last is None else float(last.block_time))
        due = (
            self._clock() - since >= self._anchor_interval_s
            or checkpoint.size - size >= self._anchor_records
        )
        if checkpoint.size == size or not due:
            return False
        self._send(log.id, checkpoint, _signature(note, origin, key))
        return False

    def _is_on_its_way(self, session: Session, log_id: bytes) -> bool:
        head = session.scalar(select(table.Head.number)) or 0
        rows = session.execute(
            select(table.RelayTransaction.status, table.RelayTransaction.block_number)
            .where(table.RelayTransaction.kind == "anchor", table.RelayTransaction.digest == log_id)
            .order_by(table.RelayTransaction.nonce.desc())
            .limit(1)
        )
        return any(
            status == "open" or (status == "done" and block is not None and block > head)
            for status, block in rows
        )

    def _fetch(self) -> str | None:
        """Return the newest note, None while the log is empty."""
        try:
            with httpx.stream("GET", self._url, timeout=TIMEOUT_S) as response:
                if response.status_code == 404:
                    return None
                if response.status_code != 200:
                    raise LedgerError("GATEWAY_UNAVAILABLE", "the gateway gives no checkpoint")
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_NOTE_SIZE:
                        raise LedgerError("GATEWAY_UNAVAILABLE", "the checkpoint is too large")
            return body.decode()
        except (httpx.HTTPError, UnicodeDecodeError) as error:
            raise LedgerError("GATEWAY_UNAVAILABLE", "the gateway cannot be reached") from error

    def _send(self, log_id: bytes, checkpoint: Checkpoint, signature: Signature) -> None:
        data = encode_call(
            "Logs", "anchor", log_id, checkpoint.size, checkpoint.root, signature.r, signature.s
        )
        to = self._deployment.contracts["Logs"]
        self._sender.send([Outgoing("anchor", to, data, ANCHOR_GAS, digest=log_id)])
        self._sent_at = self._clock()


def _signature(note: str, origin: str, key: PublicKey) -> Signature:
    _, lines = parse_note(note)
    hashed = key_hash(origin, key)
    line = next(x for x in lines if x.name == origin and x.key_hash == hashed)
    return Signature.from_bytes(line.payload)
