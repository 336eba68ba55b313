"""Gas of SM2, SM3 and every act, with OpenZeppelin's P-256 verifier in the same run as baseline.

    python -m bench.gas [--quick] [--json]

SM2 and SM3: execution gas as `gasleft` differences in a contract of contracts/test: without the
21,000 of a transaction and its calldata, with the price of the calls that an act makes.
`gas_act_<type>`: the whole transaction, all signers' keys with tables, or none.
"""

import argparse
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_abi.abi import decode, encode

from bench.act_gas import measure_acts
from bench.report import CannotMeasure, Result, run
from crypto.keccak import keccak256
from crypto.merkle import node_hash
from crypto.sm2 import PrivateKey, digest_e

ROOT = Path(__file__).resolve().parents[1]
ANVIL = ROOT / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
SM = "0x00000000000000000000000000000000005a0001"
METER = "0x00000000000000000000000000000000005a0002"
SENDER = "0x00000000000000000000000000000000005a0003"
# The limit of a block of the embedded engine.
BLOCK_GAS = 300_000_000
P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Z_A, the message, and at least nine bytes of padding make two blocks.
TWO_BLOCKS_MESSAGE = 128 - 9 - 32
TARGETS = {
    "sm2_registered_gas": 45_000,
    "sm2_act_cold_gas": 80_000,
    "sm2_unregistered_gas": 200_000,
    "sm3_block_gas": 18_000,
}


class Chain:
    """An EVM with the contracts in it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def rpc(self, method: str, *params: object) -> Any:
        """Return the result of one JSON-RPC call."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        connection.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def meter(self, name: str, types: list[str], *arguments: object) -> int:
        """Return the gas that a function of SmMeter finds."""
        data = "0x" + call_data(name, types, *arguments).hex()
        result = self.rpc("eth_call", {"to": METER, "data": data, "gas": hex(BLOCK_GAS)}, "latest")
        return int(decode(["uint256"], bytes.fromhex(result[2:]))[0])

    def warm(self, name: str, types: list[str], *arguments: object) -> int:
        """Return the gas of a call of Sm, its own price included, with everything warm."""
        data = call_data(name, types, *arguments)
        return self.meter("warmGas", ["address", "bytes"], SM, data)

    def build_table(self, x: int, y: int) -> int:
        """Return the gas of the whole transaction."""
        data = "0x" + call_data("buildTable", ["uint256"] * 2, x, y).hex()
        transaction = {"from": SENDER, "to": SM, "data": data, "gas": hex(20_000_000)}
        found = self.rpc("eth_sendTransaction", {**transaction, "gasPrice": "0x0"})
        self.rpc("evm_mine")
        receipt = self.rpc("eth_getTransactionReceipt", found)
        assert receipt["status"] == "0x1", receipt
        return int(receipt["gasUsed"], 16)


def call_data(name: str, types: list[str], *arguments: object) -> bytes:
    """Return selector and arguments."""
    return keccak256(f"{name}({','.join(types)})".encode())[:4] + encode(types, arguments)


