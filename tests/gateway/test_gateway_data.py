"""The good path, and every way in which a data request is refused before the provider."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.gateway import data_requests
from api.gateway import gatekeeper as gatekeeping
from api.gateway.counting import RateLimiter
from api.gateway.gatekeeper import MAX_STRANGERS_PER_MINUTE
from crypto.canonical import canonical_json
from crypto.merkle import leaf_hash, verify_consistency, verify_inclusion
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.log.reader import LogReader
from protocol.checkpoint import verify_checkpoint
from protocol.documents import InterfaceDocument
from protocol.example_keys import example_key
from protocol.httpsig import ProviderAnswer, SignedRequest, parse_content_digest
from protocol.tiles import Tile, TileTree
from tests.gateway.city import ORIGIN, openapi
from tests.gateway.conftest import (
    SECRET_ADDRESS,
    SECRET_NAME,
    SECRET_NUMBER,
    World,
    wait_until,
)


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


def test_released_data_is_what_was_granted_and_recorded(world: World, grant: bytes) -> None:
    answer = world.ask(grant)
    assert answer.status_code == 200, answer.text
    value = answer.json()
    # Item 0 is granted; addresses, ids and totals are not.
    assert value["data"] == {"records": [{"name": f"{SECRET_NAME}-{i}"} for i in range(3)]}
    assert len(value["salt"]) == 64
    outcome = world.receipt(answer)
    digest = parse_content_digest(answer.headers["content-digest"])
    assert digest == sm3(answer.content)
    assert outcome["event"] == "outcome"
    assert (outcome["result"], outcome["code"]) == ("released", "")
    assert outcome["response_digest"] == digest.hex()
    assert (outcome["rows"], outcome["bytes"]) == (3, len(answer.content))
    assert int(outcome["items"], 16) == 1
    records = world.events()
    intent = records[outcome["intent"]]
    assert intent["event"] == "intent"
    assert intent["provider"] == world.city.provider.hex()
    assert intent["department"] == world.city.requester.hex()
    assert intent["block"]["number"] == world.city.block
    SignedRequest.from_record(intent["request"]).verify()
    leaf = bytes.fromhex(outcome["intent_leaf"])
    signed = ProviderAnswer.from_record(outcome["provider_response"], intent_leaf=leaf)
    signed.verify()
    assert signed.public_key == world.city.provider_key.public_key
    assert world.seen[-1] == {"number": SECRET_NUMBER}


def test_post_operation_and_text_of_all_kinds(world: World) -> None:
    grant = world.city.grant(world.city.interface(openapi("post", "/search")), items=0b10)
    world.state.publish()
    parameters = {"number": "张三 &=?#/+%", "year": 2.5}
    answer = world.ask(grant, parameters=parameters)
    assert answer.status_code == 200, answer.text
    assert world.seen[-1] == parameters
    assert answer.json()["data"]["records"][0] == {"address": SECRET_ADDRESS}
    assert world.receipt(answer)["result"] == "released"


def test_example_key_counts_in_the_example_only(world: World, grant: bytes) -> None:
    answer = world.ask(grant, key=example_key("38/system"))
    assert answer.status_code == 403
    assert answer.json()["code"] == "EXAMPLE_KEY_REFUSED"
    assert world.receipt(answer)["event"] == "denied"


def test_query_text_of_all_kinds(world: World, grant: bytes) -> None:
    parameters = {"number": "张三 &=?#/+%", "year": ""}
    answer = world.ask(grant, parameters=parameters)
    assert answer.status_code == 200, answer.text
    assert world.seen[-1] == parameters


def _canonical(value: Any) -> bytes:
    return canonical_json(value)


SALT = "ab" * 32
DENIALS: dict[str, tuple[Callable[[World, bytes], httpx.Response], str, int]] = {
    "stranger's key": (
        lambda w, g: w.ask(g, key=w.city.stranger_system), "GRANT_NOT_YOURS", 403),
    "unregistered key": (lambda w, g: w.ask(g, key=PrivateKey.generate()), "KEY_UNKNOWN", 422),
    "officer's key": (lambda w, g: w.ask(g, key=w.city.officer), "ROLE_MISSING", 403),
    "unknown grant": (lambda w, _: w.ask(secrets.token_bytes(32)), "GRANT_UNKNOWN", 403),
    "other basis": (lambda w, g: w.ask(g, basis="law-2"), "PURPOSE_MISMATCH", 403),
    "other scenario": (lambda w, g: w.ask(g, scenario="scene-2"), "PURPOSE_MISMATCH", 403),
    "signed an hour ago": (
        lambda w, g: w.ask(g, created=int(time.time()) - 3600), "CLOCK_SKEW", 401),
    "signed for later": (
        lambda w, g: w.ask(g, created=int(time.time()) + 3600), "CLOCK_SKEW", 401),
    "body is not JSON": (lambda w, g: w.ask(g, body=b"{"), "BODY_MALFORMED", 400),
    "body is not canonical": (
        lambda w, g: w.ask(g, body=b'{"parameters": {},"salt":"' + SALT.encode() + b'"}'),
        "BODY_MALFORMED", 400),
    "body has a member twice": (
        lambda w, g: w.ask(g, body=b'{"parameters":{},"parameters":{},"salt":"x"}'),
        "BODY_MALFORMED", 400),
    "body has another member": (
        lambda w, g: w.ask(g, body=_canonical({"parameters": {}, "salt": SALT, "x": 1})),
        "BODY_MALFORMED", 400),
    "body has a number beyond all": (
        lambda w, g: w.ask(g, body=b'{"parameters":{"number":1e-99999999999999999999},"salt":"'
                           + SALT.encode() + b'"}'),
        "BODY_MALFORMED", 400),
    "salt is short": (
        lambda w, g: w.ask(g, body=_canonical({"parameters": {}, "salt": "ab"})),
        "BODY_MALFORMED", 400),
    "salt is a number": (
        lambda w, g: w.ask(g, body=_canonical({"parameters": {}, "salt": 1})),
        "BODY_MALFORMED", 400),
    "parameters are a list": (
        lambda w, g: w.ask(g, parameters=[]), "BODY_MALFORMED", 400),
    "parameter is missing": (lambda w, g: w.ask(g, parameters={}), "PARAMETERS_INVALID", 422),
    "parameter is unknown": (
        lambda w, g: w.ask(g, parameters={"number": "1", "admin": "1"}),
        "PARAMETERS_INVALID", 422),
    "query parameter is a number": (
        lambda w, g: w.ask(g, parameters={"number": 1}), "PARAMETERS_INVALID", 422),
    "query is too long": (
        lambda w, g: w.ask(g, parameters={"number": "x" * 9000}), "PARAMETERS_INVALID", 422),
}  # fmt: skip  # a table reads better in rows


@pytest.mark.parametrize(("send", "code", "status"), DENIALS.values(), ids=DENIALS.keys())
def test_denied_with_a_record(
    world: World,
    grant: bytes,
    send: Callable[[World, bytes], httpx.Response],
    code: str,
    status: int,
) -> None:
    before, calls = len(world.events()), len(world.seen)
    answer = send(world, grant)
    assert (answer.json()["code"], answer.status_code) == (code, status), answer.text
    record = world.receipt(answer)
    assert (record["event"], record["code"]) == ("denied", code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title_zh"]
    assert len(world.events()) == before + 1
    assert len(world.seen) == calls


def _changed(world: World, grant: bytes, **changes: str | None) -> httpx.Response:
    body, headers = world.sign(grant)
    for name, value in changes.items():
        key = name.replace("_", "-")
        if value is None:
            headers.pop(key)
        else:
            headers[key] = value
    return world.post(body, headers)


def _stream_alone(world: World, grant: bytes) -> httpx.Response:
    body, headers = world.sign(grant, stream="s;1")
    return world.post(body, {**headers, "sanlian-stream": "s"})


def _other_body(world: World, grant: bytes) -> httpx.Response:
    _, headers = world.sign(grant)
    return world.post(world.sign(grant)[0], headers)


def _twice(world: World, grant: bytes) -> httpx.Response:
    body, headers = world.sign(grant)
    lines = [*headers.items(), ("sanlian-grant", grant.hex())]
    return world.http.post(world.url + "/v1/data", content=body, headers=lines)


def _other_key(world: World, grant: bytes) -> httpx.Response:
    """A stranger's signature under the requester's key id."""
    _, mine = world.sign(grant)
    body, headers = world.sign(grant, key=PrivateKey.generate())
    headers["signature-input"] = mine["signature-input"]
    headers["sanlian-key"] = mine["sanlian-key"]
    return world.post(body, headers)


SIGNATURE = base64.b64encode(b"\x01" * 64).decode()
REJECTIONS: dict[str, tuple[Callable[[World, bytes], httpx.Response], str]] = {
    "no signature": (lambda w, g: _changed(w, g, signature=None), "SIGNATURE_MISSING"),
    "no key": (lambda w, g: _changed(w, g, sanlian_key=None), "SIGNATURE_MISSING"),
    "no grant": (lambda w, g: _changed(w, g, sanlian_grant=None), "SIGNATURE_MISSING"),
    "wrong signature": (
        lambda w, g: _changed(w, g, signature=f"sanlian=:{SIGNATURE}:"), "SIGNATURE_INVALID"),
    "two labels": (
        lambda w, g: _changed(w, g, signature=f"sanlian=:{SIGNATURE}:, b=:{SIGNATURE}:"),
        "SIGNATURE_MALFORMED"),
    "r is zero": (
        lambda w, g: _changed(
            w, g, signature=f"sanlian=:{base64.b64encode(bytes(64)).decode()}:"),
        "SIGNATURE_MALFORMED"),
    "another grant in the header": (
        lambda w, g: _changed(w, g, sanlian_grant="11" * 32), "SIGNATURE_INVALID"),
    "another person in the header": (
        lambda w, g: _changed(w, g, sanlian_person="p-2"), "SIGNATURE_INVALID"),
    "a stream that was not signed": (
        lambda w, g: _changed(w, g, sanlian_stream="s;1"), "SIGNATURE_MALFORMED"),
    "a stream without a sequence": (_stream_alone, "STREAM_MALFORMED"),
    "another content type": (
        lambda w, g: _changed(w, g, content_type="text/plain"), "HEADER_MALFORMED"),
    "another body": (_other_body, "DIGEST_MISMATCH"),
    "header twice": (_twice, "HEADER_REPEATED"),
    "somebody else's key": (_other_key, "SIGNATURE_INVALID"),
    "signed for another gateway": (
        lambda w, g: w.ask(g, authority="127.0.0.1:1"), "SIGNATURE_INVALID"),
    "another host": (
        lambda w, g: _changed(w, g, host="127.0.0.1:1"), "AUTHORITY_MISMATCH"),
    "signed for the evidence path": (
        lambda w, g: w.ask(g, path="/v1/evidence"), "SIGNATURE_MALFORMED"),
    "body too large": (
        lambda w, g: w.ask(g, parameters={"number": "x" * 70_000}), "BODY_TOO_LARGE"),
}  # fmt: skip  # a table reads better in rows


@pytest.mark.parametrize(("send", "code"), REJECTIONS.values(), ids=REJECTIONS.keys())
def test_rejected_without_a_record_of_its_own(
    world: World, grant: bytes, send: Callable[[World, bytes], httpx.Response], code: str
) -> None:
    assert world.gateway.gatekeeper is not None
    before, calls = len(world.events()), len(world.seen)
    answer = send(world, grant)
    assert answer.json()["code"] == code, answer.text
    assert 400 <= answer.status_code < 500
    assert "sanlian-receipt" not in answer.headers
    own = [r for r in world.events()[before:] if r["event"] != "rejected"]
    assert own == []
    assert len(world.seen) == calls
    counts = world.gateway.gatekeeper.rejected._counts
    logged = [r for r in world.events() if r["event"] == "rejected"]
    assert any(row[2] == code for row in counts) or any(r["code"] == code for r in logged)


def test_same_request_again_is_replayed(world: World, grant: bytes) -> None:
    body, headers = world.sign(grant)
    assert world.post(body, headers).status_code == 200
    calls = len(world.seen)
    again = world.post(body, headers)
    assert (again.status_code, again.json()["code"]) == (409, "NONCE_REPLAYED")
    assert world.receipt(again)["code"] == "NONCE_REPLAYED"
    assert len(world.seen) == calls


def test_replays_without_end_fill_no_log(world: World, grant: bytes) -> None:
    body, headers = world.sign(grant, created=int(time.time()) - 3600)
    before = len(world.events())
    answers = [world.post(body, headers) for _ in range(20)]
    assert {a.json()["code"] for a in answers} == {"CLOCK_SKEW"}
    assert len({world.receipt(a)["seq"] for a in answers}) == 1
    assert len(world.events()) == before + 1
    # Another request of the same person is another record.
    assert world.receipt(world.ask(grant, created=int(time.time()) - 3600))["seq"] == before + 1


def test_captured_requests_fill_no_log_and_take_no_places(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has a department's requests of yesterday, more than any memory of refusals holds."""
    gatekeeper: Any = world.gateway.gatekeeper
    data: Any = world.gateway.data
    monkeypatch.setattr(gatekeeping, "MAX_REFUSALS_KEPT", 4)
    monkeypatch.setattr(gatekeeping, "MAX_REPEATED_PER_MINUTE", 10)
    monkeypatch.setattr(gatekeeper, "_repeated", RateLimiter())
    monkeypatch.setattr(data._limits, "_department_places", 0)
    old = [world.sign(grant, created=int(time.time()) - 3600) for _ in range(30)]
    before = len(world.events())
    answers = [world.post(body, headers) for _ in range(3) for body, headers in old]
    assert {a.json()["code"] for a in answers} == {"CLOCK_SKEW"}
    events = world.events()[before:]
    denied = [r for r in events if r["event"] == "denied"]
    # The test may run over the end of a minute.
    assert 10 <= len(denied) <= 20
    counts = [r["count"] for r in events if r.get("code") == "CLOCK_SKEW" and "count" in r]
    counts += [n for row, n in gatekeeper.rejected._counts.items() if row[2] == "CLOCK_SKEW"]
    assert sum(counts) >= 90 - 20 - 4 * 3
    # Other refusals of the key are recorded as before; new requests find no place meanwhile.
    assert world.receipt(world.ask(grant))["code"] == "DEPARTMENT_BUSY"
    monkeypatch.undo()
    assert world.receipt(world.ask(grant, basis="law-2"))["code"] == "PURPOSE_MISMATCH"


