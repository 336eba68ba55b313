"""Sealed texts over the gateway: for parties alone, recorded first, erased when disposed of."""

import secrets
import sqlite3
import time
from typing import Any

import httpx
import pytest

from api.gateway import sealed as service
from api.gateway.counting import RateLimiter
from api.gateway.sealed import MAX_SEALED_BODY
from crypto.canonical import canonical_json
from crypto.errors import ProtocolError, RequestRefused, VerificationError
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.sealed import store as sealed_store
from ledger.sealed.store import Place, SealedStore
from protocol.acts import act_id
from protocol.envelope import encrypt_to
from protocol.httpsig import parse_content_digest, sign_request
from sanlian_client.data import Gateway
from sanlian_client.sealed import dispose_sealed, fetch_sealed, share_sealed
from sanlian_client.sealing import Sealed, seal
from tests.gateway.city import ORIGIN
from tests.gateway.conftest import World

TEXT = "PLANTED-REASON-5544 保障对象信息不全".encode()
NO_GRANT = bytes(32)


class Case:
    """A refused request whose sealed reason the provider shares with the requester."""

    def __init__(self, world: World) -> None:
        self.world, self.city = world, world.city
        interface = self.city.interface()
        grant = self.city.grant(interface)
        self.sealed = seal(TEXT)
        applied = self.city.act(
            "GrantSuspended",
            [self.city.provider_officer],
            {"reason": self.sealed.commitment, "cause": 1},
            target=grant,
            revision=2,
        )
        self.act = act_id(applied.act)
        world.state.publish()

    def envelope(self, *keys: PrivateKey, sealed: Sealed | None = None) -> bytes:
        text = self.sealed if sealed is None else sealed
        recipients = [one.public_key for one in keys]
        return encrypt_to(recipients, text.commitment, text.to_bytes()).to_bytes()

    def call(self, path: str, key: PrivateKey, **changes: Any) -> httpx.Response:
        value = {"act": self.act.hex(), "word": "reason", "salt": secrets.token_hex(32)}
        options = {
            "authority": self.world.authority,
            "path": path,
            "created": int(time.time()),
            "nonce": secrets.token_hex(16),
            "grant": changes.pop("grant", NO_GRANT),
        }
        body = canonical_json({**value, **changes})
        _, headers = sign_request(key, body, **options)
        return self.world.post(body, headers, path)

    def keep(self, key: PrivateKey, envelope: bytes, **changes: Any) -> httpx.Response:
        return self.call("/v1/sealed", key, envelope=envelope.decode(), **changes)

    def fetch(self, key: PrivateKey, **changes: Any) -> httpx.Response:
        return self.call("/v1/sealed-fetches", key, **changes)

    def dispose(self, key: PrivateKey, **changes: Any) -> httpx.Response:
        return self.call("/v1/sealed-disposals", key, **changes)


@pytest.fixture
def case(world: World) -> Case:
    return Case(world)


def refused(world: World, answer: httpx.Response, code: str) -> None:
    assert answer.json()["code"] == code
    record = world.receipt(answer)
    assert (record["event"], record["code"]) == ("denied", code)


def test_a_reason_reaches_the_requester_and_is_recorded(case: Case) -> None:
    world, city = case.world, case.city
    envelope = case.envelope(city.officer, city.provider_officer)
    kept = case.keep(city.provider_officer, envelope)
    assert kept.status_code == 200, kept.text
    assert kept.json() == {"kept": sm3(envelope).hex()}
    record = world.receipt(kept)
    assert (record["event"], record["operation"]) == ("sealed", "keep")
    assert (record["act"], record["word"]) == (case.act.hex(), "reason")
    assert record["envelope"] == sm3(envelope).hex()
    found = case.fetch(city.officer)
    assert found.content == envelope
    assert parse_content_digest(found.headers["content-digest"]) == sm3(envelope)
    assert world.receipt(found)["operation"] == "fetch"
    # Handing the same one in again changes nothing.
    assert case.keep(city.provider_officer, envelope).status_code == 200


def test_the_client_opens_only_what_the_chain_holds(case: Case) -> None:
    city = case.city
    words = {"act": case.act, "word": "reason"}
    with Gateway(case.world.url, origin=ORIGIN, public_key=city.gateway.public_key) as gateway:
        envelope = case.envelope(city.officer)
        with pytest.raises(ProtocolError, match="ENVELOPE_MALFORMED"):
            share_sealed(gateway, city.provider_officer, envelope=b"\xff not one", **words)
        share_sealed(gateway, city.provider_officer, envelope=envelope, **words)
        opened = fetch_sealed(gateway, city.officer, commitment=case.sealed.commitment, **words)
        assert opened == case.sealed
        with pytest.raises(VerificationError, match="COMMITMENT_MISMATCH"):
            fetch_sealed(gateway, city.officer, commitment=sm3(b"other"), **words)
        dispose_sealed(gateway, city.provider_officer, **words)
        with pytest.raises(RequestRefused, match="SEALED_DISPOSED"):
            fetch_sealed(gateway, city.officer, commitment=case.sealed.commitment, **words)


