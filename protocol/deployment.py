"""What is fixed once a deployment's contracts stand, as its platform and `deployment.json` say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import PublicKey
from protocol.checkpoint import ORIGIN_PATTERN
from protocol.description import CONTRACTS

TYPE = "sanlian/deployment/v1"
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_MEMBERS = {
    "type",
    "chain_id",
    "contracts",
    "block",
    "example",
    "platform_key",
    "gateway_key",
    "origin",
    "supplement_stops_clock",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One set of contracts on one chain, and the keys of the platform that serves it.

    Attributes:
        chain_id: chain id, 1 to 2^53 - 1.
        contracts: 20-byte address of each contract by name.
        block: number of the block that holds the last contract creation.
        example: whether it is the example city, whose private keys are public knowledge.
        platform_key: key that signs acknowledgements.
        gateway_key: key that signs the access log's checkpoints.
        origin: origin line of the gateway's log.
        supplement_stops_clock: whether a notice of what is missing stops the clock of the answer
            until the supplement arrives; the contract Requests holds the same.
    """

    chain_id: int
    contracts: Mapping[str, bytes]
    block: int
    example: bool
    platform_key: PublicKey
    gateway_key: PublicKey
    origin: str
    supplement_stops_clock: bool = True

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON with a final line break."""
        return (
            canonical_json(
                {
                    "type": TYPE,
                    "chain_id": self.chain_id,
                    "contracts": {n: "0x" + a.hex() for n, a in self.contracts.items()},
                    "block": self.block,
                    "example": self.example,
                    "platform_key": self.platform_key.to_bytes().hex(),
                    "gateway_key": self.gateway_key.to_bytes().hex(),
                    "origin": self.origin,
                    "supplement_stops_clock": self.supplement_stops_clock,
                }
            )
            + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a deployment file.

        Raises:
            ProtocolError: DEPLOYMENT_MALFORMED.
        """
        try:
            return cls.from_value(parse_json(data, max_bytes=65536))
        except CryptoError as error:
            raise _malformed() from error

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Read it from decoded JSON, as a platform answers it.

        Raises:
            ProtocolError: DEPLOYMENT_MALFORMED.
        """
        if (
            not isinstance(value, dict)
            or set(value) != _MEMBERS
            or value["type"] != TYPE
            or not isinstance(value["contracts"], dict)
            or set(value["contracts"]) != set(CONTRACTS)
            or not all(
                isinstance(a, str) and _ADDRESS.fullmatch(a) for a in value["contracts"].values()
            )
            or not _is_number(value["chain_id"])
            or not _is_number(value["block"])
            or not isinstance(value["example"], bool)
            or not isinstance(value["supplement_stops_clock"], bool)
            or not all(
                isinstance(value[name], str) for name in ("platform_key", "gateway_key", "origin")
            )
            or not ORIGIN_PATTERN.fullmatch(value["origin"])
        ):
            raise _malformed()
        try:
            return cls(
                chain_id=value["chain_id"],
                contracts={n: bytes.fromhex(a[2:]) for n, a in value["contracts"].items()},
                block=value["block"],
                example=value["example"],
                platform_key=PublicKey.from_bytes(bytes.fromhex(value["platform_key"])),
                gateway_key=PublicKey.from_bytes(bytes.fromhex(value["gateway_key"])),
                origin=value["origin"],
                supplement_stops_clock=value["supplement_stops_clock"],
            )
        except (CryptoError, ValueError) as error:
            raise _malformed() from error


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _malformed() -> ProtocolError:
    return ProtocolError(
        "DEPLOYMENT_MALFORMED", "this does not describe a deployment of this version"
    )
