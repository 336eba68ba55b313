"""Command `sanlian run`: node, api and gateway."""

import signal
from pathlib import Path

import click

from ledger.commands.console import home_option, plain_errors, say
from ledger.deployment import load_deployment
from ledger.processes import platform_processes
from ledger.settings import load_settings
from ledger.supervisor import Supervisor


@click.command()
@home_option
@click.option(
    "--gateway-only",
    is_flag=True,
    help="Run this home's gateway alone. 只运行本主目录的网关。",
)
@plain_errors()
def run(home: Path, *, gateway_only: bool) -> None:
    """Run node, api and gateway until Ctrl-C. 运行账本，按 Ctrl-C 停止。"""
    settings = load_settings(home.absolute())
    load_deployment(settings.home / "deployment.json")
    processes = platform_processes(settings)
    if gateway_only:
        processes = {"gateway": processes["gateway"]}
    supervisor = Supervisor(settings.home / "processes", say=say)
    signal.signal(signal.SIGINT, supervisor.ask_stop)
    signal.signal(signal.SIGTERM, supervisor.ask_stop)
    try:
        for name, process in processes.items():
            say(f"starting {name}")
            supervisor.start(process)
        name, port = (
            ("gateway", settings.gateway_port) if gateway_only else ("api", settings.api_port)
        )
        say(f"{name} http://{settings.host}:{port}/")
        supervisor.watch()
    finally:
        supervisor.stop()
        say("stopped 已停止")
