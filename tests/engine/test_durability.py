"""What somebody has seen comes back, whatever happens to the process or its files."""

import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto.errors import LedgerError, SanlianError
from ledger.chain.engines.embedded.journal import BlockEntry, Journal, JournalHeader, Seal

from .conftest import CHAIN_ID, Node, sign, wait_until

Start = Callable[..., Node]


def blocks(node: Node) -> list[tuple[str, list[str]]]:
    head = int(node("eth_blockNumber"), 16)
    answer = [node.block(n) for n in range(head + 1)]
    return [(b["hash"], b["transactions"]) for b in answer]


def seed(node: Node, count: int = 4) -> str:
    """Deploy the contract and call it; returns its address."""
    address: str = node.record(0)["contractAddress"]
    for nonce in range(1, count):
        assert node.record(nonce, to=address, data=nonce.to_bytes(32, "big"))["status"] == "0x1"
    return address


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_blocks_after_restart_are_identical(start: Start, ending: int) -> None:
    node = start()
    address = seed(node)
    before = blocks(node)
    receipts = [node("eth_getBlockReceipts", hex(n)) for n in range(1, len(before))]
    assert node.stop(ending) == (0 if ending == signal.SIGTERM else -ending)
    node = start()
    # A clean stop leaves a snapshot, a kill leaves the whole replay; both give the same.
    assert (f"{len(before) - 1} replayed" in node.errors) == (ending == signal.SIGKILL)
    assert blocks(node) == before
    assert [node("eth_getBlockReceipts", hex(n)) for n in range(1, len(before))] == receipts
    logs = node("eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest", "address": address})
    assert [int(e["topics"][0], 16) for e in logs] == [1, 2, 3]
    assert int(node("eth_getStorageAt", address, "0x2", "latest"), 16) == 1
    assert node.record(4, to=address, data=(4).to_bytes(32, "big"))["status"] == "0x1"


def kill_under_load(start: Start, rounds: int) -> None:
    seen: dict[str, str] = {}
    node = start("--snapshot-blocks", "7")
    address = seed(node, 1)
    for _ in range(rounds):
        nonce = int(node("eth_getTransactionCount", f"{ACCOUNT_ADDRESS}", "pending"), 16)
        stop = threading.Event()
        sent: list[str] = []

        def send(node: Node = node, nonce: int = nonce) -> None:
            for n in itertools.count(nonce):
                raw, transaction_hash = sign(n, address, n.to_bytes(32, "big"))
                try:
                    node("eth_sendRawTransaction", raw)
                except SanlianError:
                    return
                sent.append(transaction_hash)  # noqa: B023 - joined within the round
                if stop.is_set():  # noqa: B023 - the same
                    return

        sender = threading.Thread(target=send)
        sender.start()
        target = len(seen) + 40
        looked = 0

        def look(node: Node = node) -> bool:
            nonlocal looked
            while looked < len(sent):  # noqa: B023 - called within the round
                receipt = node("eth_getTransactionReceipt", sent[looked])  # noqa: B023 - the same
                if not receipt:
                    break
                seen[sent[looked]] = receipt["blockHash"]  # noqa: B023 - the same
                looked += 1
            return len(seen) >= target  # noqa: B023 - the same

        wait_until(look)
        head = node("sanlian_head")
        child = node.child
        node.stop(signal.SIGKILL)
        stop.set()
        sender.join()
        wait_until(lambda: not is_alive(child))  # noqa: B023 - called within the round
        node = start("--snapshot-blocks", "7")
        assert node.block(head["number"])["hash"] == head["hash"]
        for transaction_hash, block_hash in seen.items():
            assert node("eth_getTransactionReceipt", transaction_hash)["blockHash"] == block_hash
    assert node.stop() == 0


ACCOUNT_ADDRESS = "0x1a642f0e3c3af545e7acbd38b07251b3990914f1"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killed_under_load_nothing_seen_is_lost(start: Start) -> None:
    kill_under_load(start, 3)


