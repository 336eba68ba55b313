"""The provider's middleware behind real HTTP: what passes, and every reason to refuse."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from client_rig import ORIGIN, Log, serve_asgi, wait_until

from crypto.canonical import canonical_json
from crypto.merkle import leaf_hash
from crypto.sm2 import PrivateKey
from protocol.httpsig import parse_answer, sign_forward, sign_request
from sanlian_client.middleware import SanlianProvider
from tests.ports import free_port
from tests.tokens.soft_token import Asked, SoftToken, compile_module
from tokens.key import TokenKey

DEPARTMENT = b"\x07" * 32
INTERFACE = b"\x09" * 32
SALT = "5a" * 32


async def service(scope: Any, receive: Any, send: Any) -> None:
    """A provider's own service: answers by path, repeats what it was asked."""
    body = (await receive())["body"]
    path = scope["path"]
    if path == "/crash":
        raise RuntimeError("secret of the service")
    status = {"/missing": 404, "/moved": 302}.get(path, 200)
    asked = {"query": scope["query_string"].decode(), "body": body.decode()}
    text = b"not json" if path == "/text" else json.dumps({"rows": [asked]}).encode()
    if path == "/missing":
        text = b"secret of the service"
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": text[:5], "more_body": True})
    await send({"type": "http.response.body", "body": text[5:]})


class Caller:
    """Calls the provider as a gateway does; each call may be bent in one way."""

    def __init__(self, gateway: PrivateKey, requester: PrivateKey, authority: str) -> None:
        self.gateway, self.requester, self.authority = gateway, requester, authority
        self.log = Log(gateway)
        self.log.fill(2)
        self.nonce = 0

    def request(self, parameters: Any, nonce: str | None = None) -> dict[str, Any]:
        self.nonce += 1
        body = canonical_json({"parameters": parameters, "salt": SALT})
        request, _ = sign_request(
            self.requester,
            body,
            authority="gateway.example",
            path="/v1/data",
            created=int(time.time()),
            nonce=nonce or f"{self.nonce:032x}",
            grant=b"\x01" * 32,
            person="p1",
        )
        return request.to_record()

    def intent(self, request: dict[str, Any], **changes: Any) -> bytes:
        record = {
            "event": "intent",
            "request": request,
            "department": "02" * 32,
            "source": "127.0.0.1",
            "block": {"number": 3, "hash": "03" * 32},
            "grant_revision": 2,
            "provider": DEPARTMENT.hex(),
            "entry": "08" * 32,
            "entry_version": 1,
            "interface": INTERFACE.hex(),
            "interface_version": 1,
            "items": "00" * 31 + "03",
        }
        data = self.log.add({**record, **changes})
        self.log.fill(1)
        return data

    def send(
        self,
        record: bytes,
        *,
        method: str = "GET",
        path: str = "/rows",
        query: str = "id=5",
        body: bytes = b"",
        sent: dict[str, Any] | None = None,
        key: PrivateKey | None = None,
        created: int | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> httpx.Response:
        """Sign and send; sent replaces what really goes out, after signing."""
        signed = sign_forward(
            key or self.gateway,
            method=method,
            authority=self.authority,
            path=path,
            query=query,
            body=body,
            intent_leaf=leaf_hash(record),
            created=int(time.time()) if created is None else created,
        )
        index = self.log.records.index(record)
        lines: dict[str, str | None] = {
            **signed,
            "sanlian-receipt": self.log.receipt(index).to_header(),
            "sanlian-salt": SALT,
            **(headers or {}),
        }
        real = {"method": method, "path": path, "query": query, "body": body, **(sent or {})}
        question = "?" + real["query"] if real["query"] else ""
        return httpx.request(
            real["method"],
            f"http://{self.authority}{real['path']}{question}",
            content=real["body"],
            headers={name: value for name, value in lines.items() if value is not None},
            trust_env=False,
        )


@pytest.fixture
def caller(
    gateway_key: PrivateKey, requester_key: PrivateKey, provider_key: PrivateKey, tmp_path: Path
) -> Iterator[Caller]:
    port = free_port()
    app = SanlianProvider(
        service,
        gateway_keys={ORIGIN: gateway_key.public_key},
        department_id=DEPARTMENT,
        provider_key=provider_key,
        authority=f"127.0.0.1:{port}",
        store_path=tmp_path / "intents.db",
    )
    with serve_asgi(app, port):
        yield Caller(gateway_key, requester_key, f"127.0.0.1:{port}")


def open_answer(response: httpx.Response, record: bytes, provider: PrivateKey) -> Any:
    headers = [(k.decode(), v.decode()) for k, v in response.headers.raw]
    answer = parse_answer(
        status=response.status_code,
        headers=headers,
        body=response.content,
        intent_leaf=leaf_hash(record),
    )
    assert answer.public_key == provider.public_key
    value = response.json()
    assert set(value) == {"data", "salt"}
    return value["data"]


def assert_refused(response: httpx.Response, code: str) -> None:
    assert (response.json()["code"], response.status_code >= 400) == (code, True)
    assert response.headers["content-type"] == "application/problem+json"
    assert "signature" not in response.headers


def test_art_31_a_departments_own_service_answers_logged_calls(
    caller: Caller, provider_key: PrivateKey
) -> None:
    record = caller.intent(caller.request({"id": "5", "name": "王 & +"}))
    response = caller.send(record, query="id=5&name=%E7%8E%8B%20%26%20%2B")
    data = open_answer(response, record, provider_key)
    assert data["rows"][0]["query"].startswith("id=5&")


def test_a_post_with_numbers(caller: Caller, provider_key: PrivateKey) -> None:
    parameters = {"id": 5, "share": 0.25, "list": ["a", None]}
    record = caller.intent(caller.request(parameters))
    response = caller.send(record, method="POST", query="", body=canonical_json(parameters))
    assert open_answer(response, record, provider_key)["rows"][0]["body"]


def test_no_parameters(caller: Caller, provider_key: PrivateKey) -> None:
    record = caller.intent(caller.request({}))
    assert open_answer(caller.send(record, query=""), record, provider_key)["rows"]


def test_an_intent_is_used_once(caller: Caller) -> None:
    record = caller.intent(caller.request({"id": "5"}))
    assert caller.send(record).status_code == 200
    assert_refused(caller.send(record), "INTENT_REPLAYED")


def test_a_request_is_used_once(caller: Caller) -> None:
    request = caller.request({"id": "5"})
    assert caller.send(caller.intent(request)).status_code == 200
    assert_refused(caller.send(caller.intent(request)), "REQUEST_REPLAYED")


def test_two_records_at_one_index(caller: Caller) -> None:
    first = caller.intent(caller.request({"id": "5"}))
    assert caller.send(first).status_code == 200
    del caller.log.records[2:]
    assert_refused(caller.send(caller.intent(caller.request({"id": "5"}))), "INTENT_FORKED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"provider": "0a" * 32}, "OTHER_DEPARTMENT"),
        ({"event": "denied"}, "NOT_AN_INTENT"),
    ],
)
def test_records_that_open_nothing(caller: Caller, changes: dict[str, Any], code: str) -> None:
    request = caller.request({"id": "5"})
    if changes.get("event") == "denied":
        members = ("department", "source", "block")
        template = json.loads(caller.intent(request))
        record = caller.log.add(
            {"event": "denied", "code": "X1", "request": request}
            | {name: template[name] for name in members}
        )
    else:
        record = caller.intent(request, **changes)
    assert_refused(caller.send(record), code)


