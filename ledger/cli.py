"""`sanlian`: sets up, runs, audits and rebuilds a ledger, and verifies evidence.

Exit codes: 0 done or valid, 1 refused or invalid, 2 cannot decide.
"""

import click

from ledger.commands.audit import audit, completeness
from ledger.commands.init import init, init_gateway
from ledger.commands.parameters import dispose_parameter_key, kept, search_parameter_command
from ledger.commands.performance import performance
from ledger.commands.rebuild import rebuild
from ledger.commands.run import run
from ledger.commands.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sanlian")
def main() -> None:
    """Ledger for data sharing between departments. 政务数据共享账本（三链）。"""


for command in (
    init,
    init_gateway,
    run,
    verify,
    audit,
    completeness,
    performance,
    rebuild,
    search_parameter_command,
    dispose_parameter_key,
    kept,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
