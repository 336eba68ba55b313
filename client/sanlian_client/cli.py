"""Command line `sanlian-client`: puts the commands together."""

import click

from sanlian_client.commands.act import act
from sanlian_client.commands.batch import batch
from sanlian_client.commands.ca import ca
from sanlian_client.commands.calendar import calendar
from sanlian_client.commands.catalogue import catalogue
from sanlian_client.commands.data import data
from sanlian_client.commands.evidence import evidence
from sanlian_client.commands.interface import interface
from sanlian_client.commands.key import key
from sanlian_client.commands.log import log
from sanlian_client.commands.monitor import monitor
from sanlian_client.commands.not_sent import not_sent
from sanlian_client.commands.observe import observe
from sanlian_client.commands.receipt import receipt
from sanlian_client.commands.restrict import restrict
from sanlian_client.commands.seal import encrypt_sealed, open_sealed, seal_text
from sanlian_client.commands.sealed import sealed
from sanlian_client.commands.witness import witness


@click.group()
@click.version_option(package_name="sanlian")
def main() -> None:
    """Work of a department with sanlian. 部门侧客户端。"""


for command in (
    act,
    batch,
    ca,
    calendar,
    catalogue,
    data,
    evidence,
    interface,
    key,
    log,
    monitor,
    not_sent,
    observe,
    receipt,
    restrict,
    encrypt_sealed,
    open_sealed,
    seal_text,
    sealed,
    witness,
):
    main.add_command(command)
