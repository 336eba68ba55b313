"""Keys over time in the model alone: replay of evidence refuses what a key could not sign."""

from typing import Any

import pytest

from crypto.errors import ProtocolError
from crypto.sm2 import PrivateKey
from protocol.acts import SignedAct, make_act, sign_act
from protocol.checkpoint import Checkpoint
from protocol.description import BY_NAME
from protocol.model import apply_anchor, effective_items, grant_problem
from tests.model.test_model import ADDRESSES, CHAIN, DOCUMENT, KEYS, NOW, Town
from tests.model.test_model import town as town  # noqa: PLC0414 - a fixture, shared


def _id(name: str) -> bytes:
    return KEYS[name].public_key.key_id


def _suspend(town: Town, signer: str, target: bytes, revision: int, at_s: int) -> None:
    """Suspend a grant as evidence replays it: acts may be left out, nonces have gaps."""
    name = "GrantSuspended"
    contract = BY_NAME[name].contract
    act = make_act(
        name,
        chain_id=CHAIN,
        contract=ADDRESSES[contract],
        key_id=_id(signer),
        nonce=99,
        expires_at=at_s + 60,
        target=target,
        revision=revision,
        values={"reason": DOCUMENT, "cause": 1},
    )
    signed: SignedAct = sign_act(act, [KEYS[signer]])
    town.apply(signed, block_time=at_s, check_nonce=False)


def _bind(town: Town, signer: str, name: str, revision: int, not_after: int) -> None:
    words = {"issuer": DOCUMENT, "serial": 1, "certificate": DOCUMENT, "not_after": not_after}
    town.do("CertificateBound", signer, _id(name), revision, **words)


def test_an_act_of_a_suspended_key_is_refused_in_replay(town: Any) -> None:
    town.do("KeySuspended", "ph", _id("pf"), 1, reason_code=2)
    with pytest.raises(ProtocolError, match="KEY_NOT_ACTIVE"):
        _suspend(town, "pf", town.grant, 2, NOW)
    town.do("KeyResumed", "ph", _id("pf"), 2)
    _suspend(town, "pf", town.grant, 2, NOW)


def test_an_act_of_an_expired_key_is_refused_in_replay(town: Any) -> None:
    _bind(town, "ph", "pf", 1, NOW + 50)
    with pytest.raises(ProtocolError, match="KEY_EXPIRED"):
        _suspend(town, "pf", town.grant, 2, NOW + 51)
    _suspend(town, "pf", town.grant, 2, NOW + 50)  # its last second


def test_the_time_of_the_record_decides(town: Any) -> None:
    def problem(at_s: int) -> str | None:
        return grant_problem(
            town.store,
            grant=town.grant,
            key_id=_id("ro"),
            basis="法".encode().hex()[:4],
            scenario="a b".replace(" ", "%20"),
            at_s=at_s,
        )

    _bind(town, "rh", "ro", 1, NOW + 50)
    assert (problem(NOW + 50), problem(NOW + 51)) == (None, "KEY_EXPIRED")
    town.do("KeySuspended", "rh", _id("ro"), 2, reason_code=2)
    assert problem(NOW) == problem(NOW + 51) == "KEY_NOT_ACTIVE"
    town.do("KeyRevoked", "rh", _id("ro"), 3, reason_code=2)
    assert problem(NOW) == "KEY_NOT_ACTIVE"
    assert effective_items(town.store, town.grant) == 2  # the grant is the department's


def test_an_anchor_rests_on_the_gateways_key_at_its_time(town: Any) -> None:
    log = town.log
    _bind(town, "city", "gw", 1, NOW + 50)
    signature = KEYS["gw"].sign(Checkpoint("log.x/1", 5, DOCUMENT).text().encode())
    with pytest.raises(ProtocolError, match="KEY_EXPIRED"):
        apply_anchor(town.store, log, 5, DOCUMENT, signature, block_number=3, block_time=NOW + 51)
    town.do("KeySuspended", "city", _id("gw"), 2, reason_code=3)
    with pytest.raises(ProtocolError, match="KEY_NOT_ACTIVE"):
        apply_anchor(town.store, log, 5, DOCUMENT, signature, block_number=3, block_time=NOW)
    town.do("KeyResumed", "city", _id("gw"), 3)
    apply_anchor(town.store, log, 5, DOCUMENT, signature, block_number=3, block_time=NOW)


def test_two_of_two_cannot_stop_themselves(town: Any) -> None:
    for act, signer in (("KeySuspended", "a1"), ("KeyRevoked", "a2")):
        with pytest.raises(ProtocolError, match="AUTHORITY_KEY_PROTECTED"):
            town.do(act, signer, _id(signer), 1, reason_code=2)
    with pytest.raises(ProtocolError, match="AUTHORITY_KEY_PROTECTED"):
        town.do("AuthorityPersonRemoved", "a1 a2", _id("a1"), 1, reason_code=4)
    town.do("ThresholdSet", "a1 a2", _id("city"), 1, threshold=1)
    town.do("AuthorityPersonRemoved", "a1", _id("a2"), 1, reason_code=4)
    with pytest.raises(ProtocolError, match="AUTHORITY_KEY_PROTECTED"):
        town.do("KeyRevoked", "a1", _id("a1"), 1, reason_code=4)
    assert isinstance(KEYS["a1"], PrivateKey)
