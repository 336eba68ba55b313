"""SM2 and SM3: signatures per second beside ``openssl speed`` and gmssl, in one run.

Other load on the machine should hurt both sides alike. So rounds alternate between ours and the
baseline and medians are taken; one-thread rates are per second of processor time on both sides, as
``openssl speed`` counts them. Scaling can only be measured by the clock: short turns of one thread,
two threads and two processes follow each other, and what two processes gain over one thread is the
baseline: what the machine has to give. Turns count in which the one thread and the two processes,
not the two threads that are judged, had whole processors; if there are none, all count.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean, median
from typing import Any

from cryptography.hazmat.backends.openssl import backend
from gmssl import sm2 as gmssl_sm2

from bench.report import CannotMeasure, Result, run
from crypto.libcrypto import get_library
from crypto.sm2 import PrivateKey, PublicKey, Signature, verify_many
from crypto.sm3 import sm3

KEYS = 16
BATCH = 256
GMSSL_BATCH = 4
MESSAGE_LENGTH = 64
BULK_LENGTH = 16_384
NODE_LENGTH = 65  # what a node of the Merkle tree hashes
ROUNDS, QUICK_ROUNDS = 9, 3
SIDE_ROUNDS = 3  # gmssl and SM3 are measured in one of so many rounds
TURNS = 8  # of one thread, two threads, two processes, per round
TURN_S = 0.25
HALF_S = 0.4
WHOLE_PROCESSOR = 0.95  # processor time per time of day

Item = tuple[PublicKey, bytes, Signature]


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures of all rounds."""
    openssl = _find_openssl()
    keys = [PrivateKey.generate() for _ in range(KEYS)]
    items = [_make_item(keys[i % KEYS], i) for i in range(BATCH)]
    _verify_all(items, 1)  # makes this thread's contexts
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    figures: list[dict[str, float]] = []
    turns: list[_Turn] = []
    with ProcessPoolExecutor(2, get_context("spawn"), _keep_items, (items,)) as pool:
        list(pool.map(_time_kept_items, (0.5, 0.5)))  # both processes are up after this
        for number in range(rounds):
            figures.append(_one_thread(openssl, keys, items))
            turns += [_take_turn(items, pool) for _ in range(TURNS)]
            if number % SIDE_ROUNDS == 0:
                figures.append(_beside(openssl, items))
    whole = [turn for turn in turns if turn.whole]
    print(f"{'scaling':<16}{len(whole)} of {len(turns)} turns had whole processors")
    figures += [turn.figures for turn in whole or turns]
    of: dict[str, list[float]] = {}
    for name, figure in (pair for one in figures for pair in one.items()):
        of.setdefault(name, []).append(figure)
    mid = {name: median(figures) for name, figures in of.items()}
    cpu = "1/s of processor"
    return [
        Result("verify_1t_per_s", mid["verify"], cpu, mid["verify_base"]),
        Result("verify_1t_ratio_openssl", mid["verify_ratio"], "1", 1.0, 0.9),
        Result("verify_2t_per_s", mid["verify_2t"], "1/s", mid["verify_2t_base"]),
        Result("verify_2t_scaling", mid["scaling"], "1", mid["scaling_base"], 1.7),
        Result("sign_1t_per_s", mid["sign"], cpu, mid["sign_base"]),
        Result("sign_1t_ratio_openssl", mid["sign_ratio"], "1", 1.0),
        Result("gmssl_verify_per_s", mid["gmssl"], cpu, mid["verify_base"]),
        Result("sm3_mb_per_s", mid["bulk"] / 1e6, "MB/s of processor", mid["bulk_base"] / 1e6),
        Result("sm3_hashes_per_s", mid["node"], cpu, mid["node_base"]),
    ]


def _one_thread(
    openssl: str, keys: Sequence[PrivateKey], items: Sequence[Item]
) -> dict[str, float]:
    def sign_all() -> None:
        for number, (_, message, _) in enumerate(items):
            keys[number % KEYS].sign(message)

    def time_ours() -> tuple[float, float]:
        return (
            _rate(sign_all, len(items), HALF_S),
            _rate(lambda: _verify_all(items, 1), len(items), HALF_S),
        )

    # The baseline stands between two halves of ours: a drift of the machine's speed cancels.
    before = time_ours()
    sign_base, verify_base = _openssl_sm2(openssl)
    signed, verified = (mean(pair) for pair in zip(before, time_ours(), strict=True))
    return {
        "sign_base": sign_base,
        "verify_base": verify_base,
        "sign": signed,
        "verify": verified,
        "sign_ratio": signed / sign_base,
        "verify_ratio": verified / verify_base,
    }


@dataclass(frozen=True, slots=True)
class _Turn:
    figures: dict[str, float]
    whole: bool


