"""The gateway tests an interface before it goes online, and gives nothing of its data away."""

import asyncio
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from crypto.canonical import canonical_json
from crypto.errors import RequestRefused
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.httpsig import TEST_PATH, sign_request
from protocol.model import InterfaceVersion
from sanlian_client.data import Gateway
from sanlian_client.interface_test import InterfaceTest, request_interface_test
from tests.gateway.city import ORIGIN, OTHER_NODE
from tests.gateway.conftest import SECRET_ADDRESS, SECRET_NAME, SECRET_NUMBER, World, wait_until

TEXT = {"type": "string"}


def description(record: dict[str, Any], **changes: Any) -> bytes:
    """Return an interface document whose records have this schema."""
    rows = {"type": "array", "items": record}
    schema = {"type": "object", "properties": {"records": rows}, "required": ["records"]}
    operation = {
        "x-sanlian-records": "/records",
        "x-sanlian-items": {"0": ["/records/*/name"], "1": ["/records/*/address"]},
        "parameters": [{"name": "number", "in": "query", "required": True}],
        "responses": {
            "200": {"content": {"application/json": {"schema": changes.pop("schema", schema)}}}
        },
    }
    return canonical_json(
        {
            "openapi": changes.pop("openapi", "3.1.0"),
            "info": {"title": "persons", "version": secrets.token_hex(8)},
            "paths": {"/persons": {"get": {**operation, **changes}}},
        }
    )


def person(**properties: Any) -> dict[str, Any]:
    """Return the schema of a record."""
    return {"type": "object", "properties": {"name": TEXT, "address": TEXT, **properties}}


def register(world: World, data: bytes, **options: Any) -> bytes:
    """Register an interface and show it to the gateway."""
    target = world.city.register_interface(data, **options).target
    world.state.publish()
    return target


def have_tested(
    world: World, interface: bytes, key: PrivateKey | None = None, **parameters: Any
) -> InterfaceTest:
    """Ask for a test with the client."""
    with Gateway(world.url, origin=ORIGIN, public_key=world.city.gateway.public_key) as gateway:
        done = request_interface_test(
            gateway,
            key or world.city.provider_operator,
            interface=interface,
            parameters=parameters or {"number": SECRET_NUMBER},
        )
    world.state.publish()
    return done


def pending(world: World, interface: bytes) -> InterfaceVersion:
    """Return the version that waits."""
    found = world.city.store.find_interface(interface)
    assert found is not None
    assert found.pending is not None
    return found.pending


def post(world: World, key: PrivateKey, value: dict[str, Any], **changes: Any) -> httpx.Response:
    """Send a signed call for a test."""
    body = canonical_json({"salt": secrets.token_hex(32), "parameters": {}, **value})
    path = changes.pop("path", TEST_PATH)
    options = {
        "authority": world.authority,
        "path": path,
        "created": int(time.time()),
        "nonce": secrets.token_hex(16),
        "grant": ZERO_ID,
        **changes,
    }
    _, headers = sign_request(key, body, **options)
    return world.post(body, headers, TEST_PATH)


def test_a_test_that_passes_opens_the_way_online(world: World) -> None:
    interface = register(world, description(person()))
    before = len(world.events())
    done = have_tested(world, interface)
    assert (done.passed, done.report["code"], done.report["rows"]) == (True, "", 3)
    version = pending(world, interface)
    assert (version.test_result, version.test_log) == (1, world.city.log_id)
    assert version.test_report == sm3(done.salt + canonical_json(dict(done.report)))
    test, tested = world.events()[before:]
    assert (test["event"], tested["event"]) == ("test", "tested")
    assert test["provider"] == test["department"] == world.city.provider.hex()
    assert (tested["test"], tested["result"]) == (test["seq"], "passed")
    assert tested["provider_response"] is not None
    # Nothing of the data or the parameters is in the log, the report or the answer.
    text = world.log_file.read_bytes() + json.dumps(dict(done.report)).encode()
    for secret in (SECRET_NAME, SECRET_ADDRESS, SECRET_NUMBER):
        assert secret.encode() not in text
    city = world.city
    city.act(
        "InterfaceOnline",
        [city.provider_officer],
        {"document": version.document},
        target=interface,
        revision=2,
    )


