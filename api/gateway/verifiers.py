"""Checks signatures of data requests in processes beside the event loop, which goes on meanwhile.

What becomes ready in one turn of the loop goes to a process together; a process has one batch at a
time. A signature that no process can check, because it ended, is checked in the loop itself.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from typing import cast

from api.gateway.verifier import BATCH, encode_job
from crypto.errors import CryptoError
from crypto.sm2 import PublicKey, Signature, is_valid

#: Signatures in one batch; with more waiting, they are shared out among the processes.
MAX_JOBS = 32
#: A process that ended is replaced, but not more often than that.
RESTART_PAUSE_S = 2.0
#: A process that takes longer for a batch, which is some milliseconds' work, is ended. The first
#: batch may find it still loading.
BATCH_TIMEOUT_S = 10.0

_LOGGER = logging.getLogger(__name__)
_Job = tuple[PublicKey, bytes, Signature, "asyncio.Future[bool]"]


class Verifiers:
    """Processes that check signatures.

    Args:
        count: number of processes; with none, all is checked in the event loop.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: set[_Process] = set()
        self._idle: list[_Process] = []
        self._waiting: deque[_Job] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._is_closed = False

    async def start(self) -> None:
        """Start the processes; they answer once they have loaded, and jobs wait for nothing."""
        for _ in range(self._count):
            await self._add()

    async def is_valid(self, public_key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Return whether a signature holds."""
        if not self._processes:
            return is_valid(public_key, message, signature)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((public_key, message, signature, future))
        if not self._is_due:
            self._is_due = True
            # Whatever else is ready to run may add to the same batch.
            loop.call_soon(self._share_out)
        return await future

    def close(self) -> None:
        """End the processes; what still waits is checked here."""
        self._is_closed = True
        for process in list(self._processes):
            process.close()
        self._idle.clear()
        self._check_here(self._waiting)
        self._waiting.clear()

    def _share_out(self) -> None:
        self._is_due = False
        while self._idle and self._waiting:
            size = min(MAX_JOBS, -(-len(self._waiting) // len(self._idle)))
            jobs = [self._waiting.popleft() for _ in range(size)]
            self._idle.pop().send(jobs)

    def answered(self, process: "_Process") -> None:
        """Take a process back that has answered its batch."""
        self._idle.append(process)
        self._share_out()

    def ended(self, process: "_Process", jobs: list[_Job]) -> None:
        """Check what an ended process had, and put another one in its place."""
        self._processes.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        self._check_here(jobs)
        if self._is_closed:
            return
        _LOGGER.warning("a process that checks signatures has ended; another one is started")
        if not self._processes:
            self._check_here(self._waiting)
            self._waiting.clear()
        loop = asyncio.get_running_loop()
        loop.call_later(RESTART_PAUSE_S, self._replace)

    def _replace(self) -> None:
        task = asyncio.get_running_loop().create_task(self._add())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _add(self) -> None:
        if self._is_closed:
            return
        own, other = socket.socketpair()
        try:
            with other:
                popen = await asyncio.to_thread(_start, other)
            loop = asyncio.get_running_loop()
            _, process = await loop.create_connection(lambda: _Process(self, popen), sock=own)
        except OSError as error:
            own.close()
            _LOGGER.error("no process can be started to check signatures: %s", error)
            return
        self._processes.add(process)
        if self._is_closed:  # meanwhile
            process.close()
            return
        self.answered(process)

    @staticmethod
    def _check_here(jobs: "deque[_Job] | list[_Job]") -> None:
        for public_key, message, signature, future in jobs:
            if future.done():
                continue
            try:
                future.set_result(is_valid(public_key, message, signature))
            except CryptoError as error:  # the library's failure; the others must not wait for ever
                future.set_exception(error)


def _start(stdin: socket.socket) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "api.gateway.verifier"]
    # It needs no key, so it gets neither passphrase nor PIN.
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("SANLIAN_")
    }
    return subprocess.Popen(
        command, stdin=stdin.fileno(), stdout=subprocess.DEVNULL, env=environment
    )


class _Process(asyncio.Protocol):
    """One process, seen from the event loop."""

    def __init__(self, owner: Verifiers, popen: "subprocess.Popen[bytes]") -> None:
        self._owner = owner
        self._popen = popen
        self._transport: asyncio.Transport | None = None
        self._jobs: list[_Job] = []
        self._results = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, jobs: list[_Job]) -> None:
        """Hand a batch over."""
        self._jobs = jobs
        self._timer = asyncio.get_running_loop().call_later(BATCH_TIMEOUT_S, self.close)
        batch = b"".join(
            encode_job(key.to_bytes(), signature.to_bytes(), message)
            for key, message, signature, _ in jobs
        )
        if self._transport is not None:
            self._transport.write(BATCH.pack(len(batch)) + batch)

    def close(self) -> None:
        """End the process."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take results; when a batch is whole, its callers go on."""
        self._results += data
        if len(self._results) < len(self._jobs):
            return
        if len(self._results) > len(self._jobs):
            self.close()  # this is no answer to what was asked
            return
        self._stop_timer()
        jobs, results = self._jobs, self._results
        self._jobs, self._results = [], bytearray()
        for (_, _, _, future), holds in zip(jobs, results, strict=True):
            if not future.done():
                future.set_result(holds == 1)
        self._owner.answered(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Give back what it had."""
        self._stop_timer()
        jobs, self._jobs = self._jobs, []
        self._popen.kill()
        # It was killed or has ended: this takes no time, and leaves no dead process behind.
        self._popen.wait()
        self._owner.ended(self, jobs)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
