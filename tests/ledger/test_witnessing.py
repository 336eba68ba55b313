"""Anchors of checkpoints, and witnesses' signatures on blocks and checkpoints."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ledger_city import AUTHORITY, ORIGIN, City, key

from crypto.errors import LedgerError, RequestRefused, SanlianError, VerificationError
from crypto.sm2 import Signature
from crypto.sm3 import sm3
from ledger.chain.anchorer import Anchorer
from ledger.db.engine import read_transaction
from ledger.db.state import load_changes, load_state
from ledger.reads import blocks, logs
from ledger.reads.cosignatures import accept_block_cosignature, accept_checkpoint_cosignature
from protocol.acts import Value
from protocol.checkpoint import Checkpoint, block_statement, cosign_checkpoint, sign_checkpoint
from protocol.description import Role
from protocol.model import MemoryStore

GATEWAY = key("gateway")


class Notes:
    """Serves the note that it holds over HTTP, as a gateway does."""

    def __init__(self) -> None:
        self.note: str | None = None
        notes = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (notes.note or "").encode()
                self.send_response(200 if notes.note and self.path == "/log/checkpoint" else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def hold(self, size: int, root: bytes) -> str:
        self.note = sign_checkpoint(Checkpoint(ORIGIN, size, root), GATEWAY)
        return self.note


@pytest.fixture
def notes() -> Iterator[Notes]:
    served = Notes()
    yield served
    served.server.shutdown()
    served.server.server_close()


def register_log(city: City) -> bytes:
    """Enrol gateway and witness and register the log; returns its id."""
    city.enrol("gateway", Role.GATEWAY, "authority head")
    city.enrol("witness", Role.WITNESS, "authority head")
    city.run()
    log = city.accept(
        city.sign(
            "LogRegistered",
            [AUTHORITY[0], GATEWAY],
            {"gateway_key": GATEWAY.public_key.key_id, "origin": ORIGIN},
        )
    )
    city.run()
    return log.act_id


def anchored(city: City, log: bytes) -> list[int]:
    with read_transaction(city.engine) as connection:
        return [one["size"] for one in logs.list_anchors(connection, log).items]


def test_newest_checkpoints_are_anchored_once(city: City, notes: Notes) -> None:
    log = register_log(city)

    def make() -> Anchorer:
        return Anchorer(
            city.engine,
            city.deployment,
            city.sender,
            notes.url,
            anchor_interval_s=3600,
            anchor_records=10,
        )

    anchorer = make()
    anchorer.step()  # the log is empty
    notes.hold(3, sm3(b"3"))
    anchorer.step()
    anchorer.step()  # on its way: not twice
    city.run()
    assert anchored(city, log) == [3]
    notes.hold(5, sm3(b"5"))
    make().step()  # neither the time nor the number of records, also after a restart
    city.run()
    assert anchored(city, log) == [3]
    notes.hold(13, sm3(b"13"))
    anchorer.step()
    city.run()
    assert anchored(city, log) == [13, 3]
    with read_transaction(city.engine) as connection:
        assert logs.get_log(connection, log)["anchor"]["root"] == sm3(b"13").hex()

    for size, root, code in (
        (12, b"12", "LOG_SHRANK"),
        (13, b"x", "LOG_FORKED"),
    ):
        notes.hold(size, sm3(root))
        with pytest.raises(LedgerError) as refused:
            anchorer.step()
        assert refused.value.code == code
    notes.note = sign_checkpoint(Checkpoint(ORIGIN, 99, sm3(b"99")), key("thief"))
    with pytest.raises(VerificationError):
        anchorer.step()
    notes.note = "x" * 9000
    with pytest.raises(LedgerError) as refused:
        anchorer.step()
    assert refused.value.code == "GATEWAY_UNAVAILABLE"
    city.run()
    assert anchored(city, log) == [13, 3]


def test_the_log_of_a_further_gateway_is_anchored_with_its_own_key(
    city: City, notes: Notes
) -> None:
    first = register_log(city)
    city.enrol("gateway 2", Role.GATEWAY, "authority head")
    city.run()
    other, origin = key("gateway 2"), f"{ORIGIN}-2"
    log = city.accept(
        city.sign(
            "LogRegistered",
            [AUTHORITY[0], other],
            {"gateway_key": other.public_key.key_id, "origin": origin},
        )
    ).act_id
    city.run()
    second = Notes()
    given = {"anchor_interval_s": 3600, "anchor_records": 1}
    arguments = (city.engine, city.deployment, city.sender)
    anchorers = [
        Anchorer(*arguments, url, further=number, **given)
        for number, url in enumerate((notes.url, second.url))
    ]
    assert [one.name for one in anchorers] == ["anchorer", "anchorer 2"]
    anchorers[1].step()  # its log is empty
    notes.hold(3, sm3(b"3"))
    second.note = sign_checkpoint(Checkpoint(origin, 7, sm3(b"7")), other)
    for one in anchorers:  # both are on their way at a time
        one.step()
        one.step()
    city.run()
    assert (anchored(city, first), anchored(city, log)) == ([3], [7])
    # It speaks for its own log alone, and a log that nobody registered is not anchored.
    for note in (
        sign_checkpoint(Checkpoint(ORIGIN, 99, sm3(b"99")), other),
        sign_checkpoint(Checkpoint(origin, 99, sm3(b"99")), GATEWAY),
    ):
        second.note = note
        with pytest.raises(VerificationError):
            anchorers[1].step()
    second.note = sign_checkpoint(Checkpoint(f"{ORIGIN}-3", 99, sm3(b"99")), other)
    anchorers[1].step()
    second.note = sign_checkpoint(Checkpoint(origin, 6, sm3(b"6")), other)
    with pytest.raises(LedgerError, match="LOG_SHRANK"):
        anchorers[1].step()
    city.run()
    assert (anchored(city, first), anchored(city, log)) == ([3], [7])
    second.server.shutdown()
    second.server.server_close()


def test_witnesses_vouch_for_our_blocks(city: City) -> None:
    register_log(city)
    with read_transaction(city.engine) as connection:
        newest = blocks.list_blocks(connection, limit=1).items[0]
    number, block_hash = newest["number"], bytes.fromhex(newest["hash"])
    now = int(time.time())

    def hand_in(name: str, hashed: bytes, *, at: int = number, signed_time: int = now) -> None:
        chain_id = city.deployment.chain_id
        statement = block_statement(
            chain_id=chain_id, number=at, block_hash=hashed, time=signed_time
        )
        accept_block_cosignature(
            city.engine,
            chain_id=chain_id,
            number=at,
            block_hash=hashed,
            time=now,
            key_id=key(name).public_key.key_id,
            signature=key(name).sign(statement).to_bytes(),
        )

    for arguments, code in (
        (("thief", block_hash, number, now), "WITNESS_UNKNOWN"),
        (("gateway", block_hash, number, now), "WITNESS_UNKNOWN"),
        (("witness", sm3(b"other"), number, now), "BLOCK_DIFFERS"),
        (("witness", block_hash, number + 1000, now), "BLOCK_UNKNOWN"),
        (("witness", block_hash, number, now + 1), "COSIGNATURE_INVALID"),
    ):
        name, hashed, at, signed_time = arguments
        with pytest.raises(SanlianError) as refused:
            hand_in(name, hashed, at=at, signed_time=signed_time)
        assert refused.value.code == code
    hand_in("witness", block_hash)
    hand_in("witness", block_hash)
    with read_transaction(city.engine) as connection:
        (kept,) = blocks.get_block(connection, number)["cosignatures"]
    assert kept["key_id"] == key("witness").public_key.key_id.hex()
    assert Signature.from_bytes(bytes.fromhex(kept["signature"]))


def test_witnesses_cosign_checkpoints(city: City, notes: Notes) -> None:
    log = register_log(city)
    note = notes.hold(3, sm3(b"3"))
    line = cosign_checkpoint(note, name="witness.one", key=key("witness"), time=5)
    forged = cosign_checkpoint(note, name="witness.one", key=key("thief"), time=5)
    foreign = sign_checkpoint(Checkpoint(ORIGIN, 3, sm3(b"3")), key("thief"))
    for of_log, text, one, code in (
        (sm3(b"no log"), note, line, "LOG_UNKNOWN"),
        (log, foreign, line, "CHECKPOINT_INVALID"),
        (log, note, forged, "WITNESS_UNKNOWN"),
        (log, note, "x", "CHECKPOINT_MALFORMED"),
        (log, note, line + line, "CHECKPOINT_MALFORMED"),
    ):
        with pytest.raises(SanlianError) as refused:
            accept_checkpoint_cosignature(city.engine, log_id=of_log, note=text, line=one)
        assert refused.value.code == code
    other = notes.hold(4, sm3(b"4"))
    with pytest.raises(VerificationError):
        accept_checkpoint_cosignature(city.engine, log_id=log, note=other, line=line)
    accept_checkpoint_cosignature(city.engine, log_id=log, note=note, line=line)
    notes.note = note
    Anchorer(
        city.engine,
        city.deployment,
        city.sender,
        notes.url,
        anchor_interval_s=0.1,
        anchor_records=1,
    ).step()
    city.run()
    with read_transaction(city.engine) as connection:
        (anchor,) = logs.list_anchors(connection, log).items
    assert [one["line"] for one in anchor["cosignatures"]] == [line]
    with pytest.raises(RequestRefused), read_transaction(city.engine) as connection:
        logs.get_log(connection, sm3(b"no log"))


def test_a_disposal_raises_the_logs_revision_and_nothing_else(city: City) -> None:
    """The gateway's copy follows too: it files the next disposal by that revision."""
    log = register_log(city)
    copy = MemoryStore()
    with read_transaction(city.engine) as connection:
        head = load_state(connection, copy)
    before = copy.find_log(log)
    assert head is not None
    assert before is not None
    words: dict[str, Value] = {
        "disposed_kind": 1,
        "period": 202_601,
        "record": 7,
        "record_leaf": b"\5" * 32,
    }
    city.accept(city.sign("ParametersDisposed", [GATEWAY], words, target=log))
    city.run()
    with read_transaction(city.engine) as connection:
        newer = load_changes(connection, copy, head.number)
        assert newer is not None
        assert newer.number > head.number
        shown = logs.get_log(connection, log)
    assert copy.find_log(log) == replace(before, revision=before.revision + 1)
    assert shown["revision"] == before.revision + 1
