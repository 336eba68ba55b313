"""Access records of another platform: records per second made durable, verified and anchored.

    python -m bench.ingest [--quick] [--json]

Batches of 1,000 records, each with its own SM2 signature, are handed in at the real gateway over
HTTP and answered with receipts, while its checkpoints are anchored on the embedded engine, whose
contract verifies the gateway's signature. The time ends when the last record is under an anchor.
Records are signed beforehand; load, gateway and engine share the machine's processors.

Baselines of the same run, on the same engine: one transaction per record with web3.py as it comes,
each receipt awaited (`naive`); the same with numbers and gas given and the receipts awaited at the
end (`tuned`); neither verifies anything. The crypto limit: processors times the SM2
signatures that one of them verifies per second.

Beside it, where Go is installed and its modules can be had: Tessera's POSIX log in the same run, as
many entries of the same size, as many in flight; it verifies no entry's signature, gives no receipt
and is under no anchor.

Gas per record: of an anchor after so many records. Proofs: inclusion paths at random places of a
log of a million leaves, from its file. Memory: of a new process that writes records, at their end;
its baseline is the same process after a tenth of them.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from eth_account import Account
from hexbytes import HexBytes
from web3 import Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import Nonce, TxParams, Wei

from bench.gateway_rig import Rig, run_gateway, started, verify_rate
from bench.long_chain import LongChain, Started, started_engine
from bench.report import CannotMeasure, Result, run
from bench.tessera_log import build_tessera, measure_tessera
from crypto.errors import LedgerError
from crypto.merkle import Frontier, place_of
from crypto.sm2 import PrivateKey, Signature
from crypto.sm3 import sm3
from ledger.chain.artifacts import encode_call
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.log import statements, store
from ledger.log.entries import Once
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.batch_receipts import batch_receipts
from protocol.checkpoint import Checkpoint, parse_note, sign_checkpoint
from protocol.httpsig import OBSERVATIONS_PATH, sign_request
from protocol.observation import Observation, encode_batch, sign_observation
from protocol.receipt import Receipt, verify_receipt
from tests.contracts.chain import SENDER_KEY
from tests.contracts.city import CHAIN_ID, ORIGIN, key

BATCH = 1_000
CONNECTIONS = 6
GAS_BATCHES = (1, 100, 1_000, 10_000)
PROOF_LEAVES = 1_000_000
PROOFS = 1_000
_FORK = multiprocessing.get_context("fork")
_SPAWN = multiprocessing.get_context("spawn")


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures.

    Raises:
        CannotMeasure: the engine is not installed.
    """
    try:
        find_anvil()
    except LedgerError as error:
        raise CannotMeasure(str(error)) from error
    batches, naive, memory = (48, 300, 200_000) if options.quick else (100, 2_000, 10_000_000)
    with tempfile.TemporaryDirectory(prefix="sanlian-bench-") as name:
        home = Path(name)
        verify_per_s = verify_rate()
        with started_engine(
            home / "chain", "--block-interval-ms", "0", "--max-lead-s", "100000"
        ) as node:
            chain = LongChain.on(node.rpc)
            rig = Rig.make(home, gateway=key("gateway"), origin=ORIGIN)
            ingest = Ingest(rig, chain, node)
            rate = ingest.measure(batches)
            gas = ingest.measure_gas()
            naive_per_s = measure_naive(node, naive, tuned=False)
            tuned_per_s = measure_naive(node, 2 * naive, tuned=True)
        tessera = build_tessera(home)
        tessera_per_s = (
            None
            if tessera is None
            else measure_tessera(tessera, home, batches * BATCH, CONNECTIONS * BATCH)
        )
        both = [_side(measure_memory, home, memory), _side(measure_proofs, home, PROOF_LEAVES)]
        (memory_mb, tenth_mb), proof_p95_ms = (one() for one in both)
    bound = len(os.sched_getaffinity(0)) * verify_per_s
    return [
        Result("records_per_s", rate, "1/s", naive_per_s),
        Result("ratio_naive_web3", rate / naive_per_s, "1", naive_per_s, target=20),
        Result("ratio_tuned_web3", rate / tuned_per_s, "1", tuned_per_s),
        Result("ratio_verify_bound", rate / bound, "1", bound, target=0.7),
        *(
            Result(
                f"gas_per_record_{count}",
                gas[count] / count,
                "gas",
                target=150 if count == 1_000 else None,
                at_most=True,
            )
            for count in GAS_BATCHES
        ),
        Result("proof_p95_ms", proof_p95_ms, "ms", target=5, at_most=True),
        Result("memory_mb", memory_mb, "MB", tenth_mb),
        Result("gateway_cpu_us", ingest.cpu_us, "us"),
        *(
            [Result("tessera_entries_per_s", tessera_per_s, "1/s", rate)]
            if tessera_per_s is not None
            else []
        ),
        Result("verify_1t_per_s", verify_per_s, "1/s"),
    ]


