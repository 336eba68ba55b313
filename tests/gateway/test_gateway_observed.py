"""Access records of another platform: each verified by itself, kept once, and never enforced."""

import json
import secrets
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import ProtocolError, VerificationError
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.log.reader import LogReader
from protocol.batch_receipts import batch_receipts
from protocol.description import Role
from protocol.evidence.observed import verify_observed
from protocol.httpsig import OBSERVATIONS_PATH, parse_content_digest, sign_request
from protocol.observation import MAX_BATCH_SIZE, Observation, observation_text, sign_observation
from protocol.receipt import Receipt, verify_receipt
from tests.gateway.city import ORIGIN
from tests.gateway.conftest import World

NO_GRANT = bytes(32)


def members(**changes: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "platform": "exchange-1",
        "record": f"r-{secrets.token_hex(8)}",
        "time_ms": int(time.time() * 1000) - 60_000,
        "requester": "housing",
        "requester_key": None,
        "person": "p-1",
        "grant": None,
        "authorization": "AUTH-7",
        "provider": "civil",
        "resource": "PERSON-01",
        "items": ["ADDRESS", "NAME"],
        "result": "released",
        "code": "",
        "request_digest": secrets.token_hex(32),
        "response_digest": secrets.token_hex(32),
        **changes,
    }


class Platform:
    """An exchange platform of the provider's department, beside the gateway."""

    def __init__(self, world: World) -> None:
        self.world, self.city = world, world.city
        self.key = self.city.provider_key
        self.sent = b""

    def observe(self, key: PrivateKey | None = None, **changes: Any) -> dict[str, Any]:
        return sign_observation(key or self.key, members(**changes)).to_json()

    def post(self, values: list[Any], **changes: Any) -> httpx.Response:
        body = canonical_json({"observations": values, "salt": secrets.token_hex(32)})
        return self.send(changes.pop("body", body), **changes)

    def send(self, body: bytes, **changes: Any) -> httpx.Response:
        key = changes.pop("key", self.key)
        options = {
            "authority": self.world.authority,
            "path": OBSERVATIONS_PATH,
            "created": int(time.time()),
            "nonce": secrets.token_hex(16),
            "grant": NO_GRANT,
            **changes,
        }
        _, headers = sign_request(key, body, **options)
        self.sent = body
        return self.world.post(body, headers, OBSERVATIONS_PATH)

    def receipts(self, response: httpx.Response) -> list[Receipt | str]:
        """Check the answer to what was sent last whole; return each record's receipt or code."""
        assert response.status_code == 200, response.text
        data = response.content
        assert parse_content_digest(response.headers["content-digest"]) == sm3(data)
        value = parse_canonical(data, max_bytes=len(data))
        handed_in = [self.taken(one) for one in json.loads(self.sent)["observations"]]
        found = batch_receipts(value, handed_in)
        for one in found:
            if isinstance(one, Receipt):
                verify_receipt(one, origin=ORIGIN, public_key=self.city.gateway.public_key)
        return found

    def taken(self, value: Any) -> Observation:
        """Return what was handed in; instead of what is none, another, which gets no receipt."""
        try:
            return Observation.from_json(value)
        except ProtocolError:
            return sign_observation(self.key, members(record="none"))

    def codes(self, *values: Any) -> list[str]:
        """Send a batch and return each record's code, empty where it was kept."""
        found = self.receipts(self.post(list(values)))
        return ["" if isinstance(one, Receipt) else one for one in found]

    def refused(self, response: httpx.Response, code: str) -> None:
        assert response.json()["code"] == code
        record = self.world.receipt(response)
        assert (record["event"], record["code"]) == ("denied", code)


@pytest.fixture
def platform(world: World) -> Platform:
    return Platform(world)


def test_each_record_is_kept_with_its_own_signature(platform: Platform) -> None:
    values = [platform.observe() for _ in range(20)]
    response = platform.post(values)
    receipts = platform.receipts(response)
    answer = json.loads(response.content)
    assert len(answer["checkpoints"]) == 1, "one note for the batch"
    assert len(answer["common"]) == 1, "all but what was handed in and the number stands once"
    assert not any("signature" in one for one in answer["results"])
    snapshot = platform.world.state.snapshot
    assert snapshot is not None
    for value, receipt in zip(values, receipts, strict=True):
        assert isinstance(receipt, Receipt)
        record = json.loads(receipt.record)
        assert record["event"] == "observed"
        assert record["observation"] == value["record"]
        assert record["department"] == platform.city.provider.hex()
        assert verify_observed(snapshot.store, record).to_json() == value
    indices = [one.index for one in receipts if isinstance(one, Receipt)]
    assert indices == list(range(indices[0], indices[0] + 20)), "in the order of the batch"


