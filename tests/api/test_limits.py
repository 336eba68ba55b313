"""Everything from outside has a limit, and every refusal is a problem with a code."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.guard import MAX_BODY_BYTES, SECURITY_HEADERS
from api.problems import CODES, Problem
from api.rate import RateLimit
from api.server import PunctualProtocol
from crypto.errors import RequestRefused

JSON = {"content-type": "application/json"}
ZERO = "00" * 32


def problem(response: httpx.Response, code: str) -> Problem:
    """Check that a response is the problem of a code."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    found = Problem.model_validate_json(response.text)
    assert found.code == code
    assert response.status_code == found.status == CODES[code][0]
    assert found.type == f"/errors#{code}"
    assert found.instance == f"urn:uuid:{uuid.UUID(response.headers['x-request-id'])}"
    return found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"act":"00","act":"00","signatures":[]}',
        b'{"act":NaN,"signatures":[]}',
        b'{"act":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"act":"' + b"00" * 128 + b'"}',
        b'{"act":"' + b"0g" * 128 + b'","signatures":[]}',
        b'{"act":"' + b"00" * 128 + b'","signatures":[],"more":1}',
    ],
)
def test_malformed_bodies(http: httpx.Client, body: bytes) -> None:
    found = problem(http.post("/v1/acts", content=body, headers=JSON), "REQUEST_MALFORMED")
    assert found.details["errors"]


def test_unknown_query_parameters_have_paths_and_no_values(http: httpx.Client) -> None:
    response = http.get("/v1/deployment", params={"secret_name": "secret_value"})
    found = problem(response, "REQUEST_MALFORMED")
    assert found.details == {"errors": ["query.secret_name: parameter_unknown"]}
    assert "secret_value" not in response.text


def test_repeated_query_parameter(http: httpx.Client) -> None:
    path = f"/v1/keys/{ZERO}/nonce?contract=Registry&contract=Entries"
    found = problem(http.get(path), "REQUEST_MALFORMED")
    assert found.details["errors"] == ["query.contract: parameter_repeated"]


def test_bodies_need_their_media_type(http: httpx.Client) -> None:
    body = json.dumps({"act": "00" * 128, "signatures": []})
    problem(
        http.post("/v1/acts", content=body, headers={"content-type": "text/plain"}),
        "REQUEST_MALFORMED",
    )


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/acts/", "/openapi", "/redoc"])
def test_unknown_routes(http: httpx.Client, path: str) -> None:
    url = httpx.URL(str(http.base_url)).copy_with(raw_path=path.encode())
    problem(http.get(url), "NOT_FOUND")


