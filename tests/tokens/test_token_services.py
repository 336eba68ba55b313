"""Keys in tokens for what runs without people: the platform, a witness."""

import signal
import subprocess
from pathlib import Path

import pytest

from crypto.errors import TokenError
from crypto.sm2 import PrivateKey, verify
from ledger.settings import Settings, load_settings
from ledger.setup import load_key, make_keys
from tests.tokens.soft_token import PIN, SoftToken
from tests.tokens.test_token_commands import PROGRAM, environment


@pytest.fixture
def settings(tmp_path: Path, token: SoftToken) -> Settings:
    return load_settings(
        tmp_path / "home", platform_key=token.text(), token_pin=PIN, key_passphrase="a passphrase"
    )


def test_the_platforms_key_is_never_a_file(
    settings: Settings, token: SoftToken, operator: PrivateKey
) -> None:
    make_keys(settings, {}, iterations=2048)
    assert sorted(path.name for path in (settings.home / "keys").iterdir()) == [
        "gateway.pem",
        "relay.json",
    ]
    key = load_key(settings, "platform")
    assert key.public_key == operator.public_key
    verify(operator.public_key, b"acknowledged", key.sign(b"acknowledged"))
    assert load_key(settings, "gateway").public_key != operator.public_key


@pytest.mark.parametrize(
    ("pin", "code", "tries"), [("", "PKCS11_PIN_MISSING", 0), ("999999", "PKCS11_PIN_INVALID", 1)]
)
def test_settings_with_no_pin_or_a_wrong_one(
    settings: Settings, token: SoftToken, pin: str, code: str, tries: int
) -> None:
    changed = settings.model_copy(update={"token_pin": pin})
    for expected in (code, code if not tries else "PKCS11_PIN_COUNT_LOW"):
        with pytest.raises(TokenError) as caught:
            load_key(changed, "platform")
        assert caught.value.code == expected
    assert token.tries == tries


def test_settings_do_not_show_the_pin(settings: Settings) -> None:
    assert PIN not in repr(settings)


def test_a_witness_signs_with_a_token(
    token: SoftToken, operator: PrivateKey, tmp_path: Path
) -> None:
    away = "http://127.0.0.1:9"
    places = ["--node", away, "--api", away, "--gateway", away]
    options = ["--name", "audit", "--key", token.text()]
    process = subprocess.Popen(
        [*PROGRAM, "witness", "run", "--home", tmp_path / "witness", *options, *places],
        env=environment(SANLIAN_TOKEN_PIN=PIN, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert operator.public_key.key_id.hex() in process.stdout.readline()
    assert not (tmp_path / "witness" / "key.pem").exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
