"""What the commands share: options, passphrases, output, and errors as one line with their code."""

import functools
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import click

from crypto.errors import LedgerError, SanlianError, VerificationError
from crypto.sm2 import PrivateKey
from protocol.deployment import Deployment
from sanlian_client.files import read_limited
from sanlian_client.keys import load_key
from sanlian_client.platform import Platform

P = ParamSpec("P")

PASSPHRASE_ENV = "SANLIAN_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, file_okay=False)

api_option = click.option(
    "--api",
    default="http://127.0.0.1:8440",
    show_default=True,
    help="URL of the api. 平台接口地址。",
)
gateway_option = click.option(
    "--gateway",
    default="http://127.0.0.1:8441",
    show_default=True,
    help="URL of the gateway. 网关地址。",
)
deployment_option = click.option(
    "--deployment",
    type=FILE,
    default=None,
    help="deployment.json from the authority; without it the api is believed. 部署文件。",
)
key_option = click.option(
    "--key", "key_file", type=FILE, required=True, help="Key file. 密钥文件。"
)
passphrase_option = click.option(
    "--passphrase",
    envvar=PASSPHRASE_ENV,
    default=None,
    help=f"Passphrase; better in {PASSPHRASE_ENV}, or typed when asked. 口令。",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")
language_option = click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="Language. 语言。",
)


def fail(error: SanlianError, *, status: int = 1) -> "click.exceptions.Exit":
    """Print an error as `code: message` and return the exit with its status."""
    click.echo(f"{error.code}: {error.message}", err=True)
    return click.exceptions.Exit(status)


def plain_errors(function: Callable[P, None]) -> Callable[P, None]:
    """Let a command end with one line instead of a stack trace."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except SanlianError as error:
            raise fail(error) from None

    return wrapped


def verdict_errors(function: Callable[P, None]) -> Callable[P, None]:
    """The same for verifiers: 1 invalid, 2 cannot decide."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except VerificationError as error:
            raise fail(error) from None
        except SanlianError as error:
            raise fail(error, status=2) from None

    return wrapped


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


def open_key(key_file: Path, passphrase: str | None) -> PrivateKey:
    """Open a key file, asking for the passphrase if need be."""
    return load_key(key_file, ask_passphrase(passphrase))


def open_deployment(path: Path | None) -> Deployment | None:
    """Read a deployment file, if one is given."""
    return None if path is None else Deployment.from_bytes(read_limited(path, max_bytes=65536))


def open_platform(api: str, deployment: Path | None, gateway: str | None = None) -> Platform:
    """Return the platform with the deployment that is trusted."""
    return Platform(api, gateway, deployment=open_deployment(deployment))


def parse_hex(text: str, size: int, what: str) -> bytes:
    """Return bytes given in hex on the command line.

    Raises:
        click.BadParameter: it is not so many bytes of hex.
    """
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != size or text != text.lower():
        raise click.BadParameter(f"{what} is {2 * size} hex digits")
    return raw


def parse_object(text: str, what: str) -> dict[str, Any]:
    """Return a JSON object given on the command line."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise click.BadParameter(f"{what} is a JSON object")
    return value


def show(value: Mapping[str, Any], *, as_json: bool) -> None:
    """Print members as JSON or as lines."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False))
        return
    for name, member in value.items():
        click.echo(f"{name}: {member}")


def wait_seconds(seconds: float) -> None:
    """Wait between two rounds of a command that follows something."""
    time.sleep(seconds)
