"""An access log whose writer is a process of its own, as the gateway's event loop sees it."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from crypto.errors import LedgerError, ProtocolError, SanlianError
from ledger.log.entries import (
    MAX_BATCH,
    Nonce,
    Once,
    Packed,
    PreparedWritten,
    Quota,
    Result,
    Written,
)
from ledger.log.pipe import (
    Frames,
    Part,
    encode_frame,
    pack_entry,
    receive,
    unpack_error,
    unpack_result,
)
from ledger.log.process import END_TIMEOUT_S, LogProcess
from ledger.log.recovery import AnchorPoint
from ledger.log.writer import QUEUE_LIMIT
from protocol.receipt import Receipt

#: The longest that a log may take to be opened: it may wait for another's lock, and is verified.
OPEN_TIMEOUT_S = 300.0
_PIECE = 1 << 18


@dataclass(slots=True)
class _Group:
    """Entries that were handed in together.

    Attributes:
        parts: of the frame in which they go.
        count: how many they are.
        settle: told what came of each, in order.
        is_outcome: whether it is the end of an intent.
    """

    parts: list[Part]
    count: int
    settle: Callable[[Sequence[Any]], None]
    is_outcome: bool = False


class RemoteLog:
    """An access log (ledger.log.writer.AccessLog) that another process writes.

    What was handed in is sent to the process at once, so it is written even when its caller no
    longer waits. When the process ends, everything in work fails with LOG_WRITE_FAILED.

    Args:
        process: the process.
        loop: event loop in which answers are taken.
        on_lost: called in the loop when the process ended by itself.
        url: SQLAlchemy URL of the log's database.
        origin: origin of the log.
        log_id: 32-byte id of the log's registration on chain.
        anchor: newest anchor on chain, None when there is none yet.
        heartbeat_interval_s: a heartbeat is written when nothing else came for so long.
        queue_limit: most entries that may be in work; beyond it LOG_BUSY.

    Raises:
        LedgerError: what LogCore raises; LOG_PROCESS_ENDED.
    """

    def __init__(
        self,
        process: LogProcess,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[SanlianError], None],
        *,
        url: str,
        origin: str,
        log_id: bytes,
        anchor: AnchorPoint | None,
        heartbeat_interval_s: float,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._process = process
        self._socket = process.socket
        self._loop = loop
        self._on_lost = on_lost
        self._origin = origin
        self._queue_limit = queue_limit
        self._frames = Frames()
        self._lock = threading.Lock()
        self._staged: deque[_Group] = deque()
        self._staged_count = 0
        self._is_due = False
        self._pending: deque[_Group] = deque()
        self._pending_count = 0
        self._unsent = bytearray()
        self._is_closing = False
        self._is_healthy = True
        self._ended = threading.Event()
        self._size = self._open(url, log_id, anchor, heartbeat_interval_s)
        self._socket.settimeout(0)
        loop.call_soon_threadsafe(loop.add_reader, self._socket, self._receive)

    def _open(
        self, url: str, log_id: bytes, anchor: AnchorPoint | None, heartbeat_interval_s: float
    ) -> int:
        point = None if anchor is None else (anchor.size, anchor.root)
        answers: list[Any] | None = []
        try:
            self._socket.settimeout(OPEN_TIMEOUT_S)
            self._socket.sendall(
                encode_frame((url, self._origin, log_id, point, heartbeat_interval_s))
            )
            while answers == []:
                answers = receive(self._socket, self._frames)
        except OSError:
            answers = None
        if not answers:
            raise _ended()
        if len(answers[0]) > 1:
            raise unpack_error(answers[0])
        size: int = answers[0][0]
        return size

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self._origin

    @property
    def size(self) -> int:
        """Number of durable records, as far as this process knows."""
        return self._size

    @property
    def is_healthy(self) -> bool:
        """Whether the last flush succeeded and the process lives."""
        return self._is_healthy and not self._ended.is_set()

    def append(self, draft: Mapping[str, Any]) -> "Future[Receipt]":
        """Queue a record; the future resolves once it is durable. Safe to call from any thread.

        Args:
            draft: members of the record but v, log, seq and time_ms.

        Returns:
            Future of the receipt; it fails as the one of LogWriter.append does.

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()
        self._stage_one(draft, pack_entry(draft), future)
        return future

    def append_many(
        self, drafts: Sequence[tuple[Mapping[str, Any], Once]], *, time_ms: int
    ) -> "Future[list[Written]]":
        """Queue records that are written in this order, in one flush. Safe from any thread.

        Args:
            drafts: as for LogWriter.append_many.
            time_ms: time of the decision that all of them tell.

        Returns:
            Future of what came of each, in order. It never fails.

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
            ValueError: more than MAX_BATCH drafts, or none.
        """
        parts = [pack_entry(draft, time_ms=time_ms, once=once) for draft, once in drafts]
        return self._stage_many(parts, len(parts))

    def append_prepared(self, packed: Sequence[Packed]) -> "Future[list[PreparedWritten]]":
        """Queue prepared records of this log that are written in this order, in one flush.

        Args:
            packed: as for LogWriter.append_prepared.

        Returns:
            Future of what came of each, in order. It never fails.

        Raises:
            LedgerError: LOG_BUSY, LOG_CLOSED.
            ValueError: more than MAX_BATCH records, or none.
        """
        return self._stage_many([one.data for one in packed], sum(one.count for one in packed))

    def _stage_many(self, parts: list[Part], count: int) -> "Future[list[Any]]":
        if not 1 <= count <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} drafts")
        future: Future[list[Any]] = Future()
        future.set_running_or_notify_cancel()
        self._stage(_Group(parts, count, lambda results: future.set_result(list(results))))
        return future

    async def write(
        self,
        draft: Mapping[str, Any],
        *,
        nonce: Nonce | None = None,
        quota: Quota | None = None,
        time_ms: int | None = None,
        envelope: bytes | None = None,
    ) -> Receipt:
        """Write a record and return its receipt once it is durable.

        Args:
            draft: members of the record but v, log, seq and time_ms.
            nonce: recorded with it.
            quota: reserved with it.
            time_ms: time of the decision that the record tells.
            envelope: kept with it.

        Raises:
            SanlianError: as LogWriter.append, and what its future fails with.
        """
        waiter: asyncio.Future[Receipt] = self._loop.create_future()
        packed = pack_entry(draft, nonce=nonce, quota=quota, time_ms=time_ms, envelope=envelope)
        self._stage_one(draft, packed, waiter)
        return await waiter

    def close(self) -> None:
        """Have everything written that was handed in, and end the process.

        To be called in another thread than the event loop's, which must be running.
        """
        with self._lock:
            self._is_closing = True
        self._loop.call_soon_threadsafe(self._finish)
        self._ended.wait(END_TIMEOUT_S)
        self._process.close()

    # --- in the event loop --------------------------------------------------------------------

    def _stage_one(
        self,
        draft: Mapping[str, Any],
        part: Part,
        future: "asyncio.Future[Receipt] | Future[Receipt]",
    ) -> None:
        is_outcome = draft.get("event") == "outcome"
        self._stage(_Group([part], 1, lambda results: _settle(future, results[0]), is_outcome))

    def _stage(self, group: _Group) -> None:
        with self._lock:
            if self._is_closing or self._ended.is_set():
                raise LedgerError("LOG_CLOSED", "the access log is closed")
            # What ends an intent is never turned away: there are as many as intents were let in.
            if (
                self._pending_count + self._staged_count >= self._queue_limit
                and not group.is_outcome
            ):
                raise LedgerError("LOG_BUSY", "too many records wait to be written; try again")
            self._staged.append(group)
            self._staged_count += group.count
            if self._is_due:
                return
            self._is_due = True
        # Whatever else is ready to run in the loop may add to the same flush.
        self._loop.call_soon_threadsafe(self._send_staged)

    def _send_staged(self) -> None:
        """Send what waits, unless the process is still at work: then with what joins it."""
        self._is_due = False
        if not self._pending:
            self._send_entries(self._take_staged())

    def _take_staged(self) -> list[_Group]:
        """Take groups until there are enough for one flush."""
        taken: list[_Group] = []
        count = 0
        with self._lock:
            while self._staged and count < MAX_BATCH:
                taken.append(self._staged.popleft())
                count += taken[-1].count
            self._staged_count -= count
        return taken

    def _send_entries(self, staged: list[_Group]) -> None:
        if not staged:
            return
        if self._ended.is_set():
            _fail(staged)
            return
        try:
            frame = encode_frame([part for group in staged for part in group.parts])
        except ValueError:
            self._send_apart(staged)
        else:
            self._await(staged)
            self._send(frame)

    def _send_apart(self, staged: list[_Group]) -> None:
        """Send those groups that can be sent; a defect must not hold up the others."""
        for group in staged:
            try:
                frame = encode_frame(group.parts)
            except ValueError:
                bad = ProtocolError("RECORD_MALFORMED", "a member of a record is no JSON")
                group.settle([bad] * group.count)
                continue
            self._await([group])
            self._send(frame)

    def _await(self, groups: list[_Group]) -> None:
        self._pending.extend(groups)
        self._pending_count += sum(group.count for group in groups)

    def _send(self, frame: bytes) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self._socket.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lose()
                return
            if sent == len(frame):
                return
            self._loop.add_writer(self._socket, self._send_more)
        self._unsent += memoryview(frame)[sent:]

    def _send_more(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket)
            if self._is_closing:
                self._finish()

    def _finish(self) -> None:
        """Send all, and tell the process that nothing more comes; it answers that and ends."""
        while staged := self._take_staged():
            self._send_entries(staged)
        if not self._unsent and not self._ended.is_set():
            self._socket.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        try:
            piece = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lose()
            return
        for size, is_healthy, note, packed in self._frames.feed(piece):
            self._size, self._is_healthy = size, is_healthy
            # A flush takes whole frames, so its results are those of whole groups.
            results = [unpack_result(one, note) for one in packed]
            settled = 0
            while settled < len(results):
                group = self._pending.popleft()
                self._pending_count -= group.count
                group.settle(results[settled : settled + group.count])
                settled += group.count
        if self._staged and not self._pending and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send_staged)

    def _lose(self) -> None:
        """The process has ended: as it was told, or by itself with work in its hands."""
        if self._ended.is_set():
            return
        with self._lock:
            self._ended.set()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        waiting = list(self._pending)
        self._pending.clear()
        self._pending_count = 0
        while staged := self._take_staged():
            waiting += staged
        _fail(waiting)
        if not self._is_closing:
            self._on_lost(_ended())


def _ended() -> LedgerError:
    return LedgerError("LOG_PROCESS_ENDED", "the process that writes the access log has ended")


def _fail(waiting: list[_Group]) -> None:
    failure = LedgerError("LOG_WRITE_FAILED", "the access log could not be written")
    for group in waiting:
        group.settle([failure] * group.count)


def _settle(future: "asyncio.Future[Receipt] | Future[Receipt]", result: Result) -> None:
    if future.done():
        return
    if isinstance(result, Receipt):
        future.set_result(result)
    elif isinstance(result, SanlianError):
        future.set_exception(result)
