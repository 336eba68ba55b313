"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