def test_the_requester_must_have_signed(caller: Caller) -> None:
    request = caller.request({"id": "5"})
    forged = {**request, "grant": "0b" * 32}
    assert_refused(caller.send(caller.intent(forged)), "REQUESTER_SIGNATURE_INVALID")


def test_an_intent_is_not_dated_back(caller: Caller) -> None:
    """A gateway could open a grant that has ended, with a time at which it was alive."""
    for away_ms in (-3_600_000, 3_600_000):
        time_ms = int(time.time() * 1000) + away_ms
        record = caller.intent(caller.request({"id": "5"}), time_ms=time_ms)
        assert_refused(caller.send(record), "FORWARD_STALE")


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"query": "id=6"}, "PARAMETERS_ALTERED"),
        ({"query": "id=5&more=1"}, "PARAMETERS_ALTERED"),
        ({"query": "id=5&id=5"}, "QUERY_MALFORMED"),
        ({"query": ""}, "PARAMETERS_ALTERED"),
        ({"body": b"{}"}, "BODY_MALFORMED"),
        ({"method": "POST", "body": b'{"id":"5"}'}, "QUERY_MALFORMED"),
        ({"method": "POST", "query": "", "body": b"[]"}, "BODY_MALFORMED"),
        ({"method": "POST", "query": "", "body": b'{"id":"5","id":"5"}'}, "BODY_MALFORMED"),
        ({"method": "DELETE"}, "METHOD_NOT_ALLOWED"),
        ({"path": "/rows%2F"}, "PATH_MALFORMED"),
        ({"sent": {"path": "/other"}}, "SIGNATURE_INVALID"),
        ({"sent": {"query": "id=6"}}, "SIGNATURE_INVALID"),
        ({"sent": {"method": "POST"}}, "SIGNATURE_INVALID"),
        ({"sent": {"method": "POST", "body": b"x"}}, "DIGEST_MISMATCH"),
        ({"sent": {"method": "POST", "body": b"x" * 70000}}, "BODY_TOO_LARGE"),
        ({"created": 1000}, "FORWARD_STALE"),
        ({"headers": {"sanlian-receipt": None}}, "RECEIPT_MISSING"),
        ({"headers": {"sanlian-receipt": "e30="}}, "RECEIPT_MALFORMED"),
        ({"headers": {"sanlian-salt": None}}, "HEADER_MALFORMED"),
        ({"headers": {"sanlian-salt": "0" * 64}}, "PARAMETERS_ALTERED"),
        ({"headers": {"signature": None}}, "SIGNATURE_MISSING"),
        ({"key": PrivateKey.generate()}, "GATEWAY_UNKNOWN"),
    ],
)
def test_bent_calls(caller: Caller, bent: dict[str, Any], code: str) -> None:
    record = caller.intent(caller.request({"id": "5"}))
    assert_refused(caller.send(record, **bent), code)
    # A refusal does not use up the intent: the honest call still passes.
    assert caller.send(record).status_code == 200


