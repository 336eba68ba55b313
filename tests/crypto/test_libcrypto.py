"""A libcrypto that does not serve is named, with its remedy, at first use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crypto import sm2
from crypto.errors import CryptoError
from crypto.libcrypto import _PROTOTYPES, REMEDY, open_library


def reason_of(*names: str) -> str:
    with pytest.raises(CryptoError) as caught:
        open_library(names)
    assert caught.value.code == "LIBCRYPTO_UNSUITABLE"
    assert REMEDY in caught.value.message
    return str(caught.value.details["reason"])


def build(tmp_path: Path, source: str) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a C compiler")
        pytest.skip("no C compiler")
    library = tmp_path / "libcrypto-test.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)],
        input=source.encode(),
        check=True,
        timeout=30,
    )
    return str(library)


def test_missing() -> None:
    assert reason_of("libcrypto-that-is-not-there.so") == "No libcrypto was found"


def test_another_library() -> None:
    assert "not OpenSSL" in reason_of("libc.so.6")


def test_too_old(tmp_path: Path) -> None:
    library = build(tmp_path, "unsigned long OpenSSL_version_num(void) { return 0x1010117fUL; }")
    assert "older than 3.0" in reason_of(library)


def test_function_missing(tmp_path: Path) -> None:
    library = build(tmp_path, "unsigned long OpenSSL_version_num(void) { return 0x30000000UL; }")
    assert "lacks the function" in reason_of(library)


@pytest.mark.parametrize("missing", ["SM2", "SM3"])
def test_one_of_the_two_is_missing(tmp_path: Path, missing: str) -> None:
    """A build configured with no-sm2 or no-sm3: every function, one algorithm less."""
    digest = "0" if missing == "SM3" else "&one"
    by_hand = {
        "OpenSSL_version_num": "unsigned long OpenSSL_version_num(void) { return 0x30000000UL; }",
        "EVP_MD_fetch": f"void *EVP_MD_fetch(void) {{ return {digest}; }}",
    }
    rest = (f"void *{name}(void) {{ return 0; }}" for name in _PROTOTYPES if name not in by_hand)
    library = build(tmp_path, "\n".join(["static int one;", *by_hand.values(), *rest]))
    assert reason_of(library) == f"The libcrypto found has no {missing}"


@pytest.mark.parametrize("at_first", ["PrivateKey.generate()", "is_valid(key, b'', signature)"])
def test_without_sm2_and_sm3(tmp_path: Path, at_first: str) -> None:
    # The library's configuration takes SM2 and SM3 away, as distributions do at build time.
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(
        "openssl_conf = init\n[init]\nalg_section = algorithms\n"
        "[algorithms]\ndefault_properties = provider=none\n"
    )
    program = (
        "from crypto.errors import CryptoError\n"
        "from crypto.sm2 import *\n"
        "key, signature = PublicKey(GX, GY), Signature(1, 1)\n"
        "try:\n"
        f"    {at_first}\n"
        "except CryptoError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENSSL_CONF": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout.startswith("LIBCRYPTO_UNSUITABLE: "), done.stderr
    assert REMEDY in done.stdout


def test_self_test_finds_a_wrong_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    sm2.run_self_test()
    monkeypatch.setattr(sm2, "digest_e", lambda *_args, **_names: bytes(32))
    with pytest.raises(CryptoError) as caught:
        sm2.run_self_test()
    assert caught.value.code == "LIBCRYPTO_UNSUITABLE"


def test_self_test_finds_a_library_that_accepts_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sm2, "_is_valid_digest", lambda *_args: True)
    with pytest.raises(CryptoError) as caught:
        sm2.run_self_test()
    assert caught.value.code == "LIBCRYPTO_UNSUITABLE"
