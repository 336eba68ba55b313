"""Block headers: RLP, hash, and the members that evidence stands on.

Standard: Ethereum Yellow Paper, section 4.4; EIP-1559 for the base fee.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crypto.keccak import keccak256
from protocol.ethereum.rlp import (
    Item,
    as_bytes,
    as_int,
    as_list,
    decode,
    encode,
    encode_int,
    malformed,
)

MAX_HEADER_SIZE = 4096

#: Members in their order: name in eth_getBlockByNumber, whether a number, length in bytes.
_MEMBERS: tuple[tuple[str, bool, int | None], ...] = (
    ("parentHash", False, 32),
    ("sha3Uncles", False, 32),
    ("miner", False, 20),
    ("stateRoot", False, 32),
    ("transactionsRoot", False, 32),
    ("receiptsRoot", False, 32),
    ("logsBloom", False, 256),
    ("difficulty", True, 32),
    ("number", True, 8),
    ("gasLimit", True, 8),
    ("gasUsed", True, 8),
    ("timestamp", True, 8),
    ("extraData", False, None),
    ("mixHash", False, 32),
    ("nonce", False, 8),
    # Later forks append; a chain of this product speaks paris and ends with the base fee.
    ("baseFeePerGas", True, 32),
    ("withdrawalsRoot", False, 32),
    ("blobGasUsed", True, 8),
    ("excessBlobGas", True, 8),
    ("parentBeaconBlockRoot", False, 32),
    ("requestsHash", False, 32),
)
_OBLIGATORY = 15
_PARENT, _RECEIPTS, _NUMBER, _TIMESTAMP = 0, 5, 8, 11


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header.

    Attributes:
        hash: Keccak-256 of its RLP.
        parent_hash: hash of the block before.
        number: block number.
        timestamp: unix seconds.
        receipts_root: root of the trie of its receipts.
    """

    hash: bytes
    parent_hash: bytes
    number: int
    timestamp: int
    receipts_root: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a header's RLP.

        Raises:
            ProtocolError: ETHEREUM_MALFORMED.
        """
        if len(data) > MAX_HEADER_SIZE:
            raise malformed("a header is too long")
        members = as_list(decode(data))
        if not _OBLIGATORY <= len(members) <= len(_MEMBERS):
            raise malformed("a header has another number of members")
        for (_, is_number, length), member in zip(_MEMBERS, members, strict=False):
            if is_number:
                as_int(member, length or 8)
            elif length is not None:
                as_bytes(member, length)
            else:
                as_bytes(member)
        return cls(
            hash=keccak256(data),
            parent_hash=as_bytes(members[_PARENT]),
            number=as_int(members[_NUMBER]),
            timestamp=as_int(members[_TIMESTAMP]),
            receipts_root=as_bytes(members[_RECEIPTS]),
        )


def encode_header(block: Mapping[str, Any]) -> bytes:
    """Encode the header of a block as JSON-RPC returns it; its hash is Keccak-256 of the result.

    Args:
        block: result of eth_getBlockByNumber, values in 0x-hex.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    members: list[Item] = []
    for name, is_number, _ in _MEMBERS:
        value = block.get(name)
        if value is None and len(members) >= _OBLIGATORY:
            break
        members.append(encode_int(hex_int(value)) if is_number else hex_bytes(value))
    data = encode(members)
    Header.from_bytes(data)
    return data


def hex_int(value: object) -> int:
    """Return the number that JSON-RPC writes as 0x-hex.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 66:
        raise malformed("a number is not 0x-hex")
    try:
        return int(value[2:], 16)
    except ValueError as error:
        raise malformed("a number is not 0x-hex") from error


def hex_bytes(value: object) -> bytes:
    """Return the bytes that JSON-RPC writes as 0x-hex.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
    """
    if not isinstance(value, str) or not value.startswith("0x"):
        raise malformed("bytes are not 0x-hex")
    try:
        return bytes.fromhex(value[2:])
    except ValueError as error:
        raise malformed("bytes are not 0x-hex") from error
