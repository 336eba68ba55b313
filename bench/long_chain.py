"""A long chain of the tests' city in an engine's directory, part of bench.engine.

Blocks as a quiet city has them: an anchor of the access log in every tenth, a request in every
five hundredth, nothing but the time in the others.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from eth_account import Account

from crypto.sm2 import Signature
from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_act_call, encode_call
from ledger.chain.engines.embedded.engine import EmbeddedEngine, EngineOptions
from ledger.chain.engines.embedded.journal import Journal
from ledger.chain.rpc import Rpc
from protocol.acts import make_act, sign_act
from protocol.checkpoint import Checkpoint, parse_note, sign_checkpoint
from tests.contracts.chain import SENDER_KEY, deploy_city
from tests.contracts.city import CHAIN_ID, GAS, MONTH_S, NO_BODIES, ORIGIN, City, key, wait_until

ROOT = Path(__file__).resolve().parents[1]
ANCHOR_EVERY = 10
REQUEST_EVERY = 500
#: About as many as the engine takes into a block when one sender sends as fast as it can.
ACTS_PER_BLOCK = 50
START_TIMEOUT_S = 900.0
TABLE_GAS = 20_000_000
REQUESTERS = ("housing operator", "housing officer")


@dataclass(frozen=True, slots=True)
class Started:
    """An engine's process that serves.

    Attributes:
        rpc: its JSON-RPC.
        start_s: from its start to its first answer.
        pids: the process and Anvil.
    """

    rpc: Rpc
    start_s: float
    pids: tuple[int, int]

    def peak_mb(self) -> float:
        """Return the most memory that both have held so far, in MB (10^6 bytes)."""
        total = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
        return total / 1e6


@contextmanager
def started_engine(directory: Path, *options: str) -> Iterator[Started]:
    """The embedded engine as the product starts it; it ends cleanly, with a snapshot."""
    command = [sys.executable, "-m", "ledger.chain.engines.embedded", "--port", "0"]
    command += ["--directory", str(directory), "--chain-id", str(CHAIN_ID), *options]
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().decode()
        if not line:
            raise RuntimeError(process.stderr.read().decode()[-2000:])
        rpc = Rpc(line.split()[-1], START_TIMEOUT_S)
        try:
            rpc.call("eth_blockNumber")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            pids = (process.pid, int(children.split()[0]))
            yield Started(rpc, time.monotonic() - begun, pids)
        finally:
            rpc.close()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=START_TIMEOUT_S)


class LongChain:
    """The tests' city, and transactions that lengthen its chain."""

    def __init__(self, city: City, directory: Path | None) -> None:
        self.city = city
        self._directory = directory
        self._account = city.sender
        self._sizes = count(1)
        self._read_numbers()
        for name in (*REQUESTERS, "gateway"):
            public = key(name).public_key
            data = encode_call("Sm", "buildTable", public.x, public.y)
            self.settle(city.rpc, [self.transaction("Sm", data, TABLE_GAS)])

    @classmethod
    def on(cls, rpc: Rpc, directory: Path | None = None) -> "LongChain":
        """Build the city on a node, and tables for the keys that will sign.

        Args:
            rpc: the node.
            directory: where the chain's engine keeps its journal, if it keeps one.
        """
        deployed = deploy_city(rpc)
        city = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
        city.build()
        return cls(city, directory)

    @classmethod
    def in_directory(cls, directory: Path) -> "LongChain":
        """Build it on the embedded engine, in a directory that does not exist yet."""
        with started_engine(directory, "--block-interval-ms", "0", "--max-lead-s", "1000") as node:
            return cls.on(node.rpc, directory)

    @property
    def directory(self) -> Path:
        """Where the engine keeps its journal."""
        assert self._directory is not None
        return self._directory

    def _read_numbers(self) -> None:
        at = (self._account.address, "latest")
        self._next = count(int(self.city.rpc.call("eth_getTransactionCount", *at), 16))
        self._act_nonces = count(self.city.nonce("Requests", REQUESTERS[0]))
        self._asked = self.city.request_values()

    def transaction(self, contract: str, data: bytes, gas: int = GAS) -> bytes:
        """Return the next signed transaction of the relay's account."""
        signed = self._account.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": next(self._next),
                "gasPrice": 0,
                "gas": gas,
                "value": 0,
                "to": self.city.contracts[contract],
                "data": data,
            }
        )
        return bytes(signed.raw_transaction)

    def anchor(self) -> bytes:
        """Return the anchor of a log that has grown by a record."""
        size = next(self._sizes)
        root = sm3(size.to_bytes(8, "big"))
        note = sign_checkpoint(Checkpoint(ORIGIN, size, root), key("gateway"))
        signature = Signature.from_bytes(parse_note(note)[1][0].payload)
        data = encode_call(
            "Logs", "anchor", self.city.ids["log"], size, root, signature.r, signature.s
        )
        return self.transaction("Logs", data)

    def request(self, now_s: int) -> bytes:
        """Return a request with both signatures.

        Args:
            now_s: about the time of the block that will record it.
        """
        term = {"valid_from": now_s, "valid_until": now_s + MONTH_S}
        values = {**self._asked, **term, "case": sm3(now_s.to_bytes(8, "big"))}
        act = make_act(
            "RequestFiled",
            values=values,
            chain_id=CHAIN_ID,
            contract=self.city.contracts["Requests"],
            key_id=key(REQUESTERS[0]).public_key.key_id,
            nonce=next(self._act_nonces),
            expires_at=now_s + 86_400,
            target=bytes(32),
            revision=0,
        )
        signed = sign_act(act, [key(name) for name in REQUESTERS])
        return self.transaction("Requests", encode_act_call(signed))

    def settle(self, rpc: Rpc, raw: list[bytes], *, mine: bool = False) -> float:
        """Send transactions one after another and wait until all are recorded.

        Args:
            rpc: the node.
            raw: signed transactions in the order of their numbers.
            mine: whether to ask the node for its blocks, ACTS_PER_BLOCK transactions in each.

        Returns:
            Seconds from the first one to the receipt of the last.
        """
        begun = time.monotonic()
        hashes = []
        for place, one in enumerate(raw, start=1):
            hashes.append(rpc.call("eth_sendRawTransaction", "0x" + one.hex()))
            if mine and (place % ACTS_PER_BLOCK == 0 or place == len(raw)):
                rpc.call("evm_mine")
        wait_until(lambda: rpc.call("eth_getTransactionReceipt", hashes[-1]))
        took = time.monotonic() - begun
        for one in hashes:
            receipt = rpc.call("eth_getTransactionReceipt", one)
            assert receipt is not None
            assert int(receipt["status"], 16) == 1, receipt
        return took

    def lengthen(self, blocks: int) -> None:
        """Make blocks until the chain has so many; synced once, at the end.

        The journal is the engine's own, only that nobody waits for the disk after each block.
        """
        asyncio.run(self._lengthen(blocks))

    async def _lengthen(self, blocks: int) -> None:
        options = EngineOptions(
            directory=self.directory,
            chain_id=CHAIN_ID,
            block_interval_s=0.0,
            heartbeat_s=0.0,
            snapshot_blocks=0,
            max_lead_s=2**40,
        )
        engine = EmbeddedEngine(options, journal=Journal(self.directory, sync=lambda _: None))
        await engine.start()
        running = asyncio.create_task(engine.run())
        try:
            while engine.head.number < blocks:
                number, moment = engine.head.number, engine.head.timestamp
                if number % REQUEST_EVERY == 0:
                    await engine.send(self.request(moment))
                elif number % ANCHOR_EVERY == 0:
                    await engine.send(self.anchor())
                while engine.head.number == number:
                    if running.done():
                        running.result()
                        raise RuntimeError("the engine ended")
                    await asyncio.sleep(0.0002)
        finally:
            await engine.stop()
            await asyncio.gather(running, return_exceptions=True)

    def head(self, rpc: Rpc) -> tuple[int, str]:
        """Return number and hash of the newest block."""
        block = rpc.call("eth_getBlockByNumber", "latest", NO_BODIES)
        return int(block["number"], 16), str(block["hash"])
