"""No personal value stays anywhere at the gateway; keyed digests find it until the key is gone."""

import base64
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from crypto.errors import ProtocolError
from crypto.sm2 import PrivateKey
from ledger.log.disposal import search_parameter
from ledger.log.keeping import Keeper, open_kept
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from protocol.httpsig import request as signing
from protocol.parameters import key_digest, period_at
from tests.gateway.city import ORIGIN, openapi
from tests.gateway.conftest import SECRET_ADDRESS, SECRET_NAME, World

NUMBER = "441502199003074711"
PERSON = "欧阳埋种"
HEADER = "PLANTED-HEADER-3355"
CONTROL = "PLANTED-CONTROL-7741"
#: What the requester of these tests says itself.
CLIENT_LOGGERS = ("httpx", "httpcore")


def encodings(value: str) -> set[bytes]:
    """Return the ways in which a text may stand in a file."""
    plain = {value.encode(), value.encode("gbk"), value.encode("utf-16-le")}
    texts = {quote(value), value.encode("unicode_escape").decode(), value.encode().hex()}
    texts |= {text.lower() for text in texts} | {text.upper() for text in texts}
    found = plain | {text.encode() for text in texts}
    for data in plain:
        # Base64 of a longer text that holds it at any of the three offsets, without its edges.
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + data)
            inner = encoded[-(-offset * 8 // 6) : len(encoded) - 4]
            found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return {one for one in found if len(one) >= 4}


def places_of(value: str, places: dict[str, bytes]) -> list[str]:
    """Return where a value stands, in any encoding."""
    forms = encodings(value)
    return [name for name, data in places.items() if any(form in data for form in forms)]


def read_home(world: World) -> dict[str, bytes]:
    """Return every file of the gateway's home and log, write-ahead files too."""
    home = world.gateway.settings.home
    files = {*home.rglob("*"), *world.log_file.parent.rglob("*")}
    return {str(path): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture
def output(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    # Everything that any part says, access logs and debugging too.
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.parametrize("value", [NUMBER, PERSON, SECRET_NAME])
def test_searcher_finds_each_encoding(value: str) -> None:
    for data in (
        value.encode(),
        value.encode("gbk"),
        quote(value).encode(),
        value.encode("unicode_escape"),
        base64.b64encode(b'{"x":"' + value.encode() + b'"}'),
        base64.b64encode(b'{"xy":"' + value.encode() + b'"}'),
        base64.urlsafe_b64encode(b'{"xyz":"' + value.encode() + b'"}'),
        value.encode().hex().encode(),
    ):
        assert places_of(value, {"place": b"before " + data + b" after"}) == ["place"]
    assert not places_of(value, {"place": b"something else"})


def kept_of(world: World, record: dict[str, Any]) -> bytes:
    """Return the body in a record's envelope."""
    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    try:
        return open_kept(reader, KeptKeys(world.gateway.settings.kept_keys_dir), record["seq"])
    finally:
        reader.close()


@pytest.mark.parametrize("keeps", [False, True], ids=["not kept", "kept"])
def test_planted_values_stay_nowhere(
    world: World,
    output: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keeps: bool,
) -> None:
    interface = world.city.interface(openapi("post", "/search"))
    grant = world.city.grant(interface, items=0b11)
    world.state.publish()
    before = len(world.events())
    if keeps:
        keys = KeptKeys(world.gateway.settings.kept_keys_dir)
        keeper = Keeper(keys, frozenset({interface}), ORIGIN)
        monkeypatch.setattr(world.gateway.data, "_keeper", keeper)
    places: dict[str, bytes] = {}
    parameters = {"number": NUMBER, "year": PERSON}

    def ask(**changes: object) -> int:
        body, headers = world.sign(grant, **{"parameters": parameters, **changes})
        headers = {**headers, "x-person": HEADER, "cookie": f"id={HEADER}", "user-agent": HEADER}
        answer = world.post(body, headers)
        name = f"answer {len(places)}"
        # What is released is the point of a request; all else of an answer is not.
        kept = b"" if answer.status_code == 200 else answer.content
        receipt = base64.b64decode(answer.headers.get("sanlian-receipt", ""))
        places[name] = kept + repr(answer.headers.raw).encode() + receipt
        return answer.status_code

    assert ask() == 200
    assert world.seen[-1] == parameters, "the planted values did pass through"
    assert ask(basis="law-2") == 403
    assert ask(created=int(time.time()) - 3600) == 401
    assert ask(key=world.city.stranger_system) == 403
    assert ask(parameters={"number": [NUMBER], PERSON: 1}) >= 400
    assert ask(body=f'{{"parameters": {{"number":"{NUMBER}{PERSON}"}}}}'.encode()) == 400
    assert world.http.get(world.url + f"/{NUMBER}", params={"q": PERSON}).status_code == 404
    assert world.http.get(world.url + "/log/inclusion", params={"index": NUMBER}).status_code == 400
    # A line of the gateway's own loggers must be found, as a value in such a line would be.
    logging.getLogger("api.gateway.app").debug("a line with %s", CONTROL)
    places["chain"] = b"".join(act.to_bytes() for act in world.city.acts.values())
    said = [one for one in output.records if not one.name.startswith(CLIENT_LOGGERS)]
    places["output"] = "\n".join(
        f"{one.name} {one.getMessage()} {one.exc_text or ''}" for one in said
    ).encode()
    places.update(read_home(world))

    kept = [one for one in world.events()[before:] if "kept" in one]
    if keeps:
        # Of what was granted there is an envelope, and in it the planted values.
        bodies = [json.loads(kept_of(world, one))["parameters"] for one in kept]
        assert bodies == [parameters]
        assert any("kept-keys" in name for name in places)
        assert len(places_of(kept[0]["kept"]["digest"], places)) >= 1
    else:
        assert not kept

    # The control: what must be there is found, in the log's files, in acts and in receipts.
    assert any(name.endswith(("gateway.db", "gateway.db-wal")) for name in places)
    found = places_of(grant.hex(), places)
    assert any("gateway.db" in name for name in found)
    assert any(name.startswith("answer") for name in found)
    assert any(name.endswith(".key") for name in places)
    assert places_of(CONTROL, places) == ["output"]
    for value in (NUMBER, PERSON, SECRET_NAME, SECRET_ADDRESS, HEADER):
        assert not places_of(value, places), value


@pytest.mark.parametrize("number", ["11010519491231002X", "110105194912310021", "13800138000"])
def test_a_person_s_number_is_no_pseudonym(
    world: World, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """It would stand in a record for ever: the client does not sign it, the gateway not take it."""
    grant = world.city.grant(world.city.interface())
    world.state.publish()
    with pytest.raises(ProtocolError, match="HEADER_MALFORMED"):
        world.sign(grant, person=number)
    with monkeypatch.context() as patch:  # a client that is not ours
        patch.setattr(signing, "is_pseudonym", lambda _text: True)
        body, headers = world.sign(grant, person=number)
    before, called = len(world.events()), len(world.seen)
    answer = world.post(body, headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "HEADER_MALFORMED")
    assert "sanlian-receipt" not in answer.headers
    assert len(world.seen) == called
    recorded = [r for r in world.events()[before:] if r["event"] != "rejected"]
    assert recorded == []
    assert number.encode() not in world.log_file.read_bytes()
    assert world.ask(grant, person="p-" + number[:5]).status_code == 200


def test_auditor_finds_who_asked(world: World) -> None:
    grant = world.city.grant(world.city.interface(openapi("post", "/search")))
    world.state.publish()
    number = "44158119750612001X"
    asked = world.ask(grant, parameters={"number": number})
    refused = world.ask(grant, parameters={"number": number}, scenario="scene-2")
    other = world.ask(grant, parameters={"number": "1"})
    assert (asked.status_code, refused.status_code, other.status_code) == (200, 403, 200)
    intent = world.events()[world.receipt(asked)["intent"]]
    denial = world.receipt(refused)
    period = period_at(intent["time_ms"])
    keys = ParameterKeys(world.gateway.settings.parameter_keys_dir)
    key = keys.find(period)
    assert key is not None
    assert intent["parameters"]["period"] == period
    assert intent["parameters"]["key"] == key_digest(key).hex()
    reader = LogReader.open(world.gateway.settings.resolved_log_database_url)
    try:
        found, closed = search_parameter(reader, keys, ("/number",), number)
        assert (found, closed) == ([intent["seq"], denial["seq"]], [])
        empty = ParameterKeys(Path(world.gateway.settings.home) / "no-keys")
        assert search_parameter(reader, empty, ("/number",), number) == ([], [period])
    finally:
        reader.close()


def test_strangers_leave_no_digest(world: World) -> None:
    answer = world.ask(bytes(31) + b"\1", key=PrivateKey.generate())
    assert "parameters" not in world.receipt(answer)


def test_what_cannot_be_kept_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    interface = world.city.interface(openapi("post", "/search"))
    grant = world.city.grant(interface)
    world.state.publish()
    calls = len(world.seen)
    place = world.gateway.settings.home / "no-directory"
    place.write_bytes(b"")
    keeper = Keeper(KeptKeys(place), frozenset({interface}), ORIGIN)
    monkeypatch.setattr(world.gateway.data, "_keeper", keeper)
    answer = world.ask(grant)
    assert (answer.status_code, answer.json()["code"]) == (503, "KEPT_KEYS_UNREADABLE")
    assert world.receipt(answer)["code"] == "KEPT_KEYS_UNREADABLE"
    assert len(world.seen) == calls, "the provider was not called"


def test_same_nonce_keeps_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    interface = world.city.interface(openapi("post", "/search"))
    grant = world.city.grant(interface)
    world.state.publish()
    keeper = Keeper(KeptKeys(world.gateway.settings.kept_keys_dir), frozenset({interface}), ORIGIN)
    monkeypatch.setattr(world.gateway.data, "_keeper", keeper)
    body, headers = world.sign(grant)
    first, again = world.post(body, headers), world.post(body, headers)
    assert (first.status_code, again.json()["code"]) == (200, "NONCE_REPLAYED")
    assert "kept" not in world.receipt(again)
    intent = world.events()[world.receipt(first)["intent"]]
    assert kept_of(world, intent) == body
