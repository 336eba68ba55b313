"""The process that writes a gateway's log: the gateway's interpreter lock is not its own.

It is a copy of the gateway's process, made before that has threads, so the key needs no way from
one to the other. It lives as long as the other end of its socket: it writes what it was handed in,
and ends. Signals that stop a gateway do not stop it before.
"""

import gc
import logging
import os
import select
import signal
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, NoReturn, Self

from crypto.errors import SanlianError
from crypto.sm2 import Signer
from ledger.log.core import LogCore
from ledger.log.entries import MAX_BATCH, Entry
from ledger.log.pipe import (
    Frames,
    Part,
    encode_frame,
    pack_error,
    pack_results,
    receive,
    unpack_entries,
)
from ledger.log.recovery import AnchorPoint

#: A process that was told to end and does not is killed.
END_TIMEOUT_S = 30.0
_POLL_S = 0.02

_LOGGER = logging.getLogger(__name__)


class LogProcess:
    """A started process, not yet told which log it writes.

    Attributes:
        pid: its process id.
        socket: our end.
    """

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.socket = end

    @classmethod
    def start(cls, key: Signer) -> Self:
        """Start the process; to be called before this process has threads or an event loop.

        Args:
            key: the gateway's key, in memory.

        Raises:
            RuntimeError: there are threads, whose locks a copy would hold for ever.
        """
        if threading.active_count() != 1:
            raise RuntimeError("a process with threads cannot be copied")
        own, other = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            own.close()
            _live(other, key)
        other.close()
        return cls(pid, own)

    def close(self) -> None:
        """Close the socket, at which the process ends, and wait for that."""
        with suppress(OSError):
            # Whoever waits at it in another thread, such as for the log to be opened, goes on.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + END_TIMEOUT_S
        with suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    _LOGGER.error("the log's process does not end and is killed")
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(_POLL_S)


def _live(end: socket.socket, key: Signer) -> NoReturn:
    status = 1
    try:
        # They go to every process of a terminal or a service; the gateway still has calls to end.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        serve(end, key)
        status = 0
    except BaseException:
        _LOGGER.exception("the log's process failed")
    finally:
        # The copy must not run what the gateway does at its own end.
        logging.shutdown()
        os._exit(status)


def serve(end: socket.socket, key: Signer) -> None:
    """Open the log that the first frame names, and write what comes until the other end closes."""
    frames = Frames()
    with end, suppress(ConnectionError):
        first: list[Any] = []
        while not first:
            received = receive(end, frames)
            if received is None:
                return
            first = received
        url, origin, log_id, anchor, heartbeat_interval_s = first[0]
        try:
            core = LogCore(
                url,
                origin=origin,
                log_id=log_id,
                key=key,
                anchor=AnchorPoint(*anchor) if anchor is not None else None,
            )
        except SanlianError as error:
            end.sendall(encode_frame(pack_error(error)))
            return
        try:
            gc.freeze()  # what was loaded lives for ever
            end.sendall(encode_frame((core.size,)))
            _Service(end, frames, core, heartbeat_interval_s).run(first[1:])
        finally:
            core.close()


class _Service:
    def __init__(
        self, end: socket.socket, frames: Frames, core: LogCore, heartbeat_interval_s: float
    ) -> None:
        self._end = end
        self._frames = frames
        self._core = core
        self._heartbeat_interval_s = heartbeat_interval_s
        # Entries that came in one frame.
        self._groups: deque[list[Entry]] = deque()
        self._is_open = self._is_heard = True

    def run(self, frames: list[list[Part]]) -> None:
        """Flush what is there, until the other end has closed and nothing is left."""
        self._unpack(frames)
        while True:
            batch = self._take()
            if batch is None:
                return
            results = self._core.flush(batch) if batch else self._beat()
            note, packed = pack_results(results)
            state = (self._core.size, self._core.is_healthy)
            if self._is_heard:
                try:
                    self._end.sendall(encode_frame((*state, note, packed)))
                except ConnectionError:
                    # What was handed in is still there to be read, and is written all the same.
                    self._is_heard = False

    def _beat(self) -> list[Any]:
        self._core.flush([Entry({"event": "heartbeat"})])
        return []

    def _take(self) -> list[Entry] | None:
        """Wait for entries; an empty list when a heartbeat is due, None at the end."""
        due = time.monotonic() + self._core.heartbeat_s(self._heartbeat_interval_s)
        while self._is_open and sum(map(len, self._groups)) < MAX_BATCH:
            # What has come meanwhile is in the same flush; nothing is waited for beside it.
            left = 0.0 if self._groups else max(0.0, due - time.monotonic())
            if select.select([self._end], [], [], left)[0]:
                self._receive()
            elif self._groups:
                break
            else:
                return []
        if not self._groups:
            return None
        taken: list[Entry] = []
        # Entries of one frame were handed in together and stay together.
        while self._groups and len(taken) < MAX_BATCH:
            taken.extend(self._groups.popleft())
        return taken

    def _receive(self) -> None:
        try:
            received = receive(self._end, self._frames)
        except ConnectionError:
            received = None
        if received is None:
            self._is_open = False
        else:
            self._unpack(received)

    def _unpack(self, frames: list[list[Part]]) -> None:
        for parts in frames:
            self._groups.append([entry for part in parts for entry in unpack_entries(part)])
