"""The contracts' city, and reports from its chain."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from ledger.audit.performance import Reports, report_from_chain
from ledger.settings import Settings, load_settings
from protocol.calendar import day_of
from protocol.deployment import Deployment
from tests.contracts.city import CHAIN_ID, ORIGIN, City, key
from tests.contracts.conftest import built as built  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import city as city  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import deployed as deployed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import rpc as rpc  # noqa: PLC0414 - a fixture, shared

Report = Callable[[date, date], dict[str, Any]]


@pytest.fixture(scope="session")
def settings(built: City, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home directory whose deployment is the city's."""
    home: Path = tmp_path_factory.mktemp("performance")
    deployment = Deployment(
        chain_id=CHAIN_ID,
        contracts=dict(built.contracts),
        block=1,
        example=True,
        platform_key=PrivateKey.generate().public_key,
        gateway_key=key("gateway").public_key,
        origin=ORIGIN,
    )
    (home / "deployment.json").write_bytes(deployment.to_bytes())
    return load_settings(home).model_copy(update={"node_url": built.rpc.url})


@pytest.fixture
def report(city: City, settings: Settings) -> Report:
    """Make a report from the chain; the api's way gives the same bytes, or the test fails."""

    def make(first: date, until: date) -> dict[str, Any]:
        period = day_of(first), day_of(until)
        found = report_from_chain(settings, period, say=lambda _: None)
        deployment = Deployment.from_bytes((settings.home / "deployment.json").read_bytes())
        other = Reports(city.rpc, deployment).get(period)
        assert canonical_json(found) == canonical_json(other)
        return found

    return make
