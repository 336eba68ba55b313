"""Interfaces from registration over the gateway's test to retirement (domain section 5)."""

import pytest

from protocol.acts import ZERO_ID
from protocol.description import Role
from tests.contracts.city import CITY_HEAD, City, digest, key
from tests.contracts.test_rules import HEAD, OFFICER, OPERATOR, REASON, attempt, value_refused

GATEWAY = ("gateway",)
DOCUMENT = digest("interface document")


@pytest.fixture
def registered(city: City) -> bytes:
    """A further interface whose first version waits for its test."""
    return city.do("InterfaceRegistered", (OPERATOR,), **city.interface_values())


def test_registered_tested_online_suspended_retired(city: City, registered: bytes) -> None:
    online = ("InterfaceOnline", (OFFICER,), registered)
    assert attempt(city, *online, document=DOCUMENT) == "INTERFACE_NOT_TESTED"
    city.do("InterfaceTested", GATEWAY, registered, **city.tested_values())
    assert city.read("Interfaces", "interfaceView", registered)[0][4] is False
    city.do(*online, document=DOCUMENT)
    assert city.read("Interfaces", "interfaceView", registered)[0][4] is True
    city.do("InterfaceSuspended", (OFFICER,), registered, reason=REASON)
    city.do("InterfaceResumed", (OFFICER,), registered)
    city.do("InterfaceRetired", (OFFICER,), registered, reason=REASON)
    tested = attempt(city, "InterfaceTested", GATEWAY, registered, **city.tested_values())
    assert tested == "STATE_INVALID"


def test_a_failed_test_keeps_it_offline_until_one_passes(city: City, registered: bytes) -> None:
    online = ("InterfaceOnline", (OFFICER,), registered)
    city.do("InterfaceTested", GATEWAY, registered, **city.tested_values(test_result=2))
    assert attempt(city, *online, document=DOCUMENT) == "INTERFACE_NOT_TESTED"
    city.do("InterfaceTested", GATEWAY, registered, **city.tested_values())
    city.do("InterfaceTested", GATEWAY, registered, **city.tested_values(test_result=2))
    assert attempt(city, *online, document=DOCUMENT) == "INTERFACE_NOT_TESTED"
    city.do("InterfaceTested", GATEWAY, registered, **city.tested_values())
    city.do(*online, document=DOCUMENT)


def test_every_version_is_tested_anew(city: City) -> None:
    interface = city.ids["interface"]
    words = city.interface_values(items=0b1)
    city.do("InterfaceRegistered", (OPERATOR,), interface, **words)
    city.do("InterfaceTested", GATEWAY, interface, **city.tested_values())
    # Registered again, even with the very same description: it might return something else.
    city.do("InterfaceRegistered", (OPERATOR,), interface, **words)
    untested = attempt(city, "InterfaceOnline", (OFFICER,), interface, document=DOCUMENT)
    assert untested == "INTERFACE_NOT_TESTED"
    # The version online goes on meanwhile.
    assert city.read("Requests", "isLive", city.ids["grant"], city.now()) == (True,)


def test_a_test_is_of_the_registration_that_the_gateway_saw(city: City, registered: bytes) -> None:
    signed = city.sign("InterfaceTested", GATEWAY, registered, **city.tested_values())
    city.do("InterfaceRegistered", (OPERATOR,), registered, **city.interface_values(items=0b1))
    with pytest.raises(Exception, match="STALE_REVISION"):
        city.record(signed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("document", digest("other")),
        ("test_result", 0),
        ("test_result", 3),
        ("log", digest("no log")),
        ("log", ZERO_ID),
        ("report", ZERO_ID),
    ],
)
def test_interface_tested_values(city: City, registered: bytes, field: str, value: object) -> None:
    words = city.tested_values(**{field: value})
    assert value_refused(city, "InterfaceTested", GATEWAY, registered, words) == (
        "VALUE_INVALID",
        "InterfaceTested",
        field,
    )


def test_nobody_tests_an_interface_but_a_gateway(city: City, registered: bytes) -> None:
    city.enrol("platform", CITY_HEAD, Role.PLATFORM)
    for signer in (OPERATOR, OFFICER, HEAD, "authority 1", "platform"):
        code = attempt(city, "InterfaceTested", (signer,), registered, **city.tested_values())
        assert code == "ROLE_MISSING"


def test_a_provider_cannot_enrol_its_own_tester(city: City, registered: bytes) -> None:
    """Any head can give the role GATEWAY; only the authority registers a gateway's log."""
    city.enrol("own gateway", HEAD, Role.GATEWAY)
    own = ("own gateway",)
    for log in (city.ids["log"], ZERO_ID):
        words = city.tested_values(log=log)
        found = value_refused(city, "InterfaceTested", own, registered, words)
        assert found == ("VALUE_INVALID", "InterfaceTested", "log")
    city.ids["own log"] = city.do(
        "LogRegistered",
        ("authority 1", "own gateway"),
        gateway_key=key("own gateway").public_key.key_id,
        origin="log.city/own",
    )
    # Nor does one gateway speak for another's log.
    words = city.tested_values(log=city.ids["own log"])
    assert value_refused(city, "InterfaceTested", GATEWAY, registered, words)[2] == "log"
    city.do("InterfaceTested", own, registered, **words)


def test_a_gateway_that_lost_its_role_tests_nothing(city: City, registered: bytes) -> None:
    city.do("PersonRolesSet", (CITY_HEAD,), city.ids["gateway"], roles=int(Role.PLATFORM))
    code = attempt(city, "InterfaceTested", GATEWAY, registered, **city.tested_values())
    assert code == "ROLE_MISSING"
