"""What the commands share: options, output, and errors as one line with their code."""

import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from crypto.errors import SanlianError
from ledger.settings import Settings

#: Exit status of a command that could not decide, beside 0 valid and 1 invalid.
CANNOT_DECIDE = 2
FILE = click.Path(path_type=Path, dir_okay=False)
LOG_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SANLIAN_HOME",
    default=Path(".sanlian"),
    show_default=True,
    help="Home directory. 主目录。",
)
node_option = click.option(
    "--node", default=None, help="JSON-RPC URL; default: from the settings. 节点地址。"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON。")


def failure(message: str, status: int) -> click.ClickException:
    """Return the error that ends the command with one line and this exit status."""
    error = click.ClickException(message)
    error.exit_code = status  # type: ignore[misc]  # click reads it from the instance
    return error


def plain_errors(
    status: int = 1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn the project's errors into one line and this exit status."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            try:
                return command(*arguments, **options)
            except SanlianError as error:
                raise failure(str(error), status) from error
            except ValidationError as error:
                lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
                raise failure("SETTING_INVALID: " + "; ".join(lines), status) from error

        return wrapped

    return decorate


def say(line: str) -> None:
    """Print a line with the time of day, at once."""
    click.echo(f"{time.strftime('%H:%M:%S')}  {line}")
    sys.stdout.flush()


def say_nothing(_line: str) -> None:
    """Keep quiet where only JSON is wanted."""


def read_file(path: Path, limit: int) -> bytes:
    """Return a file's bytes; one that cannot be read, or is longer, ends the command."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise failure(f"FILE_UNREADABLE: {path}", CANNOT_DECIDE) from error
    if len(data) > limit:
        raise failure(f"FILE_TOO_LARGE: {path} has more than {limit} bytes", CANNOT_DECIDE)
    return data


def with_node(settings: Settings, node: str | None) -> Settings:
    """Return the settings with the node that the command names, if it names one."""
    return settings if node is None else settings.model_copy(update={"node_url": node})


def with_gateway(settings: Settings, port: int | None) -> Settings:
    """Return the settings with the gateway's port that the command names, if it names one."""
    return settings if port is None else settings.model_copy(update={"gateway_port": port})
