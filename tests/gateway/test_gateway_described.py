"""Whatever the gateway's description allows or forbids is answered as it says, never with 5xx."""

import re
from pathlib import Path
from typing import Any

import pytest

from api.gateway.description import describe
from tests.described import require_as_described
from tests.gateway.conftest import World

#: A signature covers the body, the time and a nonce: no schema can tell which one fits.
SIGNED = {
    f"POST {path}": ["positive_data_acceptance"]
    for path, item in describe()["paths"].items()
    if "post" in item
}


@pytest.fixture(scope="module")
def filled(world: World, evidence: None) -> World:
    """A gateway whose log holds some records."""
    grant = world.city.grant(world.city.interface())
    world.state.publish()
    for _ in range(5):
        assert world.ask(grant).status_code == 200
    return world


def test_the_gateway_answers_as_described(filled: World, tmp_path: Path) -> None:
    require_as_described(filled.url, tmp_path, max_examples=4, without=SIGNED)


@pytest.mark.full
def test_the_gateway_answers_as_described_for_long(filled: World, tmp_path: Path) -> None:
    require_as_described(filled.url, tmp_path, max_examples=40, seed=1, without=SIGNED)


def test_the_description_names_every_route(world: World) -> None:
    document: dict[str, Any] = world.http.get(f"{world.url}/openapi.json").json()
    assert document == describe()
    ids = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(set(ids)) == len(ids)
    source = (Path(__file__).parents[2] / "api/gateway/app.py").read_text(encoding="utf-8")
    assert len(re.findall(r"app\.add_route\(", source)) == 19
    # Four paths stand for the one route of tiles; the description does not describe itself.
    assert len(document["paths"]) == 19 - 1 - 1 + 4
