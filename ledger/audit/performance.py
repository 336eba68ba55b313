"""Reads a chain for the report on the departments' performance."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from crypto.errors import LedgerError
from ledger.audit.chain import ChainReader, JsonRpc, LocatedEvent
from ledger.chain.rpc import Rpc
from ledger.deployment import load_deployment
from ledger.settings import Settings
from protocol.calendar import date_of, day_at
from protocol.deployment import Deployment
from protocol.performance import History, make_report, require_period

PROGRESS_EVERY = 2_000
CACHED_REPORTS = 64

Period = tuple[int, int]


def report_from_chain(
    settings: Settings, period: Period, *, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the report of a period, trusting the node with nothing.

    Every block's receipts are checked against its header, every block against the one before, and
    every act's signatures and rules are checked again.

    Args:
        settings: settings of a home directory; a node answers at their URL.
        period: first and last day, as protocol.calendar counts days.
        say: receives lines about the progress.

    Raises:
        LedgerError: DEPLOYMENT_MISSING, WRONG_NETWORK, NODE_UNAVAILABLE, BLOCK_INVALID,
            PERIOD_OPEN, PERIOD_BEFORE_CHAIN.
        ProtocolError: PERIOD_INVALID, or the rule that an act breaks.
    """
    require_period(*period)
    deployment = load_deployment(settings.home / "deployment.json")
    rpc = Rpc(settings.resolved_node_url)
    try:
        if int(rpc.call("eth_chainId"), 16) != deployment.chain_id:
            raise LedgerError(
                "WRONG_NETWORK", "the node serves another chain than the deployment's"
            )
        return _follow(ChainReader(rpc, deployment.contracts), deployment, period, say)
    finally:
        rpc.close()


def _follow(
    chain: ChainReader, deployment: Deployment, period: Period, say: Callable[[str], None]
) -> dict[str, Any]:
    history = History(deployment.chain_id, deployment.contracts)
    head = chain.head()
    last: tuple[int, bytes] | None = None
    # Block 0 is the node's own; block 1 names its hash.
    parent: bytes | None = None
    day = 0
    for number in range(1, head + 1):
        block = chain.get_block(number)
        if parent is not None and block.header.parent_hash != parent:
            raise LedgerError(
                "BLOCK_INVALID", f"block {number} does not follow the one before", number=number
            )
        parent, day = block.header.hash, day_at(block.header.timestamp)
        if day > period[1]:
            break
        for located in chain.events_of(block):
            history.apply(located.event, block_number=number, block_time=block.header.timestamp)
        last = number, parent
        if number % PROGRESS_EVERY == 0:
            say(f"chain: {number} of {head}")
    return _report(history, deployment, period, last, day)


def _report(
    history: History,
    deployment: Deployment,
    period: Period,
    last: tuple[int, bytes] | None,
    newest_day: int,
) -> dict[str, Any]:
    """Return the report of a history that ends with the block `last`.

    Args:
        history: the chain up to that block.
        deployment: contracts and chain.
        period: first and last day.
        last: number and hash of the last block on or before the period's last day.
        newest_day: day of a block behind it, or its own day where it is the newest.
    """
    if newest_day < period[1]:
        text = date_of(newest_day).isoformat()
        raise LedgerError(
            "PERIOD_OPEN",
            f"the newest block is of {text} in Asia/Shanghai; a period ends by then",
        )
    if last is None:
        text = date_of(period[1]).isoformat()
        raise LedgerError(
            "PERIOD_BEFORE_CHAIN", f"the chain begins after {text}, days as in Asia/Shanghai"
        )
    return make_report(
        history,
        from_day=period[0],
        until_day=period[1],
        block=last,
        is_final=newest_day > period[1],
        chain_id=deployment.chain_id,
        supplement_stops_clock=deployment.supplement_stops_clock,
    )


class Reports:
    """Reports for the api, which trusts its own node. Safe between threads.

    The chain's events are kept and only new ones asked for; a past period's report never changes,
    so the last ones are kept too. One report is made at a time, and nobody waits for it: a thread
    that waits serves nobody else.

    Args:
        rpc: the node.
        deployment: contracts and chain.
    """

    def __init__(self, rpc: JsonRpc, deployment: Deployment) -> None:
        self._chain = ChainReader(rpc, deployment.contracts)
        self._deployment = deployment
        self._times: dict[int, int] = {}
        self._made: OrderedDict[Period, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def get(self, period: Period) -> dict[str, Any]:
        """Return the report of a period.

        Args:
            period: first and last day, as protocol.calendar counts days.

        Raises:
            LedgerError: REPORT_BUSY, NODE_UNAVAILABLE, PERIOD_OPEN, PERIOD_BEFORE_CHAIN.
            ProtocolError: PERIOD_INVALID.
        """
        require_period(*period)
        with self._lock:
            if period in self._made:
                self._made.move_to_end(period)
                return self._made[period]
        if not self._making.acquire(blocking=False):
            raise LedgerError("REPORT_BUSY", "another report is being made; ask again")
        try:
            report = self._make(period)
        finally:
            self._making.release()
        if report["final"]:
            with self._lock:
                self._made[period] = report
                while len(self._made) > CACHED_REPORTS:
                    self._made.popitem(last=False)
        return report

    def _make(self, period: Period) -> dict[str, Any]:
        head = self._chain.head()
        last = self._last_block(head, period[1])
        history = History(
            self._deployment.chain_id, self._deployment.contracts, verify_signatures=False
        )
        for located in self._events(last):
            history.apply(
                located.event, block_number=located.block, block_time=self._time(located.block)
            )
        found = None if last < 1 else (last, self._chain.get_header(last)[1].hash)
        newest = day_at(self._time(head))
        return _report(history, self._deployment, period, found, newest)

    def _events(self, last: int) -> Iterator[LocatedEvent]:
        for located in self._chain.scan():
            if located.block > last:
                return
            yield located

    def _time(self, number: int) -> int:
        if number not in self._times:
            self._times[number] = self._chain.get_header(number)[1].timestamp
        return self._times[number]

    def _last_block(self, head: int, day: int) -> int:
        """Return the last block on or before a day, 0 where there is none; times only grow."""
        low, high = 0, head + 1
        while low + 1 < high:
            middle = (low + high) // 2
            if day_at(self._time(middle)) <= day:
                low = middle
            else:
                high = middle
        return low
