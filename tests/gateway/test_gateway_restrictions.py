"""Networks from which a grant may be used: declared by its sides, kept in the log, kept to."""

import asyncio
import json
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from api.gateway.gatekeeper import Gatekeeper
from api.gateway.gateway import Gateway as Server
from api.gateway.live_restrictions import LiveRestrictions
from api.gateway.restrictions import MAX_UNSETTLED, RestrictionService
from crypto.canonical import canonical_json
from crypto.errors import LedgerError, ProtocolError, RequestRefused
from crypto.keyfile import dump_private_key
from crypto.sm2 import PrivateKey
from protocol.description import Role
from protocol.httpsig import RESTRICTION_PATH, sign_request
from sanlian_client.cli import main
from sanlian_client.data import Gateway
from sanlian_client.restrictions import restrict_grant
from tests.gateway.city import BASIS, ORIGIN, SCENARIO
from tests.gateway.conftest import World
from tests.gateway.test_gateway_process import Home, Slow, home, slow

__all__ = ["home", "slow"]  # fixtures

HERE, ELSEWHERE = "127.0.0.0/8", "192.0.2.0/24"
PASSPHRASE = "a passphrase of this test"


@pytest.fixture
def grant(world: World) -> bytes:
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


def declare(world: World, grant: bytes, key: PrivateKey, *networks: str) -> dict[str, Any]:
    with Gateway(world.url, origin=ORIGIN, public_key=world.gateway.key.public_key) as gateway:
        receipt = restrict_grant(gateway, key, grant=grant, networks=networks)
    record: dict[str, Any] = json.loads(receipt.record)
    return record


def code_of(world: World, grant: bytes) -> str:
    answer = world.ask(grant)
    if answer.status_code != 200:
        assert world.receipt(answer)["source"] == "127.0.0.1"
    found: str = answer.json().get("code", "")
    return found


def test_both_sides_restrict_and_each_lifts_its_own(world: World, grant: bytes) -> None:
    city, calls = world.city, len(world.seen)
    assert code_of(world, grant) == ""
    record = declare(world, grant, city.provider_officer, ELSEWHERE, "2001:db8::/32")
    assert (record["side"], record["networks"]) == ("provider", [ELSEWHERE, "2001:db8::/32"])
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"
    assert world.events()[-1]["event"] == "denied"
    # The other side cannot open what this one closed.
    assert declare(world, grant, city.officer, HERE)["side"] == "requester"
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"
    declare(world, grant, city.officer)
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"
    declare(world, grant, city.provider_officer, HERE, ELSEWHERE)
    assert code_of(world, grant) == ""
    declare(world, grant, city.officer, ELSEWHERE)
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"
    declare(world, grant, city.officer)
    declare(world, grant, city.provider_officer)
    assert code_of(world, grant) == ""
    assert len(world.seen) == calls + 3


def test_other_grants_are_free(world: World, grant: bytes) -> None:
    other = world.city.grant(world.city.interface())
    world.state.publish()
    declare(world, grant, world.city.provider_officer, ELSEWHERE)
    assert code_of(world, other) == ""


def test_a_security_administrator_may_declare(world: World, grant: bytes) -> None:
    key = world.city.enrol(world.city.requester_head, Role.SECADMIN)
    world.state.publish()
    assert declare(world, grant, key, HERE)["side"] == "requester"


def test_nobody_else_declares(world: World, grant: bytes) -> None:
    city = world.city
    strangers = (city.operator, city.system, city.provider_key, city.stranger_system)
    for key in (*strangers, city.gateway, city.auditor, city.authority[0]):
        with pytest.raises(RequestRefused, match="RESTRICTION_NOT_ALLOWED"):
            declare(world, grant, key, ELSEWHERE)
        assert world.events()[-1]["code"] == "RESTRICTION_NOT_ALLOWED"
    with pytest.raises(RequestRefused, match="KEY_UNKNOWN"):
        declare(world, grant, PrivateKey.generate(), ELSEWHERE)
    with pytest.raises(RequestRefused, match="RESTRICTION_NOT_ALLOWED"):
        declare(world, secrets.token_bytes(32), city.officer, ELSEWHERE)
    assert code_of(world, grant) == ""


