"""Tries, headers and receipts against the libraries of the Ethereum project and a real node."""

import pytest
import rlp
from eth_abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from crypto.errors import ProtocolError, SanlianError
from protocol.ethereum import ActEvent, EventLog, Header, Trie, decode_event, verify_trie_proof
from protocol.ethereum import rlp as own_rlp
from tests.evidence.conftest import Told

ITEMS = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(ITEMS)
def test_rlp_agrees(item: object) -> None:
    data = rlp.encode(item)
    assert own_rlp.encode(item) == data  # type: ignore[arg-type]  # nested bytes
    assert own_rlp.decode(data) == item


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.binary(max_size=40))
def test_rlp_reads_one_form(data: bytes) -> None:
    try:
        item = own_rlp.decode(data)
    except ProtocolError:
        return
    assert own_rlp.encode(item) == data


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=3), st.binary(min_size=1, max_size=80), min_size=1
    )
)
def test_trie_agrees(values: dict[bytes, bytes]) -> None:
    theirs = HexaryTrie({})
    for key, value in values.items():
        theirs[key] = value
    ours = Trie(values)
    assert ours.root_hash == theirs.root_hash
    for key, value in values.items():
        proof = ours.prove(key)
        assert verify_trie_proof(ours.root_hash, key, proof) == value
        nodes = [rlp.decode(node) for node in proof]
        assert HexaryTrie.get_from_proof(theirs.root_hash, key, nodes) == value
        for changed in (proof[:-1], [*proof, proof[-1]], [b"\xc0", *proof[1:]]):
            with pytest.raises(SanlianError):
                verify_trie_proof(ours.root_hash, key, changed)


def test_real_block(told: Told) -> None:
    chain = told.case.chain
    # The head may be another case's: test_audit has contracts of its own on the same chain.
    last = chain.scan()[-1]
    block = chain.get_block(last.block)
    assert Header.from_bytes(block.header_bytes) == block.header
    with pytest.raises(ProtocolError, match="ETHEREUM_MALFORMED"):
        Header.from_bytes(block.header_bytes + b"\0")
    assert last in list(chain.events_of(block))


def test_act_event_has_one_form(told: Told) -> None:
    located = next(x for x in told.case.chain.scan() if isinstance(x.event, ActEvent))
    event = located.event
    assert isinstance(event, ActEvent)
    signatures = [(s.key_id, s.signature.r, s.signature.s) for s in event.signed.signatures]
    data = abi_encode(
        ["uint64", "bytes", "(bytes32,uint256,uint256)[]"],
        [event.revision, event.signed.data, signatures],
    )
    topic = next(
        t
        for t in _topics(told)
        if (e := decode_event(EventLog(b"", (t, event.act_id, event.target), data)))
        and isinstance(e, ActEvent)
        and e.name == event.name
    )
    log = EventLog(b"", (topic, event.act_id, event.target), data)
    assert decode_event(log) == event
    for changed in (data + bytes(32), data[:-32], bytes(31) + b"\1" + data[32:64] + data):
        with pytest.raises(ProtocolError, match="ETHEREUM_MALFORMED"):
            decode_event(EventLog(b"", log.topics, changed))


def _topics(told: Told) -> set[bytes]:
    from protocol.ethereum import ACT_TOPICS

    return set(ACT_TOPICS)
