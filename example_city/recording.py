"""Records the told history: contracts and acts on an engine whose clock is set back.

All of it is made in a directory of its own and moved to its place when it is whole,
`deployment.json` last: a first start that was cut off goes on, or begins anew, and never leaves
half a history.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from crypto.canonical import canonical_json
from crypto.errors import LedgerError
from crypto.sm3 import sm3
from example_city import home as example_home
from example_city.history import BEGIN, END, YEAR, History, Moment, tell, time_of
from example_city.home import ORIGIN, Ports
from example_city.units import AUTHORITY, unit_key
from ledger.audit.performance import report_from_chain
from ledger.chain.direct import DirectSender
from ledger.chain.rpc import Rpc
from ledger.processes import node_ready
from ledger.settings import Settings
from ledger.setup import initialise, write_file
from ledger.supervisor import Supervisor, python_process
from protocol.acts import ZERO_ID
from protocol.calendar import day_at

STAGING = ".first-start"
_COMPLETE = "complete"
_RECORD_TIMEOUT_S = 60.0


def record_history(
    home: Path, ports: Ports, supervisor: Supervisor, *, say: Callable[[str], None]
) -> None:
    """Make the example's deployment with its history, unless the home directory has one.

    Args:
        home: home directory of the instance.
        ports: its ports.
        supervisor: runs the engine; it has no other children yet.
        say: takes one line of news.

    Raises:
        LedgerError: EXAMPLE_HOME_TAKEN, EXAMPLE_CLOCK_BEHIND, ACT_REVERTED, STOPPED,
            PROCESS_FAILED.
    """
    if (home / "deployment.json").exists():
        return
    staging = home / STAGING
    if not (staging / _COMPLETE).exists():
        if (home / "node").exists():
            raise LedgerError(
                "EXAMPLE_HOME_TAKEN", f"{home / 'node'} holds a chain that is not the example's"
            )
        if time.time() < END:
            raise LedgerError(
                "EXAMPLE_CLOCK_BEHIND", "this machine's clock stands before the example's history"
            )
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700, parents=True)
        _record(staging, ports, supervisor, say=say)
        write_file(staging / _COMPLETE, b"")
    _move(staging, home)


def _move(staging: Path, home: Path) -> None:
    """Put what was made in its place; `deployment.json` says that all is there."""
    names = sorted(one.name for one in staging.iterdir() if one.name != _COMPLETE)
    for name in sorted(names, key=lambda one: one == "deployment.json"):
        os.replace(staging / name, home / name)
    shutil.rmtree(staging)


def _record(
    staging: Path, ports: Ports, supervisor: Supervisor, *, say: Callable[[str], None]
) -> None:
    clock = staging / "clock"
    clock.write_text(str(BEGIN), "ascii")
    settings = example_home.settings_for(staging, ports)
    supervisor.start(
        python_process(
            "past-node",
            "example_city",
            *("past-node", "--directory", str(staging / "node"), "--port", str(ports.node)),
            *("--clock", str(clock)),
            is_ready=node_ready(settings.resolved_node_url),
            env={},
        )
    )
    try:
        deployment = initialise(
            settings,
            example_home.founders(),
            origin=ORIGIN,
            example=True,
            keys=example_home.platform_keys(),
            say=say,
        )
        planner, _ = example_home.plan_of(staging, deployment)
        history = tell(planner, ORIGIN)
        count = sum(len(moment.acts) for moment in history.moments)
        say(f"recording {count} acts from {YEAR}-09-07 to {YEAR}-11-20 载入历史")
        rpc = Rpc(settings.resolved_node_url)
        try:
            sender = DirectSender(rpc, chain_id=deployment.chain_id, contracts=deployment.contracts)
            for moment in history.moments:
                supervisor.check()
                _record_moment(sender, moment, clock)
            _record_moment(sender, _report(settings, history), clock)
        finally:
            rpc.close()
    finally:
        supervisor.stop()
    clock.unlink()


def _report(settings: Settings, history: History) -> Moment:
    """The chief data officer reports on October with the figures that the chain gives."""
    period = day_at(time_of(10, 1)), day_at(time_of(10, 31))
    figures = canonical_json(report_from_chain(settings, period, say=lambda _: None))
    history.at(11, 20)
    act = history.planner.act(
        "OversightReported",
        (unit_key(AUTHORITY, "cdo"),),
        {
            "from_day": period[0],
            "until_day": period[1],
            "report_kind": 1,
            "report_digest": sm3(figures),
            "findings": ZERO_ID,
        },
        words="the chief data officer reports on October",
    )
    history.add(act)
    return history.moments[-1]


def _record_moment(sender: DirectSender, moment: Moment, clock: Path) -> None:
    """Set the clock, send the moment's acts in their order, and wait until all are recorded."""
    part = clock.with_suffix(".part")
    part.write_text(str(moment.at), "ascii")
    os.replace(part, clock)
    sent = [(one.signed, sender.send(one.signed, one.documents)) for one in moment.acts]
    for signed, transaction in sent:
        sender.wait(signed, transaction, _RECORD_TIMEOUT_S)
