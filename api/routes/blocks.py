"""Blocks that were followed."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.reading import Cursor, Limit
from api.services import ServicesDep
from api.state_schemas import BlockDetail, BlockOut, PageOut
from api.strict import StrictRoute
from ledger.reads import blocks

router = APIRouter(prefix="/v1/blocks", tags=["blocks"], route_class=StrictRoute)


@router.get("", summary="区块列表 / Blocks, newest first")
def list_blocks(
    services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[BlockOut]:
    """Return blocks with witnesses' signatures on them."""
    page = services.read(blocks.list_blocks, cursor=cursor, limit=limit)
    return PageOut[BlockOut].model_validate(page, from_attributes=True)


@router.get("/{number}", summary="区块 / A block")
def get_block(
    number: Annotated[int, Path(ge=0, le=2**53 - 1)], services: ServicesDep
) -> BlockDetail:
    """Return a block with witnesses' signatures and the ids of its acts."""
    return BlockDetail.model_validate(services.read(blocks.get_block, number))
