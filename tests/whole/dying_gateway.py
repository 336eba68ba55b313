"""Runs a gateway to which something happens at a step of a data request.

    python -m tests.whole.dying_gateway --home DIR

What is to happen stands in `DIR/processes/faults`, which the next data request takes away; those
that have faults are to come one after another. Each line is `STEP:WHAT`: at that step of the
request `gateway`, this process and the one that writes its log get SIGKILL; `front`, this process
alone; `log`, the other alone; `fail`, the step fails like a disk; `slow`, it takes a second; any
other word, the process with the id in `DIR/processes/WORD.pid` gets SIGKILL.

The gateway is the real one. The faults are put around it here, from outside: the product has no
switch for them, so that none can be on by accident, and none costs anything.
"""

import asyncio
import errno
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from starlette.types import Message, Receive, Scope, Send

from api.gateway.__main__ import main
from api.gateway.app import Routes
from api.gateway.forward import Forwarder
from api.gateway.gatekeeper import Gatekeeper
from api.gateway.provider_http import _Connection
from api.guard import Guard
from ledger.log import store
from protocol.httpsig import DATA_PATH

#: Every transaction of the log from then on, whosever records it holds.
COMMIT = "commit"
#: Steps of a data request in their order; the table in docs/operation.md names the same ones.
STEPS = (
    "head read",
    "body read",
    "verified",
    "intent before commit",
    "intent after commit",
    "call sent",
    "provider answered",
    "outcome before commit",
    "outcome after commit",
    "answer begun",
    "answer sent",
)


@dataclass(slots=True)
class Faults:
    """What happens at which steps, in this process and in its copy that writes the log.

    Attributes:
        processes: directory of the processes' ids, and of what is asked for.
        planned: what happens to the newest request, by step.
        commits: transactions of the log that it has begun to commit.
        begun: mark of the newest request that the log's process knows.
    """

    processes: Path
    planned: dict[str, str] = field(default_factory=dict)
    commits: int = 0
    begun: int = 0

    def begin(self) -> None:
        """Take what is asked for: a data request begins."""
        path = self.processes / "faults"
        text = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        # The log's process is told by a file, in place before it is handed anything.
        (self.processes / "faults.next").write_text(text)
        (self.processes / "faults.next").replace(self.taken)
        if text:
            self.planned = _parse(text)

    @property
    def taken(self) -> Path:
        """What happens to the newest request, and by its inode which request that is."""
        return self.processes / "faults.taken"

    def commit(self) -> str:
        """Say that a transaction of the log is committed; return whose record it holds.

        Raises:
            OSError: it fails.
        """
        mark = self.taken.stat().st_ino if self.taken.exists() else 0
        if mark != self.begun:
            self.begun, self.commits = mark, 0
            self.planned = _parse(self.taken.read_text()) or self.planned
        self.reach(COMMIT)
        self.commits += 1
        return {1: "intent", 2: "outcome"}.get(self.commits, "another")

    def reach(self, step: str) -> None:
        """Say that the newest request is at this step.

        Raises:
            OSError: it fails.
        """
        what = self.planned.get(step) if step == COMMIT else self.planned.pop(step, None)
        if what is None:
            return
        if what == "fail":
            raise OSError(errno.EIO, "the disk failed")
        if what == "slow":
            time.sleep(1)
        elif what in {"gateway", "front", "log"}:
            self._kill(what)
        else:
            os.kill(int((self.processes / f"{what}.pid").read_text()), signal.SIGKILL)

    def _kill(self, what: str) -> None:
        front, log = PROCESSES[0], log_pid(PROCESSES[0])
        killed = {"gateway": {front, log}, "front": {front}, "log": {log}}[what]
        for pid in sorted(killed, key=lambda pid: pid == os.getpid()):
            os.kill(pid, signal.SIGKILL)


#: The gateway's own process, known in both.
PROCESSES = [os.getpid()]


def log_pid(gateway_pid: int) -> int:
    """Return the process that writes a gateway's log: its only copy."""
    (found,) = (
        pid
        for task in Path(f"/proc/{gateway_pid}/task").iterdir()
        for pid in map(int, (task / "children").read_text().split())
        if Path(f"/proc/{pid}/cmdline").read_bytes()
        == Path(f"/proc/{gateway_pid}/cmdline").read_bytes()
    )
    return found


def _parse(text: str) -> dict[str, str]:
    planned = dict(line.split(":") for line in text.splitlines())
    unknown = set(planned) - {*STEPS, COMMIT}
    if unknown:
        raise AssertionError(f"no steps: {unknown}")
    return planned


def put_around(faults: Faults) -> None:
    """Put the faults around the gateway's parts; each part must be there."""
    _around_http(faults)
    _around_checks(faults)
    _around_commits(faults)
    _around_calls(faults)


def _around_http(faults: Faults) -> None:
    guard, serve = Guard.__call__, Routes.serve_data

    async def head(self: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["path"], scope["method"]) != (DATA_PATH, "POST"):
            await guard(self, scope, receive, send)
            return

        async def sent(message: Message) -> None:
            await send(message)
            begun = message["type"] == "http.response.start"
            faults.reach("answer begun" if begun else "answer sent")

        faults.begin()
        faults.reach("head read")
        await guard(self, scope, receive, sent)

    async def body(self: Routes, scope: Scope, receive: Receive, send: Send) -> None:
        faults.reach("body read")
        await serve(self, scope, receive, send)

    Guard.__call__ = head  # type: ignore[method-assign]
    Routes.serve_data = body  # type: ignore[method-assign]


def _around_checks(faults: Faults) -> None:
    check = Gatekeeper.check_admissible

    def checked(self: Gatekeeper, admitted: Any) -> None:
        check(self, admitted)
        faults.reach("verified")

    Gatekeeper.check_admissible = checked  # type: ignore[method-assign]


def _around_commits(faults: Faults) -> None:
    """The first transaction that a request writes holds its intent, the second its outcome."""
    make = store.open_writer_engine

    def made(url: str) -> Engine:
        engine = make(url)
        commit = engine.dialect.do_commit

        def committed(connection: Any) -> None:
            record = faults.commit()
            faults.reach(f"{record} before commit")
            commit(connection)
            faults.reach(f"{record} after commit")

        engine.dialect.do_commit = committed  # type: ignore[method-assign]
        return engine

    store.open_writer_engine = made


def _around_calls(faults: Faults) -> None:
    call, exchange = Forwarder.call, _Connection.exchange

    async def called(self: Forwarder, *arguments: Any) -> Any:
        result = await call(self, *arguments)
        faults.reach("provider answered")
        return result

    async def exchanged(self: _Connection, *arguments: Any) -> Any:
        # The loop writes what waits before it comes to this.
        asyncio.get_running_loop().call_soon(faults.reach, "call sent")
        return await exchange(self, *arguments)

    Forwarder.call = called  # type: ignore[method-assign]
    _Connection.exchange = exchanged  # type: ignore[method-assign]


if __name__ == "__main__":
    faults = Faults(Path(sys.argv[sys.argv.index("--home") + 1]) / "processes")
    faults.taken.unlink(missing_ok=True)
    put_around(faults)
    main()
