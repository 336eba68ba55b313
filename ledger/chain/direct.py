"""Acts sent straight to the contracts, as anybody can: no outbox, no acknowledgement, no queue.

The account that carries them proves nothing and owns nothing; it is thrown away. Who sends several
acts sends them in the order in which their signers' nonces go.
"""

import secrets
import time
from collections.abc import Mapping, Sequence

from eth_account import Account
from eth_account.signers.local import LocalAccount

from crypto.errors import LedgerError
from ledger.chain.artifacts import decode_revert, encode_act_call, encode_call
from ledger.chain.relay import ACT_GAS, PIECE_GAS, PIECE_SIZE, SIGNATURE_GAS
from ledger.chain.rpc import Rpc
from protocol.acts import Act, SignedAct
from protocol.documents import document_digest

_POLL_S = 0.01


class DirectSender:
    """Sends acts from a fresh account.

    Args:
        rpc: the chain's node, which takes transactions without a price.
        chain_id: its chain id.
        contracts: 20-byte address of each contract by name.
    """

    def __init__(self, rpc: Rpc, *, chain_id: int, contracts: Mapping[str, bytes]) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._documents = contracts["Documents"]
        self._account: LocalAccount = Account.from_key(secrets.token_bytes(32))
        self._nonce = 0

    def send(self, signed: SignedAct, documents: Sequence[bytes] = ()) -> str:
        """Send documents in pieces, then the act; return the hash of its transaction.

        Raises:
            LedgerError: what the node answers.
        """
        for document in documents:
            digest = document_digest(document)
            places = range(0, len(document), PIECE_SIZE)
            for index, at in enumerate(places):
                piece = document[at : at + PIECE_SIZE]
                data = encode_call("Documents", "put", digest, index, len(places), piece)
                self._transact(self._documents, data, PIECE_GAS)
        gas = ACT_GAS + SIGNATURE_GAS * len(signed.signatures)
        return self._transact(_contract(signed), encode_act_call(signed), gas)

    def wait(self, signed: SignedAct, transaction: str, timeout_s: float) -> None:
        """Wait until the act is recorded.

        Raises:
            LedgerError: ACT_REVERTED with the contract's error, NODE_UNAVAILABLE when nothing is
                recorded in time.
        """
        deadline = time.monotonic() + timeout_s
        while (receipt := self._rpc.call("eth_getTransactionReceipt", transaction)) is None:
            if time.monotonic() > deadline:
                raise LedgerError("NODE_UNAVAILABLE", "the node records nothing")
            time.sleep(_POLL_S)
        if int(receipt["status"], 16) != 1:
            name = Act.from_bytes(signed.data).type.name
            raise LedgerError("ACT_REVERTED", f"{name}: {self._find_error(signed)}")

    def _transact(self, to: bytes, data: bytes, gas: int) -> str:
        signed = self._account.sign_transaction(
            {
                "chainId": self._chain_id,
                "nonce": self._nonce,
                "gasPrice": 0,
                "gas": gas,
                "value": 0,
                "to": to,
                "data": data,
            }
        )
        self._nonce += 1
        raw = "0x" + bytes(signed.raw_transaction).hex()
        return str(self._rpc.call("eth_sendRawTransaction", raw))

    def _find_error(self, signed: SignedAct) -> str:
        """Return the code of the contract's error, asked for again on the newest block."""
        to, data = "0x" + _contract(signed).hex(), "0x" + encode_act_call(signed).hex()
        try:
            self._rpc.call("eth_call", {"to": to, "data": data}, "latest")
        except LedgerError as error:
            found = decode_revert(bytes.fromhex(str(error.details.get("data", "0x"))[2:]))
            return found[0] if found is not None else error.code
        return "accepted by now"


def _contract(signed: SignedAct) -> bytes:
    return Act.from_bytes(signed.data).contract
