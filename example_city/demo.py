"""`make demo`: the whole story on a fresh instance, one line of plain words for each step."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from crypto.canonical import canonical_json
from crypto.errors import RequestRefused, SanlianError
from example_city import home as example_home
from example_city.catalogue import INSURANCE
from example_city.home import ORIGIN, PASSPHRASE, Ports, free_ports
from example_city.plan import BASIS, Planned, Planner
from example_city.records import make_insured
from example_city.run import (
    await_gateway,
    make_test,
    open_platform,
    start_platform,
    start_rest,
)
from example_city.story import Loaded, have_tested
from example_city.units import (
    AUDIT,
    AUTHORITY,
    JUSTICE,
    LABOUR,
    MEDICAL,
    load_units,
    unit_key,
)
from ledger.processes import platform_processes
from ledger.supervisor import Supervisor
from protocol.evidence import Status, verify_evidence
from protocol.trust import TrustRoot
from sanlian_client.data import Gateway, Purpose, Released, request_data
from sanlian_client.evidence import fetch_evidence
from sanlian_client.platform import Platform
from sanlian_client.receipts import ReceiptStore

SCENARIO = "SUBSIDY-CHECK"
ASKED = ("id_number", "kind", "state", "employer", "months_paid", "base_cny")
GRANTED = ("kind", "state", "months_paid")
EVIDENCE_TIMEOUT_S = 30.0
ALTERED_BYTE = 1


class StepFailed(SanlianError):
    """A step of the demo did not end as the story tells it."""


def _expect(what: str, *, holds: bool) -> None:
    if not holds:
        raise StepFailed("DEMO_STEP_FAILED", what)


@dataclass(slots=True)
class Demo:
    """The story's state.

    Attributes:
        home: home directory of the instance, thrown away at the end.
        ports: its ports.
        steps: number of the last step that was told.
    """

    home: Path
    ports: Ports
    steps: int = 0
    began: float = field(default_factory=time.monotonic)

    def tell(self, words: str, proof: str = "") -> None:
        """Print one step."""
        self.steps += 1
        seconds = time.monotonic() - self.began
        click.echo(
            f"{self.steps:2d}  {seconds:4.1f} s  {words}" + (f"  [{proof}]" if proof else "")
        )
        sys.stdout.flush()

    def record(self, platform: Platform, *acts: Planned, quiet: bool = False) -> int:
        """Send acts, tell each with its transaction hash, and return the last one's block."""
        block = 0
        for act in acts:
            platform.send_act(act.signed, act.documents)
        for act in acts:
            status = platform.wait_for(act.id)
            block = max(block, status.block_number or 0)
            if not quiet:
                self.tell(act.words, f"tx {status.transaction_hash}")
        return block

    def found(self, planner: Planner, platform: Platform) -> Loaded:
        """Registration, submission, publication, interface."""
        units = {unit.number: unit for unit in load_units()}
        wanted = (LABOUR, MEDICAL, AUDIT, JUSTICE)
        self.record(platform, *(planner.register_unit(units[number]) for number in wanted))
        people = planner.enrol_all(AUTHORITY, *wanted)
        self.record(platform, *people, quiet=True)
        self.tell(
            f"heads enrol {len(people)} persons: operators, officers, systems, auditor, witnesses",
            f"tx {platform.act_status(people[-1].id).transaction_hash}",
        )
        log = planner.register_log(ORIGIN)
        self.record(platform, log)
        entry = planner.submit_entry(INSURANCE)
        self.record(platform, entry)
        self.record(platform, planner.publish_entry(INSURANCE, entry.id))
        interface = planner.register_interface(INSURANCE, entry.id)
        self.record(platform, interface)
        slug = INSURANCE.slug
        return Loaded(
            planner.departments,
            log.id,
            {slug: entry.id},
            {slug: interface.id},
            grant=bytes(32),
            open_request=bytes(32),
        )


def _ask(
    gateway: Gateway, grant: bytes, person: dict[str, Any], receipts: Path, case: str
) -> Released:
    return request_data(
        gateway,
        unit_key(MEDICAL, "system"),
        grant=grant,
        parameters={INSURANCE.parameter: person["id_number"]},
        purpose=Purpose(person="clerk-17", basis=BASIS, scenario=SCENARIO, case=case),
        store=ReceiptStore(receipts),
    )


