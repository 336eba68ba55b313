"""The trust root that a verifier pins (docs/protocol.md, 9)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import PublicKey
from protocol.description import CONTRACTS

TYPE = "sanlian/trust/v1"


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """What a verifier believes before it looks at any evidence.

    Attributes:
        chain_id: chain id.
        contracts: 20-byte address of each contract by name.
        witnesses: public keys of the witnesses.
        witness_threshold: how many of them must vouch for a block, at least 1.
    """

    chain_id: int
    contracts: Mapping[str, bytes]
    witnesses: tuple[PublicKey, ...]
    witness_threshold: int

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON with a final line break."""
        return (
            canonical_json(
                {
                    "type": TYPE,
                    "chain_id": self.chain_id,
                    "contracts": {n: "0x" + a.hex() for n, a in self.contracts.items()},
                    "witnesses": [key.to_bytes().hex() for key in self.witnesses],
                    "witness_threshold": self.witness_threshold,
                }
            )
            + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode.

        Raises:
            ProtocolError: TRUST_MALFORMED.
        """
        bad = ProtocolError("TRUST_MALFORMED", "this is not a trust root of version 1")
        try:
            value: Any = parse_json(data, max_bytes=65536)
            if (
                not isinstance(value, dict)
                or set(value) != {"type", "chain_id", "contracts", "witnesses", "witness_threshold"}
                or value["type"] != TYPE
                or not isinstance(value["contracts"], dict)
                or set(value["contracts"]) != set(CONTRACTS)
                or not all(
                    isinstance(a, str) and re.fullmatch(r"0x[0-9a-f]{40}", a)
                    for a in value["contracts"].values()
                )
                or not _is_positive(value["chain_id"])
                or not _is_positive(value["witness_threshold"])
                or not isinstance(value["witnesses"], list)
                or not all(
                    isinstance(key, str) and re.fullmatch(r"[0-9a-f]{128}", key)
                    for key in value["witnesses"]
                )
            ):
                raise bad
            witnesses = tuple(PublicKey.from_bytes(bytes.fromhex(k)) for k in value["witnesses"])
        except (CryptoError, ValueError) as error:
            raise bad from error
        threshold = value["witness_threshold"]
        if len(set(witnesses)) != len(witnesses) or not 1 <= threshold <= max(1, len(witnesses)):
            raise bad
        return cls(
            chain_id=value["chain_id"],
            contracts={n: bytes.fromhex(a[2:]) for n, a in value["contracts"].items()},
            witnesses=witnesses,
            witness_threshold=threshold,
        )
