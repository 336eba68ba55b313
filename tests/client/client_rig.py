"""A log in memory and real HTTP servers on loopback, for the client's tests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from crypto.merkle import inclusion_path, leaf_hash, root_of
from crypto.sm2 import PrivateKey
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.receipt import Receipt
from protocol.records import encode_record

ORIGIN = "test.example/log"


def wait_until(predicate: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Log:
    """A small log in memory that signs as a gateway does."""

    def __init__(self, key: PrivateKey, origin: str = ORIGIN) -> None:
        self.key, self.origin = key, origin
        self.records: list[bytes] = []

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree."""
        part = self.records[index << level : (index + 1) << level]
        return root_of(leaf_hash(record) for record in part)

    def add(self, record: dict[str, Any]) -> bytes:
        """Add a record and return its bytes."""
        common = {"v": 1, "log": self.origin, "seq": len(self.records)}
        data = encode_record({**common, "time_ms": int(time.time() * 1000), **record})
        self.records.append(data)
        return data

    def fill(self, count: int) -> None:
        """Add heartbeats."""
        for _ in range(count):
            self.add({"event": "heartbeat"})

    def note(self, size: int | None = None) -> str:
        """Return the signed checkpoint of a size."""
        n = len(self.records) if size is None else size
        root = root_of(leaf_hash(record) for record in self.records[:n])
        return sign_checkpoint(Checkpoint(self.origin, n, root), self.key)

    def receipt(self, index: int) -> Receipt:
        """Return the receipt of a record in the log as it is."""
        path = inclusion_path(self.node, index, len(self.records))
        return Receipt(self.records[index], index, tuple(path), self.note())


@contextmanager
def serve_asgi(app: Any, port: int) -> Iterator[str]:
    """Serve an ASGI application with uvicorn."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


Answerer = Callable[[str, str, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]


@contextmanager
def serve(answer: Answerer) -> Iterator[str]:
    """Serve answer(method, path, headers, body) -> (status, headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found = {name.lower(): value for name, value in self.headers.items()}
            status, headers, data = answer(self.command, self.path, found, body)
            if status == 0:  # the answer gets lost
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
