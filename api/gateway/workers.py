"""Processes that compute beside the gateway's own, on all processors."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from crypto.errors import LedgerError

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class Workers:
    """Runs pure functions in processes that start with the first call and stay.

    They are new processes, not copies of this one: they hold no key, no lock and no connection.

    Args:
        count: number of processes; 0 takes one for each processor.
    """

    def __init__(self, count: int) -> None:
        self.count = count or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    async def map(
        self, function: Callable[[_Argument], _Result], arguments: Sequence[_Argument]
    ) -> list[_Result]:
        """Return the function's results in order.

        Args:
            function: of a module's top level; what it raises is raised here.
            arguments: what pickles.

        Raises:
            LedgerError: GATEWAY_BUSY when processes ended twice under the work.
        """
        for _ in range(2):
            pool = self._started()
            try:
                return await asyncio.gather(
                    *(asyncio.wrap_future(pool.submit(function, one)) for one in arguments)
                )
            except BrokenProcessPool:
                # Somebody killed one; the others' work is lost with it.
                if self._pool is pool:
                    self._pool = None
                pool.shutdown(wait=False, cancel_futures=True)
        raise LedgerError("GATEWAY_BUSY", "the processes that verify signatures ended; try again")

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.count, multiprocessing.get_context("spawn"), initializer=_prepare
            )
        return self._pool

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _prepare() -> None:
    # Ctrl-C goes to every process of the terminal; the gateway ends its own.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_gateway, daemon=True).start()


def _end_with_the_gateway() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
