"""Pauses calls to a provider that does not answer (circuit breaking).

Each department has pauses of its own: a department whose questions a provider cannot answer in time
cuts off nobody else.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

#: A provider's base URL and the department that asks.
Way = tuple[str, bytes]


@dataclass(slots=True)
class _Failing:
    count: int = 0
    paused_until: float = 0.0
    on_trial: bool = False


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

    def enter(self, way: Way) -> bool:
        """Return whether a call may be made; whoever gets True ends with leave."""
        state = self._failing.get(way)
        if state is None or self._failures == 0 or state.count < self._failures:
            return True
        if state.on_trial or self._clock() < state.paused_until:
            return False
        state.on_trial = True
        return True

    def report(self, way: Way, *, has_answered: bool) -> None:
        """Tell what came of a call."""
        if has_answered:
            self._failing.pop(way, None)
            return
        state = self._failing.setdefault(way, _Failing())
        state.count += 1
        state.on_trial = False
        if state.count >= self._failures:
            state.paused_until = self._clock() + self._pause_s

    def leave(self, way: Way) -> None:
        """End a call, made or not: a trial that was never made is somebody else's turn."""
        state = self._failing.get(way)
        if state is not None:
            state.on_trial = False
