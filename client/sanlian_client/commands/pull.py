"""Command `sanlian-client data pull`."""

from pathlib import Path

import click

from sanlian_client.commands.calling import Caller
from sanlian_client.commands.console import DIRECTORY, parse_hex, parse_object, plain_errors
from sanlian_client.commands.requesting import request_options
from sanlian_client.data import Purpose
from sanlian_client.pull import pull_batch
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import close_transfer


@click.command("pull")
@click.argument("grant")
@click.argument("directory", type=DIRECTORY)
@click.option("--parameters", default="{}", help="JSON object. 查询参数。")
@click.option(
    "--cursor", default="cursor", show_default=True, help="Parameter to go on with. 游标参数名。"
)
@click.option(
    "--next",
    "following",
    default="next",
    show_default=True,
    help="Member with the next cursor. 下一游标字段名。",
)
@request_options
@plain_errors
def data_pull(
    *,
    grant: str,
    directory: Path,
    parameters: str,
    cursor: str,
    following: str,
    purpose: Purpose,
    receipts: Path,
    caller: Caller,
) -> None:
    """Pull all pages under GRANT into DIRECTORY, or go on. 分页批量获取，可断点续传。"""
    signer, grant_id = caller.open_key(), parse_hex(grant, 32, "GRANT")
    with caller.open_gateway() as service:
        done = pull_batch(
            service,
            signer,
            grant=grant_id,
            parameters=parse_object(parameters, "--parameters"),
            purpose=purpose,
            store=ReceiptStore(receipts),
            directory=directory,
            cursor=cursor,
            following=following,
        )
        closed = close_transfer(service, signer, grant_id, done.closing())
    click.echo(
        f"{done.pages} pages 页, {done.rows} rows 行, manifest SM3 {done.manifest_digest.hex()}, "
        f"closed by record {closed.index} 完结记录"
    )