def post(world: World, grant: bytes, networks: object, **changes: Any) -> httpx.Response:
    value = {"networks": networks, "salt": secrets.token_hex(32)}
    options = {"path": RESTRICTION_PATH, "grant": grant, **changes}
    options.setdefault("nonce", secrets.token_hex(16))
    _, headers = sign_request(
        world.city.provider_officer,
        canonical_json(value),
        authority=world.authority,
        created=int(time.time()),
        **options,
    )
    return world.post(canonical_json(value), headers, RESTRICTION_PATH)


@pytest.mark.parametrize(
    "networks",
    [
        "10.0.0.0/8",
        [7],
        ["10.0.0.0"],
        ["10.0.0.1/8"],
        ["10.0.0.0/8", "10.0.0.0/8"],
        ["192.0.2.0/24", "10.0.0.0/8"],
        ["::ffff:10.0.0.0/104"],
        ["2001:DB8::/32"],
        ["2001:db8:0::/32"],
        ["fe80::%1/64"],
        ["10.0.0.0/33"],
        ["010.0.0.0/8"],
        [f"10.{number:03d}.0.0/16" for number in range(100, 133)],
    ],
)
def test_malformed_networks(world: World, grant: bytes, networks: object) -> None:
    answer = post(world, grant, networks)
    assert (answer.status_code, answer.json()["code"]) == (400, "NETWORK_MALFORMED")
    assert world.receipt(answer)["event"] == "denied"
    assert code_of(world, grant) == ""


def test_a_declaration_counts_once_and_on_its_path(world: World, grant: bytes) -> None:
    nonce = secrets.token_hex(16)
    assert post(world, grant, [HERE], nonce=nonce).status_code == 200
    assert post(world, grant, [ELSEWHERE], nonce=nonce).json()["code"] == "NONCE_REPLAYED"
    assert code_of(world, grant) == ""
    elsewhere = post(world, grant, [ELSEWHERE], path="/v1/data")
    assert elsewhere.json()["code"] in ("SIGNATURE_INVALID", "SIGNATURE_MALFORMED")
    assert code_of(world, grant) == ""


def test_a_header_is_nobody_s_address(world: World, grant: bytes) -> None:
    declare(world, grant, world.city.officer, ELSEWHERE)
    body, headers = world.sign(grant)
    answer = world.post(body, {**headers, "x-forwarded-for": "192.0.2.7"})
    assert answer.json()["code"] == "SOURCE_NOT_ALLOWED"
    assert world.receipt(answer)["source"] == "127.0.0.1"


def test_the_sdk_refuses_what_is_no_network(world: World, grant: bytes) -> None:
    with pytest.raises(ProtocolError, match="NETWORK_MALFORMED"):
        declare(world, grant, world.city.officer, "10.0.0.1/8")
    with pytest.raises(ProtocolError, match="NETWORK_MALFORMED"):
        declare(world, grant, world.city.officer, *(f"10.{n}.0.0/16" for n in range(33)))


def test_the_command(world: World, grant: bytes, tmp_path: Path) -> None:
    key = tmp_path / "officer.pem"
    key.touch(0o600)
    key.write_bytes(dump_private_key(world.city.officer, PASSPHRASE, iterations=1000))
    deployment = tmp_path / "deployment.json"
    deployment.write_bytes(world.gateway.deployment.to_bytes())
    common = ["--key", str(key), "--passphrase", PASSPHRASE, "--gateway", world.url]
    common += ["--deployment", str(deployment)]
    command = ["restrict", grant.hex(), "--network", ELSEWHERE, *common]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"
    assert CliRunner().invoke(main, ["restrict", grant.hex(), *common]).exit_code == 0
    assert code_of(world, grant) == ""


