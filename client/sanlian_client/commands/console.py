"""What all commands share: kinds of arguments, output, and errors as one line with their code."""

import functools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import click

from crypto.errors import SanlianError, VerificationError

P = ParamSpec("P")
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, file_okay=False)
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
