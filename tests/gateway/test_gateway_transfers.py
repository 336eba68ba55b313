"""Offered batches, received through a real gateway process, and ends of transfers."""

import json
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from crypto.canonical import canonical_json
from crypto.errors import OutcomeUnknown, RequestRefused, VerificationError
from crypto.keyfile import dump_private_key
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.db.engine import write_transaction
from ledger.db.store import SqlStore
from protocol.documents import parse_interface_document
from protocol.evidence.decision import verify_request, verify_transfer
from protocol.httpsig import CLOSING_PATH, OFFER_PATH, OPEN_OFFERS_PATH, sign_request
from protocol.transfer import BATCH_WAY, make_manifest, parse_manifest
from sanlian_client.batch_service import (
    BatchService,
    NotOffered,
    Offered,
    describe_batches,
    offer_spool,
)
from sanlian_client.cli import main
from sanlian_client.data import Gateway, Purpose
from sanlian_client.middleware import SanlianProvider
from sanlian_client.pull import pull_batch
from sanlian_client.receipts import ReceiptStore
from sanlian_client.receive import NotReceived, Received, receive_batches
from sanlian_client.transfers import close_transfer, open_offers
from tests.gateway.city import BASIS, ORIGIN, SCENARIO
from tests.gateway.conftest import World, serve_asgi
from tests.gateway.test_gateway_process import PASSPHRASE, Home

# --- the gateway's answers ------------------------------------------------------------------------


class Sides:
    """Both sides of a grant, who state things to a gateway."""

    def __init__(self, world: World) -> None:
        self.world, city = world, world.city
        self.provider, self.requester = city.provider_key, city.system
        self.grant = city.grant(city.interface(), way=BATCH_WAY)
        self.single = city.grant(city.interface())
        world.state.publish()

    def state(
        self, key: PrivateKey, path: str, statement: dict[str, Any], grant: bytes, **options: Any
    ) -> httpx.Response:
        body = canonical_json({"salt": secrets.token_hex(32), **statement})
        _, headers = sign_request(
            key,
            body,
            authority=self.world.authority,
            path=options.pop("signed_path", path),
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=grant,
            **options,
        )
        return self.world.post(body, headers, path)

    def offer(self, name: str, **changes: Any) -> httpx.Response:
        key = changes.pop("key", self.provider)
        grant = changes.pop("grant", self.grant)
        told = {"manifest": "ab" * 32, "name": name, "parts": 2, "rows": 7, **changes}
        return self.state(key, OFFER_PATH, told, grant)

    def close(self, first: int, last: int, **changes: Any) -> httpx.Response:
        key = changes.pop("key", self.requester)
        grant = changes.pop("grant", self.grant)
        told = {"first": first, "last": last, "manifest": "cd" * 32, "offer": None}
        return self.state(key, CLOSING_PATH, {**told, "parts": 2, "rows": 2, **changes}, grant)

    def pull(self, count: int) -> list[int]:
        """Ask so often and return the outcomes' indices."""
        return [self.world.receipt(self.world.ask(self.grant))["seq"] for _ in range(count)]

    def code(self, answer: httpx.Response) -> str:
        """Return the code of a refusal that left a record."""
        record = self.world.receipt(answer)
        assert (record["event"], record["code"]) == ("denied", answer.json()["code"])
        return str(record["code"])

    def open(self, key: PrivateKey | None = None) -> list[int]:
        body = {"after": -1}
        answer = self.state(key or self.requester, OPEN_OFFERS_PATH, body, bytes(32))
        assert answer.status_code == 200, answer.text
        return [one["seq"] for one in answer.json()["offers"]]


@pytest.fixture(scope="module")
def sides(world: World) -> Sides:
    return Sides(world)


