"""What the routes are given: the ledger's services, built once by the process that serves them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Concatenate, ParamSpec, TypeVar, cast

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from api.rate import RateLimit
from ledger.audit.performance import Reports
from ledger.chain.worker import WorkerState
from ledger.db.engine import read_transaction
from ledger.outbox.service import Outbox
from protocol.deployment import Deployment

#: Writes per source: a burst, and what comes back each second. It keeps one source from taking all
#: of the processor for signatures; what may wait in the outbox has limits of its own.
WRITE_BURST = 1000
WRITES_PER_SECOND = 200.0


P = ParamSpec("P")
Result = TypeVar("Result")


def _no_workers() -> Sequence[WorkerState]:
    return ()


@dataclass(frozen=True, slots=True)
class Services:
    """Parts of the ledger that the api serves.

    Attributes:
        engine: the ledger's database, upgraded.
        deployment: contracts and keys.
        outbox: the way in for acts.
        reports: reports on the departments' performance.
        worker_states: states of the threads in this process; all of them should run.
        on_accepted: called after an act was accepted, to send it without waiting.
        head_max_age_s: the service is unwell when the chain was not seen for so long.
        write_limit: bounds writes by source.
    """

    engine: Engine
    deployment: Deployment
    outbox: Outbox
    reports: Reports
    worker_states: Callable[[], Sequence[WorkerState]] = _no_workers
    on_accepted: Callable[[], None] = lambda: None
    head_max_age_s: int = 60
    write_limit: RateLimit = field(
        default_factory=lambda: RateLimit(burst=WRITE_BURST, per_second=WRITES_PER_SECOND)
    )

    def read(
        self,
        function: Callable[Concatenate[Connection, P], Result],
        *args: P.args,
        **filters: P.kwargs,
    ) -> Result:
        """Call a function of ledger.reads with one snapshot of the database.

        The connection is taken and given back in the calling thread, so that waiting for one
        never holds up those who have one.
        """
        with read_transaction(self.engine) as connection:
            return function(connection, *args, **filters)


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


def _limit_writes(request: Request) -> None:
    source = request.client.host if request.client is not None else ""
    _services(request).write_limit.take(source)


#: Parameter of a route that needs the services.
ServicesDep = Annotated[Services, Depends(_services)]
#: Dependency of every route that writes.
WriteLimit = Depends(_limit_writes)