def test_unknown_methods(http: httpx.Client) -> None:
    response = http.delete("/v1/acts")
    problem(response, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("bad", ["zz", "00", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "%00"])
def test_bad_hex_in_paths(http: httpx.Client, bad: str) -> None:
    problem(http.get(f"/v1/acts/{bad}"), "REQUEST_MALFORMED")
    problem(http.get(f"/v1/targets/{bad}"), "REQUEST_MALFORMED")


def test_unknown_ids(http: httpx.Client) -> None:
    problem(http.get(f"/v1/acts/{ZERO}"), "ACT_UNKNOWN")
    problem(http.get(f"/v1/targets/{ZERO}"), "TARGET_UNKNOWN")
    problem(http.get(f"/v1/keys/{ZERO}/nonce", params={"contract": "Sm"}), "CONTRACT_UNKNOWN")


def test_declared_oversize(http: httpx.Client) -> None:
    content = b" " * (MAX_BODY_BYTES + 1)
    problem(http.post("/v1/acts", content=content, headers=JSON), "BODY_TOO_LARGE")


def test_the_largest_body_is_read(http: httpx.Client) -> None:
    content = b" " * MAX_BODY_BYTES
    problem(http.post("/v1/acts", content=content, headers=JSON), "REQUEST_MALFORMED")


def test_absurd_oversize_is_refused_unread(http: httpx.Client) -> None:
    with socket.create_connection((http.base_url.host, http.base_url.port or 0), 10) as raw:
        raw.sendall(
            b"POST /v1/acts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 99999999999\r\n\r\n"
        )
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_streamed_oversize(http: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            yield b" " * 65536

    problem(http.post("/v1/acts", content=chunks(), headers=JSON), "BODY_TOO_LARGE")


def test_too_many_headers(http: httpx.Client) -> None:
    headers = {f"x-{i}": "1" for i in range(80)}
    problem(http.get("/v1/deployment", headers=headers), "HEADERS_TOO_LARGE")
    problem(http.get("/v1/deployment", headers={"x-large": "1" * 17_000}), "HEADERS_TOO_LARGE")


def test_a_header_beyond_the_parsers_limit_ends_the_connection(http: httpx.Client) -> None:
    with socket.create_connection((http.base_url.host, http.base_url.port or 0), 10) as raw:
        raw.sendall(b"GET /v1/deployment HTTP/1.1\r\nhost: x\r\nx: " + b"1" * 200_000)
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")


def _dribble(connection: socket.socket) -> None:
    for _ in range(2000):
        connection.sendall(b"G")
        time.sleep(0.01)


def test_a_slow_head_ends_the_connection(
    empty: Any, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PunctualProtocol, "head_timeout_s", 0.3)
    with serving(empty.services) as client:
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, 20) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(address, 20) as slow:
            slow.sendall(b"GET /v1/deployment HTTP/1.1\r\nhost: x\r\n\r\n")
            assert slow.recv(65536).startswith(b"HTTP/1.1 200 ")
            with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it comes
                _dribble(slow)
        assert client.get("/v1/deployment").status_code == 200


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "未找到"),
        ("en-GB,en;q=0.9,zh;q=0.1", "Not found"),
        ("zh;q=0, en", "Not found"),
        ("", "Not found"),
        (";;;,,,\t=", "Not found"),
    ],
)
def test_titles_follow_the_language(http: httpx.Client, language: str, title: str) -> None:
    found = problem(http.get("/nope", headers={"accept-language": language}), "NOT_FOUND")
    assert found.title == title
    assert (found.title_zh, found.title_en) == ("未找到", "Not found")


@pytest.mark.parametrize("path", ["/", "/v1/deployment", "/nope", "/openapi.json"])
def test_security_headers_are_everywhere(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "server" not in headers


def test_internal_errors_say_nothing(
    empty: Any, serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Exception):
        pass

    def fail() -> list[object]:
        raise Broken("the secret in the exception")

    with serving(replace(empty.services, worker_states=fail)) as client:
        response = client.get("/health")
    found = problem(response, "INTERNAL_ERROR")
    assert found.detail == ""
    assert found.details == {}
    assert "secret" not in response.text
    assert found.instance.removeprefix("urn:uuid:") in caplog.text
    assert "the secret in the exception" in caplog.text


def test_rate_limit_by_source() -> None:
    now = [0.0]
    limit = RateLimit(burst=2, per_second=1.0, max_sources=3, clock=lambda: now[0])
    limit.take("192.0.2.1")
    limit.take("192.0.2.1")
    with pytest.raises(RequestRefused, match="RATE_LIMITED"):
        limit.take("192.0.2.1")
    limit.take("192.0.2.2")
    now[0] = 1.0
    limit.take("192.0.2.1")
    with pytest.raises(RequestRefused):
        limit.take("192.0.2.1")


def test_rate_limit_counts_an_ipv6_network_once() -> None:
    limit = RateLimit(burst=1, per_second=0.0, clock=lambda: 0.0)
    limit.take("2001:db8:1:2::1")
    with pytest.raises(RequestRefused):
        limit.take("2001:db8:1:2:ffff::1")
    limit.take("2001:db8:1:3::1")
    limit.take("::ffff:192.0.2.1")
    with pytest.raises(RequestRefused):
        limit.take("192.0.2.1")


def test_rate_limit_table_is_bounded() -> None:
    limit = RateLimit(burst=1, per_second=0.0, max_sources=10, clock=lambda: 0.0)
    for i in range(1000):
        limit.take(f"source {i}")
    assert len(limit._buckets) == 10


def test_rate_limit_over_http(empty: Any, serving: Any) -> None:
    services = replace(empty.services, write_limit=RateLimit(burst=1, per_second=0.0))
    with serving(services) as client:
        problem(client.post("/v1/acts", json={}), "REQUEST_MALFORMED")
        body = {"act": "00" * 128, "signatures": [{"key_id": ZERO, "r": ZERO, "s": ZERO}]}
        response = client.post("/v1/acts", json=body)
    problem(response, "RATE_LIMITED")
    assert int(response.headers["retry-after"]) > 0