def test_a_captured_call_lists_nothing_again(world: World, sides: Sides) -> None:
    body = canonical_json({"after": -1, "salt": secrets.token_hex(32)})
    signed = {"path": OPEN_OFFERS_PATH, "authority": world.authority, "grant": bytes(32)}
    nonce, now, size = secrets.token_hex(16), int(time.time()), len(world.events())
    _, headers = sign_request(sides.requester, body, created=now, nonce=nonce, **signed)
    assert world.post(body, headers, OPEN_OFFERS_PATH).status_code == 200
    for _ in range(2):
        again = world.post(body, headers, OPEN_OFFERS_PATH)
        assert (again.status_code, again.json()["code"]) == (409, "NONCE_REPLAYED")
    # Signed anew with the nonce, and by another key with it.
    _, headers = sign_request(sides.requester, body, created=now - 1, nonce=nonce, **signed)
    assert world.post(body, headers, OPEN_OFFERS_PATH).json()["code"] == "NONCE_REPLAYED"
    _, headers = sign_request(world.city.stranger_system, body, created=now, nonce=nonce, **signed)
    assert world.post(body, headers, OPEN_OFFERS_PATH).status_code == 200
    assert len(world.events()) == size


def test_an_offer_waits_until_it_is_closed(world: World, sides: Sides) -> None:
    record = world.receipt(sides.offer("monthly-1"))
    assert (record["event"], record["statement"]["rows"]) == ("offered", 7)
    assert world.state.snapshot is not None
    store = world.state.snapshot.store
    verify_transfer(store, record, verify_request(record))
    # Of its own department alone; to the provider's and to a stranger nothing is told.
    assert sides.open() == [record["seq"]]
    assert sides.open(world.city.stranger_system) == []
    first, last = sides.pull(2)
    closed = world.receipt(sides.close(first, last, offer=record["seq"]))
    assert (closed["event"], closed["statement"]["offer"]) == ("closed", record["seq"])
    verify_transfer(store, closed, verify_request(closed))
    assert sides.open() == []
    with pytest.raises(VerificationError, match="DECISION_WRONG"):
        verify_transfer(store, {**closed, "department": record["department"]}, _of(closed))
    with pytest.raises(VerificationError, match="REQUEST_INVALID"):
        verify_request({**closed, "statement": {**closed["statement"], "rows": 3}})


def _of(record: dict[str, Any]) -> Any:
    return verify_request(record)


def test_the_same_again_gets_the_first_receipt(world: World, sides: Sides) -> None:
    offered = world.receipt(sides.offer("monthly-2"))
    assert world.receipt(sides.offer("monthly-2")) == offered
    assert sides.code(sides.offer("monthly-2", rows=8)) == "OFFER_DIFFERS"
    first, last = sides.pull(2)
    closed = world.receipt(sides.close(first, last, offer=offered["seq"]))
    assert world.receipt(sides.close(first, last, offer=offered["seq"])) == closed
    other = sides.close(first, last, offer=offered["seq"], manifest="ee" * 32)
    assert sides.code(other) == "CLOSING_DIFFERS"


def test_a_closing_says_what_the_log_holds(world: World, sides: Sides) -> None:
    first, middle, last = sides.pull(3)
    offered = world.receipt(sides.offer("monthly-3"))["seq"]
    refused = sides.world.receipt(world.ask(sides.grant, basis="other"))["seq"]
    wrong: dict[str, dict[str, Any]] = {
        "an intent": {"first": first - 1},
        "more parts than outcomes": {"parts": 4},
        "a refusal": {"last": refused},
        "beyond the log": {"last": 10**9},
        "an offer that is an outcome": {"offer": middle},
        "an offer beyond the log": {"offer": 10**9},
    }
    for name, changes in wrong.items():
        told = {"first": first, "last": last, "parts": 3, **changes}
        assert sides.code(sides.close(**told)) == "CLOSING_WRONG", name
    assert sides.code(sides.close(first, last, grant=sides.single)) == "CLOSING_WRONG"
    assert sides.close(first, last, parts=3, offer=offered).status_code == 200


