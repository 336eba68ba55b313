"""Command `sanlian rebuild`: the database made anew from the chain."""

from pathlib import Path

import click

from ledger.commands.console import home_option, node_option, plain_errors, say, with_node
from ledger.processes import node_running
from ledger.settings import load_settings


@click.command()
@home_option
@node_option
@plain_errors()
def rebuild(home: Path, node: str | None) -> None:
    """Rebuild the database from the chain alone; stop the api first. 由链重建数据库。"""
    from ledger.rebuild import rebuild as rebuild_database  # noqa: PLC0415 - the same

    settings = with_node(load_settings(home.absolute()), node)
    with node_running(settings, say):
        rebuild_database(settings, say)
