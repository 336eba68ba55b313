"""Runs the audit of a home directory: chain, index and access log against each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crypto.errors import LedgerError, SanlianError
from ledger.audit.audit import Audit, Finding, Progress
from ledger.audit.chain import ChainReader
from ledger.chain.rpc import Rpc
from ledger.deployment import Deployment
from ledger.log.reader import LogReader
from ledger.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found.

    Attributes:
        findings: everything that does not hold, in the order in which it was met.
        blocks: number of blocks that were checked.
        records: number of access records that were checked.
    """

    findings: tuple[Finding, ...]
    blocks: int
    records: int

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
        }


def run_audit(settings: Settings, *, say: Callable[[str], None]) -> Report:
    """Audit a home directory; reads only.

    Args:
        settings: its settings; a node answers at their URL.
        say: receives lines about the progress.

    Raises:
        LedgerError: DEPLOYMENT_MISSING, DEPLOYMENT_MALFORMED, WRONG_NETWORK, NODE_UNAVAILABLE.
    """
    deployment = Deployment.load(settings.home / "deployment.json")
    rpc = Rpc(settings.resolved_node_url)
    if int(rpc.call("eth_chainId"), 16) != deployment.chain_id:
        raise LedgerError("WRONG_NETWORK", "the node serves another chain than the deployment's")
    findings: list[Finding] = []
    try:
        reader: LogReader | None = LogReader.open(settings.resolved_log_database_url)
    except SanlianError as error:
        reader = None
        findings.append(Finding("log", error.message, error.code))
    audit = Audit(
        ChainReader(rpc, deployment.contracts),
        chain_id=deployment.chain_id,
        contracts=deployment.contracts,
        log=reader,
        origin=deployment.origin,
    )
    done = {"chain": 0, "log": 0}
    try:
        for step in audit.run():
            if isinstance(step, Progress):
                done[step.stage] = step.done
                say(f"{step.stage}: {step.done}" + (f" of {step.total}" if step.total else ""))
            else:
                findings.append(step)
    finally:
        if reader is not None:
            reader.close()
        rpc.close()
    return Report(tuple(findings), done["chain"], done["log"])
