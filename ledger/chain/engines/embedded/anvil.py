"""Anvil as a child process that nobody else talks to and that never outlives us.

Its port accepts `anvil_setCode`: whoever reaches it owns the chain's memory. So it listens on a
port of its own choosing on loopback, without CORS, knows no accounts, and dies with this process.
The journal's replay finds what somebody on the same machine might have changed all the same.
"""

import asyncio
import contextlib
import ctypes
import os
import platform
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from crypto.errors import LedgerError

BLOCK_GAS_LIMIT: Final = 300_000_000
HARDFORK: Final = "paris"
START_TIMEOUT_S: Final = 20.0
CALL_TIMEOUT_S: Final = 120.0
#: Above what the contracts can emit in one block: an event's byte costs 8 gas and is two
#: characters of JSON, so that a block of BLOCK_GAS_LIMIT has about 80 MB of them.
MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
_PR_SET_PDEATHSIG: Final = 1
_LISTENING = re.compile(rb"Listening on 127\.0\.0\.1:(\d{1,5})")
_NPM_PLATFORMS: Final = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64",
}


def find_anvil(configured: Path | None = None) -> Path:
    """Return the engine's executable: the configured one, npm's, or the one on PATH.

    Raises:
        LedgerError: ENGINE_MISSING.
    """
    if configured is not None:
        if configured.is_file() and os.access(configured, os.X_OK):
            return configured
        raise LedgerError("ENGINE_MISSING", "the configured anvil is not an executable file")
    name = _NPM_PLATFORMS.get((platform.system(), platform.machine()))
    if name is not None:
        part = Path("node_modules", "@foundry-rs", f"anvil-{name}", "bin", "anvil")
        for root in (Path.cwd(), Path(__file__).resolve().parents[4]):
            if (root / part).is_file():
                return root / part
    found = shutil.which("anvil")
    if found is not None:
        return Path(found)
    raise LedgerError(
        "ENGINE_MISSING", "anvil is not installed: run `npm ci`, or set SANLIAN_ANVIL to its path"
    )


class AnvilRefusedError(Exception):
    """Anvil answered with a JSON-RPC error; `error` is that object."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.error = error


class AnvilLostError(Exception):
    """Anvil did not answer: it is gone, stuck, or its answer is too large (`is_too_large`)."""

    def __init__(self, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


def _die_with(parent: int) -> Callable[[], None]:
    """Return what the child runs before exec: be killed when the parent's thread ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded before the fork

    def run() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return run


class Anvil:
    """One running Anvil."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._url = ""
        self._next_id = 0

    @property
    def pid(self) -> int:
        """Process id of the child."""
        assert self._process is not None  # noqa: S101 - a programming error, not an input
        return self._process.pid

    async def start(
        self,
        executable: Path,
        *,
        chain_id: int,
        genesis_time: int,
        states_kept: int,
        home: Path,
        state_file: Path | None = None,
    ) -> None:
        """Start the child and wait until it answers. Call from the main thread.

        Args:
            executable: anvil.
            chain_id: chain id.
            genesis_time: timestamp of block 0, unix seconds.
            states_kept: number of latest blocks at which contracts can still be called.
            home: directory that the child may use as its home; nothing in it matters.
            state_file: JSON of `anvil_dumpState` to start from.

        Raises:
            LedgerError: ENGINE_START_FAILED.
        """
        arguments = [
            *("--host", "127.0.0.1", "--port", "0", "--no-cors", "--accounts", "0"),
            *("--no-mining", "--order", "fifo", "--hardfork", HARDFORK),
            *("--base-fee", "0", "--gas-price", "0", "--gas-limit", str(BLOCK_GAS_LIMIT)),
            *("--chain-id", str(chain_id), "--timestamp", str(genesis_time)),
            *("--disable-console-log", "--disable-default-create2-deployer"),
            *("--disable-min-priority-fee", "--no-request-size-limit", "--color", "never"),
            *("--prune-history", str(states_kept)),
        ]
        if state_file is not None:
            arguments += ["--load-state", str(state_file)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=home,
                env={"HOME": str(home), "RUST_BACKTRACE": "0"},
                preexec_fn=_die_with(os.getpid()),
                process_group=0,  # a Ctrl-C for us must not stop it before we are done
            )
            port = await asyncio.wait_for(self._read_port(), START_TIMEOUT_S)
        except (OSError, TimeoutError, ValueError) as error:
            await self.kill()
            raise LedgerError("ENGINE_START_FAILED", f"anvil did not start: {error}") from error
        self._drain = asyncio.create_task(self._read_away())
        self._url = f"http://127.0.0.1:{port}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32), trust_env=False, auto_decompress=False
        )
        try:
            await self.call("anvil_setLoggingEnabled", [False])
        except (AnvilLostError, AnvilRefusedError) as error:
            await self.kill()
            raise LedgerError("ENGINE_START_FAILED", "anvil does not answer") from error

    async def _read_port(self) -> int:
        assert self._process is not None  # noqa: S101 - a programming error
        assert self._process.stdout is not None  # noqa: S101 - a programming error
        last = b""
        async for line in self._process.stdout:
            match = _LISTENING.search(line)
            if match:
                return int(match[1])
            last = line.strip() or last
        raise ValueError(last[:200].decode(errors="replace") or "no output")

    async def _read_away(self) -> None:
        assert self._process is not None  # noqa: S101 - a programming error
        assert self._process.stdout is not None  # noqa: S101 - a programming error
        while await self._process.stdout.read(65536):
            pass

    async def call(
        self, method: str, params: list[Any], *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Any:
        """Call one method and return its result.

        Raises:
            AnvilRefusedError: Anvil answered with an error.
            AnvilLostError: no usable answer.
        """
        assert self._session is not None  # noqa: S101 - a programming error
        self._next_id += 1
        body = orjson.dumps(
            {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        )
        unlimited = method == "anvil_dumpState"
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if not unlimited and len(data) > MAX_ANSWER_BYTES:
                        raise AnvilLostError("the answer is too large", is_too_large=True)
            answer = orjson.loads(data)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise AnvilLostError(f"{method}: {type(error).__name__}") from error
        if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
            raise AnvilRefusedError(answer["error"])
        if not isinstance(answer, dict) or "result" not in answer:
            raise AnvilLostError(f"{method}: not a JSON-RPC answer")
        return answer["result"]

    async def wait(self) -> int:
        """Wait until the child has ended and return its exit status."""
        assert self._process is not None  # noqa: S101 - a programming error
        return await self._process.wait()

    async def kill(self) -> None:
        """End the child; its memory is worth nothing."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._drain is not None:
            await self._drain
            self._drain = None