@pytest.mark.full
def test_killed_under_load_many_times(start: Start) -> None:
    kill_under_load(start, 20)


def test_torn_last_record_is_cut_off_and_kept(start: Start, tmp_path: Path) -> None:
    node = start()
    seed(node)
    before = blocks(node)
    node.stop(signal.SIGKILL)
    file = tmp_path / "node" / "journal"
    whole = file.read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal").write_bytes(whole)
    journal = Journal(copy)
    journal.open()
    raw = bytes.fromhex(sign(4)[0][2:])
    journal.append_block(BlockEntry(len(before), 2**33, bytes.fromhex(before[-1][0][2:]), (raw,)))
    journal.close()
    torn = (copy / "journal").read_bytes()[:-9]
    file.write_bytes(torn)
    node = start()
    assert blocks(node) == before
    assert f"torn record of {len(torn) - len(whole)} bytes at byte {len(whole)}" in node.errors
    (kept,) = (tmp_path / "node").glob("journal.torn-*")
    assert kept.read_bytes() == torn[len(whole) :]


def test_damage_in_the_middle_is_refused(start: Start, tmp_path: Path) -> None:
    node = start()
    seed(node)
    node.stop(signal.SIGKILL)
    file = tmp_path / "node" / "journal"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    node = start()
    assert node.stop() == 1
    assert "JOURNAL_DAMAGED" in node.errors
    assert "at byte" in node.errors
    assert file.read_bytes() == data


def test_a_length_made_larger_is_no_torn_tail(start: Start, tmp_path: Path) -> None:
    node = start()
    seed(node)
    node.stop(signal.SIGKILL)
    file = tmp_path / "node" / "journal"
    data = bytearray(file.read_bytes())
    second = data.index(b"\xffSJ\x01", 4)
    data[second + 4] = 0x7F
    file.write_bytes(data)
    node = start()
    assert node.stop() == 1
    assert f"JOURNAL_DAMAGED: the journal is damaged at byte {second}" in node.errors


def test_another_history_is_refused(start: Start, tmp_path: Path) -> None:
    node = start()
    version = node("sanlian_head")["engine_version"]
    genesis = node.block(0)
    node.stop()
    file = tmp_path / "node" / "journal"
    file.unlink()
    journal = Journal(tmp_path / "node")
    time = int(genesis["timestamp"], 16)
    journal.create(JournalHeader(CHAIN_ID, time, version))
    journal.open()
    parent = bytes.fromhex(genesis["hash"][2:])
    journal.append_block(BlockEntry(1, time + 1, parent, (bytes.fromhex(sign(0)[0][2:]),)))
    journal.append_seal(Seal(1, b"\x11" * 32))
    journal.close()
    node = start()
    assert node.stop() == 1
    assert "JOURNAL_DIVERGED" in node.errors


@pytest.mark.parametrize("fault", ["truncated", "flipped", "header", "empty"])
def test_damaged_snapshot_is_ignored(start: Start, tmp_path: Path, fault: str) -> None:
    node = start()
    seed(node)
    before = blocks(node)
    assert node.stop() == 0
    file = tmp_path / "node" / "snapshot"
    data = bytearray(file.read_bytes())
    if fault == "truncated":
        del data[-20:]
    elif fault == "flipped":
        data[-20] ^= 1
    elif fault == "header":
        data[2] ^= 1
    else:
        data.clear()
    file.write_bytes(data)
    node = start()
    assert blocks(node) == before
    assert "the snapshot is ignored" in node.errors
    assert f"{len(before) - 1} replayed" in node.errors