def test_a_department_makes_a_number_of_calls_a_minute(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, city = 0, case.world.city
    assert case.keep(city.provider_officer, case.envelope(city.officer)).status_code == 200
    monkeypatch.setattr(service, "CALLS_PER_MINUTE", 3)
    monkeypatch.setattr(case.world.gateway.sealed, "_rates", RateLimiter())
    while (answer := case.fetch(city.officer)).status_code == 200:
        asked += 1
        assert asked <= 6  # the test may run over the end of a minute
    assert asked >= 3
    refused(case.world, answer, "DEPARTMENT_RATE_EXCEEDED")
    assert case.dispose(city.provider_officer).status_code == 200


def test_strangers_do_nothing(case: Case) -> None:
    world, city = case.world, case.city
    envelope = case.envelope(city.officer)
    assert case.keep(city.provider_officer, envelope).status_code == 200
    for key, code in (
        (city.stranger_system, "SEALED_NOT_ALLOWED"),
        (PrivateKey.generate(), "KEY_UNKNOWN"),
    ):
        refused(world, case.fetch(key), code)
        refused(world, case.keep(key, envelope), code)
        refused(world, case.dispose(key), code)
    assert case.fetch(city.officer).content == envelope


def test_an_envelope_is_of_this_text_and_for_its_parties(case: Case) -> None:
    world, city = case.world, case.city
    key = city.provider_officer
    other = case.envelope(city.officer, sealed=seal(b"another text"))
    refused(world, case.keep(key, other), "COMMITMENT_MISMATCH")
    leak = case.envelope(city.officer, city.stranger_system)
    refused(world, case.keep(key, leak), "RECIPIENT_NOT_A_PARTY")
    nobody = case.envelope(PrivateKey.generate())
    refused(world, case.keep(key, nobody), "RECIPIENT_NOT_A_PARTY")
    for broken in (b"", b"{}", b"[]", case.envelope(city.officer)[:-1], b"\\u0000"):
        refused(world, case.keep(key, broken), "ENVELOPE_MALFORMED")


def test_an_altered_envelope_does_not_open(case: Case) -> None:
    city = case.city
    envelope = case.envelope(city.officer)
    at = envelope.index(b'"body":"') + 40
    flipped = envelope[:at] + (b"0" if envelope[at : at + 1] != b"0" else b"1") + envelope[at + 1 :]
    assert case.keep(city.provider_officer, flipped).status_code == 200
    words = {"act": case.act, "word": "reason", "commitment": case.sealed.commitment}
    with (
        Gateway(case.world.url, origin=ORIGIN, public_key=city.gateway.public_key) as gateway,
        pytest.raises(Exception, match="SEALED_INVALID"),
    ):
        fetch_sealed(gateway, city.officer, **words)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"act": "00" * 32}, "SEALED_UNKNOWN"),
        ({"act": "../../etc/passwd"}, "BODY_MALFORMED"),
        ({"act": 7}, "BODY_MALFORMED"),
        ({"word": "cause"}, "SEALED_UNKNOWN"),
        ({"word": "x' OR '1'='1"}, "SEALED_UNKNOWN"),
        ({"word": None}, "BODY_MALFORMED"),
        ({"more": 1}, "BODY_MALFORMED"),
        ({"salt": "short"}, "BODY_MALFORMED"),
        ({"grant": b"\x01" * 32}, "BODY_MALFORMED"),
    ],
)
def test_bad_questions(case: Case, changes: dict[str, Any], code: str) -> None:
    refused(case.world, case.fetch(case.city.officer, **changes), code)


def test_a_call_is_not_replayed_and_counts_on_its_own_path(case: Case) -> None:
    world, city = case.world, case.city
    body = canonical_json({"act": case.act.hex(), "salt": secrets.token_hex(32), "word": "reason"})
    _, headers = sign_request(
        city.provider_officer,
        body,
        authority=world.authority,
        path="/v1/sealed-disposals",
        created=int(time.time()),
        nonce=secrets.token_hex(16),
        grant=NO_GRANT,
    )
    elsewhere = world.post(body, headers, "/v1/sealed-fetches")
    assert elsewhere.json()["code"] == "SIGNATURE_INVALID"
    assert world.post(body, headers, "/v1/sealed-disposals").status_code == 200
    again = world.post(body, headers, "/v1/sealed-disposals")
    assert again.json()["code"] == "NONCE_REPLAYED"


