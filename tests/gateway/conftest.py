"""A gateway on loopback with its own log, a state of real acts, and providers good and bad."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.gateway.app import make_app
from api.gateway.evidence import EvidenceService
from api.gateway.gateway import Gateway
from api.gateway.server import gateway_config
from api.gateway.state import Snapshot, copy_store
from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey, Signature
from ledger.log.reader import LogReader
from ledger.settings import Settings
from protocol.acts import Act, ActSignature, SignedAct
from protocol.deployment import Deployment
from protocol.documents import InterfaceDocument, parse_interface_document
from protocol.httpsig import sign_request
from protocol.model import MemoryStore
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from sanlian_client.middleware import SanlianProvider
from tests.gateway.city import ADDRESSES, BASIS, CHAIN_ID, NODE, ORIGIN, OTHER_NODE, SCENARIO, City
from tests.log.threaded import Threaded
from tests.ports import free_port

SECRET_NUMBER = "PLANTED-PARAMETER-4711"
SECRET_NAME = "PLANTED-NAME-8822"
SECRET_ADDRESS = "PLANTED-ADDRESS-9933"


def wait_until(predicate: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def serve_asgi(app: Any, port: int) -> AbstractContextManager[str]:
    """Serve an ASGI application with uvicorn."""
    return serve(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=10,
        )
    )


@contextmanager
def serve(config: uvicorn.Config) -> Iterator[str]:
    """Run a server in a thread; yield its URL."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://{config.host}:{config.port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


class MemoryState:
    """State made of real acts, held in memory; tests move head and time."""

    def __init__(self, city: City, store: MemoryStore) -> None:
        self.city, self._store = city, store
        self.age_s = 0
        self.finding_code = ""
        self.number = 0
        self.publish()

    def publish(self) -> None:
        """Show the city as it is now."""
        self._copy = copy_store(self._store)
        self.number = self.city.block

    @property
    def snapshot(self) -> Snapshot | None:
        """The state."""
        polled_at = int(time.time()) - self.age_s
        return Snapshot(
            self._copy, self.number, self.number.to_bytes(32, "big"), polled_at, self.finding_code
        )

    def refresh(self) -> None:
        """Nothing to read."""

    def find_interface_document(self, digest: bytes) -> InterfaceDocument | None:
        """Return the interface document."""
        data = self.city.documents.get(digest)
        return None if data is None else parse_interface_document(data)

    def find_document_text(self, digest: bytes) -> dict[str, Any] | None:
        """Return the whole interface document."""
        data = self.city.documents.get(digest)
        return None if data is None else json.loads(data)

    def find_act(self, act_id: bytes) -> Act | None:
        """Return an act."""
        return self.city.acts.get(act_id)

    def find_cosignatures(self, *_checkpoint: object) -> list[str]:
        """Nobody has cosigned."""
        return []


Raw = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A provider that answers with whatever bytes a test wants."""

    def __init__(self) -> None:
        self.answer: Raw | None = None
        self.requests: list[bytes] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            assert self.answer is not None
            await self.answer(head, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Api:
    """Takes the gateway's acts as the ledger's api does: by the model's rules."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.refuse_with = ""
        self.app = Starlette(
            routes=[
                Route("/v1/keys/{key_id}/nonce", self._nonce, methods=["GET"]),
                Route("/v1/acts", self._acts, methods=["POST"]),
            ]
        )

    async def _nonce(self, request: Request) -> Response:
        key_id = bytes.fromhex(request.path_params["key_id"])
        nonce = self.city.store.nonce(request.query_params["contract"], key_id)
        return JSONResponse({"nonce": nonce})

    async def _acts(self, request: Request) -> Response:
        value = json.loads(await request.body())
        if self.refuse_with:
            return JSONResponse({"code": self.refuse_with}, status_code=409)
        signatures = tuple(
            ActSignature(
                bytes.fromhex(one["key_id"]), Signature(int(one["r"], 16), int(one["s"], 16))
            )
            for one in value["signatures"]
        )
        self.city.apply(SignedAct(bytes.fromhex(value["act"]), signatures))
        return JSONResponse({"status": "queued"}, status_code=202)


