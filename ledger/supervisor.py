"""Starts and watches the processes of one home directory, as children of one command.

Children share the command's process group, so that one signal can end them all; Ctrl-C reaches
only the supervisor, which stops them in reverse order. A child that ends by itself is started
again; one that keeps ending stops everything, and the message names its output.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from crypto.errors import LedgerError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
MAX_RESTARTS = 5
RESTART_WINDOW_S = 120.0
#: At a start, an output file larger than this becomes `<name>.log.1`.
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Process:
    """One child.

    Attributes:
        name: short name, also of its output file.
        argv: command with its arguments.
        is_ready: tells whether it serves; asked until it does.
        env: variables added to the environment.
        restart: whether it is started again when it ends by itself.
    """

    name: str
    argv: Sequence[str]
    is_ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    restart: bool = True


@dataclass(slots=True)
class _Child:
    process: Process
    popen: subprocess.Popen[bytes]
    started: list[float]


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Starts processes in order, watches them, and stops them in reverse order."""

    def __init__(self, directory: Path, *, say: Callable[[str], None] = print) -> None:
        """Create a supervisor.

        Args:
            directory: where each child's output goes, `<name>.log`.
            say: takes one line of news for the user.

        Raises:
            LedgerError: HOME_IN_USE when another supervisor works in the directory.
        """
        self._directory = directory
        self._say = say
        self._children: list[_Child] = []
        self._stop_asked = False
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (directory / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LedgerError(
                "HOME_IN_USE", f"another command runs in {directory.parent}; stop it first"
            ) from error

    def _spawn(self, process: Process) -> subprocess.Popen[bytes]:
        path = self._directory / f"{process.name}.log"
        if path.exists() and path.stat().st_size > MAX_OUTPUT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:  # the child inherits the mask: Ctrl-C is the supervisor's alone
            with path.open("ab") as output:
                return subprocess.Popen(
                    list(process.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **process.env},
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def start(self, *processes: Process) -> None:
        """Start processes side by side and wait until each serves.

        Raises:
            LedgerError: PROCESS_FAILED when one ends or is not ready in time; STOPPED.
        """
        started = []
        for process in processes:
            child = _Child(process, self._spawn(process), [time.monotonic()])
            self._children.append(child)
            started.append(child)
        for child in started:
            self._await_ready(child)

    def _await_ready(self, child: _Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not child.process.is_ready():
            code = child.popen.poll()
            self.check()
            if code is not None or time.monotonic() > deadline:
                what = "is not ready" if code is None else f"ended with status {code}"
                raise LedgerError(
                    "PROCESS_FAILED",
                    f"{child.process.name} {what}; its last words: {self._last_words(child)}",
                    process=child.process.name,
                )
            time.sleep(_POLL_S)

    def _last_words(self, child: _Child) -> str:
        path = self._directory / f"{child.process.name}.log"
        try:
            with path.open("rb") as stream:
                stream.seek(max(0, path.stat().st_size - 2000))
                lines = stream.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else '(none)'} (see {path})"

    def watch(self) -> None:
        """Watch until a stop is asked for, starting again what ends.

        Raises:
            LedgerError: PROCESS_FAILED when a process keeps ending.
        """
        while not self._stop_asked:
            for child in self._children:
                if child.popen.poll() is not None and not self._stop_asked:
                    self._restart(child)
            time.sleep(_POLL_S)

    def _restart(self, child: _Child) -> None:
        now = time.monotonic()
        child.started = [t for t in child.started if now - t < RESTART_WINDOW_S]
        words = self._last_words(child)
        if not child.process.restart or len(child.started) >= MAX_RESTARTS:
            raise LedgerError(
                "PROCESS_FAILED",
                f"{child.process.name} ended with status {child.popen.returncode}: {words}",
                process=child.process.name,
            )
        self._say(f"{child.process.name} ended and is started again: {words}")
        time.sleep(min(2.0, 0.2 * len(child.started)))
        child.started.append(time.monotonic())
        child.popen = self._spawn(child.process)
        self._await_ready(child)

    def check(self) -> None:
        """Raise where a stop was asked for; for long work between starts.

        Raises:
            LedgerError: STOPPED.
        """
        if self._stop_asked:
            raise LedgerError("STOPPED", "stopped before everything was up")

    def ask_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End watch(); fit as a signal handler."""
        self._stop_asked = True

    def stop(self) -> None:
        """Stop every child in reverse order: politely, then for good."""
        for child in reversed(self._children):
            if child.popen.poll() is None:
                child.popen.terminate()
            try:
                child.popen.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._say(f"{child.process.name} did not stop in time and is killed")
                child.popen.kill()
                child.popen.wait()
        self._children.clear()


def python_process(
    name: str, module: str, *arguments: str, is_ready: Callable[[], bool], env: Mapping[str, str]
) -> Process:
    """Describe a child that runs a Python module with this interpreter."""
    return Process(name, [sys.executable, "-m", module, *arguments], is_ready, env)
