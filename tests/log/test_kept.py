"""Kept envelopes: sealed with their record, opened in no other, gone when their key is."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import LedgerError, SanlianError, VerificationError
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from crypto.sm4 import KEY_LENGTH, open_
from ledger.audit.keys import LogKeys
from ledger.log import kept_keys
from ledger.log.keeping import (
    Keeper,
    dispose_kept_period,
    dispose_kept_record,
    open_kept,
)
from ledger.log.kept_keys import KeptKeys
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.kept import SLOTS, Bound, Slot, is_kept_member, open_envelope, seal_body, slot_of
from protocol.parameters import period_at
from protocol.records import encode_record, parse_record
from tests.log.conftest import LOG_ID, ORIGIN, Drafts, wait_until

ROOT = Path(__file__).parents[2]
PERIOD = "2020-01"
AT_MS = 1_578_000_000_000
INTERFACE = b"\7" * 32
#: What Drafts signs.
BODY = b"{}"


class Log:
    """A log whose intents go with envelopes."""

    def __init__(self, directory: Path, key: PrivateKey | None = None) -> None:
        self.file = directory / "log.db"
        self.url = f"sqlite:///{self.file}"
        self.key = key or PrivateKey.generate()
        self.directory = directory / "kept-keys"
        self.keys = KeptKeys(self.directory)
        self.keeper = Keeper(self.keys, frozenset({INTERFACE}), ORIGIN)
        self.writer = LogWriter(self.url, origin=ORIGIN, log_id=LOG_ID, key=self.key)
        self.reader = LogReader.open(self.url)
        self.drafts = Drafts()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

    def keep(self, *, time_ms: int = AT_MS) -> int:
        """Write an intent with its envelope."""
        draft, nonce = self.drafts.intent()
        sealed, member = self.keeper.keep(
            INTERFACE,
            BODY,
            time_ms=time_ms,
            key_id=nonce.key_id,
            digest=sm3(BODY),
            nonce=nonce.value.hex(),
        )
        future = self.writer.append(
            {**draft, **member}, nonce=nonce, time_ms=time_ms, envelope=sealed
        )
        return future.result(20).index

    def record(self, seq: int) -> dict[str, Any]:
        return parse_record(self.reader.get_record(seq))

    def change(self, statement: str, *values: object) -> None:
        """Change the database behind the writer's back."""
        connection = sqlite3.connect(self.file)
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    def findings(self) -> list[tuple[str, str]]:
        """Return what an audit finds about keys and envelopes."""
        named, found = LogKeys(), []
        for _, data in self.reader.records():
            found += list(named.add(parse_record(data)))
        found += list(named.compare_kept(self.reader, self.keys))
        return [(one.place, one.code) for one in found]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.close()


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(SanlianError) as caught:
        call()
    return caught.value.code


def test_envelope_is_kept_and_opened(log: Log) -> None:
    first, second = log.keep(), log.keep()
    assert open_kept(log.reader, log.keys, first) == BODY
    # After a start the keys are found again, and no file is gone on with.
    assert open_kept(log.reader, KeptKeys(log.directory), second) == BODY
    one, two = log.record(first)["kept"], log.record(second)["kept"]
    assert (one["period"], one["file"]) == (two["period"], two["file"])
    assert (one["slot"], two["slot"]) == (0, 1)
    assert log.keys.find(slot_of(one)) != log.keys.find(slot_of(two))
    assert log.findings() == []
    assert code_of(lambda: open_kept(log.reader, log.keys, 0)) == "KEPT_NONE"
    assert code_of(lambda: open_kept(log.reader, log.keys, 99)) == "LOG_RECORD_UNKNOWN"


def test_bytes_are_what_the_protocol_says(log: Log) -> None:
    seq = log.keep()
    record = log.record(seq)
    member, request = record["kept"], record["request"]
    (path,) = log.directory.glob("*.keys")
    assert path.name == f"{PERIOD}.{member['file']}.keys"
    data = path.read_bytes()
    assert len(data) == SLOTS * KEY_LENGTH
    key_id = Bound.of_record(record).key_id.hex()
    aad = (
        f"sanlian/kept/v1\n{ORIGIN}\n{request['content_digest']}\n{key_id}\n{request['nonce']}\n"
        f"{PERIOD}\n{member['file']}\n{member['slot']}\n"
    )
    sealed = log.reader.find_envelope(seq)
    assert sealed is not None
    start = member["slot"] * KEY_LENGTH
    assert open_(data[start : start + KEY_LENGTH], sealed, aad.encode()) == BODY
    assert member["digest"] == sm3(sealed).hex()