@dataclass
class World:
    """Everything of one test."""

    city: City
    state: MemoryState
    gateway: Gateway
    url: str
    raw: RawServer
    api: Api
    http: httpx.Client
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def authority(self) -> str:
        """What requesters sign."""
        return self.url.removeprefix("http://")

    @property
    def log_file(self) -> Path:
        """The log's file."""
        return Path(self.gateway.settings.resolved_log_database_url.removeprefix("sqlite:///"))

    def events(self) -> list[dict[str, Any]]:
        """Return all records."""
        reader = LogReader.open(self.gateway.settings.resolved_log_database_url)
        records = [parse_record(data) for _, data in reader.records()]
        reader.close()
        return records

    def sign(self, grant: bytes, **changes: Any) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a good data request, but for the changes."""
        parameters = changes.pop("parameters", {"number": SECRET_NUMBER})
        body = canonical_json({"parameters": parameters, "salt": secrets.token_hex(32)})
        body = changes.pop("body", body)
        key: PrivateKey = changes.pop("key", self.city.system)
        options = {
            "authority": self.authority,
            "path": "/v1/data",
            "created": int(time.time()),
            "nonce": secrets.token_hex(16),
            "grant": grant,
            "person": "p-1",
            "basis": BASIS,
            "scenario": SCENARIO,
            "case": "case-1",
            **changes,
        }
        _, headers = sign_request(key, body, **options)
        return body, headers

    def post(self, body: bytes, headers: dict[str, str], path: str = "/v1/data") -> httpx.Response:
        """Send a signed call."""
        return self.http.post(self.url + path, content=body, headers=headers)

    def ask(self, grant: bytes, **changes: Any) -> httpx.Response:
        """Sign and send a data request."""
        return self.post(*self.sign(grant, **changes))

    def receipt(self, response: httpx.Response) -> dict[str, Any]:
        """Check an answer's receipt and return its record."""
        receipt = Receipt.from_header(response.headers["sanlian-receipt"])
        key = self.city.gateway.public_key
        record, _ = verify_receipt(receipt, origin=ORIGIN, public_key=key)
        return record


PERSONS = [
    {"id": str(i), "name": f"{SECRET_NAME}-{i}", "address": SECRET_ADDRESS} for i in range(3)
]


def provider_service(seen: list[dict[str, Any]]) -> Starlette:
    """A department's own service."""

    async def persons(request: Request) -> Response:
        seen.append(dict(request.query_params))
        return JSONResponse({"records": PERSONS, "total": 3})

    async def search(request: Request) -> Response:
        seen.append(json.loads(await request.body()))
        return JSONResponse({"records": PERSONS})

    async def broken(_request: Request) -> Response:
        raise RuntimeError(SECRET_NAME)

    return Starlette(
        routes=[
            Route("/persons", persons, methods=["GET"]),
            Route("/search", search, methods=["POST"]),
            Route("/broken", broken, methods=["GET"]),
        ]
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    store = MemoryStore()
    city = City(store)
    raw = RawServer()
    port, provider_port, api_port = free_port(), free_port(), free_port()
    api = Api(city)
    seen: list[dict[str, Any]] = []
    provider = SanlianProvider(
        provider_service(seen),
        gateway_keys={ORIGIN: city.gateway.public_key},
        department_id=city.provider,
        provider_key=city.provider_key,
        authority=f"127.0.0.1:{provider_port}",
        store_path=home / "provider.db",
    )
    providers = home / "providers.json"
    providers.write_text(
        json.dumps(
            {
                NODE: f"http://127.0.0.1:{provider_port}",
                OTHER_NODE: f"http://127.0.0.1:{raw.port}",
                "node-down": f"http://127.0.0.1:{free_port()}",
            }
        )
    )
    settings = Settings(
        home=home,
        gateway_port=port,
        providers_file=providers,
        allow_loopback_providers=True,
        provider_timeout_s=1.5,
        max_response_bytes=256 * 1024,
        max_connections_per_provider=4,
        parameter_digests="/number",
        request_verifiers=0,  # whatever the machine has; their own tests start some
        provider_failures=0,  # tests of failing providers are many; one sets it
        api_url=f"http://127.0.0.1:{api_port}",
    )
    deployment = Deployment(
        chain_id=CHAIN_ID,
        contracts=ADDRESSES,
        block=1,
        example=False,
        platform_key=city.gateway.public_key,
        gateway_key=city.gateway.public_key,
        origin=ORIGIN,
    )
    state = MemoryState(city, store)
    gateway = Gateway(settings, deployment, city.gateway, state, log_process=Threaded(city.gateway))
    with ExitStack() as stack:
        stack.callback(raw.close)
        stack.enter_context(serve_asgi(provider, provider_port))
        stack.enter_context(serve_asgi(api.app, api_port))
        url = stack.enter_context(
            serve(gateway_config(make_app(gateway), settings, gateway.count_refused))
        )
        http = stack.enter_context(httpx.Client(timeout=30))
        wait_until(lambda: gateway.data is not None)
        yield World(city, state, gateway, url, raw, api, http, seen)


@pytest.fixture(scope="module")
def evidence(world: World) -> None:
    """Let the gateway hand out receipts in place of whole evidence files, which need a chain."""
    gatekeeper, reader = world.gateway.gatekeeper, world.gateway.reader
    assert gatekeeper is not None
    assert reader is not None
    world.gateway.evidence = EvidenceService(
        gatekeeper,
        reader,
        lambda seq: reader.receipt(seq).to_bytes(),
        auditor_departments=frozenset(),
    )
