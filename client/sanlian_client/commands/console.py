"""What the commands share: options, passphrases, output, and errors as one line with their code."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import click

from crypto.errors import LedgerError, SanlianError, TokenError, VerificationError
from crypto.sm2 import PublicKey, Signer
from protocol.deployment import Deployment
from sanlian_client.data import Gateway, Purpose
from sanlian_client.evidence import MAX_EVIDENCE_SIZE
from sanlian_client.files import read_limited
from sanlian_client.keys import load_key
from sanlian_client.log import LogClient
from sanlian_client.platform import Platform
from tokens.cryptoki import TokenFlag, TokenInfo
from tokens.key import Pin, TokenKey
from tokens.uri import SCHEME, TokenUri, parse_uri

P = ParamSpec("P")

PASSPHRASE_ENV = "SANLIAN_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
FILE = click.Path(path_type=Path, dir_okay=False)
PIN_ENV = "SANLIAN_TOKEN_PIN"
_PIN_FD = "sanlian_client.pin_fd"
_MAX_PIN_LENGTH = 255
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
receipts_option = click.option(
    "--receipts", type=DIRECTORY, required=True, help="Where receipts go. 回执目录。"
)
_FURTHER = "sanlian.further_gateways"


def _keep_further(
    context: click.Context, _option: click.Parameter, paths: tuple[Path, ...]
) -> None:
    context.meta[_FURTHER] = paths


further_option = click.option(
    "--further-deployment",
    type=FILE,
    multiple=True,
    expose_value=False,
    callback=_keep_further,
    help="deployment.json of another gateway behind the same address; several times. 其他网关。",
)
_authority = click.option(
    "--authority", default=None, help="host:port to sign for. 签名所用网关地址。"
)


def authority_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of whom a call is signed for, and whose receipts may come back."""
    return further_option(_authority(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")
_PURPOSE_OPTIONS = (
    click.option("--person", default="-", help="Pseudonym of who asks. 查询人代号。"),
    click.option("--basis", default="-", help="Legal basis. 法律依据代码。"),
    click.option("--scenario", default="-", help="Scenario. 应用场景代码。"),
    click.option("--case", default="-", help="Case number. 办件编号。"),
)
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


def open_deployment(path: Path | None) -> Deployment | None:
    """Read a deployment file, if one is given."""
    return None if path is None else Deployment.from_bytes(read_limited(path, max_bytes=65536))


def open_platform(api: str, deployment: Path | None, gateway: str | None = None) -> Platform:
    """Return the platform with the deployment that is trusted."""
    return Platform(api, gateway, deployment=open_deployment(deployment))


def further_keys() -> dict[str, PublicKey]:
    """Return the keys of the other gateways that the running command names, by their origins."""
    context = click.get_current_context(silent=True)
    paths = () if context is None else context.meta.get(_FURTHER, ())
    others = [Deployment.from_bytes(read_limited(path, max_bytes=65536)) for path in paths]
    return {one.origin: one.gateway_key for one in others}


def open_gateway(
    api: str, gateway: str, deployment: Path | None, authority: str | None = None
) -> Gateway:
    """Return the client of a gateway, whose key comes from the deployment file or the api."""
    with open_platform(api, deployment) as platform:
        info = platform.deployment()
    return Gateway(
        gateway,
        origin=info.origin,
        public_key=info.gateway_key,
        further=further_keys(),
        authority=authority,
        max_answer_size=MAX_EVIDENCE_SIZE,
    )


def open_log(api: str, gateway: str, deployment: Path | None) -> LogClient:
    """Return the reader of a gateway's log, whose key comes from the deployment file or the api."""
    with open_platform(api, deployment) as platform:
        info = platform.deployment()
    return LogClient(gateway, origin=info.origin, public_key=info.gateway_key)


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


def purpose_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say why data is asked for; the command gets them as ``purpose``."""

    @functools.wraps(command)
    def wrapped(*, person: str, basis: str, scenario: str, case: str, **options: Any) -> None:
        command(purpose=Purpose(person, basis, scenario, case), **options)

    for option in reversed(_PURPOSE_OPTIONS):
        option(wrapped)
    return wrapped
