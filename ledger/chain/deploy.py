"""Creating the contracts of one deployment, and checking the code that stands on the chain."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from eth_abi.abi import encode as abi_encode
from eth_account import Account
from rlp import encode as rlp_encode

from crypto.errors import LedgerError
from crypto.keccak import keccak256
from crypto.sm2 import PublicKey
from ledger.chain.artifacts import Artifact, decode_revert, load_artifact
from protocol.description import CONTRACTS

GAS_LIMIT: Final = 10_000_000
#: Time for a head to notice that the authority replaces the key: a week.
DEFAULT_REPLACEMENT_DELAY_S: Final = 7 * 24 * 3600
RECEIPT_TIMEOUT_S: Final = 60.0
_PAUSE_S: Final = 0.02
# How the compiler leaves room for an immutable: PUSH32 of zeros.
_PLACEHOLDER: Final = b"\x7f" + bytes(32)


class JsonRpc(Protocol):
    """What deploying needs of a node; ledger.chain.rpc.Rpc is one."""

    def call(self, method: str, *params: object) -> Any:
        """Return the result of one JSON-RPC call."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """Contracts that stand.

    Attributes:
        contracts: 20-byte address by name, in the order of protocol.description.CONTRACTS.
        block: number of the block that holds the last creation.
    """

    contracts: Mapping[str, bytes]
    block: int


def deploy_contracts(
    rpc: JsonRpc,
    sender_key: bytes,
    *,
    head_key: PublicKey,
    authority_keys: Sequence[PublicKey],
    threshold: int,
    replacement_delay_s: int = DEFAULT_REPLACEMENT_DELAY_S,
    supplement_stops_clock: bool = True,
) -> Deployed:
    """Create all contracts and check the code that stands.

    The account that sends proves nothing and owns nothing; it may be thrown away.

    Args:
        rpc: the chain's node.
        sender_key: 32-byte secp256k1 key of the account that sends.
        head_key: key of the head of the authority's department.
        authority_keys: keys of the authority's persons, 1 to 7, in the order of genesis.
        threshold: how many of them sign acts of weight.
        replacement_delay_s: seconds for which a head can object to the replacement of the key.
        supplement_stops_clock: whether a notice of what is missing stops the answer's clock.

    Raises:
        LedgerError: DEPLOYMENT_FAILED, CODE_DIFFERS, or what the node answers.
    """
    account = Account.from_key(sender_key)
    sender = bytes.fromhex(account.address[2:])
    chain_id = int(rpc.call("eth_chainId"), 16)
    nonce = int(rpc.call("eth_getTransactionCount", account.address, "pending"), 16)
    addresses = {name: _created(sender, nonce + i) for i, name in enumerate(CONTRACTS)}
    arguments = _constructor_arguments(
        addresses,
        head_key,
        authority_keys,
        threshold,
        replacement_delay_s,
        supplement_stops_clock=supplement_stops_clock,
    )
    hashes: list[str] = []
    for i, name in enumerate(CONTRACTS):
        signed = account.sign_transaction(
            {
                "chainId": chain_id,
                "nonce": nonce + i,
                "gasPrice": 0,
                "gas": GAS_LIMIT,
                "value": 0,
                "data": load_artifact(name).bytecode + arguments[name],
            }
        )
        raw = "0x" + bytes(signed.raw_transaction).hex()
        hashes.append(str(rpc.call("eth_sendRawTransaction", raw)))
    block = 0
    for name, transaction in zip(CONTRACTS, hashes, strict=True):
        receipt = _await_receipt(rpc, name, transaction)
        created = bytes.fromhex(str(receipt.get("contractAddress") or "0x")[2:])
        if int(receipt["status"], 16) != 1 or created != addresses[name]:
            raise _failure(rpc, name, account.address, arguments[name])
        block = max(block, int(receipt["blockNumber"], 16))
    verify_deployed(rpc, addresses)
    return Deployed(MappingProxyType(addresses), block)


def verify_deployed(rpc: JsonRpc, contracts: Mapping[str, bytes]) -> None:
    """Check that each address holds the code that the committed ABI files name.

    An immutable may hold the address of one of the contracts; numbers and key ids that genesis
    fixed are taken as found, they stand in the event Genesis.

    Raises:
        LedgerError: CODE_DIFFERS, with the contract's name.
    """
    allowed = {bytes(12) + address for address in contracts.values()}
    for name in CONTRACTS:
        text = rpc.call("eth_getCode", "0x" + contracts[name].hex(), "latest")
        code = bytes.fromhex(str(text)[2:])
        if not _is_code_of(load_artifact(name), code, allowed, _genesis_immutables(rpc, contracts)):
            raise LedgerError(
                "CODE_DIFFERS", f"the code of {name} is not that of its ABI file", contract=name
            )


def _genesis_immutables(rpc: JsonRpc, contracts: Mapping[str, bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for name, signature in (
        ("Registry", b"replacementDelay()"),
        ("Registry", b"authority()"),
        ("Requests", b"SUPPLEMENT_STOPS_CLOCK()"),
    ):
        data = "0x" + keccak256(signature)[:4].hex()
        answer = rpc.call("eth_call", {"to": "0x" + contracts[name].hex(), "data": data}, "latest")
        found.add(bytes.fromhex(str(answer)[2:]))
    return found


def does_supplement_stop_clock(rpc: JsonRpc, contracts: Mapping[str, bytes]) -> bool:
    """Return what the contract Requests fixed: whether an answer's clock waits for a supplement."""
    data = "0x" + keccak256(b"SUPPLEMENT_STOPS_CLOCK()")[:4].hex()
    answer = rpc.call(
        "eth_call", {"to": "0x" + contracts["Requests"].hex(), "data": data}, "latest"
    )
    return int(str(answer), 16) == 1