@contextmanager
def started(binary: str, sm_code: str, meter_code: str) -> Iterator[Chain]:
    """An EVM for the time of the benchmark."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [binary, "--host", "127.0.0.1", "--port", str(port), "--hardfork", "paris"]
    command += ["--accounts", "0", "--no-mining", "--gas-limit", str(BLOCK_GAS), "--quiet"]
    command += ["--base-fee", "0", "--gas-price", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            chain = Chain(port)
            deadline = time.monotonic() + 30
            while True:
                try:
                    chain.rpc("eth_chainId")
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            chain.rpc("anvil_setCode", SM, sm_code)
            chain.rpc("anvil_setCode", METER, meter_code)
            chain.rpc("anvil_impersonateAccount", SENDER)
            yield chain
        finally:
            process.terminate()


def measure_sm(chain: Chain, keys: int, signatures: int) -> dict[str, float]:
    """Return medians over fresh keys and signatures."""
    found: dict[str, list[int]] = {}

    def note(name: str, gas: int) -> None:
        found.setdefault(name, []).append(gas)

    words = ["bytes32", "uint256", "uint256", "uint256", "uint256"]
    for _ in range(keys):
        key = PrivateKey.generate()
        public = key.public_key
        cases = []
        for _ in range(signatures):
            message = secrets.token_bytes(TWO_BLOCKS_MESSAGE)
            signature = key.sign(message)
            e = digest_e(public, message)
            cases.append((message, (e, signature.r, signature.s, public.x, public.y)))
        for _, case in cases:
            note("sm2_unregistered_gas", chain.warm("verify", words, *case))
        note("table_build_gas", chain.build_table(public.x, public.y))
        for message, case in cases:
            note("sm2_registered_gas", chain.warm("verify", words, *case))
            act = (SM, public.key_id, message, (int.from_bytes(case[0], "big"), *case[1:]))
            types = ["address", "bytes32", "bytes", "uint256[5]"]
            note("sm2_act_cold_gas", chain.meter("actGas", types, *act))
    for _ in range(signatures):
        one, eleven = (
            chain.warm("sm3", ["bytes"], secrets.token_bytes(64 * blocks - 9)) for blocks in (1, 11)
        )
        note("sm3_block_gas", (eleven - one) // 10)
        note("sm3_one_block_call_gas", one)
    return {name: statistics.median(gas) for name, gas in found.items()}


def measure_inclusion(chain: Chain, depth: int) -> int:
    """Return the gas of checking a leaf of a complete tree of this depth."""
    leaf, path = secrets.token_bytes(32), [secrets.token_bytes(32) for _ in range(depth)]
    root, index = leaf, secrets.randbelow(1 << depth)
    for level, sibling in enumerate(path):
        root = node_hash(sibling, root) if index >> level & 1 else node_hash(root, sibling)
    types = ["bytes32", "uint64", "uint64", "bytes32[]", "bytes32"]
    arguments = (leaf, index, 1 << depth, path, root)
    data = "0x" + call_data("isIncluded", types, *arguments).hex()
    answer = chain.rpc("eth_call", {"to": SM, "data": data, "gas": hex(BLOCK_GAS)}, "latest")
    assert int(answer, 16) == 1
    return chain.warm("isIncluded", types, *arguments)


def measure_p256(chain: Chain, signatures: int) -> float:
    """Return the median gas of OpenZeppelin's verifier."""
    found = []
    for _ in range(signatures):
        key = ec.generate_private_key(ec.SECP256R1())
        message = secrets.token_bytes(TWO_BLOCKS_MESSAGE)
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        digest = hashes.Hash(hashes.SHA256())
        digest.update(message)
        numbers = key.public_key().public_numbers()
        values = (r, min(s, P256_N - s), numbers.x, numbers.y)
        arguments = [digest.finalize(), *(value.to_bytes(32, "big") for value in values)]
        found.append(chain.meter("p256Gas", ["bytes32"] * 5, *arguments))
    return statistics.median(found)


def measure(options: argparse.Namespace) -> list[Result]:
    """Return the figures: medians over keys and signatures.

    Raises:
        CannotMeasure: the EVM or the compiler is not installed.
    """
    binary = os.environ.get("SANLIAN_ANVIL", str(ANVIL))
    if not Path(binary).exists():
        raise CannotMeasure("no anvil: run npm ci, or set SANLIAN_ANVIL")
    compiler = ["node", "scripts/test_artifact.js", "contracts/test/SmMeter.sol"]
    made = subprocess.run(compiler, cwd=ROOT, check=True, capture_output=True).stdout
    keys, signatures = (3, 10) if options.quick else (20, 50)
    meter = json.loads(made)["SmMeter"]
    code = _artifact()["deployedBytecode"]
    with started(binary, code, meter["deployedBytecode"]) as chain:
        baseline = measure_p256(chain, signatures)
        found = measure_sm(chain, keys, signatures)
        found["sm3_inclusion_20_gas"] = measure_inclusion(chain, 20)
    results = [Result("openzeppelin_p256_gas", baseline, "gas", baseline)]
    for metric, value in found.items():
        beside = baseline if metric.startswith("sm2") else None
        results.append(Result(metric, value, "gas", beside, TARGETS.get(metric), at_most=True))
    results.append(Result("sm_code_bytes", len(code) // 2 - 1, "bytes"))
    return results + measure_acts()


def versions() -> dict[str, str]:
    """Return compiler, baseline and the EVM's rules."""
    packages = json.loads((ROOT / "package-lock.json").read_bytes())["packages"]
    return {
        "solc": _artifact()["solc"]["version"],
        "OpenZeppelin": packages["node_modules/@openzeppelin/contracts"]["version"],
        "anvil": packages["node_modules/@foundry-rs/anvil-linux-amd64"]["version"],
        "EVM": "paris",
    }


def _artifact() -> Any:
    return json.loads((ROOT / "ledger" / "chain" / "abi" / "Sm.json").read_bytes())


if __name__ == "__main__":
    sys.exit(run("gas", "SM2, SM3 and acts on chain beside P-256.", measure, versions))