def test_one_test_at_a_time_and_nobody_unsigned_takes_its_place(world: World) -> None:
    interface = register(world, description(person()), node=OTHER_NODE)
    before = len(world.raw.requests)

    async def hang(_head: bytes, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 5)

    world.raw.answer = hang
    key = world.city.provider_operator
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(have_tested, world, interface)
        wait_until(lambda: len(world.raw.requests) > before)
        second = post(world, key, {"interface": interface.hex()})
        assert (second.status_code, second.json()["code"]) == (503, "GATEWAY_BUSY")
        # An unsigned call is told so, whether or not one is running.
        unsigned = world.post(b"{}", {}, TEST_PATH)
        assert unsigned.json()["code"] == "SIGNATURE_MISSING"
        assert running.result(30).report["code"] == "PROVIDER_TIMEOUT"
    world.raw.answer = None
    assert have_tested(world, register(world, description(person()))).passed


def test_an_officer_may_ask_too(world: World) -> None:
    interface = register(world, description(person()))
    assert have_tested(world, interface, world.city.provider_officer).passed


def test_nobody_else_has_a_department_s_interface_called(world: World) -> None:
    interface = register(world, description(person()))
    city, called = world.city, len(world.seen)
    for key in (
        city.operator,
        city.officer,
        city.system,
        city.provider_key,
        city.provider_head,
        city.auditor,
        city.gateway,
        city.authority[0],
    ):
        with pytest.raises(RequestRefused, match="TEST_NOT_ALLOWED"):
            have_tested(world, interface, key)
        denied = world.events()[-1]
        assert (denied["event"], denied["code"]) == ("denied", "TEST_NOT_ALLOWED")
    with pytest.raises(RequestRefused, match="KEY_UNKNOWN"):
        have_tested(world, interface, PrivateKey.generate())
    with pytest.raises(RequestRefused, match="TEST_NOT_ALLOWED"):
        have_tested(world, secrets.token_bytes(32))
    assert len(world.seen) == called
    assert pending(world, interface).test_result == 0


def test_a_version_that_is_online_is_not_tested(world: World) -> None:
    interface = world.city.interface(description(person()))
    world.state.publish()
    with pytest.raises(RequestRefused, match="NOTHING_TO_TEST"):
        have_tested(world, interface)


@pytest.mark.parametrize(
    ("data", "code", "rule"),
    [
        (description(person(name={"type": "number"})), "ANSWER_NOT_AS_DESCRIBED", "type"),
        (
            description({**person(), "required": ["birthday"]}),
            "ANSWER_NOT_AS_DESCRIBED",
            "required",
        ),
        (
            description({**person(), "additionalProperties": False}),
            "ANSWER_NOT_AS_DESCRIBED",
            "additionalProperties",
        ),
        (
            description(
                person(x=TEXT),
                **{"x-sanlian-items": {"0": ["/records/*/name"], "1": ["/records/*/x"]}},
            ),
            "ITEMS_MISSING",
            None,
        ),
        (description(person(name={"type": 7})), "ANSWER_NOT_AS_DESCRIBED", "schema unusable"),
    ],
)
def test_an_answer_that_is_not_as_described_fails(
    world: World, data: bytes, code: str, rule: str | None
) -> None:
    interface = register(world, data)
    done = have_tested(world, interface)
    assert (done.passed, done.report["code"]) == (False, code)
    if rule is not None:
        assert rule in done.report["problems"][0]["rule"]
    assert SECRET_NAME not in json.dumps(dict(done.report))
    assert pending(world, interface).test_result == 2
    assert world.events()[-1]["code"] == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (description(person(), responses={}), "SCHEMA_NOT_COVERING"),
        (description({"type": 7}), "SCHEMA_NOT_COVERING"),
        (description({"$ref": "#/nothing"}), "DOCUMENT_MALFORMED"),
        (description({"$ref": "#/nothing"}, openapi="3.0.3"), "DOCUMENT_MALFORMED"),
    ],
)
def test_a_document_that_covers_no_items_is_not_tested(
    world: World, data: bytes, code: str
) -> None:
    called = len(world.seen)
    with pytest.raises(RequestRefused, match=code):
        have_tested(world, register(world, data))
    assert len(world.seen) == called


@pytest.mark.parametrize("name", [TEXT, {"type": "string", "nullable": True}])
def test_schemas_of_openapi_3_0(world: World, name: dict[str, Any]) -> None:
    interface = register(world, description(person(name=name, id=TEXT), openapi="3.0.3"))
    assert have_tested(world, interface).passed


def test_a_reference_elsewhere_is_never_fetched(world: World) -> None:
    asked = len(world.raw.requests)
    for target in (f"http://127.0.0.1:{world.raw.port}/schema.json", "file:///etc/passwd"):
        interface = register(world, description(person(name={"$ref": target})))
        with pytest.raises(RequestRefused, match="SCHEMA_UNSUPPORTED"):
            have_tested(world, interface)
    assert len(world.raw.requests) == asked


