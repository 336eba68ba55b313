"""Commands `sanlian-client data`: a data request, besides pull and download."""

import json
from dataclasses import replace
from pathlib import Path

import click

from sanlian_client.commands.calling import Caller
from sanlian_client.commands.console import DIRECTORY, parse_hex, parse_object, plain_errors
from sanlian_client.commands.download import data_download
from sanlian_client.commands.pull import data_pull
from sanlian_client.commands.requesting import request_options
from sanlian_client.data import Purpose, request_data
from sanlian_client.receipts import ReceiptStore
from sanlian_client.sequences import Sequences


@click.group("data")
def data() -> None:
    """Data requests. 数据请求。"""


data.add_command(data_download)
data.add_command(data_pull)


@data.command("get")
@click.argument("grant")
@click.option("--parameters", default="{}", help="JSON object. 查询参数。")
@click.option(
    "--stream", default=None, help="STREAM;SEQUENCE, or STREAM with --sequences. 流编号;序号。"
)
@click.option("--sequences", type=DIRECTORY, default=None, help="Files of numbers. 序号文件目录。")
@request_options
@plain_errors
def data_get(
    *,
    grant: str,
    parameters: str,
    purpose: Purpose,
    stream: str | None,
    sequences: Path | None,
    receipts: Path,
    caller: Caller,
) -> None:
    """Ask for data under GRANT and keep the receipt. 请求数据并保存回执。"""
    if sequences is not None and stream is None:
        raise click.UsageError("--sequences needs --stream")
    key = caller.open_key()
    book = None
    if sequences is not None and stream is not None:
        book = Sequences(sequences, key.public_key.key_id, stream)
    with caller.open_gateway() as service:
        released = request_data(
            service,
            key,
            grant=parse_hex(grant, 32, "GRANT"),
            parameters=parse_object(parameters, "--parameters"),
            purpose=purpose if book else replace(purpose, stream=stream),
            store=ReceiptStore(receipts),
            sequences=book,
        )
    click.echo(json.dumps(released.data, ensure_ascii=False))
    click.echo(f"receipt 回执: {released.receipt.index}", err=True)
