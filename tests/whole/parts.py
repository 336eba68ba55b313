"""An instance whose processes a test starts, stops and kills one by one."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from crypto.errors import RequestRefused, SanlianError
from example_city import home as example_home
from example_city.catalogue import DIVISIONS
from example_city.home import read_loaded
from example_city.plan import BASIS
from example_city.story import SCENARIO
from example_city.units import MEDICAL, unit_key
from ledger.log.reader import LogReader
from ledger.supervisor import Process
from protocol.receipt import Receipt
from protocol.records import parse_record
from sanlian_client.data import Gateway, Purpose, request_data
from sanlian_client.receipts import ReceiptStore
from tests.whole.instance import ROOT, START_TIMEOUT_S, Instance, sanlian, wait_until

ORDER = ("node", "api", f"provider-{DIVISIONS.slug}", "gateway")


@dataclass(slots=True)
class Parts(Instance):
    """The processes of an instance without the command that watches them, and no witnesses.

    Attributes:
        settings: settings of every process started from now on, by name.
        modules: modules to run in the place of parts' own, by the part's name.
        popens: what runs, by name.
    """

    settings: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    popens: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start all in order and wait until each serves."""
        example_home.write_fixed_files(self.home, self.ports)
        for name in ORDER:
            self.start_part(name)

    def start_part(self, name: str) -> None:
        """Start one and wait until it serves."""
        process = self._processes()[name]
        argv = list(process.argv)
        argv[2] = self.modules.get(name, argv[2])
        environment = {f"SANLIAN_{k.upper()}": v for k, v in self.settings.items()}
        with self.said(name).open("ab") as output:
            popen = subprocess.Popen(
                argv,
                cwd=ROOT,
                env={**os.environ, **process.env, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.popens[name] = popen
        self.pid_file(name).write_text(str(popen.pid))

        def is_up() -> bool:
            assert popen.poll() is None, self.said(name).read_text()[-2000:]
            return process.is_ready()

        wait_until(is_up, START_TIMEOUT_S)

    def _processes(self) -> Mapping[str, Process]:
        return example_home.processes(self.home, self.ports, (DIVISIONS,))

    def said(self, name: str) -> Path:
        """Where a part's output goes."""
        return self.home / "processes" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """Where a part's process id stands."""
        return self.home / "processes" / f"{name}.pid"

    def send(self, name: str, number: int) -> None:
        """Send a signal to one part."""
        self.popens[name].send_signal(number)

    def kill_part(self, name: str) -> None:
        """Kill one part."""
        self.send(name, signal.SIGKILL)
        self.popens.pop(name).wait(20)

    def end(self) -> None:
        """Leave nothing behind."""
        for popen in self.popens.values():
            if popen.poll() is None:
                popen.kill()
            popen.wait(20)
        self.popens.clear()

    def health(self) -> dict[str, Any]:
        """Return what the gateway says of itself, also when it is not well."""
        return dict(httpx.get(f"{self.gateway_url}/health", timeout=10).json())

    def records(self) -> list[dict[str, Any]]:
        """Return all records of the access log."""
        reader = LogReader.open(f"sqlite:///{self.home / 'logs' / 'gateway.db'}")
        try:
            return [parse_record(data) for _, data in reader.records()]
        finally:
            reader.close()

    def await_anchored(self) -> None:
        """Wait until the newest anchor covers the whole log."""
        wait_until(lambda: self.health().get("unanchored_records") == 0, 120)

    def require_sound(self, folder: Path) -> None:
        """Audit chain and log, with the receipts of requesters and of the provider.

        Args:
            folder: receipts of requesters; those of the provider are put beside them.
        """
        self._take_provider_receipts(folder)
        code, text = sanlian(
            *("audit", "--home", str(self.home), "--node", self.node_url),
            *("--receipts", str(folder)),
        )
        assert code == 0, text

    def _take_provider_receipts(self, folder: Path) -> None:
        """Write the receipts that the provider kept to files, as it would hand them in."""
        database = self.home / "providers" / f"{DIVISIONS.slug}.db"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            kept = connection.execute("SELECT seq, receipt FROM intents").fetchall()
        finally:
            connection.close()
        assert kept
        for seq, receipt in kept:
            data = receipt if isinstance(receipt, bytes) else receipt.encode()
            assert Receipt.from_bytes(data).index == seq
            (folder / f"provider-{seq}.json").write_bytes(data)


class Load:
    """Requesters who ask again and again; each keeps every receipt.

    What is released and what is refused is noted with its time; lost is what has no receipt.

    Args:
        parts: whom they ask.
        folder: where the receipts go.
        count: number of requesters.
        pause_s: pause of each between two requests.
    """

    def __init__(self, parts: Parts, folder: Path, *, count: int = 3, pause_s: float = 0.05):
        self.released: list[float] = []
        self.refused: list[tuple[float, str]] = []
        self.lost: list[str] = []
        self._parts, self._folder, self._pause_s = parts, folder, pause_s
        self._ids = read_loaded(parts.home)
        with parts.platform() as platform:
            self._info = platform.deployment()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def _run(self) -> None:
        info = self._info
        # A folder is one requester's; a file's name holds the nonce.
        store = ReceiptStore(self._folder)
        with Gateway(
            self._parts.gateway_url, origin=info.origin, public_key=info.gateway_key
        ) as gateway:
            while not self._stop.wait(self._pause_s):
                try:
                    request_data(
                        gateway,
                        unit_key(MEDICAL, "system"),
                        grant=bytes.fromhex(self._ids["grant"]),
                        parameters={"parent": "441500"},
                        purpose=Purpose(basis=BASIS, scenario=SCENARIO),
                        store=store,
                    )
                    self.released.append(time.monotonic())
                except RequestRefused as error:
                    self.refused.append((time.monotonic(), error.code))
                    if not error.details["receipt"]:
                        self.lost.append(error.code)
                except SanlianError as error:
                    self.lost.append(error.code)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
