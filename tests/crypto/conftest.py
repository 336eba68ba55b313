"""Shared vectors, keys and outside programs for the tests of crypto."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from crypto.sm2 import PrivateKey

settings.register_profile("sanlian", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("sanlian")

VECTORS = Path(__file__).parents[1] / "vectors" / "sm.json"


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_bytes())
    return loaded


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs the openssl command")
        pytest.skip("the openssl command is not installed")
    return found
