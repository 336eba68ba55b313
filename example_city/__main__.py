"""`python -m example_city run|demo|provider`."""

import os
import sys
import time
from pathlib import Path

import click

from crypto.errors import SanlianError
from example_city.catalogue import OFFERS
from example_city.demo import run_demo
from example_city.home import Ports
from example_city.past_node import run_past_node
from example_city.provider import serve
from example_city.run import run


@click.group()
def main() -> None:
    """Example city 示例城市."""


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _stamped(line: str) -> None:
    _say(line if line.startswith("\n") else f"{time.strftime('%H:%M:%S')}  {line}")


@main.command("run")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".sanlian"))
@click.option("--node-port", default=Ports().node, show_default=True)
@click.option("--api-port", default=Ports().api, show_default=True)
@click.option("--gateway-port", default=Ports().gateway, show_default=True)
@click.option("--provider-port", default=Ports().providers[0], show_default=True, help="first of 3")
def run_command(
    home: Path, node_port: int, api_port: int, gateway_port: int, provider_port: int
) -> None:
    """Run everything on this machine. 在本机运行全部."""
    providers = (provider_port, provider_port + 1, provider_port + 2)
    try:
        run(home, Ports(node_port, api_port, gateway_port, providers), say=_stamped)
    except SanlianError as error:
        raise click.ClickException(str(error)) from error


@main.command("demo")
@click.option("--keep", is_flag=True, help="Keep the instance's directory. 保留目录。")
def demo_command(*, keep: bool) -> None:
    """Tell the whole story in under a minute. 演示全过程."""
    try:
        run_demo(keep=keep)
    except SanlianError as error:
        raise click.ClickException(str(error)) from error


@main.command("provider", hidden=True)
@click.argument("slug", type=click.Choice([offer.slug for offer in OFFERS]))
@click.option("--home", type=click.Path(path_type=Path), required=True)
@click.option("--port", type=int, required=True)
def provider_command(slug: str, home: Path, port: int) -> None:
    """Run one provider's service; the supervisor calls this."""
    try:
        serve(slug, home, port)
    except SanlianError as error:
        raise click.ClickException(str(error)) from error


@main.command("past-node", hidden=True)
@click.option("--directory", type=click.Path(path_type=Path), required=True)
@click.option("--port", type=int, required=True)
@click.option("--clock", type=click.Path(path_type=Path, exists=True), required=True)
def past_node_command(directory: Path, port: int, clock: Path) -> None:
    """Make the blocks of the told history; the first start calls this."""
    found = os.environ.get("SANLIAN_ANVIL")
    sys.exit(run_past_node(directory, port, clock, Path(found) if found else None))


if __name__ == "__main__":
    main()
