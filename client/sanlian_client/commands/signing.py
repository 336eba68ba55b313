"""How a command gets the key that signs: its options, and questions at the terminal."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click

from crypto.errors import LedgerError, TokenError
from crypto.sm2 import Signer
from sanlian_client.keys import load_key
from tokens.cryptoki import TokenFlag, TokenInfo
from tokens.key import Pin, TokenKey
from tokens.uri import SCHEME, TokenUri, parse_uri

P = ParamSpec("P")
PASSPHRASE_ENV = "SANLIAN_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
PIN_ENV = "SANLIAN_TOKEN_PIN"
_PIN_FD = "sanlian_client.pin_fd"
_MAX_PIN_LENGTH = 255


def _keep_pin_fd(context: click.Context, _: click.Parameter, number: int | None) -> None:
    context.meta[_PIN_FD] = number


pin_option = click.option(
    "--pin-fd",
    type=click.IntRange(min=0),
    default=None,
    expose_value=False,
    callback=_keep_pin_fd,
    help=f"Descriptor to read a token's PIN from; else {PIN_ENV}, or typed. PIN 的文件描述符。",
)


def key_option(function: Callable[P, None]) -> Callable[P, None]:
    """Add the option of the key that signs, and where its PIN comes from."""
    option = click.option(
        "--key",
        "key_file",
        required=True,
        help="Key file, or pkcs11: URI of a key in a token. 密钥文件或令牌密钥。",
    )
    return option(pin_option(function))


passphrase_option = click.option(
    "--passphrase",
    envvar=PASSPHRASE_ENV,
    default=None,
    help=f"Passphrase; better in {PASSPHRASE_ENV}, or typed when asked. 口令。",
)


def ask_passphrase(passphrase: str | None, *, new: bool = False) -> str:
    """Return the passphrase from option or environment, else ask at the terminal.

    Raises:
        LedgerError: PASSPHRASE_MISSING when nobody can be asked.
    """
    if passphrase is not None:
        return passphrase
    if not sys.stdin.isatty():
        raise LedgerError("PASSPHRASE_MISSING", f"give the passphrase in {PASSPHRASE_ENV}")
    asked: str = click.prompt("Passphrase 口令", hide_input=True, confirmation_prompt=new)
    return asked


def ask_pin(info: TokenInfo) -> Pin:
    """Return a token's PIN from --pin-fd or the environment, else ask at the terminal.

    Raises:
        TokenError: PKCS11_PIN_MISSING when nobody can be asked.
    """
    context = click.get_current_context(silent=True)
    number = None if context is None else context.meta.get(_PIN_FD)
    if number is not None:
        return Pin(_read_pin(number), typed=False)
    given = os.environ.get(PIN_ENV)
    if given is not None:
        return Pin(given.encode(), typed=False)
    if not sys.stdin.isatty():
        raise TokenError("PKCS11_PIN_MISSING", f"give the PIN by --pin-fd or in {PIN_ENV}")
    if info.flags & TokenFlag.USER_PIN_FINAL_TRY:
        click.echo("One more wrong PIN locks this token. 再输错一次将锁定令牌。", err=True)
    asked: str = click.prompt(f"PIN of {info.label} 令牌口令", hide_input=True, err=True)
    return Pin(asked.encode(), typed=True)


def _read_pin(number: int) -> bytes:
    data = b""
    try:
        while len(data) <= _MAX_PIN_LENGTH and not data.endswith(b"\n"):
            piece = os.read(number, _MAX_PIN_LENGTH + 1 - len(data))
            if not piece:
                break
            data += piece
    except OSError:
        data = b""
    pin = data.removesuffix(b"\n")
    if not 0 < len(pin) <= _MAX_PIN_LENGTH:
        raise TokenError("PKCS11_PIN_MISSING", f"descriptor {number} gives no PIN")
    return pin


def is_token_key(key: str) -> bool:
    """Return whether a key is named by a pkcs11: URI, not by a file."""
    return key.startswith(SCHEME)


def open_key(key: str, passphrase: str | None) -> Signer:
    """Open a key file or a token's key, asking for passphrase or PIN if need be."""
    if is_token_key(key):
        return open_token_key(parse_uri(key))
    return load_key(Path(key), ask_passphrase(passphrase))


def open_token_key(uri: TokenUri) -> TokenKey:
    """Open a token's key, asking for the PIN if need be."""
    return TokenKey(uri, ask_pin)
