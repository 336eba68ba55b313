"""Receipts in others' hands against the log's file: each that the log does not keep is named."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from crypto.canonical import canonical_json
from crypto.merkle import leaf_hash
from crypto.sm2 import PrivateKey
from ledger.audit.completeness import Finding
from ledger.audit.receipts import check_receipts
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.batch_receipts import Kept, encode_batch_answer
from protocol.held import BATCH_TYPE, KEPT_TYPE
from protocol.observation import sign_observation
from protocol.receipt import Receipt
from sanlian_client.cli import main
from sanlian_client.intents import IntentStore
from tests.protocol.test_usual_observation import USUAL

ORIGIN = "city.example/gateway-1"
KEY = PrivateKey.generate()


class Held:
    """A log, and a folder of receipts that others hold."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "log.db"
        self.folder = directory / "receipts"
        self.folder.mkdir()
        self.receipts = self.write(self.file, ORIGIN, 1)

    def write(self, file: Path, origin: str, first: int) -> list[Receipt]:
        writer = LogWriter(f"sqlite:///{file}", origin=origin, log_id=bytes(32), key=KEY)
        try:
            return [
                writer.append(
                    {
                        "event": "observed",
                        "observation": dict(one.members),
                        "public_key": KEY.public_key.to_bytes().hex(),
                        "signature": one.signature.to_bytes().hex(),
                        "department": "00" * 32,
                        "source": "10.0.0.1",
                        "block": {"number": 1, "hash": "00" * 32},
                    }
                ).result(20)
                for one in (
                    sign_observation(KEY, {**USUAL, "record": f"r-{number}"})
                    for number in range(first, first + 5)
                )
            ]
        finally:
            writer.close()

    def hold(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def tamper(self, statement: str) -> None:
        connection = sqlite3.connect(self.file)
        connection.execute(statement)
        connection.commit()
        connection.close()

    def check(self) -> list[Finding]:
        reader = LogReader.open(f"sqlite:///{self.file}")
        try:
            return list(check_receipts(self.folder, {ORIGIN: (reader, KEY.public_key)}))
        finally:
            reader.close()


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def kept(receipt: Receipt | None) -> bytes:
    text = None if receipt is None else receipt.to_bytes().decode()
    return canonical_json({"type": KEPT_TYPE, "receipt": text})


def batch(receipts: list[Receipt]) -> bytes:
    """Return what a platform keeps of a batch whose first record was refused."""
    told = [Kept.before(one, "") for one in receipts]
    answer = json.loads(encode_batch_answer(["OBSERVATION_LATER", *told]))
    handed_in = [sign_observation(KEY, USUAL)]
    handed_in += [sign_observation(KEY, json.loads(one.record)["observation"]) for one in receipts]
    values = [one.to_json() for one in handed_in]
    return canonical_json({"type": BATCH_TYPE, "observations": values, **answer})


def test_receipts_of_every_holder_are_read_and_hold(held: Held) -> None:
    held.hold("requester.json", kept(held.receipts[0]))
    held.hold("unanswered.json", kept(None))
    held.hold("provider.json", held.receipts[1].to_bytes())
    held.hold("platform.json", batch(held.receipts[2:]))
    held.hold("other.json", canonical_json({"type": "sanlian/sequence/v1"}))
    held.hold("notes.txt", b"no receipt")
    assert held.check() == []


def _record_missing(held: Held) -> None:
    held.tamper("DELETE FROM records WHERE seq = 3")
    held.hold("r.json", kept(held.receipts[2]))


def _log_cut(held: Held) -> None:
    for statement in (
        "DELETE FROM checkpoints WHERE size > 3",
        "DELETE FROM records WHERE seq >= 3",
    ):
        held.tamper(statement)
    held.hold("r.json", held.receipts[4].to_bytes())


def _record_differs(held: Held) -> None:
    held.tamper("UPDATE records SET bytes = CAST(REPLACE(CAST(bytes AS TEXT),"
                " '\"person\":\"p-1\"', '\"person\":\"p-2\"') AS BLOB) WHERE seq = 3")  # fmt: skip
    held.hold("r.json", batch(held.receipts))


def _another_history(held: Held) -> None:
    """The gateway showed another log, whose tree holds another record."""
    other = held.write(held.file.with_name("other.db"), ORIGIN, 100)
    held.hold("r.json", other[1].to_bytes())


def _forked(held: Held) -> None:
    held.tamper("UPDATE nodes SET hash = zeroblob(32) WHERE place = 7")  # leaf 4
    held.hold("r.json", held.receipts[3].to_bytes())


def _bent(held: Held) -> None:
    value = json.loads(held.receipts[2].to_bytes())
    value["record"] = value["record"].replace('"person":"p-1"', '"person":"p-7"')
    held.hold("r.json", canonical_json(value))


def _other_log(held: Held) -> None:
    other = held.write(held.file.with_name("other.db"), "city.example/gateway-2", 1)
    held.hold("r.json", other[0].to_bytes())


def _batch_points_nowhere(held: Held) -> None:
    value = json.loads(batch(held.receipts[:1]))
    value["results"][1]["checkpoint"] = -1
    held.hold("r.json", canonical_json(value))


def _batch_without_its_records(held: Held) -> None:
    value = json.loads(batch(held.receipts[:1]))
    held.hold("r.json", canonical_json({**value, "observations": [7, 8]}))


def _batch_of_another_key(held: Held) -> None:
    value = json.loads(batch(held.receipts[:1]))
    value["common"][0]["public_key"] = PrivateKey.generate().public_key.to_bytes().hex()
    held.hold("r.json", canonical_json(value))


FAULTS: dict[str, tuple[Callable[[Held], None], str, str]] = {
    "record missing": (_record_missing, "receipt r.json, record 3", "RECEIPT_RECORD_MISSING"),
    "log cut": (_log_cut, "receipt r.json, record 5", "RECEIPT_RECORD_MISSING"),
    "record differs": (_record_differs, "receipt r.json, record 3", "RECEIPT_RECORD_DIFFERS"),
    "another history": (_another_history, "receipt r.json, record 2", "RECEIPT_RECORD_DIFFERS"),
    "tree forked": (_forked, "receipt r.json, record 4", "RECEIPT_FORKED"),
    "receipt bent": (_bent, "receipt r.json, record 3", "RECEIPT_INVALID"),
    "log not given": (_other_log, "receipt r.json, record 1", "RECEIPT_LOG_UNKNOWN"),
    "no JSON": (lambda held: held.hold("r.json", b"{"), "receipt r.json", "RECEIPT_MALFORMED"),
    "no records": (_batch_without_its_records, "receipt r.json", "RECEIPT_MALFORMED"),
    "another key": (_batch_of_another_key, "receipt r.json, record 1", "RECEIPT_INVALID"),
    "checkpoint of no place": (_batch_points_nowhere, "receipt r.json", "RECEIPT_MALFORMED"),
}


@pytest.mark.parametrize(("make", "place", "code"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(held: Held, make: Callable[[Held], None], place: str, code: str) -> None:
    make(held)
    assert [(one.place, one.code) for one in held.check()] == [(place, code)]


def test_a_providers_receipts_are_exported(held: Held, tmp_path: Path) -> None:
    store = IntentStore(tmp_path / "intents.db")
    for number, one in enumerate(held.receipts):
        store.add(
            one,
            leaf=leaf_hash(one.record),
            log=ORIGIN,
            requester=bytes(32),
            nonce=f"{number:032x}",
            now=1,
        )
    store.close()
    arguments = ["receipt", "export", str(tmp_path / "intents.db"), str(held.folder)]
    for _ in range(2):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    assert len(list(held.folder.glob("intent-*.json"))) == 5
    assert held.check() == []
    held.tamper("DELETE FROM records WHERE seq = 2")
    assert [one.code for one in held.check()] == ["RECEIPT_RECORD_MISSING"]
