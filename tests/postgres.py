"""A PostgreSQL server of the tests' own, on a socket in a directory of its own."""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_INITDB = ("-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions")
_OPTIONS = [
    *("-c", "listen_addresses=", "-c", "max_connections=60"),
    *("-c", "shared_buffers=32MB", "-c", "log_min_messages=error"),
]
_START_S = 60.0
_PR_SET_PDEATHSIG = 1


def find_binaries() -> Path | None:
    """Return the newest directory with initdb and postgres: SANLIAN_POSTGRES_BIN, PATH, usual."""
    given, on_path = os.environ.get("SANLIAN_POSTGRES_BIN"), shutil.which("initdb")
    places = [Path(given)] if given else []
    places += [Path(on_path).resolve().parent] if on_path else []
    for pattern in PLACES:
        places += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for place in places:
        if all(os.access(place / name, os.X_OK) for name in ("initdb", "postgres")):
            return place
    return None


def require_binaries() -> Path:
    """Return their directory; without one CI fails and others skip."""
    found = find_binaries()
    if found is None:
        text = "PostgreSQL (initdb, postgres) is not installed; see SANLIAN_POSTGRES_BIN"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


def _end_with_parent() -> None:
    """Let a child be ended at once when its parent is, however that ends (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class Server:
    """One cluster; databases are made in it for tests. It can be killed and started again."""

    def __init__(self, binaries: Path, *options: str) -> None:
        self.binaries = binaries
        self._settings = [*_OPTIONS, *options]
        # Not below pytest's: the server's own user must get there, and a socket's path is short.
        self.directory = Path(tempfile.mkdtemp(prefix="sanlian-pg-"))
        self._options: dict[str, Any] = {"cwd": self.directory}
        if os.getuid() == 0:  # it refuses to be run as root
            known = {one.pw_name for one in pwd.getpwall()}
            user = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self._options.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        self._data = self.directory / "data"
        made = subprocess.run(
            [binaries / "initdb", "-D", self._data, *_INITDB],
            capture_output=True,
            check=False,
            **self._options,
        )
        assert made.returncode == 0, made.stderr.decode()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.binaries / "postgres",
                    "-D",
                    self._data,
                    "-k",
                    self.directory,
                    *self._settings,
                ],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread of ours holds a lock here
                **self._options,
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                text = (self.directory / "log").read_text()
                assert self._process.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.05)
            else:
                return

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: at once and in order, or as the signal says."""
        assert self._process is not None
        if number == signal.SIGKILL:
            # Its children would go on and keep the memory; the same as when the machine dies.
            for child in self._children():
                # One that served a connection may have ended by itself meanwhile.
                with suppress(ProcessLookupError):
                    os.kill(child, number)
        self._process.send_signal(number)
        self._process.wait(60)
        self._process = None

    def _children(self) -> list[int]:
        assert self._process is not None
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(one) for one in listed.split()]

    def close(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self.stop(signal.SIGQUIT)  # nothing of it is needed any more
        shutil.rmtree(self.directory)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """Return a connection of the driver's, for a test that looks at tables or damages them."""
        return psycopg.connect(
            host=str(self.directory), user="tests", dbname=database, autocommit=True
        )

    def make_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"t{secrets.token_hex(6)}"
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return name

    def url(self, database: str) -> str:
        """Return a database's SQLAlchemy URL."""
        return f"postgresql+psycopg://tests@/{database}?host={quote(str(self.directory))}"
