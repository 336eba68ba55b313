"""Public documents, named by their digest."""

from fastapi import APIRouter, Response

from api.schemas import Hex32
from api.services import ServicesDep
from api.strict import StrictRoute
from ledger.reads import documents

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=StrictRoute)


@router.get(
    "/{digest}",
    summary="公开文件 / The bytes of a public document",
    description="应答体即文件原文，其 SM3 即摘要；请自行核对。 / The body is the document; "
    "its SM3 is the digest: check it. `sanlian-block` is the block from which on all of it stands "
    "on the chain; it is absent before.",
    response_class=Response,
    responses={
        200: {
            "content": {"application/json": {"schema": {}}},
            "headers": {"sanlian-block": {"schema": {"type": "integer"}}},
        }
    },
)
def get_document(digest: Hex32, services: ServicesDep) -> Response:
    """Return the bytes of a document."""
    document = services.read(documents.get_document, bytes.fromhex(digest))
    headers = {"cache-control": "no-cache"}
    if document.block_number is not None:
        headers = {
            # What a digest names never changes.
            "cache-control": "public, max-age=31536000, immutable",
            "sanlian-block": str(document.block_number),
        }
    # What is neither an entry nor an interface may be any bytes: never give a browser a reason.
    kind = "application/octet-stream" if document.kind == "other" else "application/json"
    return Response(document.data, media_type=kind, headers=headers)
