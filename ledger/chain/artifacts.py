"""The committed ABI files of the contracts, and what is encoded and decoded by them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError

from crypto.errors import LedgerError
from crypto.keccak import keccak256
from protocol.acts import SignedAct
from protocol.description import BY_CODE, CONTRACTS, Role

ABI_DIRECTORY = Path(__file__).parent / "abi"
MAX_REVERT_SIZE = 4096
_JSON_MAX = 2**53 - 1
_ERROR_STRING = keccak256(b"Error(string)")[:4]
_PANIC = keccak256(b"Panic(uint256)")[:4]

_MESSAGES = {
    "ACT_EXPIRED": "the act has expired",
    "ACT_MALFORMED": "the bytes are not an act of this version",
    "ACT_TYPE_UNKNOWN": "this contract does not accept this act type",
    "ACTOR_MISMATCH": "the first signature is not the actor's",
    "ALREADY_ANCHORED": "this checkpoint is anchored already",
    "AUTHORITY_KEY_PROTECTED": "the authority must not lose this key or role",
    "CALENDAR_UNKNOWN": "the working days of this year are not published",
    "COUNT_INVALID": "working days are counted up to 400",
    "CLAIM_NOT_LIVE": "the claim's entry no longer holds the item",
    "DEPARTMENT_MISMATCH": "a signer belongs to another department",
    "ELEMENT_ALREADY_CLAIMED": "the department has claimed this element already",
    "DISPUTE_PENDING": "a dispute over this request is open",
    "ENTRY_NOT_LIVE": "the entry is not live",
    "ENTRY_NOT_SHARED": "the entry is not shared",
    "EXPIRY_TOO_FAR": "an act may live at most 30 days",
    "GENESIS_INVALID": "keys or threshold of genesis are not valid",
    "INTERFACE_NOT_LIVE": "the interface is not live",
    "INTERFACE_NOT_TESTED": "no gateway has tested this version with success",
    "ITEMS_NOT_COVERED": "not all of these items are there",
    "KEY_EXPIRED": "a signer's key has expired",
    "KEY_NOT_ACTIVE": "a signer's key is suspended or revoked",
    "KEY_TAKEN": "the new key is registered already",
    "KEY_UNKNOWN": "a signer's key is not registered",
    "NONCE_MISMATCH": "the key has signed for another nonce: sign again",
    "NOT_OWN_KEY": "only the key itself may do this",
    "ORIGIN_TAKEN": "another log has this origin",
    "OWN_DISPUTE": "the signer's department is a party",
    "OWN_DATA": "a department does not request its own data",
    "PIECE_INVALID": "number or size of the document's piece is not valid",
    "PUBLIC_KEY_INVALID": "the new key is not a point on the SM2 curve",
    "REPLACEMENT_TOO_EARLY": "the head can still object",
    "ROLE_MISSING": "a signer lacks the role",
    "ROOT_DIFFERS": "another root is anchored for this size",
    "SIGNATURE_COUNT": "the number of signatures is not that of the act type",
    "SIGNATURE_INVALID": "a signature does not hold",
    "SIGNER_REPEATED": "one person signed twice",
    "SIZE_INVALID": "a checkpoint's size is 1 to 2^63 - 1",
    "SIZE_SHRINKS": "a larger size is anchored already",
    "STALE_REVISION": "the target has changed since it was read",
    "STATE_INVALID": "the target's state does not allow this",
    "SUPERIOR_WRONG": "it is not the lowest department above both parties",
    "SUSPENDED_BY_OTHER": "the other side suspended it",
    "TARGET_UNKNOWN": "the target does not exist",
    "VALUE_INVALID": "a value is not allowed",
    "VERSION_NOT_CURRENT": "the version is not the current one",
    "WRONG_CHAIN": "the act is for another chain",
    "WRONG_CONTRACT": "the act is for another contract",
    "YEAR_TAKEN": "the working days of this year are published already",
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the compiler made of one contract.

    Attributes:
        name: name of the contract.
        abi: entries of its ABI.
        bytecode: code that creates it, without constructor arguments.
        deployed_bytecode: code on chain, with zeros for immutables.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes

    def entry(self, kind: str, name: str) -> Mapping[str, Any]:
        """Return the one ABI entry of that kind ("function", "event", "error") and name.

        Raises:
            KeyError: there is none.
        """
        for entry in self.abi:
            if entry["type"] == kind and entry.get("name") == name:
                return entry
        raise KeyError(f"{self.name} has no {kind} {name}")

    @property
    def constructor_types(self) -> tuple[str, ...]:
        """ABI types of the constructor's arguments."""
        for entry in self.abi:
            if entry["type"] == "constructor":
                return _types(entry["inputs"])
        return ()


@dataclass(frozen=True, slots=True)
class ContractEvent:
    """An event, decoded.

    Attributes:
        contract: name of the contract.
        name: name of the event.
        values: its values by name; bytes as bytes, a signature as (key id, r, s).
    """

    contract: str
    name: str
    values: Mapping[str, Any]


def _type(parameter: Mapping[str, Any]) -> str:
    kind = str(parameter["type"])
    if kind.startswith("tuple"):
        return "(" + ",".join(_types(parameter["components"])) + ")" + kind.removeprefix("tuple")
    return kind


