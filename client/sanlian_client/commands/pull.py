"""Command `sanlian-client data pull`."""

from pathlib import Path

import click

from sanlian_client.commands.connecting import (
    api_option,
    authority_option,
    deployment_option,
    gateway_option,
    open_gateway,
)
from sanlian_client.commands.console import DIRECTORY, parse_hex, parse_object, plain_errors
from sanlian_client.commands.requesting import purpose_options, receipts_option
from sanlian_client.commands.signing import key_option, open_key, passphrase_option
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
@purpose_options
@receipts_option
@authority_option
@key_option
@passphrase_option
@api_option
@gateway_option
@deployment_option
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
    authority: str | None,
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Pull all pages under GRANT into DIRECTORY, or go on. 分页批量获取，可断点续传。"""
    signer, grant_id = open_key(key_file, passphrase), parse_hex(grant, 32, "GRANT")
    with open_gateway(api, gateway, deployment, authority) as service:
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
