"""SIGKILL under load: what was handed out is in the log, and the log goes on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from crypto.merkle import leaf_hash, root_of
from crypto.sm2 import PrivateKey
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.checkpoint import verify_checkpoint
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from tests.log.conftest import ORIGIN

ROOT = Path(__file__).parents[2]


def _burst(url: str, key: PrivateKey, enough: int) -> list[Receipt]:
    """Run the child, kill it after so many receipts, return all that it had handed out."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.log.burst", url, f"{key.to_int():x}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        lines = [child.stdout.readline() for _ in range(enough)]
    finally:
        child.kill()
    lines += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    assert child.wait(20) == -9
    # The last line may have been cut by the kill.
    return [Receipt.from_header(line.decode().strip()) for line in lines if line.endswith(b"\n")]


def test_nothing_acknowledged_is_lost(
    url: str, key: PrivateKey, open_log: Callable[..., LogWriter]
) -> None:
    receipts: list[Receipt] = []
    for round_number in range(3):
        got = _burst(url, key, 150 + 97 * round_number)
        assert len(got) >= 150
        receipts += got
    open_log()
    reader = LogReader.open(url, ORIGIN)
    records = [data for _, data in reader.records()]
    for receipt in receipts:
        verify_receipt(receipt, origin=ORIGIN, public_key=key.public_key)
        assert records[receipt.index] == receipt.record
    newest = verify_checkpoint(reader.get_checkpoint(), origin=ORIGIN, public_key=key.public_key)
    assert (newest.size, newest.root) == (len(records), root_of(map(leaf_hash, records)))
    # Every intent has ended exactly once, those of killed processes as interrupted.
    parsed = [parse_record(data) for data in records]
    ended = [r["intent"] for r in parsed if r["event"] in {"outcome", "interrupted"}]
    assert sorted(ended) == [r["seq"] for r in parsed if r["event"] == "intent"]
    nonces = [r["request"]["nonce"] for r in parsed if r["event"] == "intent"]
    assert len(nonces) == len(set(nonces))
    reader.close()
