"""Keys over time at the gateway: the key's state when the request is decided."""

import time
from typing import Any

import pytest

from crypto.sm2 import PrivateKey
from protocol.description import Role
from tests.gateway.city import City
from tests.gateway.conftest import World


@pytest.fixture(scope="module")
def grant(world: World) -> bytes:
    """A live grant."""
    found = world.city.grant(world.city.interface())
    world.state.publish()
    return found


def change(city: City, name: str, signer: PrivateKey, of: PrivateKey, **values: Any) -> None:
    """Do something with a key."""
    target = of.public_key.key_id
    found = city.store.find_key(target)
    assert found is not None
    city.act(name, [signer], values, target=target, revision=found.revision)


def bind(city: City, head: PrivateKey, of: PrivateKey, not_after: int) -> None:
    """Bind a certificate that ends at a time."""
    words = {"issuer": b"\1" * 32, "serial": 1, "certificate": b"\2" * 32}
    change(city, "CertificateBound", head, of, **words, not_after=not_after)


def test_a_suspended_requester_is_denied_and_recorded(world: World, grant: bytes) -> None:
    city = world.city
    key = city.enrol(city.requester_head, Role.SYSTEM)
    world.state.publish()
    assert world.ask(grant, key=key).status_code == 200
    change(city, "KeySuspended", key, key, reason_code=3)
    world.state.publish()
    denied = world.ask(grant, key=key)
    assert denied.json()["code"] == "KEY_NOT_ACTIVE"
    record = world.receipt(denied)
    assert (record["event"], record["code"]) == ("denied", "KEY_NOT_ACTIVE")
    assert record["department"] == city.requester.hex()
    change(city, "KeyResumed", city.requester_head, key)
    world.state.publish()
    assert world.ask(grant, key=key).status_code == 200


def test_a_key_expires_at_the_gateways_clock(world: World, grant: bytes) -> None:
    """No act and no block is needed: the same state denies once the time has passed."""
    city = world.city
    key = city.enrol(city.requester_head, Role.SYSTEM)
    until = int(time.time()) + 2
    bind(city, city.requester_head, key, until)
    world.state.publish()
    time.sleep(max(0.0, until + 1.1 - time.time()))
    denied = world.ask(grant, key=key)
    assert denied.json()["code"] == "KEY_EXPIRED"
    assert world.receipt(denied)["code"] == "KEY_EXPIRED"
    bind(city, city.requester_head, key, until + 3600)
    world.state.publish()
    assert world.ask(grant, key=key).status_code == 200


def test_a_stopped_provider_releases_nothing(world: World, grant: bytes) -> None:
    city = world.city
    change(city, "KeySuspended", city.provider_head, city.provider_key, reason_code=2)
    world.state.publish()
    answer = world.ask(grant)
    assert answer.json()["code"] == "PROVIDER_KEY_UNKNOWN"
    assert world.receipt(answer)["result"] == "failed"
    change(city, "KeyResumed", city.provider_head, city.provider_key)
    world.state.publish()
    assert world.ask(grant).status_code == 200