def _is_code_of(artifact: Artifact, code: bytes, *allowed: set[bytes]) -> bool:
    wanted = bytearray(artifact.deployed_bytecode)
    if len(code) != len(wanted):
        return False
    at = wanted.find(_PLACEHOLDER)
    while at >= 0:
        value = code[at + 1 : at + 33]
        if any(value in values for values in allowed):
            wanted[at + 1 : at + 33] = value
        at = wanted.find(_PLACEHOLDER, at + 33)
    return bytes(wanted) == code


def _created(sender: bytes, nonce: int) -> bytes:
    return keccak256(bytes(rlp_encode([sender, nonce])))[12:]


def _constructor_arguments(
    addresses: Mapping[str, bytes],
    head_key: PublicKey,
    authority_keys: Sequence[PublicKey],
    threshold: int,
    replacement_delay_s: int,
    *,
    supplement_stops_clock: bool,
) -> dict[str, bytes]:
    text = {name: "0x" + address.hex() for name, address in addresses.items()}
    values: dict[str, tuple[object, ...]] = {
        "Sm": (),
        "Registry": (
            text["Sm"],
            (head_key.x, head_key.y),
            [(key.x, key.y) for key in authority_keys],
            threshold,
            replacement_delay_s,
        ),
        "Calendar": (text["Registry"],),
        "Documents": (),
        "Entries": (text["Registry"], text["Calendar"]),
        "Interfaces": (text["Registry"], text["Entries"], text["Logs"]),
        "Requests": (
            text["Registry"],
            text["Interfaces"],
            text["Calendar"],
            supplement_stops_clock,
        ),
        "Logs": (text["Registry"],),
        "Corrections": (
            text["Registry"],
            text["Requests"],
            text["Entries"],
            text["Calendar"],
        ),
        "Disputes": (text["Registry"], text["Requests"]),
        "ThirdParties": (text["Registry"], text["Requests"]),
        "Elements": (text["Registry"], text["Entries"]),
        "Refreshes": (text["Registry"], text["Entries"]),
        "Oversight": (text["Registry"],),
    }
    return {
        name: abi_encode(load_artifact(name).constructor_types, values[name]) for name in CONTRACTS
    }


def _await_receipt(rpc: JsonRpc, name: str, transaction: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + RECEIPT_TIMEOUT_S
    while time.monotonic() < deadline:
        receipt = rpc.call("eth_getTransactionReceipt", transaction)
        if receipt is not None:
            return dict(receipt)
        time.sleep(_PAUSE_S)
    raise LedgerError(
        "DEPLOYMENT_FAILED", f"the chain did not record the creation of {name}", contract=name
    )


def _failure(rpc: JsonRpc, name: str, sender: str, arguments: bytes) -> LedgerError:
    """Return the error of a creation that the chain refused, with the contract's reason."""
    data = "0x" + (load_artifact(name).bytecode + arguments).hex()
    reason: dict[str, object] = {"contract": name}
    try:
        rpc.call("eth_call", {"from": sender, "data": data, "gas": hex(GAS_LIMIT)}, "latest")
    except LedgerError as error:
        revert = str(error.details.get("data", ""))
        if revert.startswith("0x"):
            decoded = decode_revert(bytes.fromhex(revert[2:]))
            if decoded is not None:
                reason["reason"] = decoded[0]
    return LedgerError("DEPLOYMENT_FAILED", f"the chain refused to create {name}", **reason)
