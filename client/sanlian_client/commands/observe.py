"""Command `sanlian-client observe`."""

from pathlib import Path

import click

from protocol.observation import MAX_BATCH_RECORDS
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import further_option
from sanlian_client.commands.console import DIRECTORY, FILE, json_option, plain_errors
from sanlian_client.observe import hand_in, read_columns, read_records, to_json


@click.command("observe")
@click.argument("file", type=FILE)
@click.option(
    "--receipts",
    type=DIRECTORY,
    required=True,
    help="Directory for the receipts of this log; a run goes on from it. 回执目录。",
)
@click.option(
    "--columns",
    type=FILE,
    default=None,
    help="FILE is CSV; JSON file that names the column of each member. 列映射文件。",
)
@click.option(
    "--batch",
    type=click.IntRange(1, MAX_BATCH_RECORDS),
    default=MAX_BATCH_RECORDS,
    show_default=True,
    help="Records to a batch. 每批记录数。",
)
@further_option
@caller_options
@json_option
@plain_errors
def observe(
    *,
    file: Path,
    receipts: Path,
    columns: Path | None,
    batch: int,
    caller: Caller,
    as_json: bool,
) -> None:
    """Hand in the access log FILE of an existing exchange platform. 提交既有交换平台的访问日志。

    Ends with 1 when records were refused; each is named with its line.
    """
    mapping = None if columns is None else read_columns(columns)
    key = caller.open_key()
    kept = refused = 0
    with caller.open_gateway() as service:
        for one in hand_in(service, key, read_records(file, mapping), receipts, batch_size=batch):
            kept += one.kept
            refused += len(one.refused)
            if as_json:
                click.echo(to_json(one))
                continue
            for line, code in one.refused:
                click.echo(f"line {line}: {code}", err=True)
            click.echo(f"to line {one.last}: {kept} kept, {refused} refused 已接收 {kept} 条")
    if refused:
        raise click.exceptions.Exit(1)
