"""Keys of parameters' digests: made once, searched by, disposed of after the record that tells."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import LedgerError, ProtocolError
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.sm2 import PrivateKey
from crypto.sm3 import hmac_sm3
from ledger.log.disposal import dispose_period, find_disposed, search_parameter
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.parameters import (
    is_parameter_member,
    key_digest,
    parameter_digest,
    parameter_member,
    period_at,
)
from protocol.records import encode_record, parse_record
from tests.log.conftest import LOG_ID, ORIGIN, Drafts

PERIOD = "2020-01"
AT_MS = 1_578_000_000_000
VALUE = "44150019900101123X"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[LogWriter, LogReader, ParameterKeys]]:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    writer = LogWriter(url, origin=ORIGIN, log_id=LOG_ID, key=PrivateKey.generate())
    reader = LogReader.open(url)
    yield writer, reader, ParameterKeys(tmp_path / "keys")
    reader.close()
    writer.close()


def write_intent(writer: LogWriter, keys: ParameterKeys, parameters: dict[str, Any]) -> int:
    draft, nonce = Drafts().intent()
    key = keys.get_or_make(PERIOD)
    draft["parameters"] = parameter_member(key, PERIOD, ("/number", "/person/name"), parameters)
    return writer.append(draft, nonce=nonce, time_ms=AT_MS).result(20).index


def test_digest_is_what_the_protocol_says() -> None:
    data = b'sanlian/parameter/v1\n2020-01\n/number\n"44150019900101123X"'
    found = parameter_digest(b"k" * 32, PERIOD, "/number", VALUE)
    assert found == hmac_sm3(b"k" * 32, data)
    others = [
        parameter_digest(b"j" * 32, PERIOD, "/number", VALUE),
        parameter_digest(b"k" * 32, "2020-02", "/number", VALUE),
        parameter_digest(b"k" * 32, PERIOD, "/numbers", VALUE),
        parameter_digest(b"k" * 32, PERIOD, "/number", VALUE.lower()),
    ]
    assert len({found, *others}) == 5


def test_period_is_the_month_in_shanghai() -> None:
    # 2026-11-30 16:00 UTC is the first of December, 00:00, in Shanghai.
    midnight_ms = 1_796_054_400_000
    assert period_at(midnight_ms - 1) == "2026-11"
    assert period_at(midnight_ms) == "2026-12"


@pytest.mark.parametrize(
    "pointer", ["", "number", "/", "/名", "/a b", "/a~2", "/a" * 9, "/" + "a" * 200]
)
def test_pointer_that_is_none(pointer: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parameter_digest(b"k" * 32, PERIOD, pointer, VALUE)
    assert caught.value.code == "PARAMETER_INVALID"


def test_record_refuses_another_member() -> None:
    draft, _ = Drafts().intent()
    record = {"v": 1, "log": ORIGIN, "seq": 1, "time_ms": AT_MS, **draft}
    assert "parameters" not in parse_record(encode_record(record))
    good = parameter_member(b"k" * 32, PERIOD, ("/number",), {"number": VALUE})
    assert parse_record(encode_record({**record, "parameters": good}))["parameters"] == good
    (one,) = good["digests"]
    for bad in (
        None,
        {**good, "period": "2020-13"},
        {**good, "key": "00"},
        {**good, "digests": [one, one]},
        {**good, "digests": [{**one, "value": VALUE}]},
        {**good, "digests": [{**one, "pointer": [VALUE]}]},
        {**good, "more": 1},
    ):
        assert not is_parameter_member(bad)
        with pytest.raises(ProtocolError):
            encode_record({**record, "parameters": bad})
    with pytest.raises(ProtocolError):
        encode_record(
            {
                "v": 1,
                "log": ORIGIN,
                "seq": 1,
                "time_ms": 1,
                "event": "heartbeat",
                "parameters": good,
            }
        )


def test_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    key = ParameterKeys(directory).get_or_make(PERIOD)
    assert len(key) == 32
    assert ParameterKeys(directory).get_or_make(PERIOD) == key
    assert ParameterKeys(directory).get_or_make("2020-02") != key
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in directory.iterdir()} == {0o600}
    assert sorted(p.name for p in directory.iterdir()) == ["2020-01.key", "2020-02.key"]


@pytest.mark.parametrize("keys", [ParameterKeys, KeptKeys])
def test_a_full_disk_stays_no_fuller_for_keys_that_could_not_be_made(
    keys: type[ParameterKeys] | type[KeptKeys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request tries again: what the tries left would keep the disk full."""
    kept = keys(tmp_path / "keys")

    def ask() -> object:
        return kept.take(PERIOD) if isinstance(kept, KeptKeys) else kept.get_or_make(PERIOD)

    with monkeypatch.context() as patch:
        write = os.write

        def half(descriptor: int, data: bytes) -> int:
            write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "no space left on device")

        for name, failing in (("write", half), ("write", lambda _fd, data: len(data) - 1)):
            patch.setattr(os, name, failing)
            for _ in range(3):
                with pytest.raises(LedgerError, match="UNREADABLE"):
                    ask()
            assert list((tmp_path / "keys").iterdir()) == []
    ask()
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_damaged_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / f"{PERIOD}.key").write_bytes(b"short")
    with pytest.raises(LedgerError) as caught:
        ParameterKeys(tmp_path).get_or_make(PERIOD)
    assert caught.value.code == "PARAMETER_KEY_UNREADABLE"
    with pytest.raises(LedgerError) as caught:
        ParameterKeys(tmp_path).find("../" + PERIOD)
    assert caught.value.code == "PARAMETER_PERIOD_INVALID"