def test_who_may_not(world: World, sides: Sides) -> None:
    city = world.city
    first, last = sides.pull(2)
    assert sides.code(sides.offer("n", grant=sides.single)) == "GRANT_OF_ANOTHER_WAY"
    assert sides.code(sides.offer("n", grant=secrets.token_bytes(32))) == "GRANT_UNKNOWN"
    assert sides.code(sides.offer("n", key=sides.requester)) == "GRANT_NOT_YOURS"
    assert sides.code(sides.offer("n", key=city.provider_operator)) == "ROLE_MISSING"
    assert sides.code(sides.close(first, last, key=sides.provider)) == "GRANT_NOT_YOURS"
    assert sides.code(sides.close(first, last, key=city.officer)) == "ROLE_MISSING"
    assert sides.code(sides.close(first, last, key=PrivateKey.generate())) == "KEY_UNKNOWN"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parts": 0}, "OFFER_MALFORMED"),
        ({"parts": True}, "OFFER_MALFORMED"),
        ({"name": "../x"}, "OFFER_MALFORMED"),
        ({"name": ""}, "OFFER_MALFORMED"),
        ({"rows": -1}, "OFFER_MALFORMED"),
        ({"manifest": "AB" * 32}, "OFFER_MALFORMED"),
        ({"more": 1}, "BODY_MALFORMED"),
        ({"salt": "x"}, "BODY_MALFORMED"),
    ],
)
def test_malformed_offers(sides: Sides, changes: dict[str, Any], code: str) -> None:
    assert sides.code(sides.offer(**{"name": "odd", **changes})) == code


def test_a_signature_for_one_path_does_not_count_at_another(sides: Sides) -> None:
    told = {"manifest": "ab" * 32, "name": "n", "parts": 1, "rows": 1}
    answer = sides.state(sides.provider, OFFER_PATH, told, sides.grant, signed_path=CLOSING_PATH)
    assert answer.json()["code"] == "SIGNATURE_MALFORMED"
    answer = sides.state(sides.provider, OFFER_PATH, told, sides.grant, stream="s;1")
    assert sides.code(answer) == "BODY_MALFORMED"