def test_new_keys_without_end_fill_no_log(world: World, grant: bytes) -> None:
    """Anybody can make keys and sign with them."""
    assert world.gateway.gatekeeper is not None
    before = len([r for r in world.events() if r.get("code") == "KEY_UNKNOWN"])
    answers = [world.ask(grant, key=PrivateKey.generate()) for _ in range(150)]
    assert {a.json()["code"] for a in answers} == {"KEY_UNKNOWN"}
    world.gateway.gatekeeper.rejected.put_back(
        {"source": "198.51.100.8", "code": "KEY_UNKNOWN", "minute": 1, "count": 1}
    )
    wait_until(lambda: any(r.get("source") == "198.51.100.8" for r in world.events()))
    denied = [r for r in world.events() if r["event"] == "denied" and r["code"] == "KEY_UNKNOWN"]
    # The test may run over the end of a minute.
    assert len(denied) - before <= 2 * MAX_STRANGERS_PER_MINUTE
    assert [a for a in answers if "sanlian-receipt" not in a.headers]
    # Registered keys are recorded one by one as before.
    assert world.receipt(world.ask(grant, basis="law-2"))["code"] == "PURPOSE_MISMATCH"


def test_a_defect_leaves_a_record(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.gateway.gatekeeper is not None

    def fail(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(data_requests, "encode_parameters", fail)
    answer = world.ask(grant)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert world.receipt(answer)["code"] == "INTERNAL_ERROR"


def test_a_description_that_is_long_to_read_keeps_nobody_else_waiting(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's database is slow, or away; whose description is in memory is served."""
    assert world.ask(grant).status_code == 200
    text = json.loads(openapi())
    text["info"]["title"] = secrets.token_hex(8)
    late = world.city.grant(world.city.interface(canonical_json(text)))
    world.state.publish()
    begun, go_on = threading.Event(), threading.Event()
    real = world.state.find_interface_document

    def slow(digest: bytes) -> InterfaceDocument | None:
        begun.set()
        assert go_on.wait(20)
        return real(digest)

    monkeypatch.setattr(world.state, "find_interface_document", slow)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.ask, late)
        try:
            assert begun.wait(20)
            for _ in range(3):
                assert world.ask(grant).status_code == 200
        finally:
            go_on.set()
        assert waiting.result(20).status_code == 200


def test_racing_replays_call_the_provider_once(world: World, grant: bytes) -> None:
    body, headers = world.sign(grant)
    calls = len(world.seen)
    codes: list[int] = []

    def send() -> None:
        codes.append(httpx.post(world.url + "/v1/data", content=body, headers=headers).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.seen) == calls + 1
    assert codes.count(200) == 1


def test_quota_ends(world: World) -> None:
    grant = world.city.grant(world.city.interface(), quota=2)
    world.state.publish()
    assert [world.ask(grant).status_code for _ in range(2)] == [200, 200]
    third = world.ask(grant)
    assert (third.status_code, third.json()["code"]) == (403, "QUOTA_EXCEEDED")
    assert world.receipt(third)["event"] == "denied"


def test_masked_items_leave_masked(world: World) -> None:
    text = json.loads(openapi())
    text["paths"]["/persons"]["get"]["x-sanlian-masks"] = {"1": {"first": 2, "last": 0}}
    grant = world.city.grant(world.city.interface(canonical_json(text)), items=0b11)
    world.state.publish()
    answer = world.ask(grant)
    assert answer.status_code == 200
    assert SECRET_ADDRESS not in answer.text
    for record in answer.json()["data"]["records"]:
        assert record["address"] == SECRET_ADDRESS[:2] + "*" * (len(SECRET_ADDRESS) - 2)
        assert record["name"].startswith(SECRET_NAME)


def test_rate_of_the_interface(world: World) -> None:
    grant = world.city.grant(world.city.interface(rate_per_minute=1))
    world.state.publish()
    codes = [world.ask(grant).json().get("code") for _ in range(3)]
    # A new calendar minute may begin in between, at most once.
    assert codes[0] is None
    assert "RATE_EXCEEDED" in codes[1:]


def test_document_and_node_must_be_known(world: World) -> None:
    missing = world.city.grant(
        world.city.interface(openapi("get", "/missing"), keep_document=False)
    )
    unlisted = world.city.grant(world.city.interface(node="node-z"))
    world.state.publish()
    answer = world.ask(missing)
    assert answer.json()["code"] == "INTERFACE_DOCUMENT_MISSING"
    assert world.receipt(answer)["event"] == "denied"
    answer = world.ask(unlisted)
    assert answer.json()["code"] == "NODE_NOT_LISTED"
    assert world.receipt(answer)["event"] == "denied"


def test_stale_or_halted_state_decides_nothing(world: World, grant: bytes) -> None:
    for change, code in ((("age_s", 3600), "HEAD_STALE"), (("finding_code", "X"), "LEDGER_HALTED")):
        setattr(world.state, *change)
        try:
            answer = world.ask(grant)
            health = world.http.get(world.url + "/health")
        finally:
            world.state.age_s, world.state.finding_code = 0, ""
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert world.receipt(answer)["event"] == "denied"
        assert (health.status_code, health.json()["status"]) == (503, "stale")
    assert world.ask(grant).status_code == 200


def test_revocation_counts_from_its_block(world: World) -> None:
    grant = world.city.grant(world.city.interface())
    world.state.publish()
    assert world.ask(grant).status_code == 200
    request = world.city.store.find_request(grant)
    assert request is not None
    world.city.act(
        "GrantRevoked",
        [world.city.officer],
        {"reason": secrets.token_bytes(32), "cause": 4},
        target=grant,
        revision=request.revision,
    )
    world.state.publish()
    answer = world.ask(grant)
    assert answer.json()["code"] == "GRANT_REVOKED"
    assert world.receipt(answer)["block"]["number"] == world.city.block


def test_log_routes_prove_what_receipts_say(world: World, grant: bytes) -> None:
    key = world.city.gateway.public_key
    old = verify_checkpoint(
        world.http.get(world.url + "/log/checkpoint").text, origin=ORIGIN, public_key=key
    )
    answer = world.ask(grant)
    note = world.http.get(world.url + "/log/checkpoint").text
    new = verify_checkpoint(note, origin=ORIGIN, public_key=key)
    proof = world.http.get(f"{world.url}/log/consistency?old={old.size}&new={new.size}").json()
    path = [bytes.fromhex(node) for node in proof["path"]]
    verify_consistency(old.size, new.size, old.root, new.root, path)
    index = world.receipt(answer)["seq"]
    proof = world.http.get(f"{world.url}/log/inclusion?index={index}&size={new.size}").json()
    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    leaf = leaf_hash(reader.get_record(index))
    reader.close()
    path = [bytes.fromhex(node) for node in proof["path"]]
    verify_inclusion(leaf, index, new.size, path, new.root)
    assert world.http.get(f"{world.url}/log/checkpoint?size={old.size}").status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("consistency?old=1", "REQUEST_MALFORMED"),
        ("consistency?old=-1&new=2", "REQUEST_MALFORMED"),
        ("consistency?old=1&new=9007199254740993", "REQUEST_MALFORMED"),
        ("consistency?old=1&new=900719925474", "LOG_SIZE_UNKNOWN"),
        ("inclusion?index=x&size=2", "REQUEST_MALFORMED"),
        ("inclusion?index=5&size=2", "LOG_RECORD_UNKNOWN"),
        ("checkpoint?size=999999", "LOG_CHECKPOINT_UNKNOWN"),
        ("records?start=0", "NOT_FOUND"),
    ],
)
def test_bad_questions_to_the_log(world: World, query: str, code: str) -> None:
    answer = world.http.get(f"{world.url}/log/{query}")
    assert answer.json()["code"] == code