def test_a_body_has_a_limit(case: Case) -> None:
    big = seal(secrets.token_bytes(MAX_SEALED_BODY // 4))
    envelope = case.envelope(case.city.officer, sealed=big)
    answer = case.keep(case.city.provider_officer, envelope)
    assert answer.json()["code"] == "BODY_TOO_LARGE"


def test_disposal_erases_what_the_own_department_handed_in(case: Case) -> None:
    world, city = case.world, case.city
    own = case.envelope(city.officer)
    theirs = case.envelope(city.provider_officer)
    assert case.keep(city.provider_officer, own).status_code == 200
    assert case.keep(city.officer, theirs).status_code == 200
    gone = case.dispose(city.provider_officer)
    assert gone.json() == {"disposed": 1}
    assert world.receipt(gone)["operation"] == "dispose"
    refused(world, case.fetch(city.officer), "SEALED_MISSING")
    assert case.fetch(city.provider_officer).content == theirs
    path = world.gateway.settings.home / "sealed.db"
    for file in path.parent.glob("sealed.db*"):
        assert own[-200:] not in file.read_bytes(), "the ciphertext is still on the disk"
    assert path.stat().st_mode & 0o077 == 0


def test_what_comes_later_needs_another_envelope_and_the_newest_counts(case: Case) -> None:
    city = case.city
    first, second = case.envelope(city.officer), case.envelope(city.officer, city.operator)
    case.keep(city.provider_officer, first)
    assert case.fetch(city.operator).json()["code"] == "SEALED_MISSING"
    case.keep(city.provider_officer, second)
    assert case.fetch(city.operator).content == second


def test_no_word_of_it_is_in_the_log(case: Case) -> None:
    case.keep(case.city.provider_officer, case.envelope(case.city.officer))
    case.fetch(case.city.officer)
    for file in case.world.log_file.parent.glob("*"):
        assert TEXT not in file.read_bytes()


def test_a_department_keeps_a_number_of_envelopes(
    case: Case, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SealedStore(tmp_path / "sealed.db")
    place, department = Place(b"\x01" * 32, "reason"), b"\x02" * 32
    for number in range(sealed_store.MAX_PER_WORD):
        found.keep(place, department, sm3(bytes([number])), b"x", number)
    with pytest.raises(RequestRefused, match="SEALED_LIMIT"):
        found.keep(place, department, sm3(b"more"), b"x", 9)
    found.keep(place, department, sm3(bytes([0])), b"x", 9)  # it is there already
    found.keep(place, b"\x03" * 32, sm3(b"of another department"), b"x", 9)
    # Two acts may commit to one text: each has its own envelope, though the bytes are the same.
    again = Place(b"\x05" * 32, "case")
    found.keep(again, department, sm3(bytes([0])), b"x", 9)
    assert found.list(again) == [(sm3(bytes([0])), b"x")]
    assert found.dispose(again, department, 9) == 1
    assert len(found.list(place)) == sealed_store.MAX_PER_WORD + 1
    monkeypatch.setattr(sealed_store, "MAX_PER_DEPARTMENT", sealed_store.MAX_PER_WORD)
    with pytest.raises(RequestRefused, match="SEALED_LIMIT"):
        found.keep(Place(b"\x04" * 32, "reason"), department, sm3(b"x"), b"x", 9)
    monkeypatch.setattr(sealed_store, "MAX_PER_DEPARTMENT", 99)
    monkeypatch.setattr(sealed_store, "MAX_BYTES_PER_DEPARTMENT", sealed_store.MAX_PER_WORD + 1)
    with pytest.raises(RequestRefused, match="SEALED_LIMIT"):
        found.keep(Place(b"\x04" * 32, "reason"), department, sm3(b"x"), b"xx", 9)
    assert found.dispose(place, department, 10) == sealed_store.MAX_PER_WORD
    found.close()
    with sqlite3.connect(tmp_path / "sealed.db") as connection:
        assert connection.execute("SELECT count(*) FROM disposals").fetchone() == (2,)


def test_a_store_that_fails_is_said(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(service.SealedStore, "keep", fail)
    answer = case.keep(case.city.provider_officer, case.envelope(case.city.officer))
    assert answer.status_code == 503
    assert answer.json()["code"] == "SEALED_STORE_FAILED"
    assert case.world.receipt(answer)["event"] == "sealed"


def test_envelopes_that_cannot_be_read_are_said(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(service.SealedStore, "list", fail)
    refused(case.world, case.fetch(case.city.officer), "SEALED_STORE_FAILED")
