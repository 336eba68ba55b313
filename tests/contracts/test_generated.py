"""The contracts, their ABI files and protocol/description.py say the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from crypto.errors import LedgerError
from crypto.keccak import keccak256
from crypto.sm3 import sm3
from ledger.chain.artifacts import (
    decode_event,
    decode_revert,
    error_codes,
    event_topic,
    event_topics,
    load_artifact,
)
from ledger.chain.deploy import verify_deployed
from protocol.description import ACT_TYPES, CONTRACTS
from tests.contracts.city import City

ROOT = Path(__file__).resolve().parents[2]
SHAPE = [
    ("actId", "bytes32", True),
    ("target", "bytes32", True),
    ("revision", "uint64", False),
    ("m", "bytes", False),
    ("signatures", "tuple[]", False),
]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's root."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_act_types_and_tables_are_fresh() -> None:
    done = run(sys.executable, "scripts/act_types.py", "--check")
    assert done.returncode == 0, done.stderr


def test_a_stale_file_is_named() -> None:
    done = run(sys.executable, "scripts/act_types.py", "--wrong")
    assert done.returncode == 2


def test_abi_files_are_fresh() -> None:
    done = run("npm", "run", "--silent", "abi", "--", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("act_type", ACT_TYPES, ids=lambda a: a.name)
def test_each_act_type_has_its_event(act_type: object) -> None:
    assert isinstance(act_type, type(ACT_TYPES[0]))
    entry = load_artifact(act_type.contract).entry("event", act_type.name)
    assert [(i["name"], i["type"], i["indexed"]) for i in entry["inputs"]] == SHAPE
    topic = keccak256(
        f"{act_type.name}(bytes32,bytes32,uint64,bytes,(bytes32,uint256,uint256)[])".encode()
    )
    assert event_topics()[topic] == (act_type.contract, act_type.name)


def test_no_event_is_unknown_to_the_protocol() -> None:
    names = {name for _, name in event_topics().values()}
    acts = {a.name for a in ACT_TYPES}
    assert names - acts == {"Genesis", "DocumentPiece", "CheckpointAnchored"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_contracts_are_small_and_without_owner(name: str) -> None:
    artifact = load_artifact(name)
    assert len(artifact.deployed_bytecode) <= 22 * 1024
    changing = {
        entry["name"]
        for entry in artifact.abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    allowed = {"Documents": {"put"}, "Logs": {"act", "anchor"}, "Sm": {"buildTable"}}
    assert changing == allowed.get(name, {"act"})
    assert not any(entry["type"] in ("fallback", "receive") for entry in artifact.abi)


def test_the_deployed_code_is_that_of_the_abi_files(built: City) -> None:
    verify_deployed(built.rpc, built.contracts)


def test_other_code_is_noticed(city: City) -> None:
    address = "0x" + city.contracts["Requests"].hex()
    code = bytearray.fromhex(city.rpc.call("eth_getCode", address, "latest")[2:])
    code[100] ^= 1
    city.rpc.call("anvil_setCode", address, "0x" + code.hex())
    with pytest.raises(LedgerError) as caught:
        verify_deployed(city.rpc, city.contracts)
    assert (caught.value.code, caught.value.details) == ("CODE_DIFFERS", {"contract": "Requests"})


def test_an_immutable_that_points_elsewhere_is_noticed(city: City) -> None:
    address = "0x" + city.contracts["Logs"].hex()
    code = bytes.fromhex(city.rpc.call("eth_getCode", address, "latest")[2:])
    registry = city.contracts["Registry"]
    assert registry in code
    forged = code.replace(registry, b"\x42" * 20)
    city.rpc.call("anvil_setCode", address, "0x" + forged.hex())
    with pytest.raises(LedgerError) as caught:
        verify_deployed(city.rpc, city.contracts)
    assert caught.value.details == {"contract": "Logs"}


def test_unknown_data_is_no_error_of_ours() -> None:
    for data in (b"", b"\x01\x02", sm3(b"x"), keccak256(b"ActExpired(uint64)")[:4] + b"short"):
        assert decode_revert(data) is None
    assert decode_revert(keccak256(b"Panic(uint256)")[:4] + bytes(32)) == (
        "CONTRACT_FAILED",
        "the contract failed",
        {},
    )


def test_errors_decode_with_their_arguments() -> None:
    selector = keccak256(b"NonceMismatch(uint64)")[:4]
    code, message, details = decode_revert(selector + (7).to_bytes(32, "big")) or ("", "", {})
    assert (code, details) == ("NONCE_MISMATCH", {"expected": 7})
    assert message
    assert {"NONCE_MISMATCH", "PUBLIC_KEY_INVALID", "SIZE_SHRINKS"} <= error_codes()


def test_events_that_do_not_decode() -> None:
    assert decode_event([], b"") is None
    assert decode_event([sm3(b"x")], b"") is None
    topic = event_topic("Logs", "CheckpointAnchored")
    for topics, data in (([topic], bytes(128)), ([topic, bytes(32)], bytes(64))):
        with pytest.raises(LedgerError) as caught:
            decode_event(topics, data)
        assert caught.value.code == "EVENT_MALFORMED"
