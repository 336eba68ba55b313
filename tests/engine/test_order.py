"""The order of sync and visibility, and disk faults: the engine runs in this process."""

import asyncio
import errno
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import LedgerError
from ledger.chain.engines.embedded.engine import EmbeddedEngine, EngineOptions
from ledger.chain.engines.embedded.journal import BlockEntry, Journal, JournalHeader

from .conftest import CHAIN_ID, sign


class Disk:
    """Syncs and writes that can be watched, held and failed."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.held = threading.Event()
        self.synced: list[int] = []
        self.write_fault: Callable[[int, bytes], int] | None = None
        self.sync_fault: OSError | None = None

    def sync(self, descriptor: int) -> None:
        if not self.open.is_set():
            self.held.set()
            assert self.open.wait(30)
        if self.sync_fault is not None:
            raise self.sync_fault
        os.fsync(descriptor)
        self.synced.append(os.fstat(descriptor).st_size)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.write_fault is not None:
            return self.write_fault(descriptor, data)
        return os.write(descriptor, data)


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(20):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is asked has no event
            await asyncio.sleep(0.01)
        return answer


def run(directory: Path, disk: Disk, body: Callable[[EmbeddedEngine], Awaitable[None]]) -> None:
    """Run an engine around body."""

    directory.mkdir(exist_ok=True)

    async def whole() -> None:
        journal = Journal(directory, sync=disk.sync, write=disk.write)
        options = EngineOptions(directory, chain_id=CHAIN_ID, block_interval_s=0.02)
        engine = EmbeddedEngine(options, journal=journal)
        try:
            await engine.start()
            running = asyncio.create_task(engine.run())
            await body(engine)
            assert not running.done()
        finally:
            await engine.stop()

    asyncio.run(whole())


def test_nothing_is_seen_before_its_entry_is_synced(tmp_path: Path) -> None:
    disk = Disk()

    async def body(engine: EmbeddedEngine) -> None:
        raw, transaction_hash = sign(0)
        disk.open.clear()
        await engine.send(bytes.fromhex(raw[2:]))
        assert await asyncio.to_thread(disk.held.wait, 20)
        before = engine.head
        # The entry's bytes are in the file, its sync is held: nobody may see anything of it.
        assert (tmp_path / "journal").stat().st_size > engine.journal_position
        for _ in range(30):
            assert await engine.read("eth_getTransactionReceipt", [transaction_hash]) is None
            assert await engine.read("eth_blockNumber", []) == "0x0"
            assert (engine.head, len(disk.synced)) == (before, 1)  # the header's sync
            await asyncio.sleep(0.005)
        disk.open.set()
        receipt = await until(lambda: engine.read("eth_getTransactionReceipt", [transaction_hash]))
        assert receipt["blockNumber"] == "0x1"
        assert engine.head.number == 1
        assert len(disk.synced) == 3  # header, entry, seal

    run(tmp_path, disk, body)


def test_the_hash_is_journalled_before_readers_see_the_block(tmp_path: Path) -> None:
    disk = Disk()
    syncs = 0
    plain = disk.sync

    def hold_the_seal(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == 3:
            disk.open.clear()
        plain(descriptor)

    disk.sync = hold_the_seal  # type: ignore[method-assign]  # the third sync is the seal's

    async def body(engine: EmbeddedEngine) -> None:
        raw, transaction_hash = sign(0)
        await engine.send(bytes.fromhex(raw[2:]))
        assert await asyncio.to_thread(disk.held.wait, 20)
        reader = asyncio.create_task(engine.read("eth_getTransactionReceipt", [transaction_hash]))
        await asyncio.sleep(0.1)
        assert not reader.done()
        assert engine.head.number == 0
        disk.open.set()
        assert (await reader)["blockNumber"] == "0x1"
        assert engine.head.number == 1

    run(tmp_path, disk, body)


def fails_without_effect(descriptor: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "no space")


def fails_half_way(descriptor: int, data: bytes) -> int:
    os.write(descriptor, data[: len(data) // 2])
    raise OSError(errno.EIO, "half")


def fails_but_persists(descriptor: int, data: bytes) -> int:
    os.write(descriptor, data)
    raise OSError(errno.EIO, "all of it")


@pytest.mark.parametrize(
    "fault", [fails_without_effect, fails_half_way, fails_but_persists, "sync"]
)
def test_failed_writes_leave_the_journal_as_it_was(tmp_path: Path, fault: Any) -> None:
    disk = Disk()
    hashes = []

    async def body(engine: EmbeddedEngine) -> None:
        raw, transaction_hash = sign(0)
        position = engine.journal_position
        if fault == "sync":
            disk.sync_fault = OSError(errno.EIO, "sync")
        else:
            disk.write_fault = fault

        async def is_failing() -> bool:
            return engine.problem == "JOURNAL_WRITE_FAILED"

        await engine.send(bytes.fromhex(raw[2:]))
        await until(is_failing)
        assert await engine.read("eth_getTransactionReceipt", [transaction_hash]) is None
        assert (engine.head.number, engine.journal_position) == (0, position)
        assert (tmp_path / "journal").stat().st_size == position
        with pytest.raises(LedgerError) as refused:
            await engine.send(bytes.fromhex(sign(1)[0][2:]))
        assert refused.value.code == "JOURNAL_WRITE_FAILED"
        disk.write_fault = disk.sync_fault = None
        await until(lambda: engine.read("eth_getTransactionReceipt", [transaction_hash]))
        assert engine.problem is None
        hashes.append(engine.head)

    async def again(engine: EmbeddedEngine) -> None:
        assert engine.head == hashes[0]
        await engine.send(bytes.fromhex(sign(1)[0][2:]))

    run(tmp_path, disk, body)
    (tmp_path / "snapshot").unlink()
    run(tmp_path, Disk(), again)


def test_a_cut_that_fails_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write persists, is reported as failed, and taking it back fails as well."""
    disk = Disk()
    journal = Journal(tmp_path, sync=disk.sync, write=disk.write)
    journal.create(JournalHeader(CHAIN_ID, 1, "anvil 1"))
    journal.open()
    position = journal.position

    def no_cut(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", no_cut)
        disk.write_fault = fails_but_persists
        with pytest.raises(LedgerError):
            journal.append_block(BlockEntry(1, 5, b"\1" * 32, (b"first",)))
        disk.write_fault = None
        with pytest.raises(LedgerError):
            journal.append_block(BlockEntry(1, 6, b"\1" * 32, (b"second",)))
    assert (tmp_path / "journal").stat().st_size > position
    kept = BlockEntry(1, 7, b"\1" * 32, (b"x",))
    journal.append_block(kept)
    journal.close()
    again = Journal(tmp_path)
    assert again.open()[1] is None
    assert list(again.read()) == [kept]
    again.close()


def test_heartbeat_and_increasing_times(tmp_path: Path) -> None:
    """Empty blocks come when nothing else does; times increase although the clock stands still."""

    async def whole() -> None:
        options = EngineOptions(
            tmp_path, chain_id=CHAIN_ID, block_interval_s=0.01, heartbeat_s=0.05
        )
        engine = EmbeddedEngine(options, clock=lambda: 1_800_000_000.5)
        try:
            await engine.start()
            running = asyncio.create_task(engine.run())

            async def is_there() -> bool:
                return engine.head.number >= 4

            await until(is_there)
            blocks = [await engine.read("eth_getBlockByNumber", [hex(n), False]) for n in range(5)]
            times = [int(b["timestamp"], 16) for b in blocks]
            assert times == list(range(1_800_000_000, 1_800_000_005))
            assert all(not b["transactions"] for b in blocks)
            assert not running.done()
        finally:
            await engine.stop()

    asyncio.run(whole())


def test_a_block_has_room_for_its_gas_limit(tmp_path: Path) -> None:
    """More than fits waits for the next block instead of being lost or refused."""

    async def body(engine: EmbeddedEngine) -> None:
        signed = [sign(n, "0x" + "11" * 20, b"", gas=30_000_000) for n in range(25)]
        for raw, _ in signed:
            await engine.send(bytes.fromhex(raw[2:]))
        last = signed[-1][1]
        await until(lambda: engine.read("eth_getTransactionReceipt", [last]))
        receipts = [await engine.read("eth_getTransactionReceipt", [h]) for _, h in signed]
        assert all(r["status"] == "0x1" for r in receipts)
        numbers = [int(r["blockNumber"], 16) for r in receipts]
        assert numbers == sorted(numbers)
        assert max(numbers.count(n) for n in numbers) <= 10

    run(tmp_path, Disk(), body)


def test_what_the_miner_leaves_out_is_left_out_of_every_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anvil's pool takes a creation that its miner finds short of gas; the chain goes on."""
    from ledger.chain.engines.embedded import transactions

    hashes = []

    async def body(engine: EmbeddedEngine) -> None:
        bad, bad_hash = sign(0, gas=21_000)
        with monkeypatch.context() as patched:
            patched.setattr(transactions, "_GAS_CREATE", 0)
            patched.setattr(transactions, "_GAS_BYTE", 0)
            patched.setattr(transactions, "_GAS_ZERO", 0)
            await engine.send(bytes.fromhex(bad[2:]))

        async def is_made() -> bool:
            return engine.head.number == 1

        await until(is_made)
        assert await engine.read("eth_getTransactionReceipt", [bad_hash]) is None
        good, good_hash = sign(0)
        await engine.send(bytes.fromhex(good[2:]))
        await until(lambda: engine.read("eth_getTransactionReceipt", [good_hash]))
        hashes.append(engine.head)

    async def again(engine: EmbeddedEngine) -> None:
        assert engine.head == hashes[0]

    run(tmp_path, Disk(), body)
    (tmp_path / "snapshot").unlink()
    run(tmp_path, Disk(), again)


def test_a_seal_that_cannot_be_written_is_made_up_for(tmp_path: Path) -> None:
    """The block's inputs are durable, so it is seen; new ones wait until the disk is back."""
    disk = Disk()
    writes = 0

    def only_the_first(descriptor: int, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > 1:
            raise OSError(errno.ENOSPC, "no space")
        return os.write(descriptor, data)

    hashes = []

    async def body(engine: EmbeddedEngine) -> None:
        disk.write_fault = only_the_first
        raw, transaction_hash = sign(0)
        await engine.send(bytes.fromhex(raw[2:]))
        await until(lambda: engine.read("eth_getTransactionReceipt", [transaction_hash]))
        assert engine.problem == "JOURNAL_WRITE_FAILED"
        with pytest.raises(LedgerError) as refused:
            await engine.send(bytes.fromhex(sign(1)[0][2:]))
        assert refused.value.code == "JOURNAL_WRITE_FAILED"
        disk.write_fault = None

        async def is_well() -> bool:
            return engine.problem is None

        await until(is_well)
        raw, transaction_hash = sign(1)
        await engine.send(bytes.fromhex(raw[2:]))
        await until(lambda: engine.read("eth_getTransactionReceipt", [transaction_hash]))
        hashes.append(engine.head)

    async def again(engine: EmbeddedEngine) -> None:
        assert engine.head == hashes[0]

    run(tmp_path, disk, body)
    (tmp_path / "snapshot").unlink()
    run(tmp_path, Disk(), again)
