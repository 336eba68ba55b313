"""A provider that leads elsewhere: by a redirect, by its name, by the address it is listed under.

The places it leads to are real listeners of loopback; each of these tests ends with the look that
nobody has connected there.
"""

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.gateway import provider_http
from api.gateway.outbound import OutboundPolicy, OutboundRefused
from api.gateway.provider_http import ProviderClient
from api.gateway.submit import ActSubmitter
from crypto.errors import RequestRefused
from ledger.settings import Settings
from tests.gateway.city import OTHER_NODE, openapi
from tests.gateway.conftest import Raw, World
from tests.gateway.test_gateway_provider import envelope, signed

#: Who connects to it reaches this host.
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the gateway must not call it
STATUSES = (300, 301, 302, 303, 305, 307, 308)


class Trap:
    """A service of loopback that nobody may reach."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def is_untouched(self) -> bool:
        """Tell whether nobody has connected, as the system's queue shows it."""
        return select.select([self.socket], [], [], 0.05)[0] == []


@contextmanager
def trap() -> Iterator[Trap]:
    made = Trap()
    try:
        yield made
    finally:
        made.socket.close()


def redirect(status: int, location: str) -> Raw:
    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        end = ["connection: close", "content-length: 0", "", ""]
        lines = [f"HTTP/1.1 {status} X", f"location: {location}", *end]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        await asyncio.sleep(0.05)  # a body that is still on its way must not reset the answer

    return answer


@pytest.fixture(scope="module")
def grants(world: World) -> dict[str, bytes]:
    """Grants by their interface's method on the raw server, and one of a good provider."""
    city = world.city
    search = openapi("post", "/search")
    made = {
        "GET": city.grant(city.interface(node=OTHER_NODE)),
        "POST": city.grant(city.interface(search, node=OTHER_NODE)),
        "good": city.grant(city.interface()),
    }
    world.state.publish()
    return made


@pytest.fixture(autouse=True)
def _silent_afterwards(world: World) -> Iterator[None]:
    yield
    world.raw.answer = None


def client(world: World) -> ProviderClient:
    """Return what the gateway connects with."""
    assert world.gateway.data is not None
    return world.gateway.data._forwarder._client


def require_outcome(world: World, grants: dict[str, bytes], code: str, method: str = "GET") -> None:
    """Ask, and check that it ends with a recorded outcome while others are served."""
    before = len(world.events())
    answer = world.ask(grants[method])
    assert (answer.status_code, answer.json()["code"]) == (502, code), answer.text
    outcome = world.receipt(answer)
    assert (outcome["event"], outcome["result"], outcome["code"]) == ("outcome", "failed", code)
    assert outcome["response_digest"] is None
    events = [one["event"] for one in world.events()[before:] if one["event"] != "rejected"]
    assert events == ["intent", "outcome"]
    assert world.ask(grants["good"]).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_redirect_is_not_followed(
    world: World, grants: dict[str, bytes], status: int, method: str
) -> None:
    with trap() as target:
        world.raw.answer = redirect(status, f"http://127.0.0.1:{target.port}/v1/data")
        before = len(world.raw.requests)
        require_outcome(world, grants, "PROVIDER_REDIRECTED", method)
        assert len(world.raw.requests) == before + 1
        assert target.is_untouched()


@pytest.mark.parametrize("form", ["host", "name", "same scheme", "path", "user", "IPv6"])
def test_no_form_of_location_is_followed(world: World, grants: dict[str, bytes], form: str) -> None:
    with trap() as target:
        location = {
            "host": f"http://127.0.0.2:{target.port}/",
            "name": f"http://localhost:{target.port}/",
            "same scheme": f"//127.0.0.1:{target.port}/",
            "path": "/persons?number=1",
            "user": f"http://a:b@127.0.0.1:{target.port}/",
            "IPv6": f"http://[::ffff:127.0.0.1]:{target.port}/",
        }[form]
        world.raw.answer = redirect(302, location)
        before = len(world.raw.requests)
        require_outcome(world, grants, "PROVIDER_REDIRECTED")
        assert len(world.raw.requests) == before + 1
        assert target.is_untouched()


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_the_gateway_itself(
    world: World, grants: dict[str, bytes], status: int
) -> None:
    gatekeeper = world.gateway.gatekeeper
    assert gatekeeper is not None
    seen: list[str] = []
    counted = gatekeeper.rejected.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gatekeeper.rejected, "add", lambda *row: (seen.append(row), counted(*row)))
        world.raw.answer = redirect(status, f"{world.url}/v1/data")
        require_outcome(world, grants, "PROVIDER_REDIRECTED", "POST")
        assert seen == []  # an unsigned POST that came back would be counted
        world.post(b"{}", {})
        assert len(seen) == 1


