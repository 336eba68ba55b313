"""Options of the commands that ask for data: what for, and where receipts go."""

import functools
from collections.abc import Callable
from typing import Any

import click

from sanlian_client.commands.calling import caller_options
from sanlian_client.commands.connecting import authority_option
from sanlian_client.commands.console import DIRECTORY
from sanlian_client.data import Purpose

receipts_option = click.option(
    "--receipts", type=DIRECTORY, required=True, help="Where receipts go. 回执目录。"
)
_PURPOSE_OPTIONS = (
    click.option("--person", default="-", help="Pseudonym of who asks. 查询人代号。"),
    click.option("--basis", default="-", help="Legal basis. 法律依据代码。"),
    click.option("--scenario", default="-", help="Scenario. 应用场景代码。"),
    click.option("--case", default="-", help="Case number. 办件编号。"),
)


def purpose_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say why data is asked for; the command gets them as ``purpose``."""

    @functools.wraps(command)
    def wrapped(*, person: str, basis: str, scenario: str, case: str, **options: Any) -> None:
        command(purpose=Purpose(person, basis, scenario, case), **options)

    for option in reversed(_PURPOSE_OPTIONS):
        option(wrapped)
    return wrapped


def request_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options of a data request; the command gets ``purpose``, ``receipts``, ``caller``."""
    return purpose_options(receipts_option(authority_option(caller_options(command))))
