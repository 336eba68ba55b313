"""Command `sanlian-client data download`."""

from pathlib import Path

import click

from crypto.sm2 import Signer
from sanlian_client.commands.calling import Caller
from sanlian_client.commands.console import FILE, parse_hex, plain_errors
from sanlian_client.commands.requesting import request_options
from sanlian_client.data import Gateway, Purpose
from sanlian_client.download import download_file
from sanlian_client.file_service import MAX_PART_SIZE
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import Closing, close_transfer


@click.command("download")
@click.argument("grant")
@click.argument("name")
@click.argument("path", type=FILE)
@click.option(
    "--part-size",
    type=click.IntRange(1, MAX_PART_SIZE),
    default=MAX_PART_SIZE,
    show_default=True,
    help="Bytes of a part; each is one data request. 分片字节数。",
)
@request_options
@plain_errors
def data_download(
    *,
    grant: str,
    name: str,
    path: Path,
    purpose: Purpose,
    receipts: Path,
    part_size: int,
    caller: Caller,
) -> None:
    """Download the file NAME under GRANT to PATH, or go on with it. 下载文件，可断点续传。"""
    signer, grant_id = caller.open_key(), parse_hex(grant, 32, "GRANT")
    with caller.open_gateway() as service:
        done = download_file(
            service,
            signer,
            grant=grant_id,
            name=name,
            purpose=purpose,
            store=ReceiptStore(receipts),
            path=path,
            part_size=part_size,
            on_whole=lambda closing: _close(service, signer, grant_id, closing),
        )
    click.echo(f"{done.size} bytes, SM3 {done.digest.hex()}, {done.parts} parts 分片")


def _close(service: Gateway, key: Signer, grant: bytes, closing: Closing) -> None:
    close_transfer(service, key, grant, closing)