def test_tiles_prove_what_checkpoints_say(world: World) -> None:
    key = world.gateway.key.public_key
    note = world.http.get(world.url + "/log/checkpoint").text
    newest = verify_checkpoint(note, origin=ORIGIN, public_key=key)

    def fetch(tile: Tile) -> bytes:
        answer = world.http.get(f"{world.url}/log/tile/{tile.path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/octet-stream"
        assert ("immutable" in answer.headers["cache-control"]) is tile.is_full
        return answer.content

    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    prefix, _ = TileTree(fetch, newest.size).prove_prefix(3, newest.root)
    assert prefix == reader.root(3)
    reader.close()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("0/000.p/0", 400, "TILE_PATH_MALFORMED"),
        ("0/000.p/256", 400, "TILE_PATH_MALFORMED"),
        ("0/0", 400, "TILE_PATH_MALFORMED"),
        ("0/x000/001", 400, "TILE_PATH_MALFORMED"),
        ("0/" + "x999/" * 500 + "999", 400, "TILE_PATH_MALFORMED"),
        ("8/000", 400, "TILE_PATH_MALFORMED"),
        ("0/x999/999", 404, "LOG_SIZE_UNKNOWN"),
        ("entries/000.p/1", 403, "LOG_ENTRIES_CLOSED"),
        ("entries/000", 403, "LOG_ENTRIES_CLOSED"),
    ],
)
def test_bad_paths_of_tiles(world: World, path: str, status: int, code: str) -> None:
    answer = world.http.get(f"{world.url}/log/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_rejections_are_recorded_in_sum(world: World, grant: bytes) -> None:
    assert world.gateway.gatekeeper is not None
    counter = world.gateway.gatekeeper.rejected
    for _ in range(5):
        counter.add("198.51.100.7", "SIGNATURE_INVALID", 120)
    wait_until(lambda: any(r.get("source") == "198.51.100.7" for r in world.events()))
    found = [r for r in world.events() if r.get("source") == "198.51.100.7"]
    assert [(r["minute"], r["count"]) for r in found] == [(2, 5)]


def test_no_value_is_in_the_log(world: World, grant: bytes) -> None:
    """Whatever the tests before planted: neither parameters nor answers stand in the file."""
    assert world.ask(grant).status_code == 200
    data = b"".join(
        path.read_bytes() for path in world.log_file.parent.glob(world.log_file.name + "*")
    )
    assert b'"event":"intent"' in data
    assert json.dumps(ORIGIN).encode() in data
    for secret in (SECRET_NUMBER, SECRET_NAME, SECRET_ADDRESS):
        assert secret.encode() not in data


def test_health(world: World) -> None:
    answer = world.http.get(world.url + "/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["log_size"] == len(world.events())