def test_other_interfaces_keep_nothing(log: Log) -> None:
    kept = log.keeper.keep(
        bytes(32), BODY, time_ms=AT_MS, key_id=bytes(32), digest=bytes(32), nonce=""
    )
    assert kept == (None, {})
    assert not log.directory.exists()
    idle = Keeper(log.keys, frozenset(), ORIGIN)
    idle.prepare(AT_MS)
    assert not log.directory.exists()


def test_files_are_their_owners_alone(log: Log) -> None:
    log.keep()
    assert stat.S_IMODE(log.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.directory.iterdir()} == {0o600}


# --- attacks ------------------------------------------------------------------------------------


def test_swapped_and_moved_envelopes(log: Log) -> None:
    one, two = log.keep(), log.keep()
    before = {seq: log.reader.find_envelope(seq) for seq in (one, two)}
    log.change("UPDATE kept SET bytes = ? WHERE seq = ?", before[two], one)
    log.change("UPDATE kept SET bytes = ? WHERE seq = ?", before[one], two)
    for seq in (one, two):
        assert code_of(lambda seq=seq: open_kept(log.reader, log.keys, seq)) == "KEPT_DIFFERS"
    assert log.findings() == [(f"record {seq}", "KEPT_DIFFERS") for seq in (one, two)]
    # Even a record that named the other envelope and its key would not open it.
    record = log.record(one)
    key = log.keys.find(slot_of(log.record(two)["kept"]))
    sealed = before[two]
    assert key is not None
    assert sealed is not None
    moved = {**record, "kept": log.record(two)["kept"]}
    assert code_of(lambda: open_envelope(key, moved, sealed)) == "KEPT_INVALID"


@pytest.mark.parametrize("change", ["x'00'", "substr(bytes, 1, length(bytes) - 1)", "x''"])
def test_truncated_envelope(log: Log, change: str) -> None:
    seq = log.keep()
    log.change(f"UPDATE kept SET bytes = {change} WHERE seq = ?", seq)  # noqa: S608 - of this test
    assert code_of(lambda: open_kept(log.reader, log.keys, seq)) == "KEPT_DIFFERS"


def test_short_envelope_that_a_record_names(log: Log) -> None:
    seq = log.keep()
    record = log.record(seq)
    named = {**record, "kept": {**record["kept"], "digest": sm3(b"x").hex()}}
    assert code_of(lambda: open_envelope(b"k" * 16, named, b"x")) == "KEPT_DIFFERS"


def test_deleted_envelope(log: Log) -> None:
    seq = log.keep()
    log.change("DELETE FROM kept WHERE seq = ?", seq)
    assert code_of(lambda: open_kept(log.reader, log.keys, seq)) == "KEPT_MISSING"
    assert log.findings() == [(f"record {seq}", "KEPT_MISSING")]


def test_wrong_key(log: Log) -> None:
    seq = log.keep()
    (path,) = log.directory.glob("*.keys")
    path.write_bytes(os.urandom(SLOTS * KEY_LENGTH))
    assert code_of(lambda: open_kept(log.reader, log.keys, seq)) == "KEPT_INVALID"


def test_another_body_than_was_signed() -> None:
    """A gateway that seals something else is found when it is opened."""
    draft, nonce = Drafts().intent()
    slot = Slot(PERIOD, "0" * 32, 5)
    bound = Bound(ORIGIN, sm3(BODY), nonce.key_id, nonce.value.hex())
    sealed, member = seal_body(b"k" * 16, slot, bound, b'{"parameters":{}}')
    record = {"v": 1, "log": ORIGIN, "seq": 1, "time_ms": AT_MS, **draft, "kept": member}
    assert code_of(lambda: open_envelope(b"k" * 16, record, sealed)) == "KEPT_INVALID"
    for changed in (replace(bound, origin="other"), replace(bound, nonce="00" * 16)):
        sealed, member = seal_body(b"k" * 16, slot, changed, BODY)
        with pytest.raises(VerificationError):
            open_envelope(b"k" * 16, {**record, "kept": member}, sealed)


