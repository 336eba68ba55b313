"""Raw transactions: just enough decoding to refuse early and to keep nonces in order."""

from dataclasses import dataclass
from typing import Final

import coincurve
import rlp
from rlp.exceptions import RLPException

from crypto.errors import LedgerError
from crypto.keccak import keccak256

MAX_TRANSACTION_BYTES: Final = 256 * 1024
#: A tenth of a block. What one transaction emits is read in one answer: of 375 gas for an event
#: come about 600 bytes of JSON, and this keeps them within the limit of an answer.
MAX_TRANSACTION_GAS: Final = 30_000_000
# Yellow Paper (Paris), appendix G, with EIP-2028.
_GAS_BASE, _GAS_CREATE, _GAS_ZERO, _GAS_BYTE = 21_000, 32_000, 4, 16
_SECP256K1_N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class Transaction:
    """A signed legacy transaction (EIP-155).

    Attributes:
        raw: its bytes.
        transaction_hash: Keccak-256 of them.
        sender: 20-byte address.
        nonce: its nonce.
        gas_limit: gas limit.
    """

    raw: bytes
    transaction_hash: bytes
    sender: bytes
    nonce: int
    gas_limit: int


def _refused(message: str) -> LedgerError:
    return LedgerError("TRANSACTION_REFUSED", message)


def _number(field: object, max_bytes: int = 32) -> int:
    if not isinstance(field, bytes) or len(field) > max_bytes or field[:1] == b"\0":
        raise _refused("a number in the transaction is malformed")
    return int.from_bytes(field, "big")


def decode_transaction(raw: bytes, chain_id: int) -> Transaction:
    """Decode a signed transaction and recover its sender.

    Args:
        raw: RLP of a legacy transaction with EIP-155 signature.
        chain_id: chain that it must be signed for.

    Raises:
        LedgerError: TRANSACTION_REFUSED.
    """
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise _refused(f"a transaction has at most {MAX_TRANSACTION_BYTES} bytes")
    if raw[:1] < b"\xc0":
        raise _refused("only legacy transactions (EIP-155) are accepted")
    try:
        fields = rlp.decode(raw, strict=True)
    except (RLPException, RecursionError) as error:
        raise _refused("the transaction is not RLP") from error
    if len(fields) != 9 or not all(isinstance(f, bytes) for f in fields):
        raise _refused("a legacy transaction has nine fields")
    nonce, gas_price, gas_limit = _number(fields[0], 8), _number(fields[1]), _number(fields[2], 8)
    value, v, r, s = _number(fields[4]), _number(fields[6]), _number(fields[7]), _number(fields[8])
    if len(fields[3]) not in (0, 20):
        raise _refused("the recipient is malformed")
    if gas_price or value:
        raise _refused("gas price and value are zero on this chain: there is no currency")
    data = fields[5]
    needed = _GAS_BASE + _GAS_ZERO * data.count(0) + _GAS_BYTE * (len(data) - data.count(0))
    needed += 0 if fields[3] else _GAS_CREATE
    if gas_limit < needed:
        raise _refused(f"intrinsic gas too low: the transaction needs {needed} to start")
    if gas_limit > MAX_TRANSACTION_GAS:
        raise _refused(f"a transaction has at most {MAX_TRANSACTION_GAS} gas")
    recovery = v - 35 - 2 * chain_id
    if recovery not in (0, 1):
        raise _refused(f"the transaction is not signed for chain {chain_id}")
    if not 0 < r < _SECP256K1_N or not 0 < s <= _SECP256K1_N // 2:
        raise _refused("the signature is out of range")
    chain_word = chain_id.to_bytes((chain_id.bit_length() + 7) // 8, "big")
    digest = keccak256(rlp.encode([*fields[:6], chain_word, b"", b""]))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception as well as ValueError
        raise _refused("no key belongs to the signature") from error
    sender = keccak256(key.format(compressed=False)[1:])[12:]
    return Transaction(raw, keccak256(raw), sender, nonce, gas_limit)
