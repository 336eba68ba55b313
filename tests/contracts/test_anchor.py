"""Anchors: the gateway's checkpoint, rebuilt and verified on chain (docs/protocol.md 4)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import LedgerError
from crypto.sm2 import Signature
from protocol.checkpoint import MAX_SIZE, ORIGIN_PATTERN, Checkpoint, parse_note, sign_checkpoint
from tests.contracts.city import ORIGIN, City, Refused, digest, key

ROOT = digest("root")


def code_of(action: Callable[[], Any]) -> str:
    """Return the code with which the contract refuses."""
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.code


def test_a_signed_checkpoint_is_anchored(city: City) -> None:
    outcome = city.anchor(10, ROOT)
    values = outcome.event.values
    assert outcome.event.name == "CheckpointAnchored"
    assert (values["log"], values["size"], values["root"]) == (city.ids["log"], 10, ROOT)
    log = city.read("Logs", "logs", city.ids["log"])
    assert log[2:5] == (ROOT, 10, outcome.block_time)
    city.anchor(11, digest("next"))


def test_a_log_does_not_shrink(city: City) -> None:
    city.anchor(10, ROOT)
    assert code_of(lambda: city.anchor(9, digest("smaller"))) == "SIZE_SHRINKS"


def test_one_size_has_one_root(city: City) -> None:
    city.anchor(10, ROOT)
    assert code_of(lambda: city.anchor(10, digest("other"))) == "ROOT_DIFFERS"
    assert code_of(lambda: city.anchor(10, ROOT)) == "ALREADY_ANCHORED"


def test_a_size_of_zero_or_too_large(city: City) -> None:
    signature = Signature(1, 1)
    for size in (0, MAX_SIZE + 1, 2**64 - 1):
        found = code_of(lambda size=size: city.anchor(size, ROOT, signature=signature))
        assert found == "SIZE_INVALID"
    city.anchor(MAX_SIZE, ROOT)


def test_an_unknown_log(city: City) -> None:
    assert code_of(lambda: city.anchor(1, ROOT, log=digest("no log"))) == "TARGET_UNKNOWN"


def test_a_forged_signature(city: City) -> None:
    for signer in ("thief", "authority 1", "civil affairs head"):
        found = code_of(lambda signer=signer: city.anchor(1, ROOT, signer=signer))
        assert found == "SIGNATURE_INVALID"


def test_an_altered_root_or_size(city: City) -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, ROOT), key("gateway"))
    signature = Signature.from_bytes(parse_note(note)[1][0].payload)
    altered = bytes((ROOT[0] ^ 1,)) + ROOT[1:]
    assert code_of(lambda: city.anchor(5, altered, signature=signature)) == "SIGNATURE_INVALID"
    assert code_of(lambda: city.anchor(6, ROOT, signature=signature)) == "SIGNATURE_INVALID"
    city.anchor(5, ROOT, signature=signature)


def test_a_checkpoint_of_another_log_of_the_same_gateway(city: City) -> None:
    other = city.do(
        "LogRegistered",
        ("authority 1", "gateway"),
        gateway_key=key("gateway").public_key.key_id,
        origin="log.city/gateway-2",
    )
    assert code_of(lambda: city.anchor(3, ROOT, log=other)) == "SIGNATURE_INVALID"
    city.anchor(3, ROOT, log=other, origin="log.city/gateway-2")
    assert city.field("Logs", "logs", city.ids["log"], "size") == 0


def test_a_revoked_gateway_key_anchors_nothing(city: City) -> None:
    gateway = key("gateway").public_key.key_id
    city.do("KeyRevoked", ("gateway",), gateway, reason_code=3)
    assert code_of(lambda: city.anchor(1, ROOT)) == "KEY_NOT_ACTIVE"


def test_a_gateway_that_lost_its_role_anchors_nothing(city: City) -> None:
    city.do("PersonRolesSet", ("city head",), city.ids["gateway"], roles=4096)
    assert code_of(lambda: city.anchor(1, ROOT)) == "ROLE_MISSING"


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    origin=st.from_regex(ORIGIN_PATTERN, fullmatch=True),
    size=st.one_of(st.integers(0, 1000), st.integers(0, MAX_SIZE)),
    root=st.binary(min_size=32, max_size=32),
)
def test_the_contract_writes_the_text_of_the_codec(
    built: City, origin: str, size: int, root: bytes
) -> None:
    (text,) = built.read("Logs", "checkpointText", origin.encode().ljust(32, b"\0"), size, root)
    assert text == Checkpoint(origin, size, root).text()


def test_a_view_answers_an_error_for_what_it_is_not(built: City) -> None:
    with pytest.raises(LedgerError) as caught:
        built.rpc.call("eth_call", {"to": "0x" + built.contracts["Logs"].hex()}, "latest")
    assert caught.value.code == "NODE_REFUSED"