def test_key_file_that_is_missing_or_cut_off(log: Log) -> None:
    one, two = log.keep(), log.keep()
    (path,) = log.directory.glob("*.keys")
    path.write_bytes(path.read_bytes()[: KEY_LENGTH + 3])
    assert open_kept(log.reader, log.keys, one) == BODY
    assert code_of(lambda: open_kept(log.reader, log.keys, two)) == "KEPT_KEYS_UNREADABLE"
    assert log.findings() == [(f"record {two}", "KEPT_KEYS_UNREADABLE")]
    path.unlink()
    assert code_of(lambda: open_kept(log.reader, log.keys, one)) == "KEPT_KEY_MISSING"
    assert log.findings() == [(f"kept, {PERIOD}", "KEPT_KEY_MISSING")]


def test_no_key_no_intent(log: Log) -> None:
    log.directory.write_bytes(b"not a directory")
    assert code_of(log.keep) == "KEPT_KEYS_UNREADABLE"
    assert code_of(lambda: log.keeper.prepare(AT_MS)) == "KEPT_KEYS_UNREADABLE"


@pytest.mark.parametrize(
    "changes",
    [
        {"period": "2020-13"},
        {"file": "../" + "0" * 29},
        {"slot": SLOTS},
        {"slot": -1},
        {"slot": True},
        {"digest": ""},
        {"key": "00"},
    ],
)
def test_member_that_is_none(log: Log, changes: dict[str, Any]) -> None:
    record = log.record(log.keep())
    bad = {**record, "kept": {**record["kept"], **changes}}
    assert not is_kept_member(bad["kept"])
    assert code_of(lambda: encode_record(bad)) == "RECORD_MALFORMED"


# --- keys are given once ------------------------------------------------------------------------


