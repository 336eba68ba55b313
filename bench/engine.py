"""The embedded engine: acts per second, start-up and memory of long chains, gas per act type.

    python -m bench.engine [--quick] [--json]

Real engine processes with their journals and snapshots, real contracts, real signatures. Start-up:
from the start of the process to its first answer; the baseline of a start with a snapshot is the
replay of the whole journal. Memory: the peak of the engine's process and of Anvil together, in MB
(10^6 bytes). The baseline of the acts is the same Anvil alone, without journal and syncs.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.act_gas import measure_acts
from bench.long_chain import LongChain, started_engine
from bench.report import CannotMeasure, Result, run
from crypto.errors import LedgerError
from ledger.chain.engines.embedded.anvil import find_anvil
from tests.contracts.chain import started_chain

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000, 100_000)
QUICK_SIZES = (1_000, 10_000)
ACTS, QUICK_ACTS = 2_000, 300


def measure_rates(directory: Path, acts: int) -> list[Result]:
    """Return acts and anchors per second, sent one after another by one sender."""
    chain = LongChain.in_directory(directory)
    with started_engine(directory, "--max-lead-s", "100000") as node:
        chain.city.rpc = node.rpc
        now_s = chain.city.now()
        requests = [chain.request(now_s) for _ in range(acts)]
        anchors = [chain.anchor() for _ in range(acts)]
        requests_s = chain.settle(node.rpc, requests)
        anchors_s = chain.settle(node.rpc, anchors)
    with started_chain() as rpc:
        bare = LongChain.on(rpc)
        now_s = bare.city.now()
        # Anvil's own way, a block for each transaction, may stall; it is told when to make one.
        rpc.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC's
        requests = [bare.request(now_s) for _ in range(acts)]
        anchors = [bare.anchor() for _ in range(acts)]
        bare_requests_s = bare.settle(rpc, requests, mine=True)
        bare_anchors_s = bare.settle(rpc, anchors, mine=True)
    return [
        Result("acts_per_second", acts / requests_s, "1/s", acts / bare_requests_s),
        Result("anchors_per_second", acts / anchors_s, "1/s", acts / bare_anchors_s),
    ]


def measure_starts(chain: LongChain, blocks: int) -> list[Result]:
    """Lengthen a chain and return how it starts, with the snapshot and without."""
    chain.lengthen(blocks)
    directory = chain.directory
    (directory / "snapshot").unlink()
    with started_engine(directory) as replayed:
        replay_s, replay_mb = replayed.start_s, replayed.peak_mb()
        head = chain.head(replayed.rpc)
    with started_engine(directory) as shortened:
        snapshot_s, snapshot_mb = shortened.start_s, shortened.peak_mb()
        if chain.head(shortened.rpc) != head:
            raise RuntimeError("the snapshot leads to another head than the journal")
    journal_mb = (directory / "journal").stat().st_size / 1e6
    dump_mb = (directory / "snapshot").stat().st_size / 1e6
    return [
        Result(f"start_replay_{blocks}_s", replay_s, "s"),
        Result(f"start_snapshot_{blocks}_s", snapshot_s, "s", replay_s),
        Result(f"memory_replay_{blocks}_mb", replay_mb, "MB"),
        Result(f"memory_snapshot_{blocks}_mb", snapshot_mb, "MB", replay_mb),
        Result(f"journal_{blocks}_mb", journal_mb, "MB"),
        Result(f"snapshot_{blocks}_mb", dump_mb, "MB"),
    ]


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures.

    Raises:
        CannotMeasure: the engine is not installed.
    """
    try:
        find_anvil()
    except LedgerError as error:
        raise CannotMeasure(str(error)) from error
    home = Path(tempfile.mkdtemp(prefix="sanlian-bench-"))
    try:
        results = measure_rates(home / "rates", QUICK_ACTS if options.quick else ACTS)
        chain = LongChain.in_directory(home / "long")
        for blocks in QUICK_SIZES if options.quick else SIZES:
            results += measure_starts(chain, blocks)
    finally:
        shutil.rmtree(home)
    return results + measure_acts()


def versions() -> dict[str, str]:
    """Return the engine's version."""
    packages = json.loads((ROOT / "package-lock.json").read_bytes())["packages"]
    return {"anvil": packages["node_modules/@foundry-rs/anvil-linux-amd64"]["version"]}


if __name__ == "__main__":
    sys.exit(run("engine", "The embedded engine.", measure, versions))
