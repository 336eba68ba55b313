"""Settings and shared vectors for the tests of protocol."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("sanlian", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("sanlian")

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="session")
def acts() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((VECTORS / "acts.json").read_bytes())["acts"]
    return loaded


@pytest.fixture(scope="session")
def log() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / "log.json").read_bytes())
    return loaded


@pytest.fixture(scope="session")
def http() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / "http.json").read_bytes())
    return loaded