def _take_turn(items: Sequence[Item], pool: ProcessPoolExecutor) -> _Turn:
    one = _time(lambda: _verify_all(items, 1), len(items), TURN_S)
    two = _time(lambda: _verify_all(items, 2), len(items), TURN_S)
    processes = list(pool.map(_time_kept_items, (TURN_S, TURN_S)))
    rate = sum(process.rate for process in processes)
    return _Turn(
        {
            "verify_2t": two.rate,
            "verify_2t_base": rate,
            "scaling": two.rate / one.rate,
            "scaling_base": rate / one.rate,
        },
        all(timed.share >= WHOLE_PROCESSOR for timed in (one, *processes)),
    )


_kept: list[Item] = []


def _keep_items(items: Sequence[Item]) -> None:
    _kept.extend(items)
    _verify_all(_kept, 1)


def _time_kept_items(seconds: float) -> "_Timed":
    return _time(lambda: _verify_all(_kept, 1), len(_kept), seconds)


def _beside(openssl: str, items: Sequence[Item]) -> dict[str, float]:
    few = items[:GMSSL_BATCH]
    bulk, node = bytes(BULK_LENGTH), bytes(NODE_LENGTH)
    return {
        "gmssl": _rate(lambda: _verify_gmssl(few), len(few)),
        "bulk_base": _openssl_sm3(openssl, BULK_LENGTH),
        "bulk": _rate(lambda: _repeat(sm3, bulk, 100), 100 * BULK_LENGTH),
        "node_base": _openssl_sm3(openssl, NODE_LENGTH) / NODE_LENGTH,
        "node": _rate(lambda: _repeat(sm3, node, 1000), 1000),
    }


def versions() -> Mapping[str, str]:
    """Return the versions of the libraries and of the openssl command."""
    number = int(get_library().OpenSSL_version_num())
    described = _run(_find_openssl(), "version").stdout.split("(", maxsplit=1)[0].strip()
    return {
        "libcrypto": f"{number >> 28}.{number >> 20 & 0xFF}.{number >> 4 & 0xFFFF} (SM2)",
        "openssl command": described,
        "cryptography": f"{backend.openssl_version_text()} (SM3)",
    }


def _make_item(key: PrivateKey, number: int) -> Item:
    message = b"%0*d" % (MESSAGE_LENGTH, number)
    return key.public_key, message, key.sign(message)


def _verify_all(items: Sequence[Item], threads: int) -> None:
    if not all(verify_many(items, threads=threads)):
        raise AssertionError("a good signature was refused")


@dataclass(frozen=True, slots=True)
class _Timed:
    rate: float  # per second of the clock
    processor_rate: float  # per second of this thread's processor time
    share: float  # of a processor that this thread had


def _time(call: Callable[[], object], count: int, seconds: float) -> _Timed:
    """Call until the seconds are over; each call does count things."""
    started, processor_started = time.perf_counter(), time.thread_time()
    calls, elapsed = 0, 0.0
    while elapsed < seconds:
        call()
        calls += 1
        elapsed = time.perf_counter() - started
    processor = time.thread_time() - processor_started
    # With two threads at work the calling one only waits: its own time then means nothing.
    return _Timed(
        calls * count / elapsed, calls * count / max(processor, 1e-9), processor / elapsed
    )


def _rate(call: Callable[[], object], count: int, seconds: float = 0.7) -> float:
    return _time(call, count, seconds).processor_rate


def _repeat(function: Callable[[bytes], bytes], data: bytes, count: int) -> None:
    for _ in range(count):
        function(data)


def _verify_gmssl(items: Sequence[Item]) -> None:
    for public_key, message, signature in items:
        key_hex = public_key.to_bytes().hex()
        verifier: Any = gmssl_sm2.CryptSM2(private_key="", public_key=key_hex)
        # The constructor strips zeros and fours from a key that begins with 04.
        verifier.public_key = key_hex
        if not verifier.verify_with_sm3(signature.to_bytes().hex(), message):
            raise AssertionError("gmssl refused a good signature")


def _find_openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        raise CannotMeasure("the baseline needs the command openssl (Debian: package openssl)")
    return found


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _openssl_sm2(openssl: str, *options: str) -> tuple[float, float]:
    """Return signatures and verifications per second."""
    # +F7:0:256:CurveSM2:<sign/s>:<verify/s>
    fields = _speed(openssl, "+F7:", *options, "sm2")
    return float(fields[-2]), float(fields[-1])


def _openssl_sm3(openssl: str, length: int) -> float:
    """Return bytes per second in messages of this length."""
    # +F:25:sm3:<bytes/s>
    return float(_speed(openssl, "+F:", "-bytes", str(length), "-evp", "sm3")[-1])


def _speed(openssl: str, mark: str, *options: str) -> list[str]:
    done = _run(openssl, "speed", "-mr", "-seconds", "1", *options)
    lines = [line for line in done.stdout.splitlines() if line.startswith(mark)]
    if done.returncode != 0 or not lines:
        raise CannotMeasure(f"openssl speed {' '.join(options)} failed: is it OpenSSL 3 with SM2?")
    return lines[-1].split(":")


if __name__ == "__main__":
    sys.exit(run("sm2", "SM2 and SM3 beside openssl speed and gmssl.", measure, versions))
