"""One audit of a home directory, from its settings to a report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from crypto.errors import LedgerError
from ledger.audit.audit import Audit, Finding
from ledger.audit.chain import ChainReader
from ledger.chain.rpc import Rpc
from ledger.deployment import Deployment
from ledger.log.reader import LogReader
from ledger.settings import Settings

NEWS_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit checked and found.

    Attributes:
        findings: everything that does not hold.
        blocks: number of blocks checked.
        records: number of access records checked.
        seconds: time it took.
    """

    findings: tuple[Finding, ...]
    blocks: int
    records: int
    seconds: float

    def summary(self) -> str:
        """Return one line for a person."""
        what = f"{self.blocks} blocks, {self.records} access records in {self.seconds:.1f} s"
        if not self.findings:
            return f"nothing found 未发现问题: {what}"
        return f"{len(self.findings)} findings 发现问题: {what}"

    def to_value(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "findings": [
                {"place": f.place, "code": f.code, "message": f.message} for f in self.findings
            ],
            "blocks": self.blocks,
            "records": self.records,
            "seconds": round(self.seconds, 3),
        }


def run_audit(settings: Settings, *, say: Callable[[str], None]) -> Report:
    """Audit the chain and the access log of a home directory; nothing is written.

    Args:
        settings: the settings; the node answers at its URL.
        say: takes one line of progress.

    Raises:
        LedgerError: DEPLOYMENT_MISSING, DEPLOYMENT_MALFORMED, or what node and log answer.
    """
    deployment = Deployment.load(settings.home / "deployment.json")
    rpc = Rpc(settings.resolved_node_url)
    reader = _open_log(settings)
    began = time.monotonic()
    findings: list[Finding] = []
    done = {"chain": 0, "log": 0}
    told = began
    try:
        audit = Audit(
            ChainReader(rpc, deployment.contracts),
            chain_id=deployment.chain_id,
            contracts=deployment.contracts,
            log=reader,
            origin=deployment.origin,
        )
        for step in audit.run():
            if isinstance(step, Finding):
                findings.append(step)
                continue
            done[step.stage] = step.done
            if time.monotonic() - told > NEWS_INTERVAL_S:
                told = time.monotonic()
                of = f" of {step.total}" if step.total else ""
                say(f"{step.stage}: {step.done}{of} checked, {len(findings)} findings so far")
    finally:
        rpc.close()
        if reader is not None:
            reader.close()
    return Report(tuple(findings), done["chain"], done["log"], time.monotonic() - began)


def _open_log(settings: Settings) -> LogReader | None:
    """Return the access log, None where no gateway has begun one."""
    url = settings.resolved_log_database_url
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and not Path(database.database or "").exists():
        return None
    try:
        return LogReader.open(url)
    except OSError as error:
        raise LedgerError("LOG_UNREADABLE", "the access log cannot be opened") from error
