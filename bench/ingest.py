"""Access records of another platform: records per second with receipts and anchored, gas, proofs.

    python -m bench.ingest [--quick] [--json]

A gateway process takes batches of 1,000 signed access records over HTTP, verifies the SM2
signature of each, makes them durable and answers with receipts; the root of the last checkpoint is
then anchored on a real chain. Load and gateway share the machine's processors; the load's
signatures are made between the timed parts. The gateway's city is held in memory and the chain's
city is another one of the tests, so the anchor is signed by that one's gateway: the same call at
the same price.

Baseline: one transaction per record with web3.py on the same engine, which carries the record's
digest, from the first one sent to the receipt of the last; it verifies no SM2 signature. Limit: the
number of processors times the signatures that one of them verifies per second, in the same run.

Proofs: the tree of a million leaves is put into a log's file as its writer would have stored it,
of leaf hashes without their records; LogReader.inclusion then reads its proofs. Memory: the
gateway's resident memory at the end, less that after the first part.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import web3
from eth_account import Account
from web3 import HTTPProvider, Web3

from bench.gateway_rig import Rig, run_gateway, started
from bench.long_chain import LongChain, started_engine
from bench.report import CannotMeasure, Result, run
from crypto.errors import LedgerError
from crypto.merkle import leaf_hash, node_hash, verify_inclusion
from crypto.sm2 import PrivateKey, Signature, is_valid
from ledger.chain.artifacts import encode_call
from ledger.chain.engines.embedded.anvil import find_anvil
from ledger.chain.rpc import Rpc
from ledger.log import store
from ledger.log.reader import LogReader
from protocol.checkpoint import Checkpoint, parse_note, sign_checkpoint
from protocol.httpsig import OBSERVATIONS_PATH, sign_request
from protocol.observation import MAX_BATCH_RECORDS, encode_batch, sign_observation
from protocol.receipt import Receipt, verify_receipt
from tests.contracts.chain import SENDER_KEY
from tests.contracts.city import CHAIN_ID, key, wait_until
from tests.contracts.city import ORIGIN as CHAIN_ORIGIN
from tests.gateway.city import ORIGIN

BATCHES = (1, 100, 1_000, 10_000)
LEAVES = 1_000_000
PART_RECORDS = 40_000
CONNECTIONS = 3
_FORK = multiprocessing.get_context("fork")
_SIGNER: list[PrivateKey] = []


# --- load ---------------------------------------------------------------------------------------


def _take_key(signer: PrivateKey) -> None:
    """Keep the key in a process that signs: a fork inherits it, for no key is ever copied."""
    _SIGNER.append(signer)


def _sign_batch(number: int) -> bytes:
    signer = _SIGNER[-1]
    now_ms = time.time_ns() // 1_000_000
    members = {
        "v": 1,
        "platform": "exchange-1",
        "time_ms": now_ms,
        "requester": "housing-bureau",
        "requester_key": None,
        "person": "p-7f3a",
        "grant": None,
        "authorization": "AUTH-2026-118",
        "provider": "civil-affairs-bureau",
        "resource": "PERSON-BASE-01",
        "items": ["ADDRESS", "NAME"],
        "result": "released",
        "code": "",
    }
    observations = []
    for place in range(MAX_BATCH_RECORDS):
        digests = {
            "request_digest": secrets.token_hex(32),
            "response_digest": secrets.token_hex(32),
        }
        record = {**members, **digests, "record": f"{number:08d}/{place:04d}"}
        observations.append(sign_observation(signer, record))
    return encode_batch(observations, secrets.token_hex(32))


def _send(rig: Rig, bodies: list[bytes]) -> bytes:
    """Send batches one after another over one connection; return the last answer."""
    answer = b""
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=60)
    for body in bodies:
        _, headers = sign_request(
            rig.city.provider_key,
            body,
            authority=f"127.0.0.1:{rig.port}",
            path=OBSERVATIONS_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        connection.request("POST", OBSERVATIONS_PATH, body, headers)
        response = connection.getresponse()
        answer = response.read()
        kept = answer.count(b'"index":')
        if response.status != 200 or kept < MAX_BATCH_RECORDS:
            raise RuntimeError(f"a batch was not kept whole: {response.status}, {kept} records")
    connection.close()
    return answer


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _wait_until_it_serves(rig: Rig) -> None:
    def is_ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=5)
        connection.request("GET", "/health")
        status = json.loads(connection.getresponse().read())["status"]
        connection.close()
        return bool(status == "ok")

    wait_until(is_ready)


def _check_receipts(rig: Rig, answer: bytes) -> None:
    """Check every receipt of one answer."""
    value = json.loads(answer)
    for one in value["results"]:
        path = tuple(bytes.fromhex(node) for node in one["path"])
        note = value["checkpoints"][one["checkpoint"]]
        receipt = Receipt(one["record"].encode(), one["index"], path, note)
        verify_receipt(receipt, origin=ORIGIN, public_key=rig.city.gateway.public_key)


def measure_ingest(home: Path, records: int) -> tuple[float, float, float, Path]:
    """Hand records in.

    Returns:
        Seconds while batches were in work; the gateway's memory after the first part and at the
        end, MB (10^6 bytes); the log's file.
    """
    rig = Rig.make(home)
    took_s, memory_mb = 0.0, []
    with started(partial(run_gateway, rig, "full"), rig.port) as pid:
        _wait_until_it_serves(rig)
        with _FORK.Pool(initializer=_take_key, initargs=(rig.city.provider_key,)) as signers:
            for first in range(0, records // MAX_BATCH_RECORDS, PART_RECORDS // MAX_BATCH_RECORDS):
                last = min(records, first * MAX_BATCH_RECORDS + PART_RECORDS) // MAX_BATCH_RECORDS
                bodies = signers.map(_sign_batch, range(first, last), chunksize=1)
                begun = time.perf_counter()
                with ThreadPoolExecutor(CONNECTIONS) as senders:
                    shares = [bodies[place::CONNECTIONS] for place in range(CONNECTIONS)]
                    answers = list(senders.map(partial(_send, rig), filter(None, shares)))
                took_s += time.perf_counter() - begun
                memory_mb.append(_resident_mb(pid))
        _check_receipts(rig, answers[-1])
    (file,) = home.glob("full-*/logs/*.db")
    return took_s, memory_mb[0], memory_mb[-1], file


# --- chain --------------------------------------------------------------------------------------


def _anchor(chain: LongChain, rpc: Rpc, size: int, root: bytes) -> tuple[float, int]:
    """Anchor a root; return seconds and gas."""
    note = sign_checkpoint(Checkpoint(CHAIN_ORIGIN, size, root), key("gateway"))
    signature = Signature.from_bytes(parse_note(note)[1][0].payload)
    words = (chain.city.ids["log"], size, root, signature.r, signature.s)
    raw = chain.transaction("Logs", encode_call("Logs", "anchor", *words))
    begun = time.perf_counter()
    sent = rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
    receipt = wait_until(partial(rpc.call, "eth_getTransactionReceipt", sent))
    took_s = time.perf_counter() - begun
    if int(receipt["status"], 16) != 1:
        raise RuntimeError("the anchor was refused")
    return took_s, int(receipt["gasUsed"], 16)


def measure_naive(url: str, count: int) -> float:
    """Return records per second with one transaction for each, by web3.py."""
    client = Web3(HTTPProvider(url))
    account = Account.from_key(SENDER_KEY)
    first = client.eth.get_transaction_count(account.address)
    hashes = []
    begun = time.perf_counter()
    for place in range(count):
        signed = account.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": first + place,
                "gasPrice": 0,
                "gas": 30_000,
                "value": 0,
                "to": account.address,
                "data": secrets.token_bytes(32),
            }
        )
        hashes.append(client.eth.send_raw_transaction(signed.raw_transaction))
    for one in hashes:
        client.eth.wait_for_transaction_receipt(one, timeout=60, poll_latency=0.01)
    return count / (time.perf_counter() - begun)


# --- proofs -------------------------------------------------------------------------------------


def _levels(leaves: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the complete subtrees of each level, the leaves first."""
    level, nodes = 0, leaves
    while nodes:
        yield level, nodes
        nodes = [node_hash(nodes[at], nodes[at + 1]) for at in range(0, len(nodes) - 1, 2)]
        level += 1


