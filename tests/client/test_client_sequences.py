"""Numbers are given out once and in order, whatever is killed, and what never left is known."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from crypto.canonical import canonical_json
from crypto.errors import LedgerError, ProtocolError
from protocol.not_sent import ranges_of
from sanlian_client import sequences as module
from sanlian_client.sequences import SETTLED_AFTER_S, Sequences

KEY_ID = b"\x07" * 32


class Clock:
    """A clock that a test sets."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def take(directory: Path, count: int, told: "multiprocessing.Queue[list[int]]") -> None:
    numbers = Sequences(directory, KEY_ID, "s")
    told.put([numbers.give().sequence for _ in range(count)])


def die_between(directory: Path) -> None:
    numbers = Sequences(directory, KEY_ID, "s")
    numbers.give()
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_share_a_stream_without_gap_or_repeat(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=take, args=(tmp_path, 50, told)) for _ in range(4)]
    for worker in workers:
        worker.start()
    parts = [told.get(timeout=50) for _ in workers]
    for worker in workers:
        worker.join(10)
    assert all(part == sorted(part) for part in parts)
    assert sorted(number for part in parts for number in part) == list(range(1, 201))


def test_a_number_of_a_killed_process_is_known_as_never_sent(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=die_between, args=(tmp_path,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    numbers = Sequences(tmp_path, KEY_ID, "s")
    assert numbers.give().sequence == 2
    assert numbers.take_unsettled() == {}, "it may still be in work"
    clock = Clock()
    clock.now = 2**33
    later = Sequences(tmp_path, KEY_ID, "s", clock=clock)
    assert later.take_unsettled() == {"not_sent": [1, 2]}


def test_what_became_of_each_number(tmp_path: Path) -> None:
    clock = Clock()
    numbers = Sequences(tmp_path, KEY_ID, "s", clock=clock)
    for number in range(1, 6):
        assert str(numbers.give()) == f"s;{number}"
    for number in (1, 2, 3, 4):
        numbers.mark_sent(number)
    numbers.settle(1)
    numbers.mark(2, "refused")
    numbers.mark(3, "not_sent")
    clock.now += SETTLED_AFTER_S
    assert numbers.take_unsettled() == {"refused": [2], "not_sent": [3, 5]}
    assert numbers.take_unsettled(unanswered=True)["unanswered"] == [4]


def test_a_number_that_a_statement_may_name_is_never_sent(tmp_path: Path) -> None:
    clock = Clock()
    numbers = Sequences(tmp_path, KEY_ID, "s", clock=clock)
    numbers.give()
    clock.now += SETTLED_AFTER_S
    assert numbers.take_unsettled() == {"not_sent": [1]}
    with pytest.raises(LedgerError) as caught:
        numbers.mark_sent(1)
    assert caught.value.code == "SEQUENCE_GIVEN_UP"


def test_a_crash_while_writing_gives_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Sequences(tmp_path, KEY_ID, "s")
    assert numbers.give().sequence == 1

    def fail(*_: object) -> None:
        raise LedgerError("FILE_NOT_WRITTEN", "no room")

    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_file", fail)
        with pytest.raises(LedgerError) as caught:
            numbers.give()
        assert caught.value.code == "FILE_NOT_WRITTEN"
    assert numbers.give().sequence == 2


FILES: dict[str, object] = {
    "empty": b"",
    "other type": {"type": "x"},
    "next is text": {"next": "2"},
    "next below an open number": {"next": 1, "open": [[1, "given", 1]]},
    "state unknown": {"open": [[1, "lost", 1]]},
    "another key": {"key_id": "08" * 32},
    "another stream": {"stream": "t"},
    "open is no list": {"open": 1},
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_damaged_files(tmp_path: Path, content: object) -> None:
    good = {
        "type": module.TYPE,
        "key_id": KEY_ID.hex(),
        "stream": "s",
        "next": 2,
        "open": [[1, "given", 1]],
    }
    path = tmp_path / f"{KEY_ID.hex()}-s.json"
    path.write_bytes(canonical_json(good))
    assert Sequences(tmp_path, KEY_ID, "s").give().sequence == 2
    data = content if isinstance(content, bytes) else canonical_json({**good, **content})  # type: ignore[dict-item]
    path.write_bytes(data)
    with pytest.raises(LedgerError) as caught:
        Sequences(tmp_path, KEY_ID, "s").give()
    assert caught.value.code == "SEQUENCE_FILE_DAMAGED"


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    numbers = Sequences(tmp_path, KEY_ID, "s")
    for _ in range(3):
        numbers.give()
    with pytest.raises(LedgerError) as caught:
        numbers.give()
    assert caught.value.code == "SEQUENCE_BACKLOG"
    for wrong in ("", "a/b", "../x", "x" * 65, "中"):
        with pytest.raises(ProtocolError) as malformed:
            Sequences(tmp_path, KEY_ID, wrong)
        assert malformed.value.code == "STREAM_MALFORMED"


def test_ranges() -> None:
    assert ranges_of([5, 1, 2, 3, 7, 5]) == [(1, 3), (5, 5), (7, 7)]
    assert ranges_of([]) == []
