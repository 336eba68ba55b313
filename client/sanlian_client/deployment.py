"""What a client must know of a deployment: chain, contracts, and the keys it trusts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import parse_json
from crypto.errors import CryptoError, LedgerError
from crypto.sm2 import PublicKey
from protocol.checkpoint import ORIGIN_PATTERN
from protocol.description import CONTRACTS

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class DeploymentInfo:
    """One deployment as its platform or its ``deployment.json`` describes it.

    Whoever asks the platform for it trusts the platform for these keys; a department that got the
    file from its authority passes that file.

    Attributes:
        chain_id: chain id.
        contracts: 20-byte address of each contract by name.
        example: whether its private keys are public knowledge.
        platform_key: key that signs acknowledgements.
        gateway_key: key that signs the access log's checkpoints.
        origin: origin line of the gateway's log.
    """

    chain_id: int
    contracts: Mapping[str, bytes]
    example: bool
    platform_key: PublicKey
    gateway_key: PublicKey
    origin: str

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Read the members from decoded JSON; further members are left to others.

        Raises:
            LedgerError: DEPLOYMENT_MALFORMED.
        """
        bad = LedgerError("DEPLOYMENT_MALFORMED", "this does not describe a deployment")
        if not isinstance(value, dict) or not isinstance(value.get("contracts"), dict):
            raise bad
        chain_id, contracts, example = (
            value.get("chain_id"),
            value["contracts"],
            value.get("example"),
        )
        texts = [value.get(name) for name in ("platform_key", "gateway_key", "origin")]
        if (
            not isinstance(chain_id, int)
            or isinstance(chain_id, bool)
            or chain_id < 1
            or not isinstance(example, bool)
            or not all(isinstance(text, str) for text in texts)
            or not ORIGIN_PATTERN.fullmatch(value["origin"])
            or set(contracts) != set(CONTRACTS)
            or not all(isinstance(a, str) and _ADDRESS.fullmatch(a) for a in contracts.values())
        ):
            raise bad
        try:
            return cls(
                chain_id=chain_id,
                contracts={name: bytes.fromhex(a[2:]) for name, a in contracts.items()},
                example=example,
                platform_key=PublicKey.from_bytes(bytes.fromhex(value["platform_key"])),
                gateway_key=PublicKey.from_bytes(bytes.fromhex(value["gateway_key"])),
                origin=value["origin"],
            )
        except (CryptoError, ValueError) as error:
            raise bad from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a deployment file.

        Raises:
            LedgerError: DEPLOYMENT_MALFORMED.
        """
        try:
            value = parse_json(data, max_bytes=65536)
        except CryptoError as error:
            raise LedgerError(
                "DEPLOYMENT_MALFORMED", "this does not describe a deployment"
            ) from error
        return cls.from_value(value)
