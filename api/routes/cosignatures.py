"""Witnesses' signatures on blocks and checkpoints."""

from fastapi import APIRouter

from api.schemas import BlockCosignatureIn, CheckpointCosignatureIn, Taken
from api.services import ServicesDep, WriteLimit
from api.strict import StrictRoute
from ledger.reads.cosignatures import accept_block_cosignature, accept_checkpoint_cosignature

router = APIRouter(prefix="/v1", tags=["blocks"], route_class=StrictRoute)


@router.post(
    "/cosignatures",
    summary="提交区块见证 / Hand in a witness's signature on a block",
    dependencies=[WriteLimit],
)
def add_block_cosignature(body: BlockCosignatureIn, services: ServicesDep) -> Taken:
    """Check a signature on a block and keep it; the first one of a witness stays."""
    accept_block_cosignature(
        services.engine,
        chain_id=services.deployment.chain_id,
        number=body.number,
        block_hash=bytes.fromhex(body.hash),
        time=body.time,
        key_id=bytes.fromhex(body.key_id),
        signature=bytes.fromhex(body.signature),
    )
    return Taken()


@router.post(
    "/checkpoint-cosignatures",
    summary="提交检查点见证 / Hand in a witness's line on a checkpoint",
    dependencies=[WriteLimit],
)
def add_checkpoint_cosignature(body: CheckpointCosignatureIn, services: ServicesDep) -> Taken:
    """Check a line on a checkpoint and keep it; the first one of a witness stays."""
    accept_checkpoint_cosignature(
        services.engine, log_id=bytes.fromhex(body.log), note=body.note, line=body.line
    )
    return Taken()