def test_what_cannot_be_written_counts_all_the_same(
    world: World, grant: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush fails and may yet have persisted: the gateway cannot know which networks hold."""
    server: Server = world.gateway
    assert server.writer is not None
    write = server.writer.write

    async def fail(draft: Any, **options: Any) -> Any:
        if draft["event"] == "restricted":
            await asyncio.sleep(0)
            raise LedgerError("LOG_WRITE_FAILED", "the disk is full")
        return await write(draft, **options)

    with monkeypatch.context() as patch:
        patch.setattr(server.writer, "write", fail)
        assert post(world, grant, [ELSEWHERE]).json()["code"] == "LOG_WRITE_FAILED"
    assert code_of(world, grant) == "SOURCE_NOT_ALLOWED"


def test_failing_for_long_takes_no_memory_without_end() -> None:
    live = LiveRestrictions([])
    for _ in range(MAX_UNSETTLED):
        live.begin({"request": {"grant": "00"}, "side": "provider", "networks": [HERE]})
    gatekeeper: Gatekeeper = object.__new__(Gatekeeper)
    incoming: Any = None
    with pytest.raises(LedgerError, match="GATEWAY_BUSY"):
        asyncio.run(RestrictionService(gatekeeper, live).handle(incoming))


@pytest.fixture
def behind_a_proxy(home: Home) -> Home:
    """A gateway that believes a proxy on this machine."""
    settings = home.directory / "settings.toml"
    more = 'head_max_age_s = 3600\ntrusted_proxies = "127.0.0.1/32,10.9.0.0/16"\n'
    settings.write_text(settings.read_text() + more)
    return home


def ask_from(home: Home, claimed: str | None) -> tuple[str, str]:
    """Ask as the proxy passes it on; return the code and the recorded source."""
    body = canonical_json({"parameters": {"number": "1"}, "salt": secrets.token_hex(32)})
    _, headers = sign_request(
        home.city.system,
        body,
        authority=f"127.0.0.1:{home.port}",
        path="/v1/data",
        created=int(time.time()),
        nonce=secrets.token_hex(16),
        grant=home.grant,
        basis=BASIS,
        scenario=SCENARIO,
    )
    if claimed is not None:
        headers["x-forwarded-for"] = claimed
    url = f"http://127.0.0.1:{home.port}/v1/data"
    answer = httpx.post(url, content=body, headers=headers, timeout=30)
    begun = [r for r in home.events() if r["event"] in ("intent", "denied")]
    return answer.json().get("code", ""), begun[-1]["source"]


def test_declared_killed_and_started_again(behind_a_proxy: Home, slow: Slow) -> None:
    home = behind_a_proxy
    home.start()
    url, key = f"http://127.0.0.1:{home.port}", home.city.gateway.public_key
    assert ask_from(home, "198.51.100.7") == ("", "198.51.100.7")
    with Gateway(url, origin=ORIGIN, public_key=key) as gateway:
        restrict_grant(
            gateway,
            home.city.provider_officer,
            grant=home.grant,
            networks=["10.1.0.0/16", "2001:db8:1::/48"],
        )
    assert home.stop(signal.SIGKILL) == -signal.SIGKILL
    home.start()
    no = "SOURCE_NOT_ALLOWED"
    for claimed, expected in {
        "10.1.2.3": ("", "10.1.2.3"),
        "::ffff:10.1.2.3": ("", "10.1.2.3"),
        "2001:db8:1::5": ("", "2001:db8:1::5"),
        "2001:db8:2::5": (no, "2001:db8:2::5"),
        "10.2.0.1": (no, "10.2.0.1"),
        # What stands before the last address, its sender wrote.
        "198.51.100.7, 10.1.2.3": ("", "10.1.2.3"),
        "10.1.2.3, 198.51.100.7": (no, "198.51.100.7"),
        # A second proxy that is believed too.
        "10.1.2.3, 10.9.0.1": ("", "10.1.2.3"),
        "198.51.100.7,10.1.2.3,10.9.0.1": ("", "10.1.2.3"),
        "10.1.2.3, somebody": (no, "unknown"),
        "10.1.2.3,": (no, "unknown"),
        None: (no, "127.0.0.1"),
    }.items():
        assert ask_from(home, claimed) == expected, claimed
    home.stop(signal.SIGTERM)
