"""Access logs and the anchors of their checkpoints."""

from fastapi import APIRouter

from api.reading import Cursor, Limit
from api.schemas import Hex32
from api.services import ServicesDep
from api.state_schemas import AnchorWithCosignatures, LogOut, PageOut
from api.strict import StrictRoute
from ledger.reads import logs

router = APIRouter(prefix="/v1/logs", tags=["logs"], route_class=StrictRoute)


@router.get("", summary="访问日志列表 / Access logs")
def list_logs(services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> PageOut[LogOut]:
    """Return logs in the order of their registration, each with its newest anchor."""
    page = services.read(logs.list_logs, cursor=cursor, limit=limit)
    return PageOut[LogOut].model_validate(page, from_attributes=True)


@router.get("/{log_id}", summary="访问日志 / An access log")
def get_log(log_id: Hex32, services: ServicesDep) -> LogOut:
    """Return a log with its newest anchor."""
    return LogOut.model_validate(services.read(logs.get_log, bytes.fromhex(log_id)))


@router.get("/{log_id}/anchors", summary="锚定列表 / Anchors of a log, newest first")
def list_anchors(
    log_id: Hex32, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[AnchorWithCosignatures]:
    """Return a log's anchors, each with the witnesses' lines on its checkpoint."""
    raw = bytes.fromhex(log_id)
    services.read(logs.get_log, raw)
    page = services.read(logs.list_anchors, raw, cursor=cursor, limit=limit)
    return PageOut[AnchorWithCosignatures].model_validate(page, from_attributes=True)
