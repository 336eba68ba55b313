"""The module with real SM2 keys, compiled once, and tokens of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from soft_token import SoftToken

from crypto.sm2 import PrivateKey

SOURCE = Path(__file__).with_name("sm2_token.c")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a C compiler")
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("module") / "token.so"
    options = ("-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-fvisibility=hidden")
    subprocess.run([compiler, *options, "-o", target, SOURCE, "-ldl"], check=True)
    return target


@pytest.fixture
def operator() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture
def token(tmp_path: Path, compiled: Path, operator: PrivateKey) -> SoftToken:
    directory = tmp_path / "token"
    directory.mkdir()
    made = SoftToken(directory, compiled)
    made.add("operator", operator)
    return made
