"""The embedded engine: a durable chain made of a journal and an Anvil that replays it.

The order of one block, on which everything rests:

    transactions are in Anvil's pool -> their journal entry is synced -> Anvil makes the block ->
    its hash is journalled -> readers may see it

So whatever anybody has seen is in the journal, and what the journal holds comes back with the same
hashes. Accepting a transaction promises nothing; only its receipt does.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crypto.errors import LedgerError
from crypto.keccak import keccak256

from .anvil import BLOCK_GAS_LIMIT, Anvil, AnvilLostError, AnvilRefusedError, find_anvil
from .journal import BlockEntry, DirectoryLock, Journal, JournalHeader, Seal
from .snapshot import (
    Snapshot,
    SnapshotUnusableError,
    find_snapshot,
    unpack_dump,
    write_snapshot,
)
from .transactions import Transaction, decode_transaction

MAX_CHAIN_ID: Final = 2**53 - 1
MAX_BLOCK_TRANSACTIONS: Final = 2000
MAX_BLOCK_BYTES: Final = 16 * 1024 * 1024
READ_TIMEOUT_S: Final = 15.0
ROOM_TIMEOUT_S: Final = 10.0
DUMP_TIMEOUT_S: Final = 600.0
WRITE_RETRY_S: Final = 1.0
MAX_CONCURRENT_READS: Final = 24
_ZERO_ADDRESS: Final = "0x" + "00" * 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine runs.

    Attributes:
        directory: journal, snapshot and lock; created when absent.
        chain_id: chain id; None takes the journal's, or a random one for a new chain.
        anvil: anvil's executable; None looks for npm's and then on PATH.
        block_interval_s: shortest time between the starts of two blocks.
        heartbeat_s: an empty block when there was none for so long.
        snapshot_blocks: a snapshot after so many blocks; 0: only at a clean stop.
        states_kept: number of latest blocks at which contracts can be called.
        max_lead_s: block times strictly increase, so fast blocks run ahead of the clock; from this
            lead on there is one block a second at most.
    """

    directory: Path
    chain_id: int | None = None
    anvil: Path | None = None
    block_interval_s: float = 0.2
    heartbeat_s: float = 600.0
    snapshot_blocks: int = 2000
    states_kept: int = 32
    max_lead_s: int = 30


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block that readers may see."""

    number: int
    block_hash: bytes
    timestamp: int


class _Gate:
    """Many readers or one writer; a waiting writer goes first."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._readers = 0
        self._writers_waiting = 0
        self._is_writing = False

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        async with self._condition:
            await self._condition.wait_for(
                lambda: not self._is_writing and not self._writers_waiting
            )
            self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                async with self._condition:
                    self._condition.notify_all()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with self._condition:
            self._writers_waiting += 1
            try:
                await self._condition.wait_for(lambda: not self._is_writing and not self._readers)
                self._is_writing = True
            finally:
                self._writers_waiting -= 1
                self._condition.notify_all()
        try:
            yield
        finally:
            self._is_writing = False
            async with self._condition:
                self._condition.notify_all()