def test_many_offers_come_in_pages(
    world: World, sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.gateway.transfers.MAX_ANSWERED", 2)
    monkeypatch.setattr("api.gateway.transfers.MAX_SCANNED", 3)
    seqs = {world.receipt(sides.offer(f"page-{i}"))["seq"] for i in range(7)}
    with Gateway(
        world.url,
        origin=ORIGIN,
        public_key=world.city.gateway.public_key,
        authority=world.authority,
    ) as gateway:
        found = [one.seq for one in open_offers(gateway, sides.requester)]
    assert seqs <= set(found)
    assert found == sorted(set(found))


# --- from a spool to a directory ------------------------------------------------------------------

PEOPLE = [{"name": f"n{i}", "address": f"PLANTED-{i}", "id": i} for i in range(7)]


class Desk:
    """A provider's spool, a gateway process, and a requester."""

    def __init__(self, directory: Path) -> None:
        self.home, self.spool = Home(directory), directory / "spool"
        settings = directory / "settings.toml"
        settings.write_text(settings.read_text() + "head_max_age_s = 3600\n")
        self.spool.mkdir()
        self.document = describe_batches("register", {0: "name", 1: "address"})
        with write_transaction(self.home.engine) as connection, Session(connection) as session:
            city = self.home.city
            city.store = SqlStore(session)
            interface = city.interface(self.document, max_rows=5)
            self.grant = city.grant(interface, way=BATCH_WAY)
            self.other = city.grant(interface, way=BATCH_WAY)
            self.home._publish(session)
        self.receipts = ReceiptStore(directory / "receipts")
        self.service = BatchService(self.spool)
        self.kill_at: int | None = None
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        if self.kill_at == self.asked:
            assert self.home.process is not None
            self.home.process.kill()
        await self.service(scope, receive, send)

    def fill(self, name: str, *parts: Any) -> Path:
        """Put a batch into the spool as a provider does: whole, by a rename."""
        made = self.spool.parent / f"{name}.making"
        made.mkdir()
        for number, part in enumerate(parts, 1):
            text = part if isinstance(part, bytes) else canonical_json(part)
            (made / f"part-{number:06d}.json").write_bytes(text)
        return made.rename(self.spool / name)

    def gateway(self) -> Gateway:
        url = f"http://127.0.0.1:{self.home.port}"
        return Gateway(url, origin=ORIGIN, public_key=self.home.city.gateway.public_key)

    def offer(self) -> list[Offered | NotOffered]:
        with self.gateway() as gateway:
            return list(
                offer_spool(
                    gateway,
                    self.home.city.provider_key,
                    self.spool,
                    grant=self.grant,
                    document=parse_interface_document(self.document),
                    items=0b01,
                    salt=lambda: secrets.token_hex(32),
                )
            )

    def receive(self, directory: Path, grant: bytes | None = None) -> list[Received | NotReceived]:
        with self.gateway() as gateway:
            return list(
                receive_batches(
                    gateway,
                    self.home.city.system,
                    grants={grant or self.grant: Purpose("p-1", BASIS, SCENARIO)},
                    store=self.receipts,
                    directory=directory,
                )
            )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("push")
    desk = Desk(directory)
    home = desk.home
    provider = SanlianProvider(
        desk,
        gateway_keys={ORIGIN: home.city.gateway.public_key},
        department_id=home.city.provider,
        provider_key=home.city.provider_key,
        authority=f"127.0.0.1:{home.provider_port}",
        store_path=directory / "provider.db",
    )
    with serve_asgi(provider, home.provider_port):
        home.start()
        yield desk
        home.stop(signal.SIGTERM)
    home.engine.dispose()


def test_a_batch_is_offered_received_and_closed(desk: Desk, tmp_path: Path) -> None:
    desk.fill("2026-10", PEOPLE[:5], PEOPLE[5:])
    (offered,) = desk.offer()
    assert isinstance(offered, Offered)
    assert desk.offer() == []
    before = len(desk.home.events())
    (received,) = desk.receive(tmp_path)
    assert isinstance(received, Received)
    assert received.directory == tmp_path / desk.grant.hex()[:16] / "2026-10"
    pages = sorted(received.directory.glob("page-*.json"))
    rows = [one for page in pages[1:] for one in json.loads(page.read_bytes())["records"]]
    assert rows == [{"name": one["name"]} for one in PEOPLE]
    events = desk.home.events()[before:]
    assert [one["event"] for one in events] == ["intent", "outcome"] * 3 + ["closed"]
    told = events[-1]["statement"]
    assert (told["offer"], told["parts"], told["rows"]) == (offered.receipt.index, 3, 7)
    assert (told["first"], told["last"]) == (events[1]["seq"], events[5]["seq"])
    assert told["manifest"] == sm3((received.directory / "manifest.json").read_bytes()).hex()
    assert desk.receive(tmp_path) == []
    # What was not granted is in no digest either: the manifest was made of what is released.
    manifest = (desk.spool / "2026-10" / "manifest.json").read_bytes()
    kept = make_manifest(desk.grant, "2026-10", parse_manifest(manifest)["salt"],
                         [[{"name": one["name"]} for one in part]
                          for part in (PEOPLE[:5], PEOPLE[5:])])  # fmt: skip
    assert manifest == kept


def test_killed_between_parts_it_goes_on(desk: Desk, tmp_path: Path) -> None:
    desk.fill("2026-11", *[[one] for one in PEOPLE])
    desk.offer()
    desk.asked, desk.kill_at = 0, 4
    (failed,) = desk.receive(tmp_path)
    assert isinstance(failed, NotReceived)
    assert isinstance(failed.error, OutcomeUnknown)
    desk.kill_at = None
    assert desk.home.process is not None
    desk.home.process.wait(20)
    desk.home.start()
    (received,) = desk.receive(tmp_path)
    assert isinstance(received, Received)
    assert (received.offer.parts, received.offer.rows) == (7, 7)
    assert desk.home.events()[received.closing]["statement"]["parts"] == 8


def test_a_part_that_was_changed_after_the_offer(desk: Desk, tmp_path: Path) -> None:
    place = desk.fill("changed", PEOPLE[:2])
    (offered,) = desk.offer()
    assert isinstance(offered, Offered)
    (place / "part-000001.json").write_bytes(canonical_json(PEOPLE[2:4]))
    (failed,) = desk.receive(tmp_path)
    assert isinstance(failed, NotReceived)
    assert failed.error.code == "BATCH_DIFFERS"
    with desk.gateway() as gateway:
        still = [one.seq for one in open_offers(gateway, desk.home.city.system)]
    assert still == [offered.receipt.index]
    (place / "part-000001.json").write_bytes(canonical_json(PEOPLE[:2]))
    (received,) = desk.receive(tmp_path / "again")
    assert received.offer.name == "changed"


def test_a_batch_is_given_out_under_its_own_grant(desk: Desk, tmp_path: Path) -> None:
    desk.fill("own", PEOPLE[:1])
    desk.offer()
    with desk.gateway() as gateway:
        (offer,) = open_offers(gateway, desk.home.city.system)
    assert desk.receive(tmp_path, desk.other) == []
    with desk.gateway() as gateway, pytest.raises(RequestRefused, match="PROVIDER_FAILED"):
        pull_batch(
            gateway,
            desk.home.city.system,
            grant=desk.other,
            parameters={"batch": "own"},
            purpose=Purpose("p-1", BASIS, SCENARIO),
            store=desk.receipts,
            directory=tmp_path / "other",
        )
    assert offer.grant == desk.grant
    assert len(desk.receive(tmp_path)) == 1


@pytest.mark.parametrize(
    "parts", [[], [{"a": 1}], [[{"other": 1}]], [b"[1"], [b'[{"name":"a","name":"b"}]']],
    ids=["no parts", "no list", "other fields", "no JSON", "a name twice"],
)  # fmt: skip
def test_spools_that_are_damaged(desk: Desk, parts: list[Any]) -> None:
    place = desk.fill(f"damaged-{secrets.token_hex(4)}", *parts)
    try:
        (failed,) = desk.offer()
        assert isinstance(failed, NotOffered)
        assert failed.error.code == "BATCH_DAMAGED"
        assert not (place / "manifest.json").exists()
    finally:
        for one in place.iterdir():
            one.unlink()
        place.rmdir()


def test_closings_refused_by_the_gateway_raise(desk: Desk) -> None:
    with desk.gateway() as gateway:
        from sanlian_client.transfers import Closing

        with pytest.raises(RequestRefused, match="CLOSING_WRONG"):
            close_transfer(
                gateway, desk.home.city.system, desk.grant, Closing(0, 5, 1, 0, bytes(32))
            )


def test_the_command_receives_and_one_bad_batch_does_not_stop_others(
    desk: Desk, tmp_path: Path
) -> None:
    key = tmp_path / "system.pem"
    key.touch(0o600)
    key.write_bytes(dump_private_key(desk.home.city.system, PASSPHRASE, iterations=1000))
    # Seven rows are more than the interface allows in one answer.
    places = [desk.fill("bad", PEOPLE), desk.fill("good", PEOPLE[:3], PEOPLE[3:])]
    assert [type(one) for one in desk.offer()] == [Offered, Offered]
    command = ["batch", "receive", str(tmp_path / "batches"), "--grant", desk.grant.hex()]
    command += ["--basis", BASIS, "--scenario", SCENARIO, "--key", str(key)]
    command += ["--receipts", str(tmp_path / "receipts"), "--passphrase", PASSPHRASE]
    command += ["--gateway", f"http://127.0.0.1:{desk.home.port}"]
    command += ["--deployment", str(desk.home.directory / "deployment.json")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert [one.split(":")[:2] for one in lines] == [
        ["bad", " TOO_MANY_ROWS"],
        ["good", lines[1].split(":")[1]],
        ["BATCHES_LEFT", " batches that failed"],
    ]
    assert "2 parts" in lines[1]
    for place in places:
        for one in place.iterdir():
            one.unlink()
        place.rmdir()
