"""Where the gateway connects to: never to the platform itself, whatever form its address has."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from api.gateway.outbound import OutboundPolicy, OutboundRefused
from crypto.errors import LedgerError
from ledger.settings import Settings
from tests.gateway.city import OTHER_NODE
from tests.gateway.conftest import World

OWN = 8545


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",  # noqa: S104 - nothing listens there, nobody may be called there
        "::",
        "169.254.169.254",
        "fe80::1",
        "fe80::1%lo",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "100.100.100.200",
        "0x7f.1",
        "name",
    ],
)
def test_forbidden(host: str) -> None:
    with pytest.raises(OutboundRefused):
        OutboundPolicy([], own_ports={OWN}).check(host, 9000)
    with pytest.raises(OutboundRefused):
        OutboundPolicy([], own_ports={OWN}, allow_loopback=True).check(host, OWN)


def test_networks_and_loopback() -> None:
    policy = OutboundPolicy([ip_network("10.8.0.0/16")], own_ports={OWN}, allow_loopback=True)
    policy.check("10.8.1.1", 443)
    policy.check("127.0.0.1", 9000)
    with pytest.raises(OutboundRefused):
        policy.check("10.9.1.1", 443)


def test_a_malformed_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="PROVIDER_NETWORKS_MALFORMED"):
        OutboundPolicy.of(Settings(home=tmp_path, provider_networks="10.8.0.1/16"))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"],
)
def test_a_provider_listed_at_the_platform_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    code = "PROVIDER_ADDRESS_FORBIDDEN"
    grant = world.city.grant(world.city.interface(node=OTHER_NODE))
    good = world.city.grant(world.city.interface())
    world.state.publish()
    assert world.gateway.data is not None
    url = f"http://{host}:{world.gateway.settings.gateway_port}"
    monkeypatch.setitem(world.gateway.data._providers, OTHER_NODE, url)
    answer = world.ask(grant)
    assert (answer.status_code, answer.json()["code"]) == (502, code)
    record = world.receipt(answer)
    assert (record["event"], record["code"]) == ("outcome", code)
    assert world.ask(good).status_code == 200