def test_receipts_must_be_of_the_signed_intent_and_log(caller: Caller) -> None:
    record = caller.intent(caller.request({"id": "5"}))
    other = caller.intent(caller.request({"id": "5"}))
    header = caller.log.receipt(caller.log.records.index(other)).to_header()
    assert_refused(caller.send(record, headers={"sanlian-receipt": header}), "INTENT_MISMATCH")

    foreign = Log(PrivateKey.generate())
    foreign.records = list(caller.log.records)
    header = foreign.receipt(caller.log.records.index(record)).to_header()
    assert_refused(caller.send(record, headers={"sanlian-receipt": header}), "CHECKPOINT_INVALID")

    elsewhere = Log(caller.gateway, "other.example")
    elsewhere.records = list(caller.log.records)
    header = elsewhere.receipt(caller.log.records.index(record)).to_header()
    assert_refused(caller.send(record, headers={"sanlian-receipt": header}), "RECEIPT_INVALID")

    moved = caller.log.receipt(caller.log.records.index(record))
    bent = type(moved)(moved.record, moved.index + 1, moved.path, moved.checkpoint).to_header()
    assert_refused(caller.send(record, headers={"sanlian-receipt": bent}), "PROOF_INVALID")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/crash", 500, "PROVIDER_ERROR"),
        ("/missing", 404, "PROVIDER_REFUSED"),
        ("/moved", 502, "PROVIDER_REFUSED"),
        ("/text", 502, "ANSWER_NOT_JSON"),
    ],
)
def test_a_failing_service_leaks_nothing(
    caller: Caller, provider_key: PrivateKey, path: str, status: int, code: str
) -> None:
    record = caller.intent(caller.request({"id": "5"}))
    response = caller.send(record, path=path)
    assert response.status_code == status
    assert open_answer(response, record, provider_key)["code"] == code
    assert "secret" not in response.text


PROVIDER = """
import sys, uvicorn
from pathlib import Path
from crypto.sm2 import PrivateKey, PublicKey
from sanlian_client.middleware import SanlianProvider
from test_client_middleware import service, DEPARTMENT
from client_rig import ORIGIN
port, store = int(sys.argv[1]), Path(sys.argv[2])
key = PublicKey.from_bytes(bytes.fromhex(sys.argv[3]))
app = SanlianProvider(service, gateway_keys={ORIGIN: key}, department_id=DEPARTMENT,
    provider_key=PrivateKey.generate(), authority=f"127.0.0.1:{port}", store_path=store)
uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
"""


