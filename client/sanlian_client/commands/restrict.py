"""Command `sanlian-client restrict`."""

import click

from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import further_option
from sanlian_client.commands.console import parse_hex, plain_errors
from sanlian_client.restrictions import restrict_grant


@click.command("restrict")
@click.argument("grant")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Network such as 10.1.0.0/16, at most 32; none lifts the restriction. 允许的网段。",
)
@further_option
@caller_options
@plain_errors
def restrict(*, grant: str, networks: tuple[str, ...], caller: Caller) -> None:
    """Declare the networks from which GRANT may be used. 限定授权的来源地址。"""
    with caller.open_gateway() as service:
        receipt = restrict_grant(
            service,
            caller.open_key(),
            grant=parse_hex(grant, 32, "GRANT"),
            networks=networks,
        )
    click.echo(f"recorded {receipt.index} 已记录")
