"""When a child of a platform serves, as its supervisor sees it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ledger.processes import http_ready


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [
        (200, {"status": "ok"}, True),
        # The chain went on while nobody followed it: to start again would not shorten that.
        (503, {"status": "stale", "block_number": 7}, True),
        (503, {"status": "failing", "reasons": ["HEAD_STALE"]}, True),
        (503, {"status": "failing", "reasons": ["HEAD_STALE", "WORKER_STOPPED"]}, False),
        (503, {"status": "failing", "reasons": ["DATABASE_UNAVAILABLE"]}, False),
        (503, {"status": "log_failing"}, False),
        (503, {"status": "failed"}, False),
        (503, ["stale"], False),
        (503, None, False),
        (404, {"status": "stale"}, False),
    ],
)
def test_who_only_waits_for_the_chain_serves(status: int, body: object, ready: bool) -> None:  # noqa: FBT001 - a row's value
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no JSON" if body is None else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.handle_request).start()
        assert http_ready(f"http://127.0.0.1:{server.server_port}/health")() is ready


def test_who_does_not_answer_does_not_serve() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert not http_ready(f"http://127.0.0.1:{port}/health")()
