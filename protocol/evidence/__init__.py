"""Evidence: one file from a record's bytes to the block, and its verifier."""

from protocol.evidence.format import (
    BlockCosignature,
    BlockProof,
    Evidence,
    ReceiptProof,
    RecordProof,
)
from protocol.evidence.verify import Status, Verdict, verify_evidence

__all__ = [
    "BlockCosignature",
    "BlockProof",
    "Evidence",
    "ReceiptProof",
    "RecordProof",
    "Status",
    "Verdict",
    "verify_evidence",
]
