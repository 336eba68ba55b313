"""Another maker's module: SoftHSM, which has no SM2, for everything before the signature.

Debian's SoftHSM knows elliptic curves by OpenSSL's names, so it can hold a key pair on the SM2
curve; its mechanisms cannot sign with it as SM2 does.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from crypto.errors import TokenError
from tests.tokens.soft_token import Asked
from tokens.key import TokenKey, generate_key, list_keys, list_tokens
from tokens.uri import TokenUri, parse_uri

PIN = "246813"
ECDSA = "sm2-mechanism=0x1041&sm2-input=digest&sm2-output=raw"


def find_softhsm() -> Path | None:
    places = (Path("/usr/lib/softhsm"), Path("/usr/lib64"), *Path("/usr/lib").glob("*/softhsm"))
    modules = (place / "libsofthsm2.so" for place in places)
    return next((module for module in modules if module.exists()), None)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, tool = find_softhsm(), shutil.which("softhsm2-util")
    if found is None or tool is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs softhsm2")
        pytest.skip("softhsm2 is not installed")
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {directory / 'tokens'}\nobjectstore.backend = file\n"
    )
    # The module reads this when it is loaded, once in this process.
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    initialise = [tool, "--init-token", "--free", "--label", "soft", "--so-pin", "87654321"]
    subprocess.run([*initialise, "--pin", PIN], check=True, capture_output=True)
    return found


def uri(module: Path, path: str = "token=soft;object=made", query: str = ECDSA) -> TokenUri:
    return parse_uri(f"pkcs11:{path}?module-path={module}&{query}")


def code_of(uri: TokenUri, asked: Asked) -> str:
    with pytest.raises(TokenError) as caught:
        TokenKey(uri, asked)
    return caught.value.code


def test_what_it_says_of_itself(module: Path) -> None:
    [(info, mechanisms)] = [one for one in list_tokens(module) if one[0].label == "soft"]
    assert "SoftHSM" in info.model
    assert 0x1041 in mechanisms
    assert list_keys(uri(module, "token=soft")) == []


def test_tokens_keys_and_mechanisms_that_are_not_there(module: Path) -> None:
    asked = Asked(PIN)
    assert code_of(uri(module, "token=other"), asked) == "PKCS11_TOKEN_UNKNOWN"
    assert code_of(uri(module, query="sm2=8104"), asked) == "PKCS11_MECHANISM_UNSUPPORTED"
    assert asked.count == 0
    assert code_of(uri(module, "token=soft;object=nobody"), asked) == "PKCS11_KEY_UNKNOWN"


def test_a_wrong_pin_and_a_persons_right_one(module: Path) -> None:
    missing = uri(module, "token=soft;object=nobody")
    assert code_of(missing, Asked("000000")) == "PKCS11_PIN_INVALID"
    assert code_of(missing, Asked(PIN)) == "PKCS11_PIN_COUNT_LOW"
    assert code_of(missing, Asked(PIN, typed=True)) == "PKCS11_KEY_UNKNOWN"
    assert code_of(missing, Asked(PIN)) == "PKCS11_KEY_UNKNOWN"


def test_its_key_on_the_curve_signs_no_sm2(module: Path) -> None:
    """Generation, attributes and C_Sign are real; ECDSA is not SM2, and that is found out."""
    with pytest.raises(TokenError) as caught:
        generate_key(uri(module), Asked(PIN), cka_id=b"\x01\x02")
    assert caught.value.code == "PKCS11_SIGNATURE_WRONG"
    [found] = list_keys(uri(module))
    assert (found.label, found.cka_id) == ("made", b"\x01\x02")
    with TokenKey(uri(module, "token=soft;id=%01%02"), Asked(PIN)) as key:
        assert key.public_key == found.public_key
