"""Transaction receipts: RLP, legacy and typed, and their place in the receipts trie.

Standard: Ethereum Yellow Paper, section 4.3.1; EIP-2718.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from protocol.ethereum.header import hex_bytes, hex_int
from protocol.ethereum.rlp import (
    as_bytes,
    as_int,
    as_list,
    decode,
    encode,
    encode_int,
    malformed,
)
from protocol.ethereum.trie import Trie, verify_trie_proof

MAX_TYPE = 0x7F
_LIST_START = 0xC0


@dataclass(frozen=True, slots=True)
class EventLog:
    """One event of a transaction.

    Attributes:
        address: 20-byte address of the contract that emitted it.
        topics: at most four words.
        data: ABI-encoded rest.
    """

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """A transaction's receipt.

    Attributes:
        type: transaction type, 0 for legacy.
        succeeded: whether its status is 1.
        cumulative_gas: gas used in the block up to and with this transaction.
        bloom: 256 bytes.
        logs: its events in order.
    """

    type: int
    succeeded: bool
    cumulative_gas: int
    bloom: bytes
    logs: tuple[EventLog, ...]

    def to_bytes(self) -> bytes:
        """Encode as it stands in the receipts trie."""
        body = encode(
            [
                encode_int(int(self.succeeded)),
                encode_int(self.cumulative_gas),
                self.bloom,
                [[log.address, list(log.topics), log.data] for log in self.logs],
            ]
        )
        return bytes((self.type,)) + body if self.type else body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode strictly.

        Raises:
            ProtocolError: ETHEREUM_MALFORMED.
        """
        if not data:
            raise malformed("a receipt is empty")
        kind = data[0] if data[0] < _LIST_START else 0
        if kind > MAX_TYPE or (kind == 0 and data[0] < _LIST_START):
            raise malformed("a receipt's type is not known")
        members = as_list(decode(data[1:] if kind else data), 4)
        status = as_int(members[0], 1)
        if status > 1:
            raise malformed("a receipt's status is not 0 or 1")
        logs: list[EventLog] = []
        for item in as_list(members[3]):
            address, topics, payload = as_list(item, 3)
            logs.append(
                EventLog(
                    as_bytes(address, 20),
                    tuple(as_bytes(topic, 32) for topic in as_list(topics, 0, 1, 2, 3, 4)),
                    as_bytes(payload),
                )
            )
        return cls(
            type=kind,
            succeeded=status == 1,
            cumulative_gas=as_int(members[1]),
            bloom=as_bytes(members[2], 256),
            logs=tuple(logs),
        )

    @classmethod
    def from_rpc(cls, receipt: Mapping[str, Any]) -> Self:
        """Take a receipt as eth_getTransactionReceipt returns it.

        Raises:
            ProtocolError: ETHEREUM_MALFORMED.
        """
        logs = receipt.get("logs")
        if not isinstance(logs, list) or not all(isinstance(log, Mapping) for log in logs):
            raise malformed("a receipt has no list of logs")
        return cls(
            type=hex_int(receipt.get("type", "0x0")),
            succeeded=hex_int(receipt.get("status")) == 1,
            cumulative_gas=hex_int(receipt.get("cumulativeGasUsed")),
            bloom=hex_bytes(receipt.get("logsBloom")),
            logs=tuple(
                EventLog(
                    hex_bytes(log.get("address")),
                    tuple(hex_bytes(topic) for topic in log.get("topics", ())),
                    hex_bytes(log.get("data")),
                )
                for log in logs
            ),
        )


def _key(index: int) -> bytes:
    return encode(encode_int(index))


def receipts_trie(receipts: Sequence[bytes]) -> Trie:
    """Build the trie of a block's receipts.

    Args:
        receipts: encoded receipts of all transactions, in order.
    """
    return Trie({_key(index): data for index, data in enumerate(receipts)})


def prove_receipt(trie: Trie, index: int) -> list[bytes]:
    """Return the proof of the receipt of the transaction with this index.

    Raises:
        KeyError: the block has no such transaction.
    """
    return trie.prove(_key(index))


def verify_receipt_proof(root: bytes, index: int, proof: Sequence[bytes]) -> TransactionReceipt:
    """Check that a receipt stands at its place in a block, and return it.

    Args:
        root: receipts root of the block's header.
        index: index of the transaction in the block.
        proof: RLP of the nodes from the root.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
        VerificationError: PROOF_INVALID.
    """
    return TransactionReceipt.from_bytes(verify_trie_proof(root, _key(index), proof))
