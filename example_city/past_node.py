"""An embedded engine with another clock: it makes the blocks of the told history.

What it leaves is an ordinary journal; the engine that goes on with it takes the machine's clock.
"""

import asyncio
import sys
from pathlib import Path

from crypto.errors import LedgerError
from ledger.chain.engines.embedded.__main__ import serve
from ledger.chain.engines.embedded.engine import EngineOptions

BLOCK_INTERVAL_S = 0.02


def run_past_node(directory: Path, port: int, clock_file: Path, anvil: Path | None) -> int:
    """Serve until SIGTERM; return the exit status.

    Args:
        directory: the engine's directory.
        port: port on 127.0.0.1.
        clock_file: holds the time in unix seconds; whoever tells the history rewrites it.
        anvil: anvil's executable, None for the one of the package.
    """
    options = EngineOptions(
        directory=directory,
        anvil=anvil,
        block_interval_s=BLOCK_INTERVAL_S,
        heartbeat_s=3600.0,
        max_lead_s=86_400,
    )
    try:
        asyncio.run(
            serve(options, port, frozenset(), clock=lambda: float(clock_file.read_text("ascii")))
        )
    except LedgerError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0
