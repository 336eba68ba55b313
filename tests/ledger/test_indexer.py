"""The indexer: equal to the contracts, and stopped by whatever it cannot follow."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from eth_account import Account
from ledger_city import (
    AUTHORITY,
    City,
    Node,
    deploy,
    entry_document,
    entry_values,
    interface_document,
    key,
    on_both,
    wait_until,
)
from sqlalchemy import text

from crypto.canonical import canonical_json
from crypto.sm3 import sm3
from ledger.chain import indexer as indexing
from ledger.chain.artifacts import decode_result, encode_act_call, encode_call
from ledger.chain.engines.embedded.anvil import BLOCK_GAS_LIMIT
from ledger.chain.engines.embedded.transactions import MAX_TRANSACTION_GAS
from ledger.chain.indexer import Indexer
from ledger.chain.rpc import Rpc
from ledger.chain.sender import Outgoing
from ledger.chain.worker import FatalFinding
from ledger.db.engine import make_engine, read_transaction
from ledger.db.state import find_head, load_changes, load_state
from ledger.outbox.documents import describe
from ledger.reads.documents import get_document
from ledger.reads.entries import get_entry
from protocol.deployment import Deployment
from protocol.model import MemoryStore


def snapshot(store: MemoryStore) -> dict[str, object]:
    return {name: dict(value) for name, value in vars(store).items() if isinstance(value, dict)}


def grow(city: City) -> bytes:
    """Record a department with an entry; returns the entry's id."""
    city.register("civil")
    city.run()
    document = entry_document()
    signers = [key("civil operator"), key("civil head")]
    entry = city.accept(city.sign("EntrySubmitted", signers, entry_values(document)), document)
    city.run()
    return entry.act_id


def view(city: City, contract: str, function: str, *arguments: object) -> tuple[object, ...]:
    call = {
        "to": "0x" + city.deployment.contracts[contract].hex(),
        "data": "0x" + encode_call(contract, function, *arguments).hex(),
    }
    answer = city.rpc.call("eth_call", call, "latest")
    return decode_result(contract, function, bytes.fromhex(answer[2:]))


def test_state_equals_the_contracts(city: City) -> None:
    grow(city)
    store = MemoryStore()
    with read_transaction(city.engine) as connection:
        load_state(connection, store)
    for key_id, one in store.keys.items():
        (record,) = view(city, "Registry", "keyRecord", key_id)
        x, y, person, department, roles, active = record  # type: ignore[misc]
        owner = store.persons[one.person]
        assert (x, y) == (one.public_key.x, one.public_key.y)
        assert (person, department, roles) == (owner.id, owner.department, int(owner.roles))
        assert active == (one.state == "ACTIVE")
        for contract in ("Registry", "Entries", "Interfaces", "Requests", "Logs"):
            (nonce,) = view(city, contract, "nonces", key_id)
            assert nonce == store.nonce(contract, key_id)


def mine(city: City, number: int) -> None:
    """Make a block with a transaction of nobody known."""
    fields = {"chainId": city.deployment.chain_id, "nonce": 0, "gasPrice": 0, "value": 0}
    account = Account.from_key(sm3(b"passer-by %d" % number))
    signed = account.sign_transaction({**fields, "gas": 21_000, "to": account.address})
    sent = city.rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    wait_until(lambda: city.rpc.call("eth_getTransactionReceipt", sent) is not None)


