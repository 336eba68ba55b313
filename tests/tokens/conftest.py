"""The module with real SM2 keys, compiled once, and tokens of it."""

from pathlib import Path

import pytest

from crypto.sm2 import PrivateKey
from tests.tokens.soft_token import SoftToken, compile_module


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_module(tmp_path_factory.mktemp("module"))


@pytest.fixture
def operator() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture
def token(tmp_path: Path, compiled: Path, operator: PrivateKey) -> SoftToken:
    made = SoftToken(tmp_path / "token", compiled)
    made.add("operator", operator)
    return made