def _share(demo: Demo, planner: Planner, platform: Platform, loaded: Loaded) -> bytes:
    """Request, refusal, consent, data, receipt, anchor, witnesses; return the evidence."""
    info = platform.deployment()
    receipts = demo.home / "receipts"
    interface = loaded.interfaces[INSURANCE.slug]
    now = int(time.time())
    filed = planner.file_request(
        MEDICAL,
        interface,
        items=INSURANCE.mask_of(*ASKED),
        scenario=SCENARIO,
        case="subsidies for flexible workers",
        valid=(now - 60, now + 86400),
        quota=100,
        words=f"市医保局 asks 市人社局 for {len(ASKED)} items; its own officer consents",
    )
    await_gateway(demo.ports, demo.record(platform, filed))
    person = make_insured()[0]
    url = f"http://127.0.0.1:{demo.ports.gateway}"
    with Gateway(url, origin=info.origin, public_key=info.gateway_key) as gateway:
        try:
            _ask(gateway, filed.id, person, receipts, "CASE-1")
            raise StepFailed("DEMO_STEP_FAILED", "data were released without a grant")
        except RequestRefused as error:
            refusal = next(kept for _, kept in ReceiptStore(receipts))
            _expect("the refusal has no receipt", holds=refusal.receipt is not None)
            number = refusal.receipt.index if refusal.receipt is not None else -1
            demo.tell(f"before the grant: refused ({error.code})", f"record {number}")
        items = INSURANCE.mask_of(*GRANTED)
        valid = (now, now + 86400)
        agreed = planner.agree(INSURANCE, filed.id, items=items, valid=valid, quota=10)
        await_gateway(demo.ports, demo.record(platform, agreed))
        released = _ask(gateway, filed.id, person, receipts, "CASE-1")
        (record,) = released.data["records"]
        _expect("other items were released", holds=set(record) == set(GRANTED))
        _expect("wrong values", holds=record == {code: person[code] for code in GRANTED})
        index = released.receipt.index
        demo.tell(
            f"data through the gateway: exactly the {len(GRANTED)} granted items: "
            + json.dumps(record, ensure_ascii=False),
            f"records {released.outcome['intent']} and {index}",
        )
        demo.tell(
            "the receipt is kept: record, inclusion path, checkpoint signed by the gateway",
            f"leaf {index} of {released.receipt.checkpoint.splitlines()[1]}",
        )
        trust = TrustRoot.from_bytes((demo.home / "trust.json").read_bytes())
        data = _await_evidence(gateway, released.outcome["intent"], trust)
        evidence = json.loads(data)
        anchored = next(platform.read_all("logs"))
        demo.tell(
            f"the checkpoint of {evidence['checkpoint'].splitlines()[1]} records is anchored on "
            "chain, its SM2 signature verified by the contract",
            f"log {str(anchored.get('id', ''))[:16]}…",
        )
        signers = {cosignature["key_id"] for cosignature in evidence["cosignatures"]}
        demo.tell(
            f"{len(signers)} witnesses (审计局, 司法局) have signed the chain's blocks",
            f"block {evidence['cosignatures'][-1]['number']}",
        )
        demo.tell(
            "the auditor gets one evidence file; that he asked is logged too",
            f"{len(data)} bytes",
        )
    return data


def _await_evidence(gateway: Gateway, seq: int, trust: TrustRoot) -> bytes:
    """Fetch the evidence once its record is anchored and both witnesses vouch for the blocks."""
    deadline = time.monotonic() + EVIDENCE_TIMEOUT_S
    while True:
        try:
            data = fetch_evidence(gateway, unit_key(AUDIT, "auditor"), seq=seq)
            if verify_evidence(data, trust).status is Status.VALID:
                return data
        except RequestRefused as error:
            if error.code != "EVIDENCE_NOT_READY" or time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise StepFailed("DEMO_STEP_FAILED", "the witnesses have not signed in time")
        time.sleep(1.0)