def test_snapshot_with_another_state_is_ignored(start: Start, tmp_path: Path) -> None:
    """The digest is right, the head is right, one storage word is not."""
    import gzip
    import hashlib

    node = start()
    address = seed(node)
    before = blocks(node)
    node.stop()
    file = tmp_path / "node" / "snapshot"
    line, _, dump = file.read_bytes().partition(b"\n")
    state = json.loads(gzip.decompress(dump))
    storage = state["accounts"][address]["storage"]
    slot = next(iter(storage))
    storage[slot] = "0x" + "05".rjust(64, "0")
    dump = gzip.compress(json.dumps(state).encode())
    header = json.loads(line)
    header["sha256"] = hashlib.sha256(dump).hexdigest()
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    file.write_bytes(text.encode() + b"\n" + dump)
    node = start()
    assert "the snapshot is ignored: its state is not its head's" in node.errors
    assert blocks(node) == before
    assert int(node("eth_getStorageAt", address, slot, "latest"), 16) == 1


def test_lost_blocks_show(start: Start, tmp_path: Path) -> None:
    node = start()
    seed(node)
    node.stop()
    file = tmp_path / "node" / "journal"
    data = file.read_bytes()
    starts = [i for i in range(len(data)) if data.startswith(b"\xffSJ\x01", i)]
    file.write_bytes(data[: starts[-2]])  # the last block and its seal
    node = start()
    assert node.stop() == 1
    assert "JOURNAL_DAMAGED" in node.errors
    assert "blocks were lost" in node.errors


def test_version_mismatch_names_the_version(start: Start, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    Journal(tmp_path / "node").create(JournalHeader(CHAIN_ID, 1, "anvil 0.9.9 (0123456789ab)"))
    node = start()
    assert node.stop() == 1
    assert "ENGINE_VERSION_MISMATCH: the journal needs anvil 0.9.9 (0123456789ab)" in node.errors


def test_other_chain_and_second_process_are_refused(start: Start, tmp_path: Path) -> None:
    first = start()
    second = start()
    assert second.stop() == 1
    assert "ENGINE_LOCKED" in second.errors
    first.stop()
    third = start("--chain-id", "5")
    assert third.stop() == 1
    assert "ENGINE_CHAIN_MISMATCH" in third.errors


def test_anvil_dies_with_a_killed_parent(start: Start) -> None:
    node = start()
    child = node.child
    assert is_alive(child)
    node.stop(signal.SIGKILL)
    wait_until(lambda: not is_alive(child))


def test_a_killed_anvil_ends_the_process_and_nothing_is_lost(start: Start) -> None:
    node = start()
    seed(node)
    before = blocks(node)
    os.kill(node.child, signal.SIGKILL)
    assert node.process.wait(20) == 1
    assert "ENGINE_STOPPED" in node.errors
    node = start()
    assert blocks(node) == before


def test_full_disk_refuses_blocks_and_keeps_reads(start: Start, tmp_path: Path) -> None:
    node = start()
    address = seed(node)
    before = blocks(node)
    size = (tmp_path / "node" / "journal").stat().st_size
    pid = str(node.process.pid)
    # Room for 40 bytes: the next entry is written in part, then the write fails (EFBIG).
    subprocess.run(["prlimit", "--pid", pid, f"--fsize={size + 40}:"], check=True)
    raw, transaction_hash = sign(4, address, (4).to_bytes(32, "big"))
    node("eth_sendRawTransaction", raw)
    wait_until(lambda: node("sanlian_head")["problem"] == "JOURNAL_WRITE_FAILED")
    with pytest.raises(LedgerError) as refused:
        node("eth_sendRawTransaction", sign(5, address, (5).to_bytes(32, "big"))[0])
    assert refused.value.details["data"] == {"code": "JOURNAL_WRITE_FAILED"}
    assert node("eth_getTransactionReceipt", transaction_hash) is None
    assert blocks(node) == before
    assert (tmp_path / "node" / "journal").stat().st_size == size
    subprocess.run(["prlimit", "--pid", pid, "--fsize=unlimited:"], check=True)
    assert node.receipt(transaction_hash)["status"] == "0x1"
    assert node.record(5, to=address, data=(5).to_bytes(32, "big"))["status"] == "0x1"
    after = blocks(node)
    node.stop(signal.SIGKILL)
    assert blocks(start()) == after
