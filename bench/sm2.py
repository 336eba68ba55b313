"""SM2 and SM3: signatures per second beside ``openssl speed`` and gmssl, in one run.

Other load on the machine should hurt both sides alike. So rounds alternate between ours and the
baseline and medians are taken; one-thread rates are per second of processor time on both sides, as
``openssl speed`` counts them. Scaling can only be measured by the clock: its baseline is what two
processes of ``openssl speed`` gain over one, in other words what the machine itself has to give.
"""

import argparse
import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
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
SLICES = 3  # of both kinds, alternating, per round

Item = tuple[PublicKey, bytes, Signature]


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures of all rounds."""
    openssl = _find_openssl()
    keys = [PrivateKey.generate() for _ in range(KEYS)]
    items = [_make_item(keys[i % KEYS], i) for i in range(BATCH)]
    of: dict[str, list[float]] = {}
    for number in range(QUICK_ROUNDS if options.quick else ROUNDS):
        rounds = [_one_thread(openssl, keys, items), *_two_threads(openssl, items)]
        if number % SIDE_ROUNDS == 0:
            rounds.append(_beside(openssl, items))
        for name, figure in (pair for figures in rounds for pair in figures.items()):
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

    sign_base, verify_base = _openssl_sm2(openssl)
    verified = _rate(lambda: _verify_all(items, 1), len(items))
    signed = _rate(sign_all, len(items))
    return {
        "sign_base": sign_base,
        "verify_base": verify_base,
        "sign": signed,
        "verify": verified,
        "sign_ratio": signed / sign_base,
        "verify_ratio": verified / verify_base,
    }


def _two_threads(openssl: str, items: Sequence[Item]) -> Iterator[dict[str, float]]:
    clock = time.perf_counter
    for _ in range(SLICES):
        one = _rate(lambda: _verify_all(items, 1), len(items), seconds=0.3, clock=clock)
        two = _rate(lambda: _verify_all(items, 2), len(items), seconds=0.3, clock=clock)
        yield {"verify_2t": two, "scaling": two / one}
    _, one = _openssl_sm2(openssl, "-elapsed")
    _, two = _openssl_sm2(openssl, "-elapsed", "-multi", "2")
    yield {"verify_2t_base": two, "scaling_base": two / one}


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


def _rate(
    call: Callable[[], object],
    count: int,
    *,
    seconds: float = 0.7,
    clock: Callable[[], float] = time.thread_time,
) -> float:
    """Return count per second of the clock; whole calls until the time of day is over."""
    call()  # contexts and caches are made once
    ends_at = time.perf_counter() + seconds
    started = clock()
    for calls in itertools.count(1):
        call()
        if time.perf_counter() >= ends_at:
            return calls * count / (clock() - started)
    raise AssertionError("unreachable")


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
