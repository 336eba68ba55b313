"""Command `sanlian-client restrict`."""

from pathlib import Path

import click

from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    further_option,
    gateway_option,
    open_gateway,
)
from sanlian_client.commands.console import parse_hex, plain_errors
from sanlian_client.commands.signing import key_option, open_key, passphrase_option
from sanlian_client.restrictions import restrict_grant


@click.command("restrict")
@click.argument("grant")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Network such as 10.1.0.0/16, at most 32; none lifts the restriction. 允许的网段。",
)
@key_option
@passphrase_option
@api_option
@gateway_option
@further_option
@deployment_option
@plain_errors
def restrict(
    *,
    grant: str,
    networks: tuple[str, ...],
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Declare the networks from which GRANT may be used. 限定授权的来源地址。"""
    with open_gateway(api, gateway, deployment) as service:
        receipt = restrict_grant(
            service,
            open_key(key_file, passphrase),
            grant=parse_hex(grant, 32, "GRANT"),
            networks=networks,
        )
    click.echo(f"recorded {receipt.index} 已记录")