def test_a_batch_sent_again_gets_the_same_receipts(platform: Platform) -> None:
    values = [platform.observe() for _ in range(5)]
    first = platform.receipts(platform.post(values))
    platform.receipts(platform.post([platform.observe()]))
    size = platform.world.gateway.writer.size  # type: ignore[union-attr]  # it is open
    answer = platform.post(values)
    assert platform.receipts(answer) == first
    assert not any("signature" in one for one in answer.json()["results"])
    # Signed once more, it is the same record: SM2 signatures have randomness in them.
    again = [sign_observation(platform.key, one["record"]).to_json() for one in values]
    answer = platform.post(again)
    assert platform.receipts(answer) == first
    assert [one["signature"] for one in answer.json()["results"]] == [
        one["signature"] for one in values
    ]
    assert platform.world.gateway.writer.size == size  # type: ignore[union-attr]


def test_records_of_two_times_and_two_keys_in_one_batch(platform: Platform) -> None:
    old = [platform.observe(), platform.observe(platform.city.gateway)]
    first = platform.receipts(platform.post(old))
    new = [platform.observe(), platform.observe(platform.city.gateway)]
    again = sign_observation(platform.city.gateway, old[1]["record"]).to_json()
    answer = platform.post([again, new[0], {}, old[0], new[1]])
    found = platform.receipts(answer)
    assert [found[0], found[3]] == first[::-1]
    assert found[2] == "OBSERVATION_MALFORMED"
    value = answer.json()
    assert (len(value["common"]), len(value["checkpoints"])) == (4, 2)
    assert ["signature" in one for one in value["results"]] == [True, False, False, False, False]


def test_the_very_same_bytes_again_change_nothing(platform: Platform) -> None:
    body = canonical_json({"observations": [platform.observe()], "salt": "ab" * 32})
    first = platform.send(body, nonce="cd" * 16)
    assert platform.send(body, nonce="cd" * 16).content == first.content


def test_the_same_id_with_other_bytes_is_refused(platform: Platform) -> None:
    value = platform.observe()
    assert platform.codes(value) == [""]
    other = {**value["record"], "items": ["NAME"]}
    changed = sign_observation(platform.key, other).to_json()
    assert platform.codes(changed, value) == ["OBSERVATION_DIFFERS", ""]
    # Twice in one batch: the first counts.
    new = platform.observe()
    twin = sign_observation(platform.key, {**new["record"], "person": "p-2"}).to_json()
    assert platform.codes(new, twin, new) == ["", "OBSERVATION_DIFFERS", ""]


def test_another_key_may_use_the_same_id(platform: Platform) -> None:
    value = platform.observe()
    other = sign_observation(platform.city.gateway, value["record"]).to_json()
    first, second = platform.receipts(platform.post([value, other]))
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert first.index != second.index


def _altered(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "record": {**value["record"], "requester": "someone-else"}}


def _other_signature(value: dict[str, Any]) -> dict[str, Any]:
    signed = sign_observation(PrivateKey.generate(), value["record"]).to_json()
    return {**value, "signature": signed["signature"]}


def _with(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {**value, "record": {**value["record"], **changes}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_altered, "OBSERVATION_SIGNATURE_INVALID"),
        (_other_signature, "OBSERVATION_SIGNATURE_INVALID"),
        (_with(time_ms=2**52), "OBSERVATION_LATER"),
        (_with(person="11010519491231002X"), "OBSERVATION_MALFORMED"),
        (_with(person="13800138000"), "OBSERVATION_MALFORMED"),
        (_with(response_digest=None), "OBSERVATION_MALFORMED"),
        (_with(authorization=None), "OBSERVATION_MALFORMED"),
        (_with(items=["NAME", "ADDRESS"]), "OBSERVATION_MALFORMED"),
        (_with(name="a citizen's"), "OBSERVATION_MALFORMED"),
        (_with(v=True), "OBSERVATION_MALFORMED"),
        (_with(record="x" * 129), "OBSERVATION_MALFORMED"),
        (_with(items=[f"{n:064d}" for n in range(64)]), "OBSERVATION_MALFORMED"),
        (lambda value: {**value, "signature": "00" * 64}, "OBSERVATION_MALFORMED"),
        (lambda value: {**value, "more": 1}, "OBSERVATION_MALFORMED"),
        (lambda _value: 7, "OBSERVATION_MALFORMED"),
    ],
)
def test_a_bad_record_holds_up_no_other(
    platform: Platform, change: Callable[[dict[str, Any]], Any], code: str
) -> None:
    bad = change(platform.observe())
    assert platform.codes(platform.observe(), bad, platform.observe()) == ["", code, ""]