def test_a_signed_redirect_is_not_followed_either(world: World, grants: dict[str, bytes]) -> None:
    with trap() as target:

        async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
            location = {"location": f"http://127.0.0.1:{target.port}/"}
            key = world.city.provider_key
            writer.write(signed(head, key, envelope(), status=302, changes=location))
            await writer.drain()

        world.raw.answer = answer
        require_outcome(world, grants, "PROVIDER_REDIRECTED")
        assert target.is_untouched()


# --- names ---------------------------------------------------------------------------------------


class Names:
    """In the place of the system's resolver: a name's addresses change from question to question.

    Attributes:
        answers: addresses to give, one list for each question; the last stays.
        asked: how often it was asked.
    """

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, _host: str, _port: int) -> list[str]:
        """Answer one question."""
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def listed_by_name(
    world: World, patch: pytest.MonkeyPatch, names: Names, port: int | None = None
) -> None:
    """List the raw server (or a port) under a name that these answers resolve."""
    patch.setattr(provider_http, "resolve", names.resolve)
    assert world.gateway.data is not None
    url = f"http://provider.example:{port or world.raw.port}"
    patch.setitem(world.gateway.data._providers, OTHER_NODE, url)


async def _good(world: World, head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(signed(head, world.city.provider_key, envelope()))
    await writer.drain()


def test_a_name_that_turns_to_another_address(
    world: World, grants: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(["127.0.0.1"], [EVERYWHERE])
    listed_by_name(world, monkeypatch, names)
    world.raw.answer = lambda head, writer: _good(world, head, writer)
    before = len(world.raw.requests)
    answer = world.ask(grants["GET"])
    assert answer.status_code == 200, answer.text
    # One question, one connection: what was checked is what was connected to.
    assert (names.asked, len(world.raw.requests)) == (1, before + 1)
    assert b"provider.example" in world.raw.requests[-1]
    require_outcome(world, grants, "PROVIDER_ADDRESS_FORBIDDEN")
    assert (names.asked, len(world.raw.requests)) == (2, before + 1)


def test_a_forbidden_address_among_good_ones_refuses_them_all(
    world: World, grants: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.raw.answer = lambda head, writer: _good(world, head, writer)
    for addresses in (["127.0.0.1", "169.254.169.254"], [EVERYWHERE, "127.0.0.1"]):
        with monkeypatch.context() as patch:
            listed_by_name(world, patch, Names(addresses))
            before = len(world.raw.requests)
            require_outcome(world, grants, "PROVIDER_ADDRESS_FORBIDDEN")
            assert len(world.raw.requests) == before


def test_a_name_without_addresses_is_not_reached(
    world: World, grants: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed_by_name(world, monkeypatch, Names([]))
    require_outcome(world, grants, "PROVIDER_UNREACHABLE")


# --- the platform's own services -----------------------------------------------------------------

SERVICES = {
    "gateway": "gateway_port",
    "api": "api_port",
    "api elsewhere": "api_url",
    "node": "node_port",
    "node elsewhere": "node_url",
    "database": "database_url",
    "log's database": "log_database_url",
    "second database": "",
}


def own_service(home: Path, service: str, port: int) -> Settings:
    """Return settings in which a service of the platform stands at a port of loopback."""
    name = SERVICES[service]
    value: dict[str, Any]
    if name.endswith("_port"):
        value = {name: port}
    elif name in {"api_url", "node_url"}:
        value = {name: f"http://127.0.0.1:{port}"}
    elif name:
        value = {name: f"postgresql+psycopg://u:p@127.0.0.1:{port}/ledger"}
    else:
        url = f"postgresql+psycopg://u:p@/ledger?host=127.0.0.1:1&host=127.0.0.1:{port}"
        value = {"database_url": url}
    return Settings(home=home, allow_loopback_providers=True, **value)


@pytest.mark.parametrize(
    ("service", "way"), [(service, way) for service in SERVICES for way in ("address", "name")]
)
def test_a_provider_listed_at_an_own_service(
    world: World,
    grants: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    service: str,
    way: str,
) -> None:
    with trap() as target:
        policy = OutboundPolicy.of(own_service(tmp_path, service, target.port))
        monkeypatch.setattr(client(world), "_policy", policy)
        assert world.gateway.data is not None
        if way == "name":
            listed_by_name(world, monkeypatch, Names(["127.0.0.1"]), target.port)
        else:
            url = f"http://127.0.0.1:{target.port}"
            monkeypatch.setitem(world.gateway.data._providers, OTHER_NODE, url)
        require_outcome(world, grants, "PROVIDER_ADDRESS_FORBIDDEN")
        assert target.is_untouched()


def test_the_default_port_of_a_database_counts(tmp_path: Path) -> None:
    for url in ("postgresql://u:p@127.0.0.1/x", "postgresql://u:p@/x?host=/run/postgresql"):
        settings = Settings(home=tmp_path, allow_loopback_providers=True, database_url=url)
        policy = OutboundPolicy.of(settings)
        policy.check("127.0.0.1", 5433)
        with pytest.raises(OutboundRefused, match="platform itself"):
            policy.check("127.0.0.1", 5432)


def test_a_database_elsewhere_is_no_provider(tmp_path: Path) -> None:
    url = "postgresql://u:p@192.0.2.7:6000/x"
    policy = OutboundPolicy.of(Settings(home=tmp_path, log_database_url=url))
    policy.check("192.0.2.7", 6001)
    policy.check("192.0.2.8", 6000)
    with pytest.raises(OutboundRefused, match="platform itself"):
        policy.check("192.0.2.7", 6000)


def test_an_own_service_at_another_address_of_this_host(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only chooses the own address
        except OSError:
            pytest.skip("this host has no address but loopback")
        address = probe.getsockname()[0]
    policy = OutboundPolicy.of(Settings(home=tmp_path, host=EVERYWHERE))
    with pytest.raises(OutboundRefused):
        policy.check(address, 8440)


# --- the ledger's api, as the gateway calls it ---------------------------------------------------


async def hand_in(world: World) -> RequestRefused:
    """Hand an act in at the raw server in the api's place; return why it was not taken."""
    url = f"http://127.0.0.1:{world.raw.port}"
    async with ActSubmitter(url, world.city.gateway, world.gateway.deployment) as submitter:
        with pytest.raises(RequestRefused) as refused:
            await submitter.submit("InterfaceTested", {}, target=bytes(32), revision=0)
    return refused.value


def test_a_redirect_of_the_api_is_not_followed(world: World) -> None:
    with trap() as target:
        world.raw.answer = redirect(307, f"http://127.0.0.1:{target.port}/")
        assert asyncio.run(hand_in(world)).code == "TEST_NOT_SUBMITTED"
        assert target.is_untouched()


def test_an_answer_of_the_api_in_pieces(world: World) -> None:
    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        body = b'{"code":"OUTBOX_FULL"}'
        writer.write(f"HTTP/1.1 409 X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body[:9])
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(body[9:])
        await writer.drain()

    world.raw.answer = answer
    assert asyncio.run(hand_in(world)).details["reason"] == "OUTBOX_FULL"


def test_an_endless_answer_of_the_api(world: World) -> None:
    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(160_000):  # ten gigabytes, were they taken
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    world.raw.answer = answer
    assert asyncio.run(hand_in(world)).code == "TEST_NOT_SUBMITTED"
