"""Command `sanlian-client data pull`."""

from pathlib import Path

import click

from sanlian_client.console import (
    DIRECTORY,
    api_option,
    deployment_option,
    gateway_option,
    key_option,
    open_gateway,
    open_key,
    parse_hex,
    parse_object,
    passphrase_option,
    plain_errors,
)
from sanlian_client.data import Purpose
from sanlian_client.pull import pull_batch
from sanlian_client.receipts import ReceiptStore


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
@click.option("--person", default="-", help="Pseudonym of who asks. 查询人代号。")
@click.option("--basis", default="-", help="Legal basis. 法律依据代码。")
@click.option("--scenario", default="-", help="Scenario. 应用场景代码。")
@click.option("--case", default="-", help="Case number. 办件编号。")
@click.option("--receipts", type=DIRECTORY, required=True, help="Where receipts go. 回执目录。")
@click.option("--authority", default=None, help="host:port to sign for. 签名所用网关地址。")
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
    person: str,
    basis: str,
    scenario: str,
    case: str,
    receipts: Path,
    authority: str | None,
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Pull all pages under GRANT into DIRECTORY, or go on. 分页批量获取，可断点续传。"""
    with open_gateway(api, gateway, deployment, authority) as service:
        done = pull_batch(
            service,
            open_key(key_file, passphrase),
            grant=parse_hex(grant, 32, "GRANT"),
            parameters=parse_object(parameters, "--parameters"),
            purpose=Purpose(person, basis, scenario, case),
            store=ReceiptStore(receipts),
            directory=directory,
            cursor=cursor,
            following=following,
        )
    click.echo(
        f"{done.pages} pages 页, {done.rows} rows 行, manifest SM3 {done.manifest_digest.hex()}"
    )
