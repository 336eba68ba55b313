"""Tessera's POSIX log as a yardstick, where the Go toolchain is installed.

Its source is fetched as a Go module, pinned by `bench/tessera/go.sum`, and built in a directory of
the run; nothing of it is part of sanlian.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "tessera"
#: The first build fetches modules.
BUILD_TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 120.0


def find_go() -> str | None:
    """Return the path of the Go toolchain, None where there is none."""
    usual = Path("/usr/local/go/bin/go")
    return shutil.which("go") or (str(usual) if usual.exists() else None)


def build_tessera(home: Path, timeout_s: float = BUILD_TIMEOUT_S) -> Path | None:
    """Build the program; None without Go, or where its modules cannot be had in time."""
    go = find_go()
    if go is None:
        return None
    program = home / "tessera-bench"
    command = [go, "build", "-mod=readonly", "-o", str(program), "."]
    # Without it, Go would fetch another toolchain of itself.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        subprocess.run(
            command,
            cwd=SOURCE,
            env=environment,
            check=True,
            capture_output=True,
            timeout=timeout_s,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return program


def measure_tessera(program: Path, home: Path, entries: int, callers: int) -> float:
    """Return entries per second, each integrated and under a signed checkpoint.

    Args:
        program: see build_tessera.
        home: directory of the run.
        entries: number of entries, of the size of our records.
        callers: entries in flight at a time.

    Raises:
        RuntimeError: it failed.
    """
    command = [
        *(str(program), "-dir", str(home / "tessera-log")),
        *("-entries", str(entries), "-callers", str(callers)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"Tessera's log failed: {done.stderr[-300:]}")
    return float(json.loads(done.stdout)["entries_per_s"])
