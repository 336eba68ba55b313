"""The real application behind a real uvicorn on loopback, with a real SQLite file."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from api_waiting import wait_until
from sqlalchemy import Engine

from api.app import create_app
from api.server import server_config
from api.services import Services
from crypto.sm2 import PrivateKey
from ledger.audit.performance import Reports
from ledger.chain.rpc import Rpc
from ledger.db.engine import make_engine
from ledger.db.migrate import upgrade
from ledger.outbox.service import Outbox
from ledger.settings import Settings
from protocol.deployment import Deployment
from protocol.description import CONTRACTS


@contextlib.contextmanager
def serve(services: Services) -> Iterator[httpx.Client]:
    """Serve the application as the api process does, on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(create_app(services), Settings(), port=0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@dataclass
class Bench:
    """A ledger without a chain behind it: what the api is before genesis was followed."""

    services: Services
    engine: Engine
    platform_key: PrivateKey


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory: Path = tmp_path_factory.mktemp("empty")
    engine = make_engine(f"sqlite:///{directory / 'ledger.db'}")
    upgrade(engine)
    platform_key = PrivateKey.generate()
    deployment = Deployment(
        chain_id=20260101,
        contracts={name: bytes([i + 1]) * 20 for i, name in enumerate(CONTRACTS)},
        block=1,
        example=True,
        platform_key=platform_key.public_key,
        gateway_key=PrivateKey.generate().public_key,
        origin="test.example/log",
    )
    services = Services(
        engine=engine,
        deployment=deployment,
        outbox=Outbox(engine, deployment, platform_key),
        reports=Reports(Rpc("http://127.0.0.1:9"), deployment),  # no node answers there
    )
    yield Bench(services, engine, platform_key)
    engine.dispose()


@pytest.fixture(scope="session")
def serving() -> Callable[[Services], contextlib.AbstractContextManager[httpx.Client]]:
    """The function that serves."""
    return serve


@pytest.fixture(scope="session")
def http(empty: Bench) -> Iterator[httpx.Client]:
    with serve(empty.services) as client:
        yield client
