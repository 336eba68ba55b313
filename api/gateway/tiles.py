"""GET /log/tile/…: the tree's hashes as tiles, for anybody; records stay closed."""

from starlette.requests import Request
from starlette.responses import Response

from crypto.errors import RequestRefused
from protocol.tiles import Tile

ROUTE = "/log/tile/{path:path}"
_FOR_EVER = "public, max-age=31536000, immutable"


def find_tile(request: Request) -> Tile:
    """Return the tile that is asked for.

    Raises:
        ProtocolError: TILE_PATH_MALFORMED.
        RequestRefused: LOG_ENTRIES_CLOSED.
    """
    path: str = request.path_params["path"]
    if path.partition("/")[0] == "entries":
        raise RequestRefused("LOG_ENTRIES_CLOSED", "records are handed out as evidence only")
    return Tile.from_path(path)


def answer_tile(tile: Tile, data: bytes) -> Response:
    """Answer with a tile's hashes."""
    # A partial tile is soon a wider one: caches need not keep it.
    cache = _FOR_EVER if tile.is_full else "no-cache"
    headers = {"cache-control": cache}
    return Response(data, media_type="application/octet-stream", headers=headers)