def measure_proofs(directory: Path, proofs: int) -> float:
    """Return the 95th percentile of the time of an inclusion proof, in ms."""
    url = f"sqlite:///{directory / 'proofs.db'}"
    store.open_writer_engine(url).dispose()
    draw = random.Random(1)  # noqa: S311 - which leaves are asked for
    leaves = [leaf_hash(number.to_bytes(8, "big")) for number in range(LEAVES)]
    with sqlite3.connect(directory / "proofs.db") as file:
        file.execute("PRAGMA synchronous=OFF")
        for level, nodes in _levels(leaves):
            rows = ((level, index, one) for index, one in enumerate(nodes))
            file.executemany('INSERT INTO nodes (level, "index", hash) VALUES (?, ?, ?)', rows)
        file.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (LEAVES, bytes(32), "-"))
    file.close()
    reader = LogReader.open(url)
    root = reader.root(LEAVES)
    took_ms = []
    for _ in range(proofs):
        seq = draw.randrange(LEAVES)
        begun = time.perf_counter()
        path = reader.inclusion(seq, LEAVES)
        took_ms.append((time.perf_counter() - begun) * 1e3)
        verify_inclusion(leaves[seq], seq, LEAVES, path, root)
    reader.close()
    return statistics.quantiles(took_ms, n=20)[-1]


