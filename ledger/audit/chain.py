"""Reading a chain without trusting its node: headers, receipts and events that prove each other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from crypto.errors import LedgerError
from protocol.ethereum import (
    Event,
    EventLog,
    Header,
    TransactionReceipt,
    Trie,
    encode_header,
    prove_receipt,
    receipts_trie,
)
from protocol.ethereum.header import hex_bytes, hex_int
from protocol.evidence.chain import event_of

MAX_TRANSACTIONS = 10_000
SCAN_BLOCKS = 1_000


class JsonRpc(Protocol):
    """A node's JSON-RPC."""

    def call(self, method: str, *params: object) -> Any:
        """Return the result of one method."""


@dataclass(frozen=True, slots=True)
class LocatedEvent:
    """An event and its place in the chain."""

    block: int
    transaction: int
    log: int
    event: Event


@dataclass(frozen=True, slots=True)
class BlockData:
    """A block's header as bytes and decoded, and the receipts of its transactions in order."""

    header_bytes: bytes
    header: Header
    receipts: tuple[bytes, ...]

    def trie(self) -> Trie:
        """Return the trie of the receipts, whose root the header names."""
        return receipts_trie(self.receipts)


class ChainReader:
    """Reads one chain by JSON-RPC and checks what belongs together.

    Args:
        rpc: the node.
        contracts: 20-byte address of each contract by name.
    """

    def __init__(self, rpc: JsonRpc, contracts: Mapping[str, bytes]) -> None:
        self._rpc = rpc
        self._contracts = contracts
        self._found: list[LocatedEvent] = []
        self._scanned = -1

    def head(self) -> int:
        """Return the number of the newest block."""
        return hex_int(self._rpc.call("eth_blockNumber"))

    def _get_block(self, number: int) -> tuple[bytes, Header, list[Any]]:
        block = self._rpc.call("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003 - JSON-RPC
        if not isinstance(block, Mapping):
            raise LedgerError("BLOCK_UNKNOWN", "the node has no such block", number=number)
        data = encode_header(block)
        header = Header.from_bytes(data)
        if header.hash != hex_bytes(block.get("hash")) or header.number != number:
            raise LedgerError("HEADER_DIFFERS", "a header does not have its hash", number=number)
        transactions = block.get("transactions")
        if not isinstance(transactions, list) or len(transactions) > MAX_TRANSACTIONS:
            raise LedgerError("BLOCK_UNKNOWN", "a block is not complete", number=number)
        return data, header, transactions

    def get_header(self, number: int) -> tuple[bytes, Header]:
        """Return a block's header, checked against its hash.

        Raises:
            LedgerError: BLOCK_UNKNOWN, HEADER_DIFFERS.
        """
        data, header, _ = self._get_block(number)
        return data, header

    def get_block(self, number: int) -> BlockData:
        """Return a block with all its receipts, checked against the receipts root.

        Raises:
            LedgerError: BLOCK_UNKNOWN, HEADER_DIFFERS, RECEIPTS_DIFFER.
        """
        data, header, transactions = self._get_block(number)
        receipts: list[bytes] = []
        for transaction in transactions:
            receipt = self._rpc.call("eth_getTransactionReceipt", transaction)
            if not isinstance(receipt, Mapping):
                raise LedgerError("RECEIPTS_DIFFER", "a receipt is missing", number=number)
            receipts.append(TransactionReceipt.from_rpc(receipt).to_bytes())
        if receipts_trie(receipts).root_hash != header.receipts_root:
            raise LedgerError(
                "RECEIPTS_DIFFER", "the receipts are not those of the header", number=number
            )
        return BlockData(data, header, tuple(receipts))

    def events_of(self, block: BlockData) -> Iterator[LocatedEvent]:
        """Yield the contracts' events of a block in their order.

        Raises:
            ProtocolError: ETHEREUM_MALFORMED.
            VerificationError: EVENT_FOREIGN.
        """
        place = 0
        for index, data in enumerate(block.receipts):
            for log in TransactionReceipt.from_bytes(data).logs:
                event = event_of(log, self._contracts)
                if event is not None:
                    yield LocatedEvent(block.header.number, index, place, event)
                place += 1

    def scan(self) -> list[LocatedEvent]:
        """Return all events so far in the chain's order, asking only for what is new.

        They are the node's word until a block's receipts prove them.

        Raises:
            LedgerError: NODE_UNAVAILABLE, NODE_REFUSED.
            ProtocolError: ETHEREUM_MALFORMED.
            VerificationError: EVENT_FOREIGN.
        """
        head = self.head()
        addresses = ["0x" + address.hex() for address in self._contracts.values()]
        span = SCAN_BLOCKS
        while self._scanned < head:
            first, last = self._scanned + 1, min(head, self._scanned + span)
            try:
                logs = self._rpc.call(
                    "eth_getLogs",
                    {"fromBlock": hex(first), "toBlock": hex(last), "address": addresses},
                )
            except LedgerError as error:
                if error.code not in ("NODE_REFUSED", "NODE_UNAVAILABLE") or span == 1:
                    raise
                span = max(1, span // 10)  # too much for one answer
                continue
            span = min(SCAN_BLOCKS, 2 * span)
            found = [self._locate(log) for log in logs]
            self._found.extend(
                sorted((x for x in found if x is not None), key=lambda x: (x.block, x.log))
            )
            self._scanned = last
        return self._found

    def _locate(self, log: Mapping[str, Any]) -> LocatedEvent | None:
        event = event_of(
            EventLog(
                hex_bytes(log.get("address")),
                tuple(hex_bytes(topic) for topic in log.get("topics", ())),
                hex_bytes(log.get("data")),
            ),
            self._contracts,
        )
        if event is None:
            return None
        return LocatedEvent(
            hex_int(log.get("blockNumber")),
            hex_int(log.get("transactionIndex")),
            hex_int(log.get("logIndex")),
            event,
        )


def prove(block: BlockData, indices: Iterable[int]) -> list[tuple[int, list[bytes]]]:
    """Return (index, proof) of these transactions' receipts, in order."""
    trie = block.trie()
    return [(index, prove_receipt(trie, index)) for index in sorted(set(indices))]