def _types(parameters: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(map(_type, parameters))


def _hash(entry: Mapping[str, Any]) -> bytes:
    return keccak256(f"{entry['name']}({','.join(_types(entry['inputs']))})".encode())


@cache
def load_artifact(name: str) -> Artifact:
    """Read a contract's committed ABI file.

    Args:
        name: one of protocol.description.CONTRACTS.

    Raises:
        LedgerError: ARTIFACT_MISSING.
    """
    try:
        value = json.loads((ABI_DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LedgerError("ARTIFACT_MISSING", f"there is no ABI file of {name}") from error
    return Artifact(
        name=name,
        abi=tuple(value["abi"]),
        bytecode=bytes.fromhex(value["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(value["deployedBytecode"][2:]),
    )


@cache
def event_topics() -> Mapping[bytes, tuple[str, str]]:
    """Return contract and event name by the event's first topic, for all contracts."""
    return MappingProxyType(
        {
            _hash(entry): (name, str(entry["name"]))
            for name in CONTRACTS
            for entry in load_artifact(name).abi
            if entry["type"] == "event"
        }
    )


def event_topic(contract: str, name: str) -> bytes:
    """Return the first topic of an event."""
    return _hash(load_artifact(contract).entry("event", name))


def decode_event(topics: Sequence[bytes], data: bytes) -> ContractEvent | None:
    """Decode a log entry of one of the contracts; None when its event is not known.

    Args:
        topics: its topics, 32 bytes each.
        data: its data.

    Raises:
        LedgerError: EVENT_MALFORMED.
    """
    found = event_topics().get(bytes(topics[0])) if topics else None
    if found is None:
        return None
    contract, name = found
    inputs = load_artifact(contract).entry("event", name)["inputs"]
    indexed = [p for p in inputs if p["indexed"]]
    plain = [p for p in inputs if not p["indexed"]]
    try:
        if len(topics) != len(indexed) + 1:
            raise LedgerError("EVENT_MALFORMED", f"an event {name} has other topics")
        values: dict[str, Any] = {}
        for parameter, topic in zip(indexed, topics[1:], strict=True):
            (values[parameter["name"]],) = abi_decode([_type(parameter)], bytes(topic))
        for parameter, value in zip(plain, abi_decode(_types(plain), bytes(data)), strict=True):
            values[parameter["name"]] = value
    except (DecodingError, OverflowError) as error:
        raise LedgerError("EVENT_MALFORMED", f"an event {name} does not decode") from error
    return ContractEvent(contract, name, MappingProxyType(values))


def encode_call(contract: str, function: str, *arguments: object) -> bytes:
    """Return the call data of a function.

    Raises:
        KeyError: the contract has no such function.
        LedgerError: CALL_MALFORMED: an argument does not fit.
    """
    entry = load_artifact(contract).entry("function", function)
    try:
        return _hash(entry)[:4] + abi_encode(_types(entry["inputs"]), arguments)
    except EncodingError as error:
        raise LedgerError("CALL_MALFORMED", f"arguments do not fit {function}") from error


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """Return what a function answered.

    Raises:
        LedgerError: RESULT_MALFORMED.
    """
    entry = load_artifact(contract).entry("function", function)
    try:
        return tuple(abi_decode(_types(entry["outputs"]), data))
    except (DecodingError, OverflowError) as error:
        raise LedgerError(
            "RESULT_MALFORMED", f"the answer of {function} does not decode"
        ) from error


def encode_act_call(signed: SignedAct) -> bytes:
    """Return the call data that records an act; the same for each contract."""
    signatures = [(s.key_id, s.signature.r, s.signature.s) for s in signed.signatures]
    return encode_call("Registry", "act", signed.data, signatures)


@cache
def _errors() -> Mapping[bytes, Mapping[str, Any]]:
    return {
        _hash(entry)[:4]: entry
        for name in CONTRACTS
        for entry in load_artifact(name).abi
        if entry["type"] == "error"
    }


def _code(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def error_codes() -> frozenset[str]:
    """Return the codes of all errors that the contracts declare."""
    return frozenset(_code(str(entry["name"])) for entry in _errors().values())


def _json(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and value > _JSON_MAX:
        return f"{value:064x}"
    return value


def decode_revert(data: bytes) -> tuple[str, str, dict[str, object]] | None:
    """Turn a revert's data into an error of the product.

    Args:
        data: what the contract returned: selector and arguments.

    Returns:
        Code, one sentence, and the error's arguments by name (integers beyond 2^53 and bytes as
        hex); None for data that no contract of ours makes.
    """
    if not 4 <= len(data) <= MAX_REVERT_SIZE:
        return None
    if data[:4] in (_ERROR_STRING, _PANIC):
        return "CONTRACT_FAILED", "the contract failed", {}
    entry = _errors().get(data[:4])
    if entry is None:
        return None
    try:
        values = abi_decode(_types(entry["inputs"]), data[4:])
    except (DecodingError, OverflowError):
        return None
    details = {
        p["name"].rstrip("_"): _json(v) for p, v in zip(entry["inputs"], values, strict=True)
    }
    code = _code(str(entry["name"]))
    if code == "VALUE_INVALID":
        details = _value_details(*values)
    elif code == "ROLE_MISSING":
        details = {"role": "|".join(r.name or "" for r in Role if r & values[0])}
    return code, _MESSAGES.get(code, code.lower().replace("_", " ")), details


def _value_details(code: int, index: int) -> dict[str, object]:
    act_type = BY_CODE.get(code)
    if act_type is None:
        return {"index": index}
    names = [field.name for word in act_type.words for field in word]
    field = names[index] if index < len(names) else ""
    return {"act_type": act_type.name, "index": index, "field": field}
