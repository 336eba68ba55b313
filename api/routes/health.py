"""How the service is: for operators, supervisors and load balancers."""

import time

from fastapi import APIRouter, Response
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from api.schemas import HealthOut, WorkerOut
from api.services import Services, ServicesDep
from api.strict import StrictRoute
from ledger.db.engine import read_transaction
from ledger.db.models import Head, OutboxAct

router = APIRouter(tags=["health"], route_class=StrictRoute)


@router.get(
    "/health",
    summary="运行状态 / Health",
    responses={503: {"model": HealthOut, "description": "不正常 / something is wrong"}},
)
def get_health(services: ServicesDep, response: Response) -> HealthOut:
    """Return head, age, outbox and threads; 503 when something is wrong."""
    health = measure(services)
    if health.status != "ok":
        response.status_code = 503
    return health


def measure(services: Services, *, now: float | None = None) -> HealthOut:
    """Measure the service.

    Args:
        services: the services.
        now: unix seconds; the clock's when None.
    """
    reasons: list[str] = []
    counts: dict[str, int] = {}
    try:
        with read_transaction(services.engine) as connection:
            row = connection.execute(
                select(Head.number, Head.hash, Head.time, Head.polled_at, Head.finding_code)
            ).first()
            waiting = connection.execute(
                select(OutboxAct.status, func.count())
                .where(OutboxAct.status.in_(("queued", "sent")))
                .group_by(OutboxAct.status)
            ).all()
            counts = {status: number for status, number in waiting}  # noqa: C416 - rows, not pairs
    except SQLAlchemyError:
        row = None
        reasons.append("DATABASE_UNAVAILABLE")
    age_s = None if row is None else max(0, int((now or time.time()) - row.polled_at))
    if row is None and not reasons:
        reasons.append("HEAD_UNKNOWN")
    if row is not None and row.finding_code:
        reasons.append(row.finding_code)
    if age_s is not None and age_s > services.head_max_age_s:
        reasons.append("HEAD_STALE")
    states = services.worker_states()
    if any(not state.running for state in states):
        reasons.append("WORKER_STOPPED")
    return HealthOut(
        status="failing" if reasons else "ok",
        reasons=reasons,
        head_number=None if row is None else row.number,
        head_hash=None if row is None else row.hash.hex(),
        head_time=None if row is None else row.time,
        head_age_s=age_s,
        outbox_queued=counts.get("queued", 0),
        outbox_sent=counts.get("sent", 0),
        workers=[
            WorkerOut(
                name=state.name,
                running=state.running,
                failures=state.failures,
                error_code=state.error_code,
                succeeded_at=int(state.succeeded_at),
            )
            for state in states
        ],
    )
