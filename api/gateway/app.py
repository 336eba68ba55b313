"""The gateway's application: its routes, and what they answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.gateway import description, tiles
from api.gateway.gatekeeper import Answer, Incoming, read_incoming
from api.gateway.gateway import Gateway
from api.gateway.large_bodies import LargeBatches
from api.gateway.sealed import SealedService
from api.gateway.sources import find_client
from api.gateway.state import is_stale
from api.gateway.transfers import TransferService
from api.guard import Guard
from api.problems import (
    add_problem_handlers,
    answer_error,
    make_problem,
    problem_response,
    request_id,
)
from crypto.errors import LedgerError, RequestRefused, SanlianError
from ledger.log.reader import LogReader
from protocol.checkpoint import parse_note
from protocol.httpsig import (
    CLOSING_PATH,
    CONSULTATION_PATH,
    CONTENT_TYPE,
    DATA_PATH,
    NOT_SENT_PATH,
    OBSERVATIONS_PATH,
    OFFER_PATH,
    OPEN_OFFERS_PATH,
    RESTRICTION_PATH,
    SEALED_PATHS,
)

MAX_PROOF_NUMBER = 2**53 - 1
#: Threads that read the log's tree for anybody.
PUBLIC_THREADS = 2

Found = TypeVar("Found")


class Routes:
    """Answers each of a gateway's paths.

    Args:
        gateway: the gateway.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._public = ThreadPoolExecutor(PUBLIC_THREADS, "log-public")

    async def serve_data(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/data, as plain ASGI: every data request comes this way."""
        message = await receive()  # the whole body: see api.guard
        try:
            if self._gateway.data is None:
                raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
            answer = await self._gateway.data.handle(read_incoming(scope, message["body"]))
        except SanlianError as error:
            response = answer_error(Request(scope), error)
            await response(scope, receive, send)
            return
        if answer.code:
            await _problem_of(answer, Request(scope))(scope, receive, send)
            return
        lines = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        lines += [(name.encode(), value.encode()) for name, value in (answer.headers or {}).items()]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": answer.body})

    async def serve_test(self, request: Request) -> Response:
        """POST /v1/interface-tests"""
        if self._gateway.tests is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.tests.handle, request)

    async def serve_evidence(self, request: Request) -> Response:
        """POST /v1/evidence"""
        if self._gateway.evidence is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.evidence.handle, request)

    async def serve_sealed(self, request: Request) -> Response:
        """POST /v1/sealed"""
        return await _serve(self._sealed().keep, request)

    async def serve_sealed_fetch(self, request: Request) -> Response:
        """POST /v1/sealed-fetches"""
        return await _serve(self._sealed().fetch, request)

    async def serve_sealed_disposal(self, request: Request) -> Response:
        """POST /v1/sealed-disposals"""
        return await _serve(self._sealed().dispose, request)

    async def serve_observations(self, request: Request) -> Response:
        """POST /v1/observations"""
        if self._gateway.observations is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.observations.handle, request)

    async def serve_not_sent(self, request: Request) -> Response:
        """POST /v1/not-sent"""
        if self._gateway.not_sent is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.not_sent.handle, request)

    async def serve_consultation(self, request: Request) -> Response:
        """POST /v1/consultations"""
        if self._gateway.consultations is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.consultations.handle, request)

    async def serve_restriction(self, request: Request) -> Response:
        """POST /v1/restrictions"""
        if self._gateway.restrictions is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return await _serve(self._gateway.restrictions.handle, request)

    async def serve_offer(self, request: Request) -> Response:
        """POST /v1/offers"""
        return await _serve(self._transfers().offer, request)

    async def serve_open_offers(self, request: Request) -> Response:
        """POST /v1/open-offers"""
        return await _serve(self._transfers().list_open, request)

    async def serve_closing(self, request: Request) -> Response:
        """POST /v1/closings"""
        return await _serve(self._transfers().close, request)

    def _transfers(self) -> TransferService:
        if self._gateway.transfers is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return self._gateway.transfers

    def _sealed(self) -> SealedService:
        if self._gateway.sealed is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return self._gateway.sealed

    async def serve_checkpoint(self, request: Request) -> Response:
        """GET /log/checkpoint: the newest signed note, or the one of ?size=."""
        reader = self._reader()
        size = _number(request, "size") if "size" in request.query_params else None
        return PlainTextResponse(await self._read(self._note, reader, size))

    def _note(self, reader: LogReader, size: int | None) -> str:
        note = reader.get_checkpoint(size)
        checkpoint, _ = parse_note(note)
        lines = self._gateway.state.find_cosignatures(
            self._gateway.log_id, checkpoint.size, checkpoint.root
        )
        return note + "".join(line.rstrip("\n") + "\n" for line in lines)

    async def serve_consistency(self, request: Request) -> Response:
        """GET /log/consistency?old=&new="""
        old, new = _number(request, "old"), _number(request, "new")
        path = await self._read(self._reader().consistency, old, new)
        return JSONResponse({"old": old, "new": new, "path": [node.hex() for node in path]})

    async def serve_inclusion(self, request: Request) -> Response:
        """GET /log/inclusion?index=&size="""
        index, size = _number(request, "index"), _number(request, "size")
        path = await self._read(self._reader().inclusion, index, size)
        return JSONResponse({"index": index, "size": size, "path": [node.hex() for node in path]})

    async def serve_tile(self, request: Request) -> Response:
        """GET /log/tile/LEVEL/INDEX[.p/WIDTH]"""
        tile = tiles.find_tile(request)
        return tiles.answer_tile(tile, await self._read(self._reader().tile, tile))

    async def _read(self, find: Callable[..., Found], *arguments: object) -> Found:
        """Read for anybody: what nobody signed has threads of its own, and waits for these alone.

        The threads of the process serve those who may ask, and keep its state fresh.
        """
        work = partial(find, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._public, work)

    async def serve_health(self, _request: Request) -> Response:
        """GET /health"""
        snapshot, writer = self._gateway.state.snapshot, self._gateway.writer
        if self._gateway.fatal is not None:
            status = "failed"
        elif snapshot is None or writer is None or self._gateway.data is None:
            status = "starting"
        elif not writer.is_healthy:
            status = "log_failing"
        elif snapshot.finding_code or is_stale(snapshot, self._gateway.settings.head_max_age_s):
            status = "stale"
        else:
            status = "ok"
        body = {
            "status": status,
            "block_number": snapshot.number if snapshot is not None else None,
            "log_size": writer.size if writer is not None else None,
        }
        size = writer.size if writer is not None else None
        body |= self._gateway.tail.report(snapshot, log_id=self._gateway.log_id, size=size)
        # While it starts it is as healthy as can be: the log may still have to be registered.
        is_healthy = status in {"ok", "starting"}
        return JSONResponse(body, status_code=200 if is_healthy else 503)

    def _reader(self) -> LogReader:
        if self._gateway.reader is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        return self._gateway.reader


def _number(request: Request, name: str) -> int:
    values = request.query_params.getlist(name)
    text = values[0] if len(values) == 1 else ""
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > MAX_PROOF_NUMBER:
        raise RequestRefused("REQUEST_MALFORMED", f"{name} must be one whole number", field=name)
    return int(text)


async def _serve(handle: Callable[[Incoming], Awaitable[Answer]], request: Request) -> Response:
    answer = await handle(read_incoming(request.scope, await request.body()))
    if not answer.code:
        return Response(answer.body, media_type=CONTENT_TYPE, headers=dict(answer.headers or {}))
    return _problem_of(answer, request)


def _problem_of(answer: Answer, request: Request) -> Response:
    problem = make_problem(
        answer.code,
        detail=answer.detail,
        details=answer.details,
        accept_language=request.headers.get("accept-language", ""),
        request_id=request_id(request),
    )
    return problem_response(problem, headers=answer.headers)


async def _serve_description(_request: Request) -> Response:
    """GET /openapi.json"""
    return JSONResponse(description.describe())


async def _never(_request: Request) -> Response:
    """Stand for the path of data requests, so that other methods learn which one it takes."""
    raise AssertionError


def make_app(gateway: Gateway) -> ASGIApp:
    """Return the application of a gateway."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with gateway.run():
            yield

    routes = Routes(gateway)
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    add_problem_handlers(app)
    app.add_route(DATA_PATH, _never, methods=["POST"])
    app.add_route("/v1/interface-tests", routes.serve_test, methods=["POST"])
    app.add_route("/v1/evidence", routes.serve_evidence, methods=["POST"])
    app.add_route(SEALED_PATHS["keep"], routes.serve_sealed, methods=["POST"])
    app.add_route(SEALED_PATHS["fetch"], routes.serve_sealed_fetch, methods=["POST"])
    app.add_route(SEALED_PATHS["dispose"], routes.serve_sealed_disposal, methods=["POST"])
    app.add_route(OBSERVATIONS_PATH, routes.serve_observations, methods=["POST"])
    app.add_route(NOT_SENT_PATH, routes.serve_not_sent, methods=["POST"])
    app.add_route(CONSULTATION_PATH, routes.serve_consultation, methods=["POST"])
    app.add_route(RESTRICTION_PATH, routes.serve_restriction, methods=["POST"])
    app.add_route(OFFER_PATH, routes.serve_offer, methods=["POST"])
    app.add_route(OPEN_OFFERS_PATH, routes.serve_open_offers, methods=["POST"])
    app.add_route(CLOSING_PATH, routes.serve_closing, methods=["POST"])
    app.add_route("/log/checkpoint", routes.serve_checkpoint, methods=["GET"])
    app.add_route("/log/consistency", routes.serve_consistency, methods=["GET"])
    app.add_route("/log/inclusion", routes.serve_inclusion, methods=["GET"])
    app.add_route(tiles.ROUTE, routes.serve_tile, methods=["GET"])
    app.add_route("/health", routes.serve_health, methods=["GET"])
    app.add_route(description.PATH, _serve_description, methods=["GET"])

    proxies = gateway.settings.resolved_trusted_proxies

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["client"] = find_client(scope, proxies)
        if scope["type"] == "http" and scope["path"] == DATA_PATH and scope["method"] == "POST":
            await routes.serve_data(scope, receive, send)
        else:
            await app(scope, receive, send)

    return Guard(dispatch, LargeBatches(lambda: gateway.gatekeeper, proxies))
