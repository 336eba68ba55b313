"""Pauses calls to a provider that does not answer (circuit breaking).

Each department has pauses of its own: a department whose questions a provider cannot answer in time
cuts off nobody else.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

#: A provider's base URL and the department that asks.
Way = tuple[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A call that was let through: its way, and no other call's passage."""

    way: Way


@dataclass(slots=True)
class _Failing:
    count: int = 0
    paused_until: float = 0.0
    trial: Passage | None = None


class Breaker:
    """After some failures one after another a way is not taken for a while.

    When the pause is over one call is let through: if it fails too, the next pause begins.

    Args:
        failures: failures one after another that begin a pause; 0: no pauses.
        pause_s: length of a pause.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failing: dict[Way, _Failing] = {}

    def enter(self, way: Way) -> Passage | None:
        """Return a call's passage, None when it may not be made; whoever gets one ends with leave.

        Calls that were let through before the pause end in their own time: only the end of the one
        on trial lets another one try.
        """
        passage = Passage(way)
        state = self._failing.get(way)
        if state is None or self._failures == 0 or state.count < self._failures:
            return passage
        if state.trial is not None or self._clock() < state.paused_until:
            return None
        state.trial = passage
        return passage

    def report(self, passage: Passage, *, has_answered: bool) -> None:
        """Tell what came of a call."""
        if has_answered:
            self._failing.pop(passage.way, None)
            return
        state = self._failing.setdefault(passage.way, _Failing())
        state.count += 1
        if state.count >= self._failures:
            state.paused_until = self._clock() + self._pause_s

    def leave(self, passage: Passage) -> None:
        """End a call, made or not: a trial that was never made is somebody else's turn."""
        state = self._failing.get(passage.way)
        if state is not None and state.trial is passage:
            state.trial = None