def _sanlian(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def _prove(demo: Demo, evidence: bytes) -> None:
    """Everything is stopped: only the file and the trust root are left."""
    trust = ("--trust", str(demo.home / "trust.json"))
    path = demo.home / "evidence.json"
    path.write_bytes(evidence)
    code, text = _sanlian("verify", str(path), *trust)
    _expect(f"sanlian verify says {text}", holds=code == 0)
    demo.tell("every server is stopped; sanlian verify evidence.json: VALID 有效", f"exit {code}")
    altered = bytearray(evidence)
    altered[evidence.index(b"CASE-1") + 5] ^= ALTERED_BYTE
    path.write_bytes(altered)
    code, text = _sanlian("verify", str(path), *trust)
    _expect(f"sanlian verify says {text}", holds=code == 1)
    demo.tell(f"one byte changed: {text.splitlines()[0]}", f"exit {code}")
    unwitnessed = json.loads(evidence)
    unwitnessed["cosignatures"] = []
    path.write_bytes(canonical_json(unwitnessed))
    code, text = _sanlian("verify", str(path), *trust)
    _expect(f"sanlian verify says {text}", holds=code == 2)
    demo.tell(f"without witnesses: {text.splitlines()[0]}", f"exit {code}")
    path.write_bytes(evidence)


def _audit(demo: Demo, supervisor: Supervisor, record: int) -> None:
    """The database's owner changes one byte of one access record."""
    settings = example_home.settings_for(demo.home, demo.ports)
    supervisor.start(platform_processes(settings)["node"])
    try:
        code, text = _sanlian(
            "audit", "--home", str(demo.home), "--node", settings.resolved_node_url
        )
        _expect(f"sanlian audit says {text}", holds=code == 0)
        demo.tell(f"sanlian audit: {text.splitlines()[-1]}", f"exit {code}")
        _change_record(demo.home / "logs" / "gateway.db", record)
        code, text = _sanlian(
            "audit", "--home", str(demo.home), "--node", settings.resolved_node_url
        )
        named = [line for line in text.splitlines() if f"record {record}" in line]
        _expect(f"sanlian audit says {text}", holds=code == 1 and bool(named))
        demo.tell(
            f"one byte of record {record} changed in the database: {named[0]}", f"exit {code}"
        )
    finally:
        supervisor.stop()


def _change_record(database: Path, record: int) -> None:
    with sqlite3.connect(database) as connection:
        (data,) = connection.execute(
            "SELECT bytes FROM records WHERE seq = ?", (record,)
        ).fetchone()
        changed = bytearray(data)
        changed[-10] ^= ALTERED_BYTE
        connection.execute("UPDATE records SET bytes = ? WHERE seq = ?", (bytes(changed), record))


def run_demo(*, keep: bool) -> None:
    """Tell the story from the first key to the altered database.

    Raises:
        SanlianError: a step did not end as told.
    """
    home = Path(tempfile.mkdtemp(prefix="sanlian-demo-"))
    demo = Demo(home, free_ports())
    supervisor = Supervisor(home / "processes", say=lambda line: click.echo(f"          {line}"))
    quiet: Callable[[str], None] = lambda _line: None  # noqa: E731 - the story has its own lines
    try:
        deployment = start_platform(supervisor, home, demo.ports, say=quiet)
        demo.tell(
            "node and api run; the contracts stand",
            f"registry 0x{deployment.contracts['Registry'].hex()}",
        )
        planner, _ = example_home.plan_of(home, deployment)
        with open_platform(home, demo.ports) as platform:
            loaded = demo.found(planner, platform)
            example_home.write_loaded(home, loaded)
            example_home.write_interfaces(home, loaded)
            start_rest(supervisor, home, demo.ports, (INSURANCE,))
            demo.tell("gateway, providers behind their middleware and two witnesses run")
            test = make_test(demo.ports, deployment, platform)
            have_tested(planner, platform, (INSURANCE,), loaded.interfaces, test)
            demo.tell("the gateway has called the interface: its answer is as described")
            interface = loaded.interfaces[INSURANCE.slug]
            demo.record(platform, planner.interface_online(INSURANCE, interface))
            evidence = _share(demo, planner, platform, loaded)
        supervisor.stop()
        _prove(demo, evidence)
        _audit(demo, supervisor, json.loads(evidence)["records"][0]["index"])
        seconds = time.monotonic() - demo.began
        click.echo(f"the whole story: {demo.steps} steps in {seconds:.0f} s")
    finally:
        supervisor.stop()
        if keep:
            click.echo(f"kept: {home} (passphrase of its keys: {PASSPHRASE})")
        else:
            shutil.rmtree(home, ignore_errors=True)
