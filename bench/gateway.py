"""The gateway: requests per second with and without the ledger, latency, processor time by part.

    python -m bench.gateway [--quick] [--json]

Three kinds of gateway answer the same signed requests, one kind after another, several turns of
each, the median counts: the full one; `verified`, the same program whose log keeps nothing and
gives no receipts; `bare`, a proxy that passes on and back. The load, the provider (which signs each
answer) and the gateway share the machine's processors. The crypto limit is the number of
processors times the SM2 signatures that one of them verifies per second, in the same run.

Latency: requests at even times, half of what the full gateway can, with a provider that takes
20 ms; from when a request was due to its whole answer.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import aiohttp
import uvicorn

from bench.gateway_rig import (
    KINDS,
    Load,
    Rig,
    put_load,
    run_gateway,
    run_provider,
    started,
    verify_rate,
)
from bench.report import Result, run

CONNECTIONS = 128
PROVIDER_DELAY_S = 0.020


def measure(options: argparse.Namespace) -> list[Result]:
    """Measure all kinds in turn."""
    count, turns = (2_000, 2) if options.quick else (10_000, 5)
    with tempfile.TemporaryDirectory(prefix="sanlian-bench-") as name:
        rig = Rig.make(Path(name))
        verify_per_s = verify_rate()
        loads: dict[str, list[Load]] = {kind: [] for kind in KINDS}
        with started(partial(run_provider, rig, 0.0), rig.provider_port):
            for _ in range(turns):
                # A request is good for a minute after it was signed.
                requests = rig.sign_requests(count)
                for kind in KINDS:
                    loads[kind].append(_load(rig, kind, requests, CONNECTIONS))
        rates = {kind: statistics.median(load.rate for load in loads[kind]) for kind in KINDS}
        cpu_us = {
            kind: statistics.median(load.gateway_cpu_s / len(load.latencies_s) for load in all_of)
            * 1e6
            for kind, all_of in loads.items()
        }
        p99_ms = {}
        half = rates["full"] / 2
        requests = rig.sign_requests(int(half * (4 if options.quick else 15)))
        with started(partial(run_provider, rig, PROVIDER_DELAY_S), rig.provider_port):
            for kind in ("verified", "full"):
                p99_ms[kind] = _load(rig, kind, requests, 128, half).percentile(0.99) * 1e3
    bound = len(os.sched_getaffinity(0)) * verify_per_s
    return [
        Result("requests_per_s", rates["full"], "1/s", rates["verified"]),
        Result("ledger_ratio", rates["full"] / rates["verified"], "1", target=0.65),
        Result("ratio_verify_bound", rates["full"] / bound, "1", bound, target=0.40),
        Result("bare_ratio", rates["full"] / rates["bare"], "1", rates["bare"]),
        Result("p99_ratio", p99_ms["full"] / p99_ms["verified"], "1", target=1.5, at_most=True),
        Result("p99_half_load_ms", p99_ms["full"], "ms", p99_ms["verified"]),
        Result("cpu_full_us", cpu_us["full"], "us"),
        Result("cpu_proxy_us", cpu_us["bare"], "us"),
        Result("cpu_verify_us", cpu_us["verified"] - cpu_us["bare"], "us"),
        Result("cpu_ledger_us", cpu_us["full"] - cpu_us["verified"], "us"),
        Result("verify_1t_per_s", verify_per_s, "1/s"),
    ]


def _load(
    rig: Rig, kind: str, requests: list[bytes], connections: int, rate: float | None = None
) -> Load:
    warm = rig.sign_requests(64)
    with started(partial(run_gateway, rig, kind), rig.port) as pid:
        _wait_until_it_serves(rig, pid, kind)
        put_load(rig, pid, warm, 16)
        load = put_load(rig, pid, requests, connections, rate)
    if load.statuses != {200: len(requests)}:
        raise RuntimeError(f"not every request was answered well: {load.statuses}")
    return load


def _wait_until_it_serves(rig: Rig, pid: int, kind: str) -> None:
    deadline = time.monotonic() + 20
    while put_load(rig, pid, rig.sign_requests(1), 1).statuses != {200: 1}:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the {kind} gateway does not serve")
        time.sleep(0.1)


def _versions() -> dict[str, str]:
    return {"uvicorn": uvicorn.__version__, "aiohttp": aiohttp.__version__}


if __name__ == "__main__":
    sys.exit(run("gateway", __doc__.splitlines()[0], measure, _versions))
