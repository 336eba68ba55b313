"""An access log whose writer is a process of its own, seen from the event loop that uses it."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from subprocess import run
from typing import Any

import pytest

from crypto.errors import LedgerError, ProtocolError, RequestRefused, SanlianError
from crypto.merkle import leaf_hash
from crypto.sm2 import PrivateKey
from ledger.log.database import open_reader_engine
from ledger.log.entries import Known, Quota
from ledger.log.pipe import Frames, encode_frame, pack_error, unpack_error
from ledger.log.process import LogProcess
from ledger.log.reader import LogReader
from ledger.log.remote import RemoteLog
from ledger.log.writer import LogWriter
from protocol.receipt import Receipt, verify_receipt
from tests.log.conftest import LOG_ID, ORIGIN, Drafts, sqlite_only, wait_until
from tests.log.test_log_many import draft as many_draft
from tests.log.test_log_many import prepared
from tests.log.test_log_writer import rejected
from tests.log.threaded import Threaded

Body = Callable[[RemoteLog], Awaitable[None]]
Run = Callable[..., list[SanlianError]]


@pytest.fixture
def run_with(url: str, key: PrivateKey) -> Iterator[Run]:
    """Run a coroutine function with an open log; return what was said to be lost."""
    processes: list[Threaded] = []

    def run_one(body: Body, **options: Any) -> list[SanlianError]:
        lost: list[SanlianError] = []
        process = Threaded(key)
        processes.append(process)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            given = {
                "url": url,
                "origin": ORIGIN,
                "log_id": LOG_ID,
                "anchor": None,
                "heartbeat_interval_s": 600,
                **options,
            }
            log = await asyncio.to_thread(RemoteLog, process, loop, lost.append, **given)
            try:
                await body(log)
            finally:
                await asyncio.to_thread(log.close)

        asyncio.run(main())
        return lost

    yield run_one
    for process in processes:
        process.close()


def test_it_writes_what_the_thread_writes(
    run_with: Run, url: str, key: PrivateKey, drafts: Drafts
) -> None:
    receipts: list[Receipt] = []

    async def body(log: RemoteLog) -> None:
        draft, nonce = drafts.intent()
        intent = await log.write(draft, nonce=nonce, quota=Quota(drafts.grant, 1), time_ms=5)
        outcome = await log.write(drafts.outcome(intent.index, leaf_hash(intent.record)))
        more = [asyncio.wrap_future(log.append(rejected(i))) for i in range(40)]
        receipts.extend([intent, outcome, *await asyncio.gather(*more)])
        assert log.size == 43
        assert log.is_healthy
        assert log.origin == ORIGIN
        with pytest.raises(RequestRefused, match="NONCE_REPLAYED"):
            await log.write(draft, nonce=nonce)
        other, fresh = drafts.intent()
        with pytest.raises(RequestRefused, match="QUOTA_EXCEEDED"):
            await log.write(other, nonce=fresh, quota=Quota(drafts.grant, 1))
        with pytest.raises(LedgerError, match="INTENT_CLOSED"):
            await log.write(drafts.outcome(intent.index, leaf_hash(intent.record)))
        with pytest.raises(ProtocolError, match="RECORD_MALFORMED"):
            await log.write({"event": "no such event"})

    assert run_with(body) == []
    reader = LogReader.open(url, ORIGIN)
    assert [data for _, data in reader.records()][1:] == [one.record for one in receipts]
    for receipt in receipts:
        verify_receipt(receipt, origin=ORIGIN, public_key=key.public_key)
    reader.close()


def test_many_stay_together_and_are_written_once(run_with: Run) -> None:
    async def body(log: RemoteLog) -> None:
        drafts = [many_draft(f"r-{i}") for i in range(5)]
        first = await asyncio.wrap_future(log.append_many(drafts, time_ms=1))
        assert [one.index for one in first if isinstance(one, Receipt)] == [1, 2, 3, 4, 5]
        assert len({one.checkpoint for one in first if isinstance(one, Receipt)}) == 1
        again = await asyncio.wrap_future(log.append_many(drafts, time_ms=1))
        assert again == [Known(i) for i in range(1, 6)]
        with pytest.raises(ValueError, match="1 to 1000"):
            log.append_many([], time_ms=1)

    run_with(body)


def test_prepared_records_go_together_with_others(run_with: Run, url: str) -> None:
    async def body(log: RemoteLog) -> None:
        waiting: list[Future[Any]] = [log.append(rejected(0))]
        waiting.append(log.append_prepared([prepared(["a", "b"]), prepared(["c"])]))
        waiting.append(log.append_many([many_draft("d")], time_ms=1))
        waiting.append(log.append_prepared([prepared(["a", "e"])]))
        first, three, one, two = await asyncio.gather(*map(asyncio.wrap_future, waiting))
        assert [first.index, *(placed.seq for placed in three), one[0].index] == [1, 2, 3, 4, 5]
        assert (two[0], two[1].seq) == (Known(2), 6)
        for bad in ([], [prepared(["x"] * 1000), prepared(["y"])]):
            with pytest.raises(ValueError, match="1 to 1000"):
                log.append_prepared(bad)

    run_with(body)
    reader = LogReader.open(url, ORIGIN)
    events = [json.loads(data)["event"] for _, data in reader.records()]
    assert events == ["opened", "rejected", *["observed"] * 5]
    reader.close()


def test_a_flush_has_its_limit(run_with: Run, url: str) -> None:
    """However much waits: those who come between are not held up by all of it."""

    async def body(log: RemoteLog) -> None:
        waiting = [log.append(rejected(0))]
        await asyncio.sleep(0)
        for part in range(6):
            drafts = [many_draft(f"{part}-{i}") for i in range(400)]
            waiting.append(log.append_many(drafts, time_ms=1))  # type: ignore[arg-type]
        await asyncio.gather(*map(asyncio.wrap_future, waiting))
        assert log.size == 2 + 6 * 400

    run_with(body)
    engine = open_reader_engine(url, ORIGIN)
    with engine.connect() as connection:
        sizes = list(connection.exec_driver_sql("SELECT size FROM checkpoints ORDER BY size"))
    engine.dispose()
    assert [size for (size,) in sizes] == [1, 2, 1202, 2402]


def test_a_draft_that_cannot_be_sent_holds_up_no_other(run_with: Run) -> None:
    async def body(log: RemoteLog) -> None:
        good = [asyncio.wrap_future(log.append(rejected(i))) for i in range(2)]
        bad = asyncio.wrap_future(log.append({"event": object()}))
        more = asyncio.wrap_future(log.append(rejected(3)))
        results = await asyncio.gather(*good, bad, more, return_exceptions=True)
        assert [type(one) for one in results] == [Receipt, Receipt, ProtocolError, Receipt]

    run_with(body)


def test_callers_of_other_threads(run_with: Run) -> None:
    async def body(log: RemoteLog) -> None:
        def write(number: int) -> int:
            return log.append(rejected(number)).result(20).index

        def all_of_them() -> list[int]:
            with ThreadPoolExecutor(8) as pool:
                return list(pool.map(write, range(200)))

        assert sorted(await asyncio.to_thread(all_of_them)) == list(range(1, 201))

    run_with(body)


def test_too_many_that_wait_are_turned_away_but_no_outcome(run_with: Run, drafts: Drafts) -> None:
    async def body(log: RemoteLog) -> None:
        draft, nonce = drafts.intent()
        intent = await log.write(draft, nonce=nonce)
        waiting: list[Future[Receipt]] = [log.append(rejected(i)) for i in range(3)]
        with pytest.raises(LedgerError, match="LOG_BUSY"):
            log.append(rejected(4))
        await log.write(drafts.outcome(intent.index, leaf_hash(intent.record)))
        await asyncio.gather(*map(asyncio.wrap_future, waiting))
        await log.write(rejected(5))

    run_with(body, queue_limit=3)


def test_heartbeats_count(run_with: Run) -> None:
    async def body(log: RemoteLog) -> None:
        for _ in range(200):
            if log.size >= 3:
                return
            await asyncio.sleep(0.05)
        raise AssertionError

    run_with(body, heartbeat_interval_s=0.05)


def test_what_was_handed_in_is_written_at_the_end(run_with: Run, url: str) -> None:
    futures: list[Future[Receipt]] = []

    async def body(log: RemoteLog) -> None:
        futures.extend(log.append(rejected(i)) for i in range(1500))

    assert run_with(body) == []
    assert {future.result(0).index for future in futures} == set(range(1, 1501))
    reader = LogReader.open(url, ORIGIN)
    assert reader.size() == 1501
    reader.close()


def test_a_lost_process_fails_what_waits(run_with: Run) -> None:
    async def body(log: RemoteLog) -> None:
        await log.write(rejected(1))
        waiting = [log.append(rejected(2))]
        await asyncio.sleep(0)  # it is on its way, and the next one waits for it
        waiting.append(log.append(rejected(3)))
        await asyncio.sleep(0)
        assert (len(log._pending), log._staged_count) == (1, 1)
        log._process.socket.shutdown(socket.SHUT_RDWR)  # as if the other end had gone
        for one in waiting:
            with pytest.raises(LedgerError, match="LOG_WRITE_FAILED"):
                await asyncio.wait_for(asyncio.wrap_future(one), 20)
        assert not log.is_healthy
        with pytest.raises(LedgerError, match="LOG_CLOSED"):
            await log.write(rejected(3))

    (lost,) = run_with(body)
    assert lost.code == "LOG_PROCESS_ENDED"


def test_why_a_log_is_not_opened_is_told(
    run_with: Run, url: str, open_log: Callable[..., LogWriter]
) -> None:
    open_log().close()

    async def never(_log: RemoteLog) -> None:
        raise AssertionError

    with pytest.raises(LedgerError, match="LOG_OTHER_IDENTITY"):
        run_with(never, log_id=bytes(32))


def test_a_process_that_ends_while_it_opens_is_told(key: PrivateKey) -> None:
    process = Threaded(key)
    process.other.shutdown(socket.SHUT_RDWR)
    with pytest.raises(LedgerError, match="LOG_PROCESS_ENDED"):
        RemoteLog(
            process,
            asyncio.new_event_loop(),
            lambda _error: None,
            url="sqlite://",
            origin=ORIGIN,
            log_id=LOG_ID,
            anchor=None,
            heartbeat_interval_s=600,
        )
    process.close()


@sqlite_only
def test_a_log_that_is_being_opened_can_be_left(
    url: str, key: PrivateKey, open_log: Callable[..., LogWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway is stopped while another process still holds the lock."""
    monkeypatch.setattr("ledger.log.store.LOCK_WAIT_S", 3.0)
    open_log()
    process = Threaded(key)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(
            RemoteLog,
            process,
            asyncio.new_event_loop(),
            lambda _error: None,
            url=url,
            origin=ORIGIN,
            log_id=LOG_ID,
            anchor=None,
            heartbeat_interval_s=600,
        )
        wait_until(opening.running)
        began = time.monotonic()
        process.socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(LedgerError, match="LOG_PROCESS_ENDED"):
            opening.result(20)
        assert time.monotonic() - began < 2
    process.close()


