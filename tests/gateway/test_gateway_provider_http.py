"""The client of providers at the bytes: connections kept, answers whole, odd or endless."""

import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from api.gateway import provider_http
from api.gateway.outbound import OutboundPolicy, OutboundRefused
from api.gateway.provider_http import (
    IDLE_S,
    MAX_HEADERS,
    BrokenResponse,
    ProviderClient,
    Response,
    ResponseTooLarge,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
POLICY = OutboundPolicy([], own_ports=set(), allow_loopback=True)


class Server:
    """Answers the requests of each connection with the next bytes of a script; None closes."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                self.requests.append(head + await reader.readexactly(int(length or b"0")))
                answer = self.script.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in answer or b"content-length" not in answer:
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def run(
    server: Server,
    use: Callable[[ProviderClient, str], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
    trust: ssl.SSLContext | None = None,
    **options: float,
) -> None:
    """Start a server and use a client on it."""

    async def go() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
        client = ProviderClient(
            POLICY,
            timeout_s=options.get("timeout_s", 5),
            max_bytes=int(options.get("max_bytes", 1000)),
            tls=trust,
        )
        scheme = "https" if tls else "http"
        try:
            await use(client, f"{scheme}://localhost:{server.port}")
        finally:
            await client.close()
            listener.close()

    asyncio.run(go())


async def get(client: ProviderClient, url: str) -> Response:
    return await client.request("GET", url, "/a?b=1", {"x-one": "1"})


def test_a_connection_is_used_again() -> None:
    server = Server(OK, OK, OK)

    async def use(client: ProviderClient, url: str) -> None:
        for _ in range(2):
            answer = await get(client, url)
            assert (answer.status, answer.body) == (200, b"hi")
            assert answer.headers == [("content-length", "2")]
        await client.request("POST", url, "/p", {}, b"body")

    run(server, use)
    assert server.connections == 1
    host = f"localhost:{server.port}".encode()
    assert server.requests[0] == b"GET /a?b=1 HTTP/1.1\r\nhost: %b\r\nx-one: 1\r\n\r\n" % host
    assert (
        server.requests[2]
        == b"POST /p HTTP/1.1\r\nhost: %b\r\ncontent-length: 4\r\n\r\nbody" % host
    )


def test_answers_come_to_their_own_requests() -> None:
    bodies = [b"%03d" % number for number in range(40)]
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            number = head.partition(b"/n")[2][:3]
            await asyncio.sleep(0.001 * (int(number) % 7))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n" + number)

    server.serve = serve  # type: ignore[method-assign]

    async def use(client: ProviderClient, url: str) -> None:
        calls = (client.request("GET", url, f"/n{body.decode()}", {}) for body in bodies)
        answers = await asyncio.gather(*calls)
        assert [one.body for one in answers] == bodies

    run(server, use)
    assert server.connections <= len(bodies)


def test_an_idle_connection_that_was_closed_is_replaced_for_get_alone() -> None:
    server = Server(OK, None, OK, None, OK)

    async def use(client: ProviderClient, url: str) -> None:
        await get(client, url)
        assert (await get(client, url)).body == b"hi"
        with pytest.raises(BrokenResponse):
            await client.request("POST", url, "/", {}, b"once")

    run(server, use)
    assert [one[:4] for one in server.requests] == [b"GET ", b"GET ", b"GET ", b"POST"]


def test_a_connection_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_http, "IDLE_S", 0.05)
    server = Server(OK, OK)

    async def use(client: ProviderClient, url: str) -> None:
        await get(client, url)
        await asyncio.sleep(0.1)
        await get(client, url)

    run(server, use)
    assert server.connections == 2
    assert IDLE_S < 5  # Node's own server closes after five seconds


def test_an_idle_connection_holds_nothing_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider_http, "IDLE_S", 0.1)
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n" + b"x" * 900
    server = Server(*[large] * 9)

    async def use(client: ProviderClient, url: str) -> None:
        await asyncio.gather(*(get(client, url) for _ in range(4)))
        assert len(client._all) == 4
        assert all(not one._body and not one._headers for one in client._all)
        for _ in range(4):
            await asyncio.sleep(0.06)
            assert len((await get(client, url)).body) == 900
        # Those that nobody took for so long are closed, by the next use of another one.
        assert len(client._all) == 1

    run(server, use)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
    ],
    ids=["chunked", "until close", "continue", "no content", "HTTP/1.0"],
)
def test_whole_answers(answer: bytes, body: bytes) -> None:
    async def use(client: ProviderClient, url: str) -> None:
        for _ in range(2):
            assert (await get(client, url)).body == body

    run(Server(answer, answer, answer), use)


def test_bytes_behind_an_answer_end_the_connection() -> None:
    server = Server(OK + OK, OK)

    async def use(client: ProviderClient, url: str) -> None:
        assert (await get(client, url)).body == b"hi"
        assert (await get(client, url)).body == b"hi"

    run(server, use)
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\nconnection: close\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\na: " + b"b" * 40_000,
        b"220 smtp ready\r\n",
        b"",
    ],
    ids=[
        "half",
        "half a chunk",
        "two lengths",
        "length and chunks",
        "upgrade",
        "many headers",
        "long header",
        "another protocol",
        "nothing",
    ],
)
def test_broken_answers(answer: bytes) -> None:
    async def use(client: ProviderClient, url: str) -> None:
        with pytest.raises(BrokenResponse):
            await get(client, url)

    run(Server(answer, answer), use)


def test_limits_of_size_and_time() -> None:
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"x" * 11

    async def too_large(client: ProviderClient, url: str) -> None:
        with pytest.raises(ResponseTooLarge):
            await get(client, url)

    run(Server(large), too_large, max_bytes=10)

    async def too_slow(client: ProviderClient, url: str) -> None:
        with pytest.raises(TimeoutError):
            await get(client, url)

    run(Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), too_slow, timeout_s=0.2)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a HTTP/1.1\r\nx: y", {}),
        ("/", {"x": "1\r\ny: 2"}),
        ("/", {"x": "1\ny: 2"}),
        ("/中", {}),
    ],
)
def test_nothing_is_smuggled_into_a_head(target: str, headers: dict[str, str]) -> None:
    server = Server(OK)

    async def use(client: ProviderClient, url: str) -> None:
        with pytest.raises(ValueError, match=r"head|ascii"):
            await client.request("GET", url, target, headers)

    run(server, use)
    assert server.requests == []


def test_a_name_that_resolves_otherwise_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what is connected to is what was checked, at each connection anew."""
    answers = [["127.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["169.254.169.254"]]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    monkeypatch.setattr(provider_http, "resolve", resolve)
    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    server = Server(closing, OK)

    async def use(client: ProviderClient, url: str) -> None:
        assert (await get(client, url)).body == b"hi"
        for _ in range(2):
            with pytest.raises(OutboundRefused):
                await get(client, url)

    run(server, use)
    assert answers == []
    assert server.connections == 1


def test_tls_names_the_host_and_is_checked(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def trusted(client: ProviderClient, url: str) -> None:
        for _ in range(2):
            assert (await get(client, url)).body == b"hi"

    server = Server(OK, OK)
    run(server, trusted, tls=tls, trust=ssl.create_default_context(cafile=certificate))
    assert server.connections == 1

    async def not_trusted(client: ProviderClient, url: str) -> None:
        with pytest.raises(ssl.SSLError):
            await get(client, url)

    run(Server(OK), not_trusted, tls=tls)


def test_a_name_is_looked_up_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answered = asyncio.Event()

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        if host == "slow.example":
            await answered.wait()
            raise OSError("no such name")
        return ["127.0.0.1"]

    monkeypatch.setattr(provider_http, "resolve", resolve)

    async def use(client: ProviderClient, url: str) -> None:
        port = url.rpartition(":")[2]
        slow = f"http://slow.example:{port}"
        waiting = [client.request("GET", slow, "/", {}) for _ in range(20)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in found} == {TimeoutError}
        assert asked == ["slow.example"]
        # Others are served meanwhile, and who asks again waits for the same answer.
        assert (await client.request("GET", f"http://quick.example:{port}", "/", {})).body == b"hi"
        again = asyncio.create_task(client.request("GET", slow, "/", {}))
        await asyncio.sleep(0.05)
        answered.set()
        with pytest.raises(OSError, match="no such name"):
            await again
        assert asked == ["slow.example", "quick.example"]
        with pytest.raises(OSError, match="no such name"):
            await client.request("GET", slow, "/", {})
        assert asked[2:] == ["slow.example"]

    run(Server(OK), use, timeout_s=0.3)
