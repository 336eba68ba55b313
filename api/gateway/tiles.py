"""GET /log/tile/…: the tree's hashes as tiles, for anybody; records stay closed."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from crypto.errors import RequestRefused
from ledger.log.reader import LogReader
from protocol.tiles import Tile

ROUTE = "/log/tile/{path:path}"
_FOR_EVER = "public, max-age=31536000, immutable"


async def answer_tile(reader: LogReader, request: Request) -> Response:
    """Answer with a tile's hashes.

    Raises:
        ProtocolError: TILE_PATH_MALFORMED.
        RequestRefused: LOG_ENTRIES_CLOSED.
        LedgerError: LOG_SIZE_UNKNOWN, LOG_DAMAGED.
    """
    path: str = request.path_params["path"]
    if path.partition("/")[0] == "entries":
        raise RequestRefused("LOG_ENTRIES_CLOSED", "records are handed out as evidence only")
    tile = Tile.from_path(path)
    data = await asyncio.to_thread(reader.tile, tile)
    # A partial tile is soon a wider one: caches need not keep it.
    cache = _FOR_EVER if tile.is_full else "no-cache"
    headers = {"cache-control": cache}
    return Response(data, media_type="application/octet-stream", headers=headers)
