"""Runs the audit of a home directory: chain, index and access log against each other."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import LedgerError, SanlianError
from ledger.audit.audit import Audit, Explained, Finding, Progress
from ledger.audit.chain import ChainReader
from ledger.audit.offline import open_database_logs, open_log
from ledger.chain.deploy import does_supplement_stop_clock, verify_deployed
from ledger.chain.recompile import recompile
from ledger.chain.rpc import Rpc
from ledger.db.engine import make_engine, read_transaction
from ledger.db.state import Head, load_state
from ledger.deployment import load_deployment
from ledger.log.database import is_postgres
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from ledger.settings import Settings
from protocol.deployment import Deployment
from protocol.model import MemoryStore


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found.

    Attributes:
        findings: everything that does not hold, in the order in which it was met.
        blocks: number of blocks that were checked.
        records: number of access records that were checked.
        explained: gaps that callers' own statements explain; no findings.
    """

    findings: tuple[Finding, ...]
    blocks: int
    records: int
    explained: tuple[Explained, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when nothing was found, else 1."""
        return 1 if self.findings else 0

    def summary(self) -> str:
        """Return one line for people."""
        return (
            f"{self.blocks} blocks and {self.records} access records checked, "
            f"{len(self.findings)} findings"
        )

    def to_value(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "blocks": self.blocks,
            "records": self.records,
            "findings": [
                {"place": one.place, "message": one.message, "code": one.code}
                for one in self.findings
            ],
            "explained": [{"place": one.place, "message": one.message} for one in self.explained],
        }


def run_audit(
    settings: Settings,
    *,
    say: Callable[[str], None],
    source: Path | None = None,
    logs: Sequence[Path] = (),
    receipts: Path | None = None,
) -> Report:
    """Audit a home directory; reads only.

    Args:
        settings: its settings; a node answers at their URL.
        say: receives lines about the progress.
        source: source tree whose contracts are compiled and compared with the code on chain.
        logs: files of the other gateways' access logs; those in the home's own PostgreSQL
            database are audited without being named.
        receipts: folder of receipts that requesters and providers hold.

    Raises:
        LedgerError: DEPLOYMENT_MISSING, DEPLOYMENT_MALFORMED, WRONG_NETWORK, NODE_UNAVAILABLE.
    """
    deployment = load_deployment(settings.home / "deployment.json")
    rpc = Rpc(settings.resolved_node_url)
    if int(rpc.call("eth_chainId"), 16) != deployment.chain_id:
        raise LedgerError("WRONG_NETWORK", "the node serves another chain than the deployment's")
    findings: list[Finding] = []
    try:
        reader: LogReader | None = LogReader.open(
            settings.resolved_log_database_url, deployment.origin
        )
    except SanlianError as error:
        reader = None
        findings.append(Finding("log", error.message, error.code))
    stack = ExitStack()
    if reader is not None:
        stack.callback(reader.close)
    others: dict[str, LogReader] = {}
    if reader is not None and is_postgres(settings.resolved_log_database_url):
        others = open_database_logs(
            settings.resolved_log_database_url, stack, leave_out=deployment.origin
        )
    sharing = (deployment.origin, *others) if others else ()
    for path in logs:
        try:
            origin, found = open_log(path, stack)
            if origin == deployment.origin or origin in others:
                raise LedgerError("LOG_GIVEN_TWICE", "a log of this origin was given before")
            others[origin] = found
        except SanlianError as error:
            findings.append(Finding(f"log {path.name}", error.message, error.code))
    # Before the chain's head is asked for: a block that comes meanwhile is in the chain, and the
    # index that has it too is not taken for one that follows another chain.
    index = _read_index(settings)
    audit = Audit(
        ChainReader(rpc, deployment.contracts),
        chain_id=deployment.chain_id,
        contracts=deployment.contracts,
        log=reader,
        origin=deployment.origin,
        others=others,
        sharing=sharing,
        receipts=receipts,
        head_max_age_s=settings.head_max_age_s,
    )
    done = {"chain": 0, "log": 0}
    explained: list[Explained] = []
    try:
        for step in audit.run():
            if isinstance(step, Explained):
                explained.append(step)
            elif isinstance(step, Progress):
                done[step.stage] = step.done
                say(f"{step.stage}: {step.done}" + (f" of {step.total}" if step.total else ""))
            else:
                findings.append(step)
        findings.extend([index] if isinstance(index, Finding) else _compare_index(*index, audit))
        findings.extend(_compare_keys(audit, settings, deployment.origin, reader))
        if does_supplement_stop_clock(rpc, deployment.contracts) != (
            deployment.supplement_stops_clock
        ):
            message = "supplement_stops_clock is not what the contract holds"
            findings.append(Finding("deployment.json", message, "DEPLOYMENT_DIFFERS"))
        if source is not None:
            say("compiling the contracts")
            findings.extend(_compare_source(rpc, deployment, source))
    finally:
        stack.close()
        rpc.close()
    return Report(tuple(findings), done["chain"], audit.records, tuple(explained))


def _compare_keys(
    audit: Audit, settings: Settings, origin: str, log: LogReader | None
) -> list[Finding]:
    """Compare the keys of this home with those that the records of its log name."""
    named = audit.keys.get(origin)
    if named is None or log is None:
        return []
    return [
        *named.compare_parameters(ParameterKeys(settings.parameter_keys_dir)),
        *named.compare_kept(log, KeptKeys(settings.kept_keys_dir)),
    ]


def _compare_source(rpc: Rpc, deployment: Deployment, source: Path) -> list[Finding]:
    """Compare source with the committed ABI files, and these with the code on chain."""
    try:
        recompile(source)
        verify_deployed(rpc, deployment.contracts)
    except SanlianError as error:
        return [Finding("contracts", error.message, error.code)]
    return []


#: Nouns whose rows the index keeps; the names are those of MemoryStore.
_NOUNS = (
    "departments",
    "persons",
    "keys",
    "certificates",
    "proposals",
    "successors",
    "calendar_years",
    "entries",
    "claims",
    "refreshes",
    "oversight_reports",
    "interfaces",
    "requests",
    "logs",
    "corrections",
    "disputes",
    "consents",
)


def _read_index(settings: Settings) -> Finding | tuple[Head, MemoryStore]:
    """Read the state that the platform's database holds, and the block it is of."""
    index = MemoryStore()
    engine = make_engine(settings.resolved_database_url, read_only=True)
    try:
        with read_transaction(engine) as connection:
            head = load_state(connection, index)
    except SQLAlchemyError:
        return Finding("index", "the database cannot be read", "INDEX_UNREADABLE")
    finally:
        engine.dispose()
    if head is None:
        return Finding("index", "the database has not followed the chain", "INDEX_DIFFERS")
    return head, index


def _compare_index(head: Head, index: MemoryStore, audit: Audit) -> list[Finding]:
    """Compare the platform's database with the state that the chain alone gives."""
    if audit.hash_of(head.number) != head.hash.hex():
        return [Finding("index", "it follows another chain", "INDEX_DIFFERS")]
    right = audit.state_at(head.number)
    findings: list[Finding] = []
    if right.find_authority() != index.find_authority():
        findings.append(
            Finding("index, authority", "it is not what the chain says", "INDEX_DIFFERS")
        )
    for noun in _NOUNS:
        ours, theirs = getattr(right, noun), getattr(index, noun)
        for id_ in sorted(set(ours) | set(theirs)):
            if ours.get(id_) != theirs.get(id_):
                place = f"index, {noun}, {id_.hex()}"
                findings.append(Finding(place, "it is not what the chain says", "INDEX_DIFFERS"))
    return findings