def test_only_enrolled_keys_of_the_role_that_count_vouch(platform: Platform) -> None:
    city = platform.city
    revoked = city.enrol(city.provider_head, Role.PROVIDER)
    city.revoke_key(city.provider_head, revoked.public_key.key_id)
    platform.world.state.publish()
    assert platform.codes(
        platform.observe(PrivateKey.generate()),
        platform.observe(city.system),
        platform.observe(city.provider_officer),
        platform.observe(revoked),
        platform.observe(city.gateway),
    ) == ["KEY_UNKNOWN", "ROLE_MISSING", "ROLE_MISSING", "KEY_NOT_ACTIVE", ""]


def test_who_hands_in_has_the_role_too(platform: Platform) -> None:
    value = platform.observe()
    platform.refused(platform.post([value], key=platform.city.system), "ROLE_MISSING")
    platform.refused(platform.post([value], key=PrivateKey.generate()), "KEY_UNKNOWN")
    platform.refused(platform.post([value], created=int(time.time()) - 600), "CLOCK_SKEW")
    platform.refused(platform.post([value], grant=b"\1" * 32), "BODY_MALFORMED")


def test_no_more_than_a_thousand_records(platform: Platform) -> None:
    values = [platform.observe()] * 1001
    platform.refused(platform.post(values), "BATCH_TOO_LARGE")
    assert set(platform.codes(*values[:1000])) == {""}
    platform.refused(platform.post([]), "BODY_MALFORMED")
    platform.refused(platform.send(b'{"observations":{},"salt":1}'), "BODY_MALFORMED")


def test_no_more_than_four_mebibytes(platform: Platform) -> None:
    large = platform.send(b" " * (MAX_BATCH_SIZE + 1))
    assert (large.status_code, large.json()["code"]) == (413, "BODY_TOO_LARGE")
    # What other paths refuse by its size alone, this one reads.
    platform.refused(platform.send(b" " * MAX_BATCH_SIZE), "BODY_MALFORMED")


def test_the_signature_of_another_path_does_not_count(platform: Platform) -> None:
    body = canonical_json({"observations": [platform.observe()], "salt": "ab" * 32})
    answer = platform.send(body, path="/v1/evidence")
    assert answer.json()["code"] in {"SIGNATURE_INVALID", "SIGNATURE_MALFORMED"}


def test_an_observation_is_signed_under_its_own_prefix(platform: Platform) -> None:
    value = members()
    text = observation_text(value)
    assert text == b"sanlian/observation/v1\n" + canonical_json(value)
    bare = Observation(value, platform.key.public_key.key_id, platform.key.sign(text[23:]))
    with pytest.raises(VerificationError, match="OBSERVATION_SIGNATURE_INVALID"):
        bare.verify(platform.key.public_key)
    with pytest.raises(ProtocolError, match="OBSERVATION_MALFORMED"):
        observation_text({**value, "items": None})


def test_the_table_of_ids_is_written_with_the_records(platform: Platform) -> None:
    value = platform.observe()
    (receipt,) = platform.receipts(platform.post([value]))
    assert isinstance(receipt, Receipt)
    with sqlite3.connect(f"file:{platform.world.log_file}?mode=ro", uri=True) as file:
        rows = file.execute(
            "SELECT seq, digest FROM observations WHERE record = ?", (value["record"]["record"],)
        ).fetchall()
    assert rows == [(receipt.index, Observation.from_json(value).digest)]
    reader = LogReader.open(platform.world.gateway.settings.resolved_log_database_url)
    assert reader.first_receipts([receipt.index]) == [receipt]
    reader.close()
