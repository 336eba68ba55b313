"""Run an embedded engine and serve its JSON-RPC on loopback.

Exit status: 0 after SIGTERM or SIGINT, 1 with `CODE: message` on standard error otherwise.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiohttp import web

from crypto.errors import LedgerError

from .engine import EmbeddedEngine, EngineOptions
from .server import RpcServer

_SHUTDOWN_S = 2.0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.chain.engines.embedded", description="embedded chain engine"
    )
    anvil = environment.get("SANLIAN_ANVIL")
    add = parser.add_argument
    add("--directory", type=Path, required=True, help="journal, snapshot and lock")
    add("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    add("--chain-id", type=int, help="default: the journal's, or a random one for a new chain")
    add("--block-interval-ms", type=int, default=200, help="shortest time between two blocks")
    add("--heartbeat-s", type=float, default=600.0, help="empty block after so long without one")
    add("--snapshot-blocks", type=int, default=2000, help="0: only at a clean stop")
    add("--states-kept", type=int, default=32, help="latest blocks at which calls are possible")
    add("--max-lead-s", type=int, default=30, help="block time ahead of the clock before slowing")
    add("--anvil", type=Path, default=Path(anvil) if anvil else None, help="anvil's executable")
    add("--allowed-host", action="append", default=[], help="further name in the Host header")
    return parser


def _bind(port: int) -> socket.socket:
    # Bound before the replay, so that a taken port is known at once; it listens only afterwards.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise LedgerError("ENGINE_PORT_IN_USE", f"port {port} cannot be used") from error
    return listener


async def serve(
    options: EngineOptions,
    port: int,
    allowed_hosts: frozenset[str],
    *,
    clock: Callable[[], float] = time.time,
) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        options: the engine's options.
        port: port on 127.0.0.1, 0 for a free one.
        allowed_hosts: further names in the Host header.
        clock: unix seconds, from which block times are taken.

    Raises:
        LedgerError: whatever keeps the engine from starting or ended it.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = _bind(port)
    engine = EmbeddedEngine(options, clock=clock)
    stopped = asyncio.create_task(stop.wait())
    try:
        starting = asyncio.create_task(engine.start())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        starting.result()
        application = RpcServer(engine, allowed_hosts).application()
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listener, backlog=128).start()
            address = listener.getsockname()
            print(f"listening on http://{address[0]}:{address[1]}", flush=True)
            running = asyncio.create_task(engine.run())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            await runner.cleanup()
    finally:
        stopped.cancel()
        await engine.stop()
        listener.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse arguments and run; returns the exit status."""
    arguments = _parser(os.environ).parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    options = EngineOptions(
        directory=arguments.directory,
        chain_id=arguments.chain_id,
        anvil=arguments.anvil,
        block_interval_s=arguments.block_interval_ms / 1000,
        heartbeat_s=arguments.heartbeat_s,
        snapshot_blocks=arguments.snapshot_blocks,
        states_kept=arguments.states_kept,
        max_lead_s=arguments.max_lead_s,
    )
    try:
        asyncio.run(serve(options, arguments.port, frozenset(arguments.allowed_host)))
    except LedgerError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
