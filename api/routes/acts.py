"""Acts: the way in, and what became of them."""

import base64
import binascii
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.problems import CODES, prefers_chinese
from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import (
    Acknowledgement,
    ActAccepted,
    ActIn,
    ActOut,
    ErrorTitle,
    Hex32,
    SignatureOut,
    TargetOut,
)
from api.services import ServicesDep, WriteLimit
from api.state_schemas import PageOut, RecordedActOut
from api.strict import StrictRoute
from crypto.errors import ProtocolError
from crypto.sm2 import Signature
from ledger.reads import acts
from protocol.acts import ActSignature

router = APIRouter(prefix="/v1", tags=["acts"], route_class=StrictRoute)


@router.post(
    "/acts",
    status_code=202,
    summary="提交签署件 / Hand in a signed act",
    description="幂等：重复提交得到相同的收到时间。 / Idempotent: the same act again gets the same "
    "time of receipt. The acknowledgement says that the act is durable here, not that a contract "
    "accepts it: ask at status_url.",
    dependencies=[WriteLimit],
)
def accept_act(body: ActIn, services: ServicesDep, response: Response) -> ActAccepted:
    """Check an act, store it durably, and acknowledge it."""
    signatures = [
        ActSignature(bytes.fromhex(one.key_id), Signature.from_bytes(bytes.fromhex(one.r + one.s)))
        for one in body.signatures
    ]
    accepted = services.outbox.accept(
        bytes.fromhex(body.act), signatures, [_decode(text) for text in body.documents]
    )
    services.on_accepted()
    status_url = f"/v1/acts/{accepted.act_id.hex()}"
    response.headers["location"] = status_url
    platform_key = services.deployment.platform_key
    return ActAccepted.model_validate(
        {
            "act_id": accepted.act_id.hex(),
            "status": accepted.status,
            "status_url": status_url,
            "acknowledgement": Acknowledgement(
                received_at=accepted.received_at,
                key_id=platform_key.key_id.hex(),
                public_key=platform_key.to_bytes().hex(),
                signature=accepted.acknowledgement.to_bytes().hex(),
            ),
        }
    )


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("DOCUMENT_MALFORMED", "a document is not base64") from None


@router.get("/acts/{act_id}", summary="查询签署件 / What became of an act")
def get_act(act_id: Hex32, services: ServicesDep, request: Request) -> ActOut:
    """Return an act and its status."""
    act = services.outbox.get_act(bytes.fromhex(act_id))
    return ActOut.model_validate(
        {
            "act_id": act.act_id.hex(),
            "type": act.type,
            "contract": act.contract,
            "key_id": act.key_id.hex(),
            "nonce": act.nonce,
            "target": act.target.hex(),
            "act": act.data.hex(),
            "signatures": [
                SignatureOut(
                    key_id=one.key_id.hex(),
                    r=f"{one.signature.r:064x}",
                    s=f"{one.signature.s:064x}",
                )
                for one in act.signatures
            ],
            "status": act.status,
            "received_at": act.received_at,
            "transaction_hash": None
            if act.transaction_hash is None
            else act.transaction_hash.hex(),
            "block_number": act.block_number,
            "revision": act.revision,
            "error": None if act.error_code is None else error_title(act.error_code, request),
        }
    )


def error_title(code: str, request: Request) -> ErrorTitle:
    """Return what a stored error code means."""
    _, zh, en = CODES.get(code, CODES["INTERNAL_ERROR"])
    chinese = prefers_chinese(request.headers.get("accept-language", ""))
    return ErrorTitle(code=code, title=zh if chinese else en, title_zh=zh, title_en=en)


@router.get("/acts", summary="已上链的签署件 / Acts that the contracts accepted")
def list_acts(
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    target: IdFilter = None,
    key_id: IdFilter = None,
) -> PageOut[RecordedActOut]:
    """Return recorded acts in the order of the chain."""
    page = services.read(
        acts.list_acts, cursor=cursor, limit=limit, target=as_bytes(target), key_id=as_bytes(key_id)
    )
    return PageOut[RecordedActOut].model_validate(page, from_attributes=True)


@router.get("/targets/{target_id}", summary="目标的类别与版次 / Kind and revision of a target")
def get_target(
    target_id: Hex32,
    services: ServicesDep,
    kind: Annotated[
        Literal["department", "person", "key", "entry", "interface", "request", "log"] | None,
        Query(description="a founder's department, person and key have one id / 对象类别"),
    ] = None,
) -> TargetOut:
    """Return what an act on a target must name."""
    target = services.outbox.get_target(bytes.fromhex(target_id), kind)
    return TargetOut.model_validate(
        {"id": target.id.hex(), "kind": target.kind, "revision": target.revision}
    )
