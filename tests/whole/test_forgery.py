"""Forged acts sent straight to the running node, past the api, change nothing that is read."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from crypto.errors import LedgerError, RequestRefused
from crypto.sm2 import PrivateKey
from example_city.catalogue import COMPANIES
from example_city.home import read_loaded
from example_city.units import CIVIL, MARKET, unit_key
from ledger.chain.artifacts import decode_revert, encode_act_call
from ledger.chain.rpc import Rpc
from protocol.acts import SignedAct, make_act, sign_act
from sanlian_client.platform import Platform
from tests.whole.instance import Instance, free_ports, wait_until

GAS = 10_000_000


@dataclass(slots=True)
class Attacker:
    """Somebody with a node's address and an EVM account of their own."""

    platform: Platform
    rpc: Rpc
    request: bytes
    account: Any

    def sign(self, key: PrivateKey, **changed: Any) -> SignedAct:
        """Sign the agreement to the open request; `changed` replaces parts of the header."""
        info = self.platform.deployment()
        now = int(time.time())
        header: dict[str, Any] = {
            "chain_id": info.chain_id,
            "contract": info.contracts["Requests"],
            "key_id": key.public_key.key_id,
            "nonce": 0,
            "expires_at": now + 3600,
            "target": self.request,
            "revision": 1,
            "values": {
                "items": COMPANIES.mask_of("uscc", "name", "state"),
                "valid_from": now,
                "valid_until": now + 600,
                "quota": 1,
            },
        }
        return sign_act(make_act("RequestAgreed", **{**header, **changed}), (key,))

    def refusal(self, signed: SignedAct) -> str:
        """Send an act in a block and return the code with which the contract refuses it."""
        to = to_checksum_address(self.platform.deployment().contracts["Requests"])
        data = "0x" + encode_act_call(signed).hex()
        with pytest.raises(LedgerError) as caught:
            self.rpc.call("eth_call", {"to": to, "data": data}, "latest")
        raw = self.account.sign_transaction(
            {
                "to": to,
                "data": data,
                "value": 0,
                "gas": GAS,
                "gasPrice": 0,
                "chainId": self.platform.deployment().chain_id,
                "nonce": int(
                    self.rpc.call("eth_getTransactionCount", self.account.address, "latest"), 16
                ),
            }
        ).raw_transaction
        sent = self.rpc.call("eth_sendRawTransaction", "0x" + raw.hex().removeprefix("0x"))
        receipts: list[Any] = []

        def is_mined() -> bool:
            receipts.append(self.rpc.call("eth_getTransactionReceipt", sent))
            return receipts[-1] is not None

        wait_until(is_mined, 20)
        assert int(receipts[-1]["status"], 16) == 0
        assert receipts[-1]["logs"] == []
        self.indexed(int(receipts[-1]["blockNumber"], 16))
        decoded = decode_revert(bytes.fromhex(str(caught.value.details["data"])[2:]))
        assert decoded is not None
        return decoded[0]

    def indexed(self, number: int) -> None:
        """Wait until the read model has this block."""

        def is_there() -> bool:
            try:
                self.platform.read("blocks", str(number))
            except RequestRefused:
                return False
            return True

        wait_until(is_there, 20)

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the read model holds of everything that acts can change."""
        nouns = ("departments", "persons", "keys", "entries", "interfaces", "requests")
        return {noun: list(self.platform.read_all(noun)) for noun in nouns}


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    """A running instance, and somebody who speaks with its node alone."""
    instance = Instance(tmp_path_factory.mktemp("forgery") / "city", free_ports())
    try:
        instance.start()
        rpc = Rpc(instance.node_url)
        request = bytes.fromhex(read_loaded(instance.home)["open_request"])
        with instance.platform() as platform:
            yield Attacker(platform, rpc, request, Account.create())
        rpc.close()
    finally:
        instance.end()


OFFICER = unit_key(MARKET, "officer")


def _wrong_key(attacker: Attacker) -> SignedAct:
    signed = attacker.sign(OFFICER)
    forged = replace(signed.signatures[0], signature=PrivateKey.generate().sign(signed.data))
    return SignedAct(signed.data, (forged,))


def _altered(attacker: Attacker) -> SignedAct:
    signed = attacker.sign(OFFICER)
    return SignedAct(signed.data[:-1] + bytes([signed.data[-1] ^ 1]), signed.signatures)


def _of(unit: int, role: str) -> Callable[[Attacker], SignedAct]:
    return lambda attacker: attacker.sign(unit_key(unit, role), nonce=_nonce(attacker, unit, role))


def _nonce(attacker: Attacker, unit: int, role: str) -> int:
    return attacker.platform.next_nonce(unit_key(unit, role).public_key.key_id, "Requests")


FORGERIES: dict[str, tuple[Callable[[Attacker], SignedAct], set[str]]] = {
    "wrong key": (_wrong_key, {"SIGNATURE_INVALID"}),
    "unknown key": (lambda a: a.sign(PrivateKey.generate()), {"KEY_UNKNOWN"}),
    "role": (_of(MARKET, "operator"), {"ROLE_MISSING"}),
    "department": (_of(CIVIL, "officer"), {"DEPARTMENT_MISMATCH"}),
    "chain id": (lambda a: a.sign(OFFICER, chain_id=1), {"WRONG_CHAIN"}),
    "contract": (lambda a: a.sign(OFFICER, contract=bytes(19) + b"\1"), {"WRONG_CONTRACT"}),
    "expired": (lambda a: a.sign(OFFICER, expires_at=int(time.time()) - 60), {"ACT_EXPIRED"}),
    "altered": (_altered, {"SIGNATURE_INVALID", "ACT_MALFORMED"}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_act_changes_nothing(attacker: Attacker, name: str) -> None:
    make, codes = FORGERIES[name]
    before = attacker.state()
    assert attacker.refusal(make(attacker)) in codes
    assert attacker.state() == before


def test_replayed_act_changes_nothing(attacker: Attacker) -> None:
    signed = attacker.sign(OFFICER)
    attacker.platform.send_act(signed)
    attacker.platform.wait_for(signed.act_id)
    before = attacker.state()
    assert attacker.refusal(signed) == "NONCE_MISMATCH"
    assert attacker.state() == before