# --- records handed in ----------------------------------------------------------------------------


def _sign(platform_key: PrivateKey, count: int) -> list[Observation]:
    now_ms = int(time.time() * 1000)
    return [
        sign_observation(
            platform_key,
            {
                "v": 1,
                "platform": "exchange-1",
                "record": secrets.token_hex(16),
                "time_ms": now_ms,
                "requester": "housing",
                "requester_key": None,
                "person": "p-1",
                "grant": None,
                "authorization": "AUTH-7",
                "provider": "civil",
                "resource": "PERSON-01",
                "items": ["ADDRESS", "NAME"],
                "result": "released",
                "code": "",
                "request_digest": secrets.token_hex(32),
                "response_digest": secrets.token_hex(32),
            },
        )
        for _ in range(count)
    ]


def _send_bodies(platform_key: PrivateKey, batches: int, pipe: Connection) -> None:
    for _ in range(batches):
        pipe.send_bytes(encode_batch(_sign(platform_key, BATCH), secrets.token_hex(32)))
    pipe.close()


@dataclass(slots=True)
class Ingest:
    """Batches handed in at a gateway whose log is anchored meanwhile.

    Attributes:
        cpu_us: processor time of the gateway's processes per record.
    """

    rig: Rig
    chain: LongChain
    node: Started
    cpu_us: float = 0.0
    anchored: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def measure(self, batches: int) -> float:
        """Return records per second, all of them verified, durable, receipted and anchored."""
        bodies = self._bodies(batches)
        with started(partial(run_gateway, self.rig, "full"), self.rig.port) as pid:
            self._wait_until_it_serves()
            calls = [(body, self._headers(body)) for body in bodies]
            before_s = _tree_cpu_s(pid)
            begun = time.perf_counter()
            with ThreadPoolExecutor(CONNECTIONS + 1) as pool:
                anchors = pool.submit(self._anchor_on)
                try:
                    answers = list(pool.map(lambda call: self._post(*call), calls))
                finally:
                    self._ended.set()
                anchors.result()
            took = time.perf_counter() - begun
            self.cpu_us = (_tree_cpu_s(pid) - before_s) / (batches * BATCH) * 1e6
        receipts = [
            receipt
            for body, answer in zip(bodies, answers, strict=True)
            for receipt in _receipts(body, answer)
        ]
        if len(receipts) != batches * BATCH:
            raise RuntimeError(f"{len(receipts)} receipts for {batches * BATCH} records")
        if max(receipt.index for receipt in receipts) >= self.anchored:
            raise RuntimeError("a record is under no anchor")
        for receipt in receipts[:: max(1, len(receipts) // 200)]:
            verify_receipt(receipt, origin=ORIGIN, public_key=self.rig.city.gateway.public_key)
        return len(receipts) / took

    def _bodies(self, batches: int) -> list[bytes]:
        """Sign the records, by as many processes as there are processors."""
        makers = len(os.sched_getaffinity(0))
        shares = [batches // makers + (one < batches % makers) for one in range(makers)]
        pipes = []
        for share in shares:
            end, other = _FORK.Pipe(duplex=False)
            _FORK.Process(
                target=_send_bodies, args=(self.rig.city.provider_key, share, other), daemon=True
            ).start()
            other.close()
            pipes.append((share, end))
        with ThreadPoolExecutor(makers) as pool:
            found = pool.map(lambda one: [one[1].recv_bytes() for _ in range(one[0])], pipes)
            return [body for bodies in found for body in bodies]

    def _headers(self, body: bytes) -> dict[str, str]:
        _, headers = sign_request(
            self.rig.city.provider_key,
            body,
            authority=f"127.0.0.1:{self.rig.port}",
            path=OBSERVATIONS_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        return dict(headers)

    def _post(self, body: bytes, headers: dict[str, str]) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.rig.port, timeout=60)
        try:
            connection.request("POST", OBSERVATIONS_PATH, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data[:200].decode()}")
        return data

    def _wait_until_it_serves(self) -> None:
        """Hand in a batch, so that whatever is made at the first use is there."""
        body = encode_batch(_sign(self.rig.city.provider_key, 64), secrets.token_hex(32))
        deadline = time.monotonic() + 20
        while True:
            try:
                self._post(body, self._headers(body))
                return
            except (RuntimeError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    # anchors

    def _anchor_on(self) -> None:
        """Anchor the newest checkpoint about every second, and the last one."""
        while True:
            is_last = self._ended.wait(1.0)
            connection = http.client.HTTPConnection("127.0.0.1", self.rig.port, timeout=60)
            connection.request("GET", "/log/checkpoint")
            note = connection.getresponse().read().decode()
            connection.close()
            self.anchor(note)
            if is_last:
                return

    def anchor(self, note: str) -> int:
        """Have the contract verify a signed checkpoint; return the gas."""
        checkpoint, lines = parse_note(note)
        if checkpoint.size == self.anchored:
            return 0
        signature = Signature.from_bytes(lines[0].payload)
        data = encode_call(
            "Logs",
            "anchor",
            self.chain.city.ids["log"],
            checkpoint.size,
            checkpoint.root,
            signature.r,
            signature.s,
        )
        raw = self.chain.transaction("Logs", data)
        rpc = self.node.rpc
        found = rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
        deadline = time.monotonic() + 20
        while (receipt := rpc.call("eth_getTransactionReceipt", found)) is None:
            if time.monotonic() > deadline:
                raise RuntimeError("the anchor does not come into a block")
            time.sleep(0.01)
        if int(receipt["status"], 16) != 1:
            raise RuntimeError("the contract refuses the anchor")
        self.anchored = checkpoint.size
        return int(receipt["gasUsed"], 16)

    def measure_gas(self) -> dict[int, int]:
        """Return the gas of an anchor after so many records more."""
        found = {}
        for count in GAS_BATCHES:
            size = self.anchored + count
            checkpoint = Checkpoint(ORIGIN, size, sm3(size.to_bytes(8, "big")))
            found[count] = self.anchor(sign_checkpoint(checkpoint, key("gateway")))
        return found


def _receipts(body: bytes, answer: bytes) -> list[Receipt]:
    handed_in = [Observation.from_json(one) for one in json.loads(body)["observations"]]
    found = batch_receipts(json.loads(answer), handed_in)
    return [one for one in found if isinstance(one, Receipt)]


def _tree_cpu_s(pid: int) -> float:
    """Return the processor time of a process and all below it, in seconds."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            for task in tasks:
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


# --- one transaction per record -------------------------------------------------------------------


def measure_naive(node: Started, count: int, *, tuned: bool) -> float:
    """Return records per second, each recorded by its digest in a transaction of its own.

    Args:
        node: the engine.
        count: number of records.
        tuned: whether number and gas are given, instead of asked for by web3.py for each
            transaction, as it does by itself.
    """
    w3 = Web3(Web3.HTTPProvider(node.rpc.url))
    account = Account.from_key(SENDER_KEY)
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    nonce = w3.eth.get_transaction_count(account.address)
    to = w3.to_checksum_address(bytes(19) + b"\x77")
    digests = [os.urandom(32) for _ in range(count)]
    sent: list[HexBytes] = []
    begun = time.perf_counter()
    for place, digest in enumerate(digests):
        transaction: TxParams = {
            "from": account.address,
            "to": to,
            "data": HexBytes(digest),
            "gasPrice": Wei(0),  # the engine's, which knows no other fees
        }
        if tuned:
            transaction |= {
                "chainId": CHAIN_ID,
                "nonce": Nonce(nonce + place),
                "gas": 50_000,
                "value": Wei(0),
            }
            signed = account.sign_transaction({k: v for k, v in transaction.items() if k != "from"})
            sent.append(w3.eth.send_raw_transaction(signed.raw_transaction))
        else:
            sent.append(w3.eth.send_transaction(transaction))
            # Without its receipt the next one would be given the same number.
            _await_receipt(w3, sent[-1])
    if tuned:
        for one in sent:
            _await_receipt(w3, one)
    return count / (time.perf_counter() - begun)


def _await_receipt(w3: Web3, transaction: HexBytes) -> None:
    receipt = w3.eth.wait_for_transaction_receipt(transaction, timeout=30, poll_latency=0.002)
    if receipt["status"] != 1:
        raise RuntimeError("a transaction failed")


# --- memory and proofs ----------------------------------------------------------------------------


def _side(measure_one: Any, home: Path, count: int) -> Any:
    """Start a measurement in a new process; the function returned waits for its figures."""
    end, other = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_send, args=(other, measure_one, home, count), daemon=True)
    process.start()
    other.close()

    def wait() -> Any:
        try:
            figure = end.recv()
        except EOFError:
            raise RuntimeError(f"{measure_one.__name__} failed") from None
        process.join()
        return figure

    return wait


def _send(pipe: Connection, measure_one: Any, home: Path, count: int) -> None:
    pipe.send(measure_one(home, count))


def measure_memory(home: Path, count: int) -> tuple[float, float]:
    """Return the memory of a log's writer after all records and after a tenth, in MB."""
    writer = LogWriter(
        f"sqlite:///{home / 'memory.db'}",
        origin=ORIGIN,
        log_id=bytes(32),
        key=PrivateKey.generate(),
    )
    platform_key = PrivateKey.generate()
    (signed,) = _sign(platform_key, 1)
    draft = {
        "event": "observed",
        "public_key": platform_key.public_key.to_bytes().hex(),
        "signature": signed.signature.to_bytes().hex(),
        "department": "00" * 32,
        "source": "127.0.0.1",
        "block": {"number": 1, "hash": "00" * 32},
    }
    tenth_mb = 0.0
    for start in range(0, count, BATCH):
        drafts = []
        for place in range(start, start + BATCH):
            members = {**signed.members, "record": f"r-{place}"}
            digest = place.to_bytes(32, "big")
            drafts.append(
                ({**draft, "observation": members}, Once(signed.key_id, f"r-{place}", digest))
            )
        results = writer.append_many(drafts, time_ms=int(time.time() * 1000)).result(60)
        if not all(isinstance(one, Receipt) for one in results):
            raise RuntimeError("a record was not written")
        if start == count // 10:
            tenth_mb = _resident_mb()
    resident_mb = _resident_mb()
    writer.close()
    return resident_mb, tenth_mb


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_proofs(home: Path, count: int) -> float:
    """Return the 95th percentile of the time of an inclusion path, in ms."""
    url = f"sqlite:///{home / 'proofs.db'}"
    engine = store.open_writer_engine(url)
    frontier = Frontier()
    with engine.begin() as connection:
        nodes: list[tuple[int, bytes]] = []
        for _ in range(count):
            for level, index, digest in frontier.append(os.urandom(32)):
                nodes.append((place_of(level, index), digest))
            if len(nodes) >= 100_000:
                statements.insert(connection, store.nodes, nodes)
                nodes = []
        statements.insert(connection, store.nodes, nodes)
        statements.insert(connection, store.checkpoints, [(count, frontier.root(), "")])
    engine.dispose()
    reader = LogReader.open(url)
    times = []
    for _ in range(PROOFS):
        index = secrets.randbelow(count)
        begun = time.perf_counter()
        reader.inclusion(index, count)
        times.append(time.perf_counter() - begun)
    reader.close()
    return sorted(times)[int(0.95 * len(times))] * 1e3


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("web3", "uvicorn", "sqlalchemy")}


if __name__ == "__main__":
    sys.exit(run("ingest", __doc__.splitlines()[0], measure, _versions))