def test_search_and_disposal(log: tuple[LogWriter, LogReader, ParameterKeys]) -> None:
    writer, reader, keys = log
    asked = write_intent(writer, keys, {"number": VALUE})
    write_intent(writer, keys, {"number": "another"})
    nested = write_intent(writer, keys, {"person": {"name": VALUE}})
    write_intent(writer, keys, {})
    assert search_parameter(reader, keys, ("/number",), VALUE) == ([asked], [])
    both = ("/number", "/person/name")
    assert search_parameter(reader, keys, both, VALUE) == ([asked, nested], [])
    digest = key_digest(keys.get_or_make(PERIOD)).hex()
    assert dispose_period(writer, reader, keys, period=PERIOD, cause="retention_over")
    (seq,) = find_disposed(reader).values()
    record = parse_record(reader.get_record(seq))
    assert (record["period"], record["key"], record["cause"]) == (PERIOD, digest, "retention_over")
    assert keys.find(PERIOD) is None
    assert search_parameter(reader, keys, both, VALUE) == ([], [PERIOD])
    # Another instance, as after a start: no second key for the period.
    fresh = ParameterKeys(keys._directory)
    with pytest.raises(LedgerError) as caught:
        fresh.get_or_make(PERIOD)
    assert caught.value.code == "PARAMETER_KEY_DISPOSED"
    # Every proof is as it was.
    size, root = reader.size(), reader.root()
    for index in range(size):
        leaf = leaf_hash(reader.get_record(index))
        verify_inclusion(leaf, index, size, reader.inclusion(index, size), root)


def test_disposal_cut_off_is_finished(
    log: tuple[LogWriter, LogReader, ParameterKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader, keys = log
    write_intent(writer, keys, {"number": VALUE})

    def fail(_period: str) -> None:
        assert list(find_disposed(reader)) == [PERIOD], "the record comes first"
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(keys, "dispose", fail)
        with pytest.raises(RuntimeError):
            dispose_period(writer, reader, keys, period=PERIOD, cause="purpose_ended")
    assert keys.find(PERIOD) is not None
    assert not dispose_period(writer, reader, keys, period=PERIOD, cause="purpose_ended")
    assert keys.find(PERIOD) is None
    assert len(list(reader.records_of_event("disposed"))) == 1


def test_key_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    keys = ParameterKeys(tmp_path)
    key = keys.get_or_make(PERIOD)
    os.link(tmp_path / f"{PERIOD}.key", tmp_path / "same-bytes")
    keys.dispose(PERIOD)
    assert (tmp_path / "same-bytes").read_bytes() == bytes(len(key))
    assert not (tmp_path / f"{PERIOD}.key").exists()


@pytest.mark.parametrize(
    ("period", "cause", "code"),
    [
        ("2020-1", "retention_over", "PARAMETER_PERIOD_INVALID"),
        (period_at(time.time_ns() // 1_000_000), "retention_over", "PERIOD_RUNNING"),
        ("2999-01", "retention_over", "PERIOD_RUNNING"),
        (PERIOD, "because", "CAUSE_INVALID"),
    ],
)
def test_disposal_refused(
    log: tuple[LogWriter, LogReader, ParameterKeys], period: str, cause: str, code: str
) -> None:
    writer, reader, keys = log
    with pytest.raises(LedgerError) as caught:
        dispose_period(writer, reader, keys, period=period, cause=cause)
    assert caught.value.code == code
    assert not find_disposed(reader)
