"""The catalogue for other catalogues: DCAT 3 in JSON-LD."""

from fastapi import APIRouter, Response

from api.reading import Cursor, Limit
from api.services import ServicesDep
from api.strict import StrictRoute
from crypto.canonical import canonical_json
from ledger.reads import catalogue
from protocol.dcat import MEDIA_TYPE, make_catalogue

router = APIRouter(prefix="/v1", tags=["directory"], route_class=StrictRoute)


@router.get(
    "/catalogue.jsonld",
    summary="目录导出（DCAT 3） / The catalogue as DCAT 3 in JSON-LD",
    description="每页都是完整的 dcat:Catalog；下一页见 Link 响应头。 / Each page is a dcat:Catalog "
    "of its own; the `Link` header names the next one.",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
            "headers": {"link": {"schema": {"type": "string"}}},
        }
    },
)
def get_catalogue(services: ServicesDep, cursor: Cursor = None, limit: Limit = 200) -> Response:
    """Return a page of the published entries."""
    records, next_cursor = services.read(catalogue.published_records, cursor=cursor, limit=limit)
    headers = {}
    if next_cursor is not None:
        headers["link"] = f'</v1/catalogue.jsonld?limit={limit}&cursor={next_cursor}>; rel="next"'
    body = canonical_json(make_catalogue(records, chain_id=services.deployment.chain_id))
    return Response(body, media_type=MEDIA_TYPE, headers=headers)