def test_files_follow_each_other(tmp_path: Path) -> None:
    keys = KeptKeys(tmp_path / "keys")
    taken = [keys.take(PERIOD) for _ in range(SLOTS - kept_keys.LOW)]
    # The next file is made beside the requests, before it is needed.
    wait_until(lambda: keys._following is not None)
    assert len(list((tmp_path / "keys").iterdir())) == 2
    taken += [keys.take(PERIOD) for _ in range(kept_keys.LOW + 3)]
    taken.append(keys.take("2020-02"))
    assert len({slot for slot, _ in taken}) == len({key for _, key in taken}) == len(taken)
    assert len({slot.file for slot, _ in taken}) == 3
    assert all(keys.find(slot) == key for slot, key in taken[:: SLOTS // 8])


def test_keys_are_on_disk_before_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        full = path.is_dir() or path.stat().st_size == SLOTS * KEY_LENGTH
        synced.append(f"{path.name}{'' if full else ', cut off'}")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    keys = KeptKeys(tmp_path / "keys")
    slot, _ = keys.take(PERIOD)
    name = f"{PERIOD}.{slot.file}.keys"
    # The home knows the directory, the file is whole, and the directory knows the file.
    assert synced == [tmp_path.name, name, "keys"]
    synced.clear()
    keys.take(PERIOD)
    assert synced == [], "giving one out touches no disk"
    keys.dispose_period(PERIOD)
    # Mark, overwritten bytes, removal: each is durable before the next begins.
    assert synced == ["keys", name, "keys"]


def test_killed_between_key_and_flush(tmp_path: Path) -> None:
    """No key is used twice by processes that were killed, and each recorded one opens."""
    secret = PrivateKey.generate()
    for enough in (40, 90, 60):
        command = [sys.executable, "-m", "tests.log.keep_burst", str(tmp_path)]
        child = subprocess.Popen(
            [*command, f"{secret.to_int():x}"], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        try:
            got = [child.stdout.readline() for _ in range(enough)]
        finally:
            child.kill()
            child.stdout.close()
        assert child.wait(20) == -9
        assert all(got)
    log = Log(tmp_path, secret)
    try:
        slots = set()
        intents = [parse_record(data) for _, data in log.reader.records_of_event("intent")]
        assert len(intents) >= 190
        for record in intents:
            assert open_kept(log.reader, log.keys, record["seq"]) == BODY
            slots.add(slot_of(record["kept"]))
        assert len(slots) == len(intents)
        assert len({slot.file for slot in slots}) >= 3  # one that went on had a second file
        assert log.findings() == []
    finally:
        log.close()


# --- disposal -----------------------------------------------------------------------------------


def dispose(log: Log, period: str = PERIOD) -> bool:
    return dispose_kept_period(
        log.writer, log.reader, log.keys, period=period, cause="retention_over"
    )


def test_a_month_is_disposed_of(log: Log) -> None:
    seqs = [log.keep(), log.keep()]
    (path,) = log.directory.glob("*.keys")
    os.link(path, log.directory / "same-bytes")
    assert dispose(log)
    assert (log.directory / "same-bytes").read_bytes() == bytes(SLOTS * KEY_LENGTH)
    assert not path.exists()
    for seq in seqs:
        assert code_of(lambda seq=seq: open_kept(log.reader, log.keys, seq)) == "KEPT_KEY_MISSING"
    assert log.findings() == []
    assert not dispose(log), "recorded before"
    assert len(list(log.reader.records_of_event("kept_disposed"))) == 1
    # The month gets no keys again, in a new process neither.
    assert code_of(lambda: KeptKeys(log.directory).take(PERIOD)) == "KEPT_KEY_DISPOSED"
    size, root = log.reader.size(), log.reader.root()
    for index in range(size):
        leaf = leaf_hash(log.reader.get_record(index))
        verify_inclusion(leaf, index, size, log.reader.inclusion(index, size), root)


def test_one_record_is_disposed_of(log: Log) -> None:
    one, two = log.keep(), log.keep()
    now = log.keep(time_ms=10**12 * 5)
    for seq in (one, now):
        assert dispose_kept_record(
            log.writer, log.reader, log.keys, seq=seq, cause="erasure_demanded"
        )
        assert code_of(lambda seq=seq: open_kept(log.reader, log.keys, seq)) == "KEPT_KEY_MISSING"
    again = dispose_kept_record(log.writer, log.reader, log.keys, seq=one, cause="erasure_demanded")
    assert not again
    assert open_kept(log.reader, log.keys, two) == BODY
    assert log.findings() == []
    (path,) = log.directory.glob(f"{PERIOD}.*.keys")
    data = path.read_bytes()
    assert data[:KEY_LENGTH] == bytes(KEY_LENGTH)
    assert any(data[KEY_LENGTH : 2 * KEY_LENGTH])


def test_disposal_cut_off_is_found_and_finished(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    seq = log.keep()

    def fail(_period: str) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(log.keys, "dispose_period", fail)
        with pytest.raises(RuntimeError):
            dispose(log)
    assert log.findings() == [(f"record {seq}", "KEPT_KEY_DISPOSED")]
    assert not dispose(log)
    assert log.findings() == []


def test_disposal_refused(log: Log) -> None:
    running = period_at(10**12 * 5)
    assert code_of(lambda: dispose(log, running)) == "PERIOD_RUNNING"
    assert code_of(lambda: dispose(log, "2020-1")) == "PARAMETER_PERIOD_INVALID"

    def of(seq: int, cause: str = "retention_over") -> str:
        return code_of(
            lambda: dispose_kept_record(log.writer, log.reader, log.keys, seq=seq, cause=cause)
        )

    assert of(0) == "KEPT_NONE"
    assert of(9) == "LOG_RECORD_UNKNOWN"
    assert of(0, "because") == "CAUSE_INVALID"
    assert not list(log.reader.records_of_event("kept_disposed"))


def test_audit_names_what_cannot_be() -> None:
    slot = {"period": PERIOD, "file": "0" * 32, "slot": 1, "digest": "0" * 64}
    kept = {"event": "intent", "time_ms": AT_MS, "kept": slot}
    gone = {"event": "kept_disposed", "time_ms": 2 * AT_MS, "period": PERIOD, "record": None}

    def found(*records: dict[str, Any]) -> list[str]:
        named = LogKeys()
        numbered = [{"seq": seq, **one} for seq, one in enumerate(records)]
        return [one.code for record in numbered for one in named.add(record)]

    assert found(kept, gone) == []
    assert found(kept, {**gone, "record": 0}) == []
    assert found(kept, kept) == ["KEPT_SLOT_REPEATED"]
    assert found(gone, kept) == ["KEPT_KEY_DISPOSED"]
    assert found({**kept, "time_ms": 2 * AT_MS}) == ["PERIOD_MISMATCH"]
    assert found({**gone, "time_ms": AT_MS}) == ["PERIOD_RUNNING"]
    assert found(kept, {**gone, "record": 7}) == ["KEPT_NONE"]
    assert found(kept, {**gone, "record": 0, "period": "2020-02"}) == ["KEPT_NONE"]


def test_log_errors_are_the_projects(log: Log) -> None:
    with pytest.raises(LedgerError):
        log.keys.find(Slot(PERIOD, "not a name", 0))
