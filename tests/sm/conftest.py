"""A real EVM with the Sm contract in it."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sm_node import METER_ADDRESS, SENDER, SM_ADDRESS, Node, wait_until

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
ANVIL = ROOT / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
ARTIFACT = ROOT / "ledger" / "chain" / "abi" / "Sm.json"


@pytest.fixture(scope="session")
def artifact() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(ARTIFACT.read_bytes())
    return loaded


@pytest.fixture(scope="session")
def meter() -> dict[str, Any]:
    command = ["node", "scripts/test_artifact.js", "contracts/test/SmMeter.sol"]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    loaded: dict[str, Any] = json.loads(found.stdout)["SmMeter"]
    return loaded


@pytest.fixture(scope="session")
def node(artifact: dict[str, Any], meter: dict[str, Any]) -> Iterator[Node]:
    binary = os.environ.get("SANLIAN_ANVIL", str(ANVIL))
    if not Path(binary).exists():
        message = "no anvil: run npm ci, or set SANLIAN_ANVIL"
        if os.environ.get("CI") or (platform.system(), platform.machine()) == ("Linux", "x86_64"):
            pytest.fail(message)
        pytest.skip(message)
    port = free_port()
    command = [binary, "--host", "127.0.0.1", "--port", str(port), "--hardfork", "paris"]
    command += ["--accounts", "0", "--no-mining", "--gas-limit", "300000000", "--quiet"]
    command += ["--base-fee", "0", "--gas-price", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            running = Node(port)
            wait_until(lambda: process.poll() is not None or running.is_up(), timeout_s=30)
            running.rpc("anvil_setCode", SM_ADDRESS, artifact["deployedBytecode"])
            running.rpc("anvil_setCode", METER_ADDRESS, meter["deployedBytecode"])
            running.rpc("anvil_impersonateAccount", SENDER)
            yield running
        finally:
            process.terminate()