def test_errors_come_over_as_they_are() -> None:
    error = RequestRefused("SEQUENCE_RECORDED", "a sentence", sequence=7)
    found = unpack_error(pack_error(error))
    assert type(found) is RequestRefused
    unfit = LedgerError("LOG_DAMAGED", "a sentence", what=object())
    assert unpack_error(pack_error(unfit)).details == {}
    assert (found.code, found.message, found.details) == (
        error.code,
        error.message,
        {"sequence": 7},
    )


def test_frames_come_in_any_pieces() -> None:
    values = [(1, b"x" * 5000), ({"a": [1, None, "三链"]},), ()]
    data = b"".join(map(encode_frame, values))
    for size in (1, 3, 4096, len(data)):
        frames, found = Frames(), []
        for start in range(0, len(data), size):
            found.extend(frames.feed(data[start : start + size]))
        assert found == values
    with pytest.raises(ValueError, match="too long"):
        list(Frames().feed(b"\xff\xff\xff\xff"))


@sqlite_only
def test_a_real_process_ends_with_the_one_that_made_it(url: str, key: PrivateKey) -> None:
    """Its maker is killed: what it was handed in is written, and the file is free."""
    program = (
        "import os, signal, sys\n"
        "from crypto.sm2 import PrivateKey\n"
        "from ledger.log.pipe import Frames, encode_frame, pack_entry, receive\n"
        "from ledger.log.process import LogProcess\n"
        "from tests.log.test_log_writer import rejected\n"
        "process = LogProcess.start(PrivateKey.from_int(int(sys.argv[2], 16)))\n"
        f"process.socket.sendall(encode_frame((sys.argv[1], {ORIGIN!r}, {LOG_ID!r}, None, 600)))\n"
        "assert receive(process.socket, Frames()) == [(1,)]\n"
        "entries = [pack_entry(rejected(i)) for i in range(2500)]\n"
        "for start in range(0, 2500, 500):\n"
        "    process.socket.sendall(encode_frame(entries[start : start + 500]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = run([sys.executable, "-c", program, url, f"{key.to_int():x}"], check=False)
    assert ended.returncode == -9
    writer = LogWriter(url, origin=ORIGIN, log_id=LOG_ID, key=key)  # waits for the file's lock
    try:
        assert writer.size == 2501
    finally:
        writer.close()


def test_a_process_with_threads_is_not_copied(key: PrivateKey) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(RuntimeError, match="with threads"):
            LogProcess.start(key)


@sqlite_only
def test_a_held_lock_is_awaited_and_then_told(
    open_log: Callable[..., LogWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_log()
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(open_log)
        wait_until(second.running)
        first.close()
        assert second.result(20).size == 1
    monkeypatch.setattr("ledger.log.store.LOCK_WAIT_S", 0.1)
    with pytest.raises(LedgerError, match="LOG_IN_USE"):
        open_log()
