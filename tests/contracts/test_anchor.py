"""Anchors: the gateway's checkpoint, rebuilt and verified on chain (docs/protocol.md 4)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import LedgerError
from crypto.merkle import Frontier, inclusion_path, leaf_hash
from crypto.sm2 import Signature
from ledger.chain.artifacts import decode_revert
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


def test_a_record_is_proven_against_the_newest_anchor(city: City) -> None:
    records = [f"record {i}".encode() for i in range(7)]
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()

    def ask(index: int, size: int, record: bytes) -> bool:
        path = inclusion_path(lambda level, i: nodes[level, i], index, size)
        (found,) = city.read("Logs", "isRecordIncluded", city.ids["log"], record, index, path)
        return bool(found)

    assert city.read("Logs", "isRecordIncluded", city.ids["log"], records[0], 0, []) == (False,)
    for size in (5, 7):
        for record in records[frontier.size : size]:
            for level, index, value in frontier.append(leaf_hash(record)):
                nodes[level, index] = value
        city.anchor(size, frontier.root())
        assert all(ask(i, size, records[i]) for i in range(size))
        assert not any(ask(i, size, records[i - 1]) for i in range(size))
    # The path of the earlier tree, once another is anchored.
    assert not ask(4, 5, records[4])
    with pytest.raises(LedgerError) as caught:
        city.read("Logs", "isRecordIncluded", digest("no log"), records[0], 0, [])
    decoded = decode_revert(bytes.fromhex(str(caught.value.details["data"])[2:]))
    assert decoded is not None
    assert decoded[0] == "TARGET_UNKNOWN"


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