def test_used_intents_survive_kill_9(
    gateway_key: PrivateKey, requester_key: PrivateKey, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "client"), str(Path(__file__).parent)])
    port = free_port()
    caller = Caller(gateway_key, requester_key, f"127.0.0.1:{port}")
    records = [caller.intent(caller.request({"id": "5"})) for _ in range(3)]
    arguments = [str(port), str(tmp_path / "i.db"), gateway_key.public_key.to_bytes().hex()]

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROVIDER, *arguments], env={**os.environ, "PYTHONPATH": path}
        )
        wait_until(lambda: is_up(caller.authority))
        return process

    process = start()
    try:
        assert all(caller.send(record).status_code == 200 for record in records)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process = start()
        for record in records:
            assert_refused(caller.send(record), "INTENT_REPLAYED")
    finally:
        process.kill()
        process.wait(10)


def is_up(authority: str) -> bool:
    try:
        httpx.get(f"http://{authority}/", trust_env=False)
    except httpx.TransportError:
        return False
    return True


# Tests of interfaces: asked for by the provider's own people (protocol 7.4).


def ask_for_test(caller: Caller, path: str = "/v1/interface-tests", **members: Any) -> bytes:
    """Log a test as a gateway does, with one thing bent."""
    caller.nonce += 1
    signed = {"interface": INTERFACE.hex(), "parameters": {"id": "5"}, "salt": SALT}
    request, _ = sign_request(
        caller.requester,
        canonical_json({**signed, **members.pop("signed", {})}),
        authority="gateway.example",
        path=path,
        created=int(time.time()),
        nonce=f"{caller.nonce:032x}",
        grant=bytes(32),
    )
    record = {
        "event": "test",
        "request": request.to_record(),
        "department": DEPARTMENT.hex(),
        "source": "127.0.0.1",
        "block": {"number": 3, "hash": "03" * 32},
        "provider": DEPARTMENT.hex(),
        "interface": INTERFACE.hex(),
        "document": "0a" * 32,
    }
    data = caller.log.add({**record, **members})
    caller.log.fill(1)
    return data


def test_a_logged_test_is_answered_once(caller: Caller, provider_key: PrivateKey) -> None:
    record = ask_for_test(caller)
    assert open_answer(caller.send(record), record, provider_key)["rows"]
    assert_refused(caller.send(record), "INTENT_REPLAYED")


def test_no_test_that_another_department_asked_for(caller: Caller) -> None:
    assert_refused(caller.send(ask_for_test(caller, department="02" * 32)), "OTHER_DEPARTMENT")
    both = {"department": "02" * 32, "provider": "02" * 32}
    assert_refused(caller.send(ask_for_test(caller, **both)), "OTHER_DEPARTMENT")


def test_no_test_of_an_interface_that_was_not_signed(caller: Caller) -> None:
    other = ask_for_test(caller, interface="0b" * 32)
    assert_refused(caller.send(other), "PARAMETERS_ALTERED")
    assert_refused(caller.send(ask_for_test(caller), query="id=6"), "PARAMETERS_ALTERED")


def test_a_data_request_makes_no_test_and_a_test_no_intent(caller: Caller) -> None:
    assert_refused(caller.send(ask_for_test(caller, path="/v1/data")), "NOT_AN_INTENT")
    tested = ask_for_test(caller)
    request = json.loads(tested)["request"]
    assert_refused(caller.send(caller.intent(request)), "NOT_AN_INTENT")


def test_answers_are_signed_by_a_token_or_not_given(
    gateway_key: PrivateKey, requester_key: PrivateKey, provider_key: PrivateKey, tmp_path: Path
) -> None:
    token = SoftToken(tmp_path / "token", compile_module(tmp_path))
    token.add("provider", provider_key)
    port = free_port()
    app = SanlianProvider(
        service,
        gateway_keys={ORIGIN: gateway_key.public_key},
        department_id=DEPARTMENT,
        provider_key=TokenKey(token.uri("object=provider"), Asked()),
        authority=f"127.0.0.1:{port}",
        store_path=tmp_path / "intents.db",
    )
    with serve_asgi(app, port):
        caller = Caller(gateway_key, requester_key, f"127.0.0.1:{port}")
        record = caller.intent(caller.request({"id": "5"}))
        assert open_answer(caller.send(record), record, provider_key)["rows"]
        for fault in ("removed", "flip"):
            token.switch(fault)
            refused = caller.send(caller.intent(caller.request({"id": "5"})))
            assert_refused(refused, "ANSWER_NOT_SIGNED")
            assert refused.status_code == 503
            assert "rows" not in refused.text
            assert "ministry" not in refused.text
            token.switch(fault, on=False)
        record = caller.intent(caller.request({"id": "5"}))
        assert open_answer(caller.send(record), record, provider_key)["rows"]
