"""What is fixed once a deployment's contracts stand: `deployment.json` in the home directory."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError
from crypto.sm2 import PublicKey
from protocol.description import CONTRACTS

TYPE = "sanlian/deployment/v1"
_MEMBERS = {
    "type",
    "chain_id",
    "contracts",
    "block",
    "example",
    "platform_key",
    "gateway_key",
    "origin",
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
    """

    chain_id: int
    contracts: Mapping[str, bytes]
    block: int
    example: bool
    platform_key: PublicKey
    gateway_key: PublicKey
    origin: str

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
                }
            )
            + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode.

        Raises:
            LedgerError: DEPLOYMENT_MALFORMED.
        """
        bad = LedgerError("DEPLOYMENT_MALFORMED", "deployment.json is damaged or too new")
        try:
            value: Any = parse_json(data, max_bytes=65536)
            if (
                not isinstance(value, dict)
                or set(value) != _MEMBERS
                or value["type"] != TYPE
                or not isinstance(value["contracts"], dict)
                or set(value["contracts"]) != set(CONTRACTS)
                or not all(
                    isinstance(a, str) and re.fullmatch(r"0x[0-9a-f]{40}", a)
                    for a in value["contracts"].values()
                )
                or not isinstance(value["chain_id"], int)
                or not isinstance(value["block"], int)
                or not isinstance(value["example"], bool)
                or not isinstance(value["platform_key"], str)
                or not isinstance(value["gateway_key"], str)
                or not isinstance(value["origin"], str)
            ):
                raise bad
            return cls(
                chain_id=value["chain_id"],
                contracts={n: bytes.fromhex(a[2:]) for n, a in value["contracts"].items()},
                block=value["block"],
                example=value["example"],
                platform_key=PublicKey.from_bytes(bytes.fromhex(value["platform_key"])),
                gateway_key=PublicKey.from_bytes(bytes.fromhex(value["gateway_key"])),
                origin=value["origin"],
            )
        except (CryptoError, ValueError) as error:
            raise bad from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            LedgerError: DEPLOYMENT_MISSING, DEPLOYMENT_MALFORMED.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise LedgerError(
                "DEPLOYMENT_MISSING", "nothing is deployed here: run `sanlian init` or `make run`"
            ) from error
        return cls.from_bytes(data)
