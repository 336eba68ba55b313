"""One whole instance of the product as its user starts it: a single command with its children."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crypto.errors import SanlianError
from crypto.sm2 import PrivateKey
from example_city.home import PASSPHRASE, Ports, free_ports, read_loaded
from example_city.plan import BASIS
from example_city.run import open_platform
from example_city.story import SCENARIO
from example_city.units import MEDICAL, unit_key
from ledger.chain.rpc import Rpc
from protocol.description import Role
from sanlian_client.acts import Acts
from sanlian_client.data import Gateway, Purpose, request_data
from sanlian_client.log import LogClient
from sanlian_client.platform import Platform
from sanlian_client.receipts import ReceiptStore, verify_receipts

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 120.0
_HEADER_ONLY = (False,)


def wait_until(predicate: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@dataclass(slots=True)
class Instance:
    """A running instance and what its users know of it.

    Attributes:
        home: its home directory.
        ports: its ports.
        acknowledged: ids of acts whose acknowledgement was verified.
        blocks: block hashes seen by number.
    """

    home: Path
    ports: Ports
    process: subprocess.Popen[bytes] | None = None
    acknowledged: list[bytes] = field(default_factory=list)
    blocks: dict[int, str] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        """What the command printed."""
        return self.home.with_suffix(".out")

    def spawn(self) -> None:
        """Start it in a process group of its own."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "example_city", "run", "--home", str(self.home)),
                    *("--node-port", str(self.ports.node), "--api-port", str(self.ports.api)),
                    *("--gateway-port", str(self.ports.gateway)),
                    *("--provider-port", str(self.ports.providers[0])),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it and wait until it says that it runs."""
        before = self.output.stat().st_size if self.output.exists() else 0
        self.spawn()

        def is_up() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.output.read_text()[-2000:]
            return b"is running" in self.output.read_bytes()[before:]

        wait_until(is_up, START_TIMEOUT_S)

    def kill(self) -> None:
        """Kill the whole process group at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.children(), 20)

    def interrupt(self) -> int:
        """Press Ctrl-C: the signal reaches the whole group. Returns the exit status."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def children(self) -> list[str]:
        """Return command lines that name this home."""
        found = []
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if str(self.home) in line and "pytest" not in line:
                    found.append(line)
        return found

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def platform(self) -> Platform:
        """Return a client of its api."""
        return open_platform(self.home, self.ports)

    @property
    def gateway_url(self) -> str:
        """Base URL of its gateway."""
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def receipts(self) -> Path:
        """Where its requester keeps receipts."""
        return self.home.with_suffix(".receipts")

    def see_blocks(self) -> None:
        """Note the hashes of all blocks that can be seen now."""
        rpc = Rpc(f"http://127.0.0.1:{self.ports.node}")
        try:
            head = int(rpc.call("eth_blockNumber"), 16)
            for number in range(max([0, *self.blocks]), head + 1):
                block = rpc.call("eth_getBlockByNumber", hex(number), *_HEADER_ONLY)
                assert self.blocks.setdefault(number, block["hash"]) == block["hash"]
        finally:
            rpc.close()

    def ask(self, count: int = 1) -> None:
        """Ask for data under the example's grant; the receipts are kept."""
        ids = read_loaded(self.home)
        with self.platform() as platform:
            info = platform.deployment()
        with Gateway(self.gateway_url, origin=info.origin, public_key=info.gateway_key) as gateway:
            for _ in range(count):
                request_data(
                    gateway,
                    unit_key(MEDICAL, "system"),
                    grant=bytes.fromhex(ids["grant"]),
                    parameters={"parent": "441500"},
                    purpose=Purpose(basis=BASIS, scenario=SCENARIO),
                    store=ReceiptStore(self.receipts),
                )

    def enrol(self, unit: int) -> bytes:
        """Enrol a new person by the head of a unit and return the acknowledged act's id."""
        with self.platform() as platform:
            head = unit_key(unit, "head")
            person = PrivateKey.generate()
            acts = Acts(platform)
            draft = acts.enrol_person(head.public_key.key_id, person.public_key, Role.OPERATOR)
            acknowledgement = acts.submit(draft.sign(head, person))
        self.acknowledged.append(acknowledgement.act_id)
        return acknowledgement.act_id

    def load(self, stop: threading.Event) -> list[threading.Thread]:
        """Send acts and data requests until told to stop; a killed server is no failure."""

        def repeat(step: Callable[[], object]) -> None:
            while not stop.is_set():
                try:
                    step()
                except (SanlianError, OSError):
                    if stop.wait(0.05):
                        return

        steps: list[Callable[[], object]] = [
            *(lambda unit=unit: self.enrol(unit) for unit in (2, 3)),
            *(self.ask for _ in range(3)),
            lambda: (self.see_blocks(), stop.wait(0.05)),
        ]
        threads = [threading.Thread(target=repeat, args=(step,), daemon=True) for step in steps]
        for thread in threads:
            thread.start()
        return threads

    def verify(self) -> None:
        """Check from outside that nothing acknowledged is lost and nothing is forged."""
        self.see_blocks()
        with self.platform() as platform:
            for act_id in self.acknowledged:
                assert platform.wait_for(act_id, 60).status == "recorded"
            info = platform.deployment()
        store = ReceiptStore(self.receipts)
        with LogClient(self.gateway_url, origin=info.origin, public_key=info.gateway_key) as log:
            _, findings = verify_receipts(store, log)
        assert {finding.verdict for finding in findings} <= {"valid", "unanswered"}, findings
        code, text = sanlian("audit", "--home", str(self.home), "--node", self.node_url)
        assert code == 0, text

    @property
    def node_url(self) -> str:
        """Its node's JSON-RPC."""
        return f"http://127.0.0.1:{self.ports.node}"


def sanlian(*arguments: str) -> tuple[int, str]:
    """Run the command and return its exit status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def copy_of(home: Path, target: Path) -> Instance:
    """Return a stopped copy of a stopped instance, on ports of its own."""
    shutil.copytree(home, target)
    return Instance(target, free_ports())