def test_a_pattern_made_to_take_for_ever_is_ended(world: World) -> None:
    slow = {"type": "string", "pattern": "^(([A-Z0-9-]+)+)+!$"}
    interface = register(world, description(person(name=slow)))
    began = time.monotonic()
    done = have_tested(world, interface)
    assert (done.passed, done.report["code"]) == (False, "CHECK_FAILED")
    assert time.monotonic() - began < 25


def test_a_pattern_that_no_answer_is_compared_with_fails(world: World) -> None:
    """The test's own engine knows looking ahead; the one that is used for each answer does not."""
    name = {"type": "string", "pattern": "^(?=[A-Z])"}
    done = have_tested(world, register(world, description(person(name=name))))
    assert (done.passed, done.report["code"]) == (False, "CHECK_FAILED")


def test_more_rows_than_the_limit_fail(world: World) -> None:
    interface = register(world, description(person()), max_rows=2)
    assert have_tested(world, interface).report["code"] == "TOO_MANY_ROWS"


def test_a_provider_that_does_not_answer_fails(world: World) -> None:
    interface = register(world, description(person()), node="node-down")
    done = have_tested(world, interface)
    assert (done.passed, done.report["code"]) == (False, "PROVIDER_UNREACHABLE")
    assert pending(world, interface).test_result == 2
    unlisted = register(world, description(person()), node="node-nowhere")
    with pytest.raises(RequestRefused, match="NODE_NOT_LISTED"):
        have_tested(world, unlisted)


def test_an_unsigned_answer_fails(world: World) -> None:
    async def answer(_head: bytes, writer: Any) -> None:
        body = b'{"data":{"records":[]},"salt":"' + b"5a" * 32 + b'"}'
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    world.raw.answer = answer
    interface = register(world, description(person()), node=OTHER_NODE)
    assert have_tested(world, interface).report["code"] == "PROVIDER_SIGNATURE_INVALID"


def test_an_interface_is_tested_a_few_times_a_minute(world: World) -> None:
    interface = register(world, description(person()))
    if time.time() % 60 > 45:
        time.sleep(61 - time.time() % 60)  # all of them within one calendar minute
    for _ in range(6):
        assert have_tested(world, interface).passed
    with pytest.raises(RequestRefused, match="RATE_EXCEEDED"):
        have_tested(world, interface)


def test_a_result_that_cannot_be_handed_in_is_said(world: World) -> None:
    interface = register(world, description(person()))
    world.api.refuse_with = "OUTBOX_FULL"
    try:
        answer = post(
            world,
            world.city.provider_operator,
            {"interface": interface.hex(), "parameters": {"number": "1"}},
        )
    finally:
        world.api.refuse_with = ""
    assert answer.status_code == 503
    assert answer.json()["code"] == "TEST_NOT_SUBMITTED"
    assert world.receipt(answer)["event"] == "tested"
    assert pending(world, interface).test_result == 0


def test_a_signature_counts_on_its_own_path_only(world: World) -> None:
    interface = register(world, description(person()))
    value = {"interface": interface.hex(), "parameters": {"number": "1"}}
    for path in ("/v1/data", "/v1/evidence"):
        answer = post(world, world.city.provider_operator, value, path=path)
        assert answer.json()["code"] in ("SIGNATURE_INVALID", "SIGNATURE_MALFORMED")
    assert pending(world, interface).test_result == 0


def test_a_test_is_not_replayed(world: World) -> None:
    interface = register(world, description(person()))
    nonce = secrets.token_hex(16)
    value = {"interface": interface.hex(), "parameters": {"number": "1"}}
    operator = world.city.provider_operator
    assert post(world, operator, value, nonce=nonce).status_code == 200
    world.state.publish()
    assert post(world, operator, value, nonce=nonce).json()["code"] == "NONCE_REPLAYED"


@pytest.mark.parametrize(
    "value",
    [
        {"interface": "00"},
        {"interface": 7},
        {"interface": "zz" * 32},
        {"interface": "00" * 32, "parameters": []},
        {"interface": "00" * 32, "more": 1},
    ],
)
def test_malformed_calls(world: World, value: dict[str, Any]) -> None:
    answer = post(world, world.city.provider_operator, value)
    assert answer.json()["code"] == "BODY_MALFORMED"


def test_a_call_with_a_grant_is_refused(world: World) -> None:
    value = {"interface": "00" * 32}
    answer = post(world, world.city.provider_operator, value, grant=b"\x01" * 32)
    assert answer.json()["code"] == "BODY_MALFORMED"
