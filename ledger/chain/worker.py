"""A loop in a thread that keeps trying: what relay, indexer and anchorer have in common."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError

from crypto.errors import SanlianError

MAX_BACKOFF_S = 10.0

logger = logging.getLogger(__name__)


class FatalFinding(SanlianError):
    """Something that must never be skipped or retried: the loop ends and says so."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """How a loop is doing.

    Attributes:
        name: name of the loop.
        running: whether its thread lives.
        failures: number of failed steps since the last good one.
        error_code: code of the last failure since then, empty if none.
        succeeded_at: unix seconds of the last good step, 0 before the first.
    """

    name: str
    running: bool
    failures: int
    error_code: str
    succeeded_at: float


class Worker(ABC):
    """Runs ``step`` again and again in a thread, with a pause, and a longer one after failures."""

    name = "worker"

    def __init__(self, *, interval_s: float) -> None:
        """Create the loop; ``start`` runs it.

        Args:
            interval_s: pause after a step that found nothing more to do.
        """
        self._interval_s = interval_s
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._error_code = ""
        self._succeeded_at = 0.0

    @abstractmethod
    def step(self) -> bool:
        """Do what there is to do; return whether there may be more at once.

        Raises:
            FatalFinding: ends the loop.
            SanlianError: tried again later.
        """

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Cut the pause short."""
        self._wake.set()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask the thread to end after its step, and wait for it."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def is_stopping(self) -> bool:
        """Whether the loop was asked to end."""
        return self._stopping.is_set()

    def state(self) -> WorkerState:
        """Return how the loop is doing."""
        return WorkerState(
            name=self.name,
            running=self._thread is not None and self._thread.is_alive(),
            failures=self._failures,
            error_code=self._error_code,
            succeeded_at=self._succeeded_at,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause_s = self._interval_s
            try:
                if self.step():
                    pause_s = 0.0
                self._failures = 0
                self._error_code = ""
                self._succeeded_at = time.time()
            except FatalFinding as finding:
                self._fail(finding.code)
                logger.critical("%s stopped: %s", self.name, finding)
                return
            except SanlianError as error:
                self._fail(error.code)
                logger.warning("%s: %s (failure %d)", self.name, error, self._failures)
            except OperationalError as error:
                # A disk that is full or fails, a file that is locked; its text names no values.
                self._fail("DATABASE_UNAVAILABLE")
                logger.warning("%s: %s (failure %d)", self.name, error.orig, self._failures)
            except Exception:
                self._fail("INTERNAL_ERROR")
                logger.exception("%s failed; it tries again", self.name)
            if self._failures:
                pause_s = min(
                    MAX_BACKOFF_S, max(self._interval_s, 0.1) * 2 ** min(self._failures, 8)
                )
            if pause_s:
                self._wake.wait(pause_s)
            self._wake.clear()

    def _fail(self, code: str) -> None:
        self._failures += 1
        self._error_code = code
