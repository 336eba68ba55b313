"""The JSON-RPC client against peers that fail in every way; each is a real socket."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crypto.errors import LedgerError, OutcomeUnknown
from ledger.chain.rpc import Rpc

Answer = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


def reply(data: bytes, *, close: bool = False) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        if close:
            handler.close_connection = True
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def hang_up(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.close_connection = True


def drip(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


@pytest.fixture
def peer() -> Iterator[Callable[[Answer], str]]:
    servers = []

    def serve(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer(self, body)

            def log_message(self, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def code_of(rpc: Rpc, method: str) -> str:
    with pytest.raises(LedgerError) as refused:
        rpc.call(method)
    assert isinstance(refused.value, OutcomeUnknown) == (
        refused.value.code == "NODE_OUTCOME_UNKNOWN"
    )
    return refused.value.code


@pytest.mark.parametrize(
    "answer",
    [
        hang_up,
        drip,
        reply(b"no json"),
        reply(b"{}"),
        reply(b"[]"),
        reply(b'{"jsonrpc":"2.0","id":77,"result":"0x1"}'),
        reply(b'{"jsonrpc":"2.0","id":1,"result":"' + b"a" * 5000 + b'"}'),
    ],
)
def test_a_lost_answer_to_a_send_is_unknown(peer: Callable[[Answer], str], answer: Answer) -> None:
    url = peer(answer)
    assert code_of(Rpc(url, 0.5, max_response_bytes=4096), "eth_blockNumber") == "NODE_UNAVAILABLE"
    assert (
        code_of(Rpc(url, 0.5, max_response_bytes=4096), "eth_sendRawTransaction")
        == "NODE_OUTCOME_UNKNOWN"
    )


def test_what_never_left_is_not_unknown() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        rpc = Rpc(f"http://127.0.0.1:{free.getsockname()[1]}", 1.0)
        assert code_of(rpc, "eth_sendRawTransaction") == "NODE_UNAVAILABLE"


def test_a_refusal_has_its_data(peer: Callable[[Answer], str]) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"reverted","data":"0xab"}}'
    with pytest.raises(LedgerError) as refused:
        Rpc(peer(reply(body))).call("eth_call")
    assert (refused.value.code, refused.value.message) == ("NODE_REFUSED", "reverted")
    assert refused.value.details == {"method": "eth_call", "rpc_code": 3, "data": "0xab"}


def test_a_connection_that_was_closed_while_idle_is_opened_again(
    peer: Callable[[Answer], str],
) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        number = body.split(b'"id":')[1].split(b",")[0]
        reply(b'{"jsonrpc":"2.0","id":' + number + b',"result":1}', close=True)(handler, body)

    rpc = Rpc(peer(answer), 5.0)
    for _ in range(3):
        assert rpc.call("eth_sendRawTransaction") == 1
        time.sleep(0.05)  # lets the close arrive; a send on a closed connection would be unknown


def test_threads_share_one_client(peer: Callable[[Answer], str]) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        number = body.split(b'"id":')[1].split(b",")[0]
        reply(b'{"jsonrpc":"2.0","id":' + number + b',"result":' + number + b"}")(handler, body)

    rpc = Rpc(peer(answer), 5.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rpc.call("eth_blockNumber"), range(200)))
    assert sorted(answers) == list(range(1, 201))


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://user:word@host", "x"])
def test_bad_urls_are_refused(url: str) -> None:
    with pytest.raises(LedgerError) as refused:
        Rpc(url)
    assert refused.value.code == "NODE_URL_MALFORMED"
