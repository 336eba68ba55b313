"""Ethereum's part of a proof: headers, receipts, the receipts trie, and the contracts' events.

They say where an event stands, never who is authorised (docs/protocol.md, 1).
"""

from protocol.ethereum.events import (
    ACT_TOPICS,
    ANCHOR_TOPIC,
    GENESIS_TOPIC,
    PIECE_TOPIC,
    ActEvent,
    AnchorEvent,
    Event,
    GenesisEvent,
    PieceEvent,
    decode_event,
)
from protocol.ethereum.header import Header, encode_header
from protocol.ethereum.receipt import (
    EventLog,
    TransactionReceipt,
    prove_receipt,
    receipts_trie,
    verify_receipt_proof,
)
from protocol.ethereum.trie import Trie, verify_trie_proof

__all__ = [
    "ACT_TOPICS",
    "ANCHOR_TOPIC",
    "GENESIS_TOPIC",
    "PIECE_TOPIC",
    "ActEvent",
    "AnchorEvent",
    "Event",
    "EventLog",
    "GenesisEvent",
    "Header",
    "PieceEvent",
    "TransactionReceipt",
    "Trie",
    "decode_event",
    "encode_header",
    "prove_receipt",
    "receipts_trie",
    "verify_receipt_proof",
    "verify_trie_proof",
]