async def read_engine_version(executable: Path) -> str:
    """Return version and commit of an anvil.

    Raises:
        LedgerError: ENGINE_START_FAILED.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            executable,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
    except OSError as error:
        raise LedgerError("ENGINE_START_FAILED", "anvil cannot be run") from error
    version = re.search(rb"Version:\s*(\S{1,40})", output)
    commit = re.search(rb"Commit SHA:\s*([0-9a-f]{7,40})", output)
    if version is None:
        raise LedgerError("ENGINE_START_FAILED", "anvil does not tell its version")
    suffix = f" ({commit[1][:12].decode()})" if commit else ""
    return f"anvil {version[1].decode()}{suffix}"


def _hex_bytes(value: Any) -> bytes:
    return bytes.fromhex(value[2:])


class EmbeddedEngine:
    """One chain on one machine. All methods run on one event loop.

    Args:
        options: how it runs.
        journal: the journal to use instead of the directory's own; tests inject faults with it.
        clock: unix seconds.
    """

    def __init__(
        self,
        options: EngineOptions,
        *,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._clock = clock
        self._journal = journal or Journal(options.directory)
        self._lock: DirectoryLock | None = None
        self._header: JournalHeader | None = None
        self._anvil = Anvil()
        self._head = Head(0, b"", 0)
        self._gate = _Gate()
        self._reads = asyncio.Semaphore(MAX_CONCURRENT_READS)
        self._pool_lock = asyncio.Lock()
        self._pool: dict[bytes, Transaction] = {}
        self._pool_nonces: dict[bytes, int] = {}
        self._work = asyncio.Event()
        self._next_block = asyncio.Event()
        self._stopping = asyncio.Event()
        self._fatal: LedgerError | None = None
        self._broken = asyncio.Event()
        self._write_problem: LedgerError | None = None
        self._unsealed: Seal | None = None
        self._snapshot_number = 0
        self._disk = ThreadPoolExecutor(1, "journal")
        self._maker: asyncio.Task[None] | None = None

    @property
    def header(self) -> JournalHeader:
        """Chain id, genesis time and engine version."""
        assert self._header is not None  # noqa: S101 - start() sets it
        return self._header

    @property
    def head(self) -> Head:
        """The newest block that readers may see."""
        return self._head

    @property
    def journal_position(self) -> int:
        """Durable length of the journal in bytes."""
        return self._journal.position

    @property
    def engine_pid(self) -> int:
        """Process id of Anvil."""
        return self._anvil.pid

    @property
    def problem(self) -> str | None:
        """Code of what keeps the engine from making blocks, if anything does."""
        error = self._fatal or self._write_problem
        return error.code if error else None

    # Starting

    async def start(self) -> None:
        """Lock the directory, check the journal, and replay it.

        Raises:
            LedgerError: ENGINE_LOCKED, ENGINE_MISSING, ENGINE_START_FAILED,
                ENGINE_VERSION_MISMATCH, ENGINE_CHAIN_MISMATCH, JOURNAL_DAMAGED, JOURNAL_DIVERGED,
                JOURNAL_WRITE_FAILED.
        """
        directory = self._options.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = DirectoryLock(directory)
        executable = find_anvil(self._options.anvil)
        version = await read_engine_version(executable)
        self._header = self._open_journal(version)
        started = time.monotonic()
        replayed = await self._replay(executable)
        elapsed_s = time.monotonic() - started
        logger.info(
            "block %d, %d replayed in %.2f s (%.0f blocks/s), chain %d, %s",
            self._head.number,
            replayed,
            elapsed_s,
            replayed / elapsed_s,
            self.header.chain_id,
            version,
        )

    def _open_journal(self, version: str) -> JournalHeader:
        wanted = self._options.chain_id
        if wanted is not None and not 1 <= wanted <= MAX_CHAIN_ID:
            raise LedgerError("ENGINE_CHAIN_MISMATCH", f"a chain id is 1 to {MAX_CHAIN_ID}")
        if self._journal.is_absent:
            if (self._options.directory / "snapshot").exists():
                raise LedgerError(
                    "JOURNAL_DAMAGED", "the journal is missing beside a snapshot; restore it"
                )
            # Random by default: a signature for one city's chain is none for another's.
            chain_id = wanted or 10**9 + secrets.randbelow(2**31 - 10**9)
            self._journal.create(JournalHeader(chain_id, int(self._clock()), version))
        header, torn = self._journal.open()
        if torn is not None:
            logger.warning(
                "cut off a torn record of %d bytes at byte %d, which nobody has seen; kept in %s",
                torn.length,
                torn.offset,
                torn.kept_in.name,
            )
        if header.engine_version != version:
            raise LedgerError(
                "ENGINE_VERSION_MISMATCH",
                f"the journal needs {header.engine_version}, this is {version}",
                needed=header.engine_version,
                found=version,
            )
        if wanted is not None and wanted != header.chain_id:
            raise LedgerError(
                "ENGINE_CHAIN_MISMATCH",
                f"the journal is of chain {header.chain_id}, not {wanted}",
            )
        return header

    def _usable_snapshot(self) -> Snapshot | None:
        """Return the snapshot if the journal confirms its block."""
        try:
            snapshot = find_snapshot(self._options.directory, self.header)
        except SnapshotUnusableError as error:
            logger.warning("the snapshot is ignored: %s", error)
            return None
        if snapshot is None:
            return None
        confirmed, last = None, 0
        for item in self._journal.read():
            if isinstance(item, BlockEntry):
                last = item.number
                if item.number == snapshot.number + 1:
                    confirmed = item.parent_hash
            elif item.number == snapshot.number:
                confirmed = item.block_hash
        if snapshot.number > last:
            raise LedgerError(
                "JOURNAL_DAMAGED",
                f"the journal ends at block {last}, the snapshot is of block {snapshot.number}: "
                "blocks were lost; restore the journal",
            )
        if confirmed != snapshot.block_hash:
            logger.warning("the snapshot is ignored: its block is not the journal's")
            return None
        return snapshot

    async def _replay(self, executable: Path) -> int:
        snapshot = self._usable_snapshot()
        if snapshot is not None:
            try:
                await self._start_anvil(executable, snapshot)
            except (SnapshotUnusableError, LedgerError, AnvilLostError) as error:
                logger.warning("the snapshot is ignored: %s", error)
                await self._anvil.kill()
                self._anvil = Anvil()
                snapshot = None
        try:
            if snapshot is None:
                await self._start_anvil(executable, None)
            self._snapshot_number = self._head.number
            return await self._replay_journal(self._head)
        except AnvilLostError as error:
            raise LedgerError("ENGINE_STOPPED", "anvil stopped during the replay") from error

    async def _start_anvil(self, executable: Path, snapshot: Snapshot | None) -> None:
        home = self._options.directory / "anvil"
        home.mkdir(mode=0o700, exist_ok=True)
        file = home / "state.json"
        try:
            if snapshot is not None:
                unpack_dump(snapshot, file)
            await self._anvil.start(
                executable,
                chain_id=self.header.chain_id,
                genesis_time=self.header.genesis_time,
                states_kept=self._options.states_kept,
                home=home,
                state_file=None if snapshot is None else file,
            )
        finally:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        try:
            block = await self._anvil.call("eth_getBlockByNumber", ["latest", False])
            self._head = self._to_head(block)
            if snapshot is None:
                return
            if (self._head.number, self._head.block_hash) != (
                snapshot.number,
                snapshot.block_hash,
            ):
                raise SnapshotUnusableError("its head is not what it says")
            # The trie's root node comes from the loaded state itself, not from the header.
            proof = await self._anvil.call("eth_getProof", [_ZERO_ADDRESS, [], "latest"])
        except AnvilRefusedError as error:
            raise SnapshotUnusableError("anvil cannot work with it") from error
        nodes = proof["accountProof"]
        if not nodes or keccak256(_hex_bytes(nodes[0])) != _hex_bytes(block["stateRoot"]):
            raise SnapshotUnusableError("its state is not its head's")

    async def _replay_journal(self, start: Head) -> int:
        known = {start.number: start.block_hash}
        replayed, last, sealed = 0, 0, 0
        for item in self._journal.read():
            if isinstance(item, Seal):
                if item.number != last or known.get(last, item.block_hash) != item.block_hash:
                    raise self._diverged(item.number)
                sealed = item.number
                continue
            if item.number != last + 1:
                raise self._diverged(item.number)
            if known.get(last, item.parent_hash) != item.parent_hash:
                raise self._diverged(last)
            last = item.number
            if item.number <= start.number:
                continue
            for raw in item.transactions:
                try:
                    await self._anvil.call("eth_sendRawTransaction", ["0x" + raw.hex()])
                except AnvilRefusedError as error:
                    raise self._diverged(item.number) from error
            self._head = await self._mine(item)
            known = {item.number: self._head.block_hash}
            replayed += 1
        if last > sealed:
            self._unsealed = Seal(self._head.number, self._head.block_hash)
        return replayed

    @staticmethod
    def _diverged(number: int) -> LedgerError:
        return LedgerError(
            "JOURNAL_DIVERGED",
            f"block {number} does not come out of its replay as it was; restore the journal",
            number=number,
        )

    @staticmethod
    def _to_head(block: Any) -> Head:
        return Head(
            int(block["number"], 16), _hex_bytes(block["hash"]), int(block["timestamp"], 16)
        )

    # Making blocks

    async def run(self) -> None:
        """Make blocks until `stop`.

        Raises:
            LedgerError: ENGINE_STOPPED, JOURNAL_DIVERGED: restart, the journal brings it back.
        """
        self._maker = asyncio.create_task(self._make_blocks())
        child = asyncio.create_task(self._anvil.wait())
        broken = asyncio.create_task(self._broken.wait())
        try:
            await asyncio.wait({self._maker, child, broken}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set() and self._fatal is None:
                return
            if self._fatal is None and not self._maker.done():
                self._break("anvil ended by itself")
            if self._fatal is not None:
                raise self._fatal
            self._maker.result()
        finally:
            child.cancel()
            broken.cancel()
            if not self._stopping.is_set():
                self._maker.cancel()

    async def _make_blocks(self) -> None:
        last_started = -1e9
        last_made = time.monotonic()
        while not self._stopping.is_set():
            due_s = max(0.0, self._options.heartbeat_s - (time.monotonic() - last_made))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), due_s)
            if await self._is_stopping_within(last_started + self._pace_s() - time.monotonic()):
                return
            last_started = time.monotonic()
            try:
                await self._make_block()
            except LedgerError as error:
                if error.code != "JOURNAL_WRITE_FAILED":
                    raise
                if self._write_problem is None:
                    logger.error("%s; trying again until there is space", error)
                self._write_problem = error
                if await self._is_stopping_within(WRITE_RETRY_S):
                    return
                continue
            last_made = time.monotonic()
            while self._write_problem is not None:
                if await self._is_stopping_within(WRITE_RETRY_S):
                    return
                await self._retry_seal()
            due = self._options.snapshot_blocks
            if due and self._head.number - self._snapshot_number >= due:
                await self._take_snapshot()

    async def _retry_seal(self) -> None:
        with contextlib.suppress(LedgerError):
            async with self._pool_lock:
                await self._on_disk(self._write_seal)
                self._write_problem = None
                logger.info("the journal can be written again")

    async def _is_stopping_within(self, wait_s: float) -> bool:
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
        return self._stopping.is_set()

    def _pace_s(self) -> float:
        lead_s = self._head.timestamp - self._clock()
        interval_s = self._options.block_interval_s
        return interval_s if lead_s < self._options.max_lead_s else max(1.0, interval_s)

    async def _make_block(self) -> None:
        async with self._pool_lock:
            entry = BlockEntry(
                self._head.number + 1,
                max(self._head.timestamp + 1, int(self._clock())),
                self._head.block_hash,
                tuple(t.raw for t in self._pool.values()),
            )
            await self._on_disk(self._write_seal)
            await self._on_disk(lambda: self._journal.append_block(entry))
            if self._write_problem is not None:
                logger.info("the journal can be written again")
            self._write_problem = None
            async with self._gate.writing():
                try:
                    head = await self._mine(entry)
                except AnvilLostError as error:
                    raise self._break("anvil did not make the block") from error
                except LedgerError as error:
                    self._fatal = error
                    raise
                self._unsealed = Seal(head.number, head.block_hash)
                # The block is durable without its seal; the seal is written before the next one.
                try:
                    await self._on_disk(self._write_seal)
                except LedgerError as error:
                    logger.error("%s; trying again until there is space", error)
                    self._write_problem = error
                self._head = head
                self._pool.clear()
                self._pool_nonces.clear()
                self._work.clear()
        self._next_block.set()
        self._next_block = asyncio.Event()

    async def _mine(self, entry: BlockEntry) -> Head:
        try:
            await self._anvil.call("evm_mine", [{"timestamp": entry.timestamp}])
            block = await self._anvil.call("eth_getBlockByNumber", ["latest", False])
        except AnvilRefusedError as error:
            raise self._diverged(entry.number) from error
        head = self._to_head(block)
        included = [_hex_bytes(h) for h in block["transactions"]]
        wanted = [keccak256(raw) for raw in entry.transactions]
        remaining = iter(wanted)
        if (
            (head.number, head.timestamp) != (entry.number, entry.timestamp)
            or _hex_bytes(block["parentHash"]) != entry.parent_hash
            or not all(h in remaining for h in included)
        ):
            raise self._diverged(entry.number)
        # Anvil's pool checks less than its miner: what the miner left out must not wait for a
        # later block, here as in every replay.
        for left_out in set(wanted) - set(included):
            logger.warning("block %d leaves out 0x%s", entry.number, left_out.hex())
            await self._anvil.call("anvil_dropTransaction", ["0x" + left_out.hex()])
        return head

    def _write_seal(self) -> None:
        if self._unsealed is not None:
            self._journal.append_seal(self._unsealed)
            self._unsealed = None

    async def _on_disk(self, action: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, action)

    def _break(self, why: str) -> LedgerError:
        if self._fatal is None:
            self._fatal = LedgerError(
                "ENGINE_STOPPED", f"{why}; start again, the journal brings everything back"
            )
        self._broken.set()
        return self._fatal

    async def _take_snapshot(self) -> None:
        """Write a snapshot of the head; a failure costs time at the next start, nothing else."""
        if self._unsealed is not None or self._head.number == self._snapshot_number:
            return
        async with self._pool_lock:
            head, header = self._head, self.header
            try:
                dump = await self._anvil.call("anvil_dumpState", [], timeout_s=DUMP_TIMEOUT_S)
                snapshot = Snapshot(head.number, head.block_hash, _hex_bytes(dump))
                await self._on_disk(
                    lambda: write_snapshot(self._options.directory, header, snapshot)
                )
            except (AnvilLostError, AnvilRefusedError, OSError) as error:
                logger.warning("no snapshot of block %d: %s", head.number, error)
                # Not again at the very next block.
                self._snapshot_number = head.number
                return
            self._snapshot_number = head.number
            logger.info("snapshot of block %d, %d bytes", head.number, len(snapshot.dump))

    # Serving

    def _check_usable(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._stopping.is_set():
            raise LedgerError("ENGINE_STOPPED", "the engine is stopping")

    async def send(self, raw: bytes) -> bytes:
        """Take a signed transaction into the next block. Only its receipt makes it certain.

        Returns:
            Its 32-byte hash; the same again for a transaction that is already known.

        Raises:
            LedgerError: TRANSACTION_REFUSED, TRANSACTION_NONCE_TOO_LOW, TRANSACTION_NONCE_GAP,
                POOL_FULL, JOURNAL_WRITE_FAILED, ENGINE_STOPPED.
        """
        self._check_usable()
        transaction = decode_transaction(raw, self.header.chain_id)
        # A caller that goes away must not leave a transaction in Anvil that we do not know of.
        return await asyncio.shield(asyncio.create_task(self._send(transaction)))

    async def _send(self, transaction: Transaction) -> bytes:
        deadline = time.monotonic() + ROOM_TIMEOUT_S
        while True:
            next_block = self._next_block
            async with self._pool_lock:
                self._check_usable()
                if transaction.transaction_hash in self._pool:
                    return transaction.transaction_hash
                if self._write_problem is not None:
                    raise self._write_problem
                if self._has_room(transaction):
                    await self._accept(transaction)
                    return transaction.transaction_hash
                if next_block is not self._next_block:
                    continue
            try:
                await asyncio.wait_for(next_block.wait(), deadline - time.monotonic())
            except TimeoutError as error:
                raise LedgerError(
                    "POOL_FULL", "the next block is full; send the transaction again"
                ) from error

    def _has_room(self, transaction: Transaction) -> bool:
        pool = self._pool.values()
        return not self._pool or (
            len(pool) < MAX_BLOCK_TRANSACTIONS
            and sum(t.gas_limit for t in pool) + transaction.gas_limit <= BLOCK_GAS_LIMIT
            and sum(len(t.raw) for t in pool) + len(transaction.raw) <= MAX_BLOCK_BYTES
        )

    async def _accept(self, transaction: Transaction) -> None:
        hash_hex = "0x" + transaction.transaction_hash.hex()
        try:
            next_nonce = await self._next_nonce(transaction.sender)
            if transaction.nonce != next_nonce:
                if transaction.nonce < next_nonce and await self._anvil.call(
                    "eth_getTransactionReceipt", [hash_hex]
                ):
                    return
                is_low = transaction.nonce < next_nonce
                raise LedgerError(
                    "TRANSACTION_NONCE_TOO_LOW" if is_low else "TRANSACTION_NONCE_GAP",
                    f"nonce too {'low' if is_low else 'high'}: the next nonce of this account is "
                    f"{next_nonce}, the transaction has {transaction.nonce}",
                    next_nonce=next_nonce,
                )
            answer = await self._anvil.call(
                "eth_sendRawTransaction", ["0x" + transaction.raw.hex()]
            )
        except AnvilRefusedError as error:
            raise LedgerError("TRANSACTION_REFUSED", str(error)[:300]) from error
        except AnvilLostError as error:
            raise self._break("anvil did not answer") from error
        if answer != hash_hex:
            raise self._break("anvil took another transaction than it was given")
        self._pool[transaction.transaction_hash] = transaction
        self._pool_nonces[transaction.sender] = transaction.nonce + 1
        self._work.set()

    async def _next_nonce(self, sender: bytes) -> int:
        known = self._pool_nonces.get(sender)
        if known is not None:
            return known
        params = ["0x" + sender.hex(), "latest"]
        return int(await self._anvil.call("eth_getTransactionCount", params), 16)

    async def pending_nonce(self, sender: bytes) -> int:
        """Return the nonce that the account's next transaction must have.

        Raises:
            LedgerError: ENGINE_STOPPED, ENGINE_BUSY.
        """
        known = self._pool_nonces.get(sender)
        if known is not None:
            return known
        params = ["0x" + sender.hex(), "latest"]
        return int(await self.read("eth_getTransactionCount", params), 16)

    async def read(self, method: str, params: list[Any]) -> Any:
        """Ask Anvil for something while no block is half made.

        Args:
            method: a reading method; the caller has checked it and its parameters.
            params: its parameters.

        Raises:
            AnvilRefusedError: Anvil's own refusal (a revert, an unknown block).
            LedgerError: ENGINE_STOPPED, ENGINE_BUSY, RESPONSE_TOO_LARGE.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), self._reads, self._gate.reading():
                self._check_usable()
                return await self._anvil.call(method, params, timeout_s=READ_TIMEOUT_S)
        except TimeoutError as error:
            raise LedgerError("ENGINE_BUSY", "the engine took too long; ask again") from error
        except AnvilLostError as error:
            if error.is_too_large:
                raise LedgerError("RESPONSE_TOO_LARGE", "the answer is too large; ask less") from (
                    error
                )
            raise LedgerError("ENGINE_BUSY", "the engine gave no answer; ask again") from error

    # Stopping

    async def stop(self) -> None:
        """Finish the block being made, write a snapshot, end Anvil and let go of the directory."""
        self._stopping.set()
        self._work.set()
        if self._maker is not None:
            with contextlib.suppress(LedgerError, asyncio.CancelledError):
                await self._maker
            if self._fatal is None:
                with contextlib.suppress(LedgerError):
                    await self._on_disk(self._write_seal)
                await self._take_snapshot()
        await self._anvil.kill()
        self._disk.shutdown()
        self._journal.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