def test_a_state_behind_the_node_is_not_as_of_now(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who decides by it must see how old it is: a revocation may lie in the blocks to come."""
    monkeypatch.setattr(indexing, "MAX_BLOCKS_PER_STEP", 2)
    monkeypatch.setattr(indexing, "LOGS_PER_TRANSACTION", 1)
    now = 1_000
    grow(city)
    city.open("late.db")
    follower = Indexer(city.engine, city.deployment, city.rpc, clock=lambda: now)

    def polled_at() -> int:
        with read_transaction(city.engine) as connection:
            head = find_head(connection)
        assert head is not None
        return head.polled_at

    steps = 0
    while follower.step():
        steps += 1
        assert polled_at() == 0
    assert steps >= 2
    assert polled_at() == now
    # It was away for an hour, in which more was recorded than one step follows.
    for number in range(3):
        mine(city, number)
    now = 4_600
    assert follower.step()
    assert polled_at() == 1_000
    while follower.step():
        assert polled_at() == 1_000
    assert polled_at() == now


@on_both
def test_changes_bring_a_copy_up_to_date(city: City) -> None:
    copy = MemoryStore()
    reader = make_engine(city.url, read_only=True)
    with read_transaction(reader) as connection:
        head = load_state(connection, copy)
    assert head is not None
    entry = grow(city)
    with read_transaction(reader) as connection:
        head = load_changes(connection, copy, head.number)
    assert head is not None
    city.accept(
        city.sign(
            "EntryPublished", AUTHORITY[:1], {"document": sm3(entry_document())}, target=entry
        )
    )
    city.run()
    whole = MemoryStore()
    with read_transaction(reader) as connection:
        newer = load_changes(connection, copy, head.number)
        assert load_state(connection, whole) == newer
    assert snapshot(copy) == snapshot(whole)
    assert copy.find_authority() == whole.find_authority()
    assert copy.entries[entry].current is not None
    reader.dispose()


def test_pieces_that_do_not_fit_are_ignored_until_right_ones_come(city: City) -> None:
    data = entry_document("x" * 200)
    digest = sm3(data)
    to = city.deployment.contracts["Documents"]
    half = len(data) // 2
    wrong = [
        (digest, 0, 2, b"spoiled"),
        (digest, 1, 2, data[half:]),
        (digest, 0, 3, data[:half]),
    ]
    right = [(digest, 0, 2, data[:half])]
    for pieces in (wrong, right):
        city.sender.send(
            [
                Outgoing("piece", to, encode_call("Documents", "put", *one), 1_000_000)
                for one in pieces
            ]
        )
        city.run()
        with city.engine.connect() as connection:
            found = connection.scalar(
                text("SELECT data FROM documents WHERE digest = :d"), {"d": digest}
            )
        assert found == (None if pieces is wrong else data)
    with city.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM document_pieces")) == 0


WITHOUT_TRANSACTIONS = False
HOSTILE = (
    b'{"a":1e-99999999999999999999}',
    b"[" * 16_000,
    b"\xff\xfe not text",
    b"NaN",
    b'"\\ud800"',
    b"1" * 10_000,
)


@on_both
def test_documents_that_are_anything_stop_nobody(city: City) -> None:
    """Whoever sends straight to the chain may name and put any bytes as a document."""
    city.register("civil")
    city.run()
    to = city.deployment.contracts["Documents"]
    entries: list[bytes] = []
    for data in HOSTILE:
        values = {**entry_values(entry_document()), "document": sm3(data)}
        signed = city.sign("EntrySubmitted", [key("civil operator"), key("civil head")], values)
        city.sender.send(
            [
                Outgoing(
                    "piece", to, encode_call("Documents", "put", sm3(data), 0, 1, data), 10**6
                ),
                Outgoing(
                    "piece", city.deployment.contracts["Entries"], encode_act_call(signed), 10**7
                ),
            ]
        )
        city.run()
        entries.append(signed.act_id)
    with read_transaction(city.engine) as connection:
        for entry, data in zip(entries, HOSTILE, strict=True):
            assert get_document(connection, sm3(data)).data == data
            shown = get_entry(connection, entry)
            assert shown["pending"]["document_text"] is None


def test_a_title_holds_no_control_characters() -> None:
    """PostgreSQL would refuse the row, and the indexer would try it for ever."""
    document = json.loads(interface_document())
    document["info"]["title"] = "婚姻\0登记\n"
    described = describe(canonical_json(document))
    assert (described.kind, described.title) == ("interface", "婚姻登记")
    document = json.loads(entry_document())
    document["name"] = "婚姻\0登记\n"
    assert describe(canonical_json(document)).kind == "other"


def _stuffing(documents: bytes) -> bytes:
    """Init code that puts largest pieces until 200,000 gas are left."""
    head = encode_call("Documents", "put", bytes(32), 0, 8, b"")[:-32] + (16_384).to_bytes(
        32, "big"
    )
    copy = b"\x60" + bytes([len(head)]) + b"\x60\x3a\x60\x00\x39"
    size = b"\x61" + (len(head) + 16_384).to_bytes(2, "big")
    loop = b"\x5b\x60\x00\x60\x00" + size + b"\x60\x00\x60\x00\x73" + documents + b"\x5a\xf1\x50"
    again = b"\x62" + (200_000).to_bytes(3, "big") + b"\x5a\x11\x60\x07\x57\x00"
    code = copy + loop + again
    return code.ljust(0x3A, b"\x00") + head


@pytest.mark.full
def test_a_block_full_of_pieces_is_followed(city: City) -> None:
    """Anybody may fill blocks with what costs least gas for the bytes that a node answers."""
    data = _stuffing(city.deployment.contracts["Documents"])
    fields = {"chainId": city.deployment.chain_id, "nonce": 0, "gasPrice": 0, "value": 0}

    def send(number: int) -> str:
        account = Account.from_key(sm3(b"somebody %d" % number))
        signed = account.sign_transaction({**fields, "gas": MAX_TRANSACTION_GAS, "data": data})
        rpc = Rpc(city.node.url, timeout_s=120)
        sent = rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        rpc.close()
        return str(sent)

    with ThreadPoolExecutor(40) as pool:
        hashes = list(pool.map(send, range(40)))
    for one in hashes:
        wait_until(lambda one=one: city.rpc.call("eth_getTransactionReceipt", one) is not None)
    gas = [
        int(city.rpc.call("eth_getBlockByNumber", hex(number), WITHOUT_TRANSACTIONS)["gasUsed"], 16)
        for number in range(int(city.rpc.call("eth_blockNumber"), 16) + 1)
    ]
    assert max(gas) > BLOCK_GAS_LIMIT * 0.95, "no block was full"
    city.catch_up()
    with read_transaction(city.engine) as connection:
        head = find_head(connection)
    assert head is not None
    assert head.number == int(city.rpc.call("eth_blockNumber"), 16)


def test_another_chain_stops_it_for_good(
    city: City, tmp_path_factory: pytest.TempPathFactory
) -> None:
    grow(city)
    other = Node(tmp_path_factory.mktemp("other") / "node")
    other.start()
    try:
        rpc = Rpc(other.url)
        deploy(rpc)
        indexer = Indexer(city.engine, city.deployment, rpc)
        with pytest.raises(FatalFinding) as finding:
            indexer.step()
        assert finding.value.code == "CHAIN_DIVERGED"
        rpc.close()
    finally:
        other.stop(signal.SIGKILL)
    with pytest.raises(FatalFinding):  # also on the right chain, until somebody rebuilds
        city.indexer.step()
    with read_transaction(city.engine) as connection:
        head = find_head(connection)
    assert head is not None
    assert head.finding_code == "CHAIN_DIVERGED"


def test_an_event_that_breaks_a_rule_stops_it(city: City) -> None:
    """State that was changed behind the indexer's back makes the next event disagree."""
    city.register("civil")
    city.run()
    with city.engine.begin() as connection:
        before = connection.scalar(text("SELECT number FROM head"))
        connection.execute(text("UPDATE keys SET state = 'ACTIVE'"))
    city.accept(
        city.sign(
            "KeyRevoked",
            [key("civil head")],
            {"reason_code": 1},
            target=key("civil officer").public_key.key_id,
        )
    )
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE keys SET revision = revision + 1"))
    city.relay.step()
    _await_new_block(city, before)
    with pytest.raises(FatalFinding) as finding:
        city.indexer.step()
    assert finding.value.code == "INDEX_DISAGREES"
    with city.engine.connect() as connection:
        # Nothing of the block was kept.
        assert connection.scalar(text("SELECT number FROM head")) == before
        assert connection.scalar(text("SELECT max(number) FROM blocks")) == before
        assert connection.scalar(text("SELECT finding_code FROM head")) == "INDEX_DISAGREES"


def _await_new_block(city: City, number: int) -> None:
    wait_until(lambda: int(city.rpc.call("eth_blockNumber"), 16) > number)


def test_a_deployment_that_is_not_there_is_waited_for(city: City) -> None:
    absent = Deployment(
        chain_id=city.deployment.chain_id,
        contracts={
            name: bytes([index + 1]) * 20 for index, name in enumerate(city.deployment.contracts)
        },
        block=city.deployment.block,
        example=True,
        platform_key=city.deployment.platform_key,
        gateway_key=city.deployment.gateway_key,
        origin=city.deployment.origin,
    )
    city.engine.dispose()
    city.open("absent.db")
    indexer = Indexer(city.engine, absent, city.rpc)
    with pytest.raises(Exception, match="GENESIS_NOT_FOUND"):
        indexer.step()
