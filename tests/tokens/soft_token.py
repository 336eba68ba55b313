"""A token of the tests: a copy of the compiled module in a directory of its own, with its state."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from crypto.sm2 import PrivateKey
from tokens.cryptoki import TokenInfo
from tokens.key import Pin
from tokens.uri import TokenUri, parse_uri

PIN = "123456"
SOURCE = Path(__file__).with_name("sm2_token.c")


def compile_module(directory: Path) -> Path:
    """Compile the module; no compiler is a visible skip, and a failure under CI."""
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a C compiler")
        pytest.skip("no C compiler")
    target = directory / "token.so"
    options = ("-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-fvisibility=hidden")
    subprocess.run([compiler, *options, "-o", target, SOURCE, "-ldl"], check=True)
    return target


class SoftToken:
    """One token; its switches are described in sm2_token.c."""

    def __init__(self, directory: Path, compiled: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.module = directory / "token.so"
        # Another file is another library to the linker: each test has a module of its own.
        shutil.copyfile(compiled, self.module)

    def add(self, label: str, key: PrivateKey, cka_id: bytes = b"\x01") -> None:
        point = b"\x04" + key.public_key.to_bytes()
        values = (label, cka_id.hex() or "-", f"{key.to_int():064x}", point.hex())
        number = len(list(self.directory.glob("key-*")))
        (self.directory / f"key-{number}").write_text(" ".join(values) + "\n")

    def switch(self, name: str, *, on: bool = True, text: str = "") -> None:
        if on:
            (self.directory / name).write_text(text)
        else:
            (self.directory / name).unlink()

    @property
    def tries(self) -> int:
        """How often a PIN was tried."""
        file = self.directory / "logins"
        return file.stat().st_size if file.exists() else 0

    def text(self, path: str = "token=ministry;object=operator", query: str = "sm2=8104") -> str:
        joined = "&".join(filter(None, (f"module-path={self.module}", query)))
        return f"pkcs11:{path}?{joined}"

    def uri(
        self, path: str = "token=ministry;object=operator", query: str = "sm2=8104"
    ) -> TokenUri:
        return parse_uri(self.text(path, query))


class Asked:
    """Gives a PIN and counts how often it was asked for."""

    def __init__(self, pin: str = PIN, *, typed: bool = False) -> None:
        self.pin = Pin(pin.encode(), typed=typed)
        self.count = 0

    def __call__(self, _: TokenInfo) -> Pin:
        self.count += 1
        return self.pin
