"""What an auditor does with a log's file and the receipts in people's hands, without a node."""

from collections.abc import Iterable
from pathlib import Path

from crypto.sm2 import PublicKey
from ledger.audit.offline import check_logs
from ledger.log.reader import LogReader
from protocol.receipt import Receipt, verify_receipt
from tests.gateway.city import ORIGIN


def require_sound(log_file: Path, public_key: PublicKey, receipts: Iterable[Receipt]) -> None:
    """Check the whole log by itself, and that each receipt's record stands where it says."""
    report = check_logs([log_file])
    assert report.findings == ()
    reader = LogReader.open(f"sqlite:///{log_file}")
    try:
        for receipt in receipts:
            _, checkpoint = verify_receipt(receipt, origin=ORIGIN, public_key=public_key)
            assert reader.get_record(receipt.index) == receipt.record
            assert reader.root(checkpoint.size) == checkpoint.root
    finally:
        reader.close()