def _verify_rate(count: int = 3_000) -> float:
    signer = PrivateKey.generate()
    signed = [(text, signer.sign(text)) for text in (os.urandom(600) for _ in range(64))]
    for text, signature in signed:
        is_valid(signer.public_key, text, signature)
    begun = time.perf_counter()
    for number in range(count):
        is_valid(signer.public_key, *signed[number % 64])
    return count / (time.perf_counter() - begun)


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures.

    Raises:
        CannotMeasure: the engine is not installed.
    """
    try:
        find_anvil()
    except LedgerError as error:
        raise CannotMeasure(str(error)) from error
    records = 200_000 if options.quick else 10_000_000
    with tempfile.TemporaryDirectory(prefix="sanlian-bench-") as name:
        home = Path(name)
        rates = [_verify_rate()]
        (home / "gateway").mkdir()
        took_s, first_mb, last_mb, file = measure_ingest(home / "gateway", records)
        rates.append(_verify_rate())
        reader = LogReader.open(f"sqlite:///{file}")
        size, root = reader.size(), reader.root()
        reader.close()
        chain = LongChain.in_directory(home / "chain")
        gas: dict[int, int] = {}
        with started_engine(home / "chain", "--max-lead-s", "100000") as node:
            at = 0
            for batch in BATCHES:
                at += batch
                _, gas[batch] = _anchor(chain, node.rpc, at, leaf_hash(at.to_bytes(8, "big")))
            anchor_s, _ = _anchor(chain, node.rpc, size, root)
            naive = measure_naive(node.rpc.url, 500 if options.quick else 5_000)
        proof_ms = measure_proofs(home, 2_000 if options.quick else 20_000)
    rate = records / (took_s + anchor_s)
    verify_per_s = statistics.median(rates)
    bound = len(os.sched_getaffinity(0)) * verify_per_s
    return [
        Result("records_per_s", rate, "1/s", naive),
        Result("ratio_naive_web3", rate / naive, "1", naive, target=20),
        Result("ratio_verify_bound", rate / bound, "1", bound, target=0.7),
        *(
            Result(
                f"gas_per_record_{batch}",
                gas[batch] / batch,
                "gas",
                target=150 if batch == MAX_BATCH_RECORDS else None,
                at_most=True,
            )
            for batch in BATCHES
        ),
        Result("proof_p95_ms", proof_ms, "ms", target=5, at_most=True),
        Result("memory_growth_mb", last_mb - first_mb, "MB", first_mb),
        Result("verify_1t_per_s", verify_per_s, "1/s"),
    ]


def _versions() -> dict[str, str]:
    return {"web3": web3.__version__}


if __name__ == "__main__":
    sys.exit(run("ingest", __doc__.splitlines()[0], measure, _versions))
