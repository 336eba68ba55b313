"""Completeness of access logs from their files alone: no node, no network, no platform."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import LedgerError, SanlianError
from crypto.merkle import Frontier, leaf_hash
from ledger.audit.completeness import Completeness, Explained, Finding, has_end_behind
from ledger.log.database import parse_url
from ledger.log.postgres import find_origins
from ledger.log.reader import LogReader
from protocol.evidence.decision import verify_request
from protocol.records import parse_record


@dataclass(frozen=True, slots=True)
class OfflineReport:
    """What the files of access logs show by themselves.

    Attributes:
        findings: everything that does not hold.
        explained: gaps that callers' own statements explain.
        records: number of records that were read.
    """

    findings: tuple[Finding, ...]
    explained: tuple[Explained, ...]
    records: int

    def to_value(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "records": self.records,
            "findings": [
                {"place": one.place, "message": one.message, "code": one.code}
                for one in self.findings
            ],
            "explained": [{"place": one.place, "message": one.message} for one in self.explained],
        }


def open_log(path: Path, stack: ExitStack) -> tuple[str, LogReader]:
    """Open a log's file for reading and return its origin with it; the stack closes it.

    Raises:
        LedgerError: LOG_MISSING, LOG_DAMAGED.
        ProtocolError: RECORD_MALFORMED.
    """
    url = URL.create("sqlite", database=str(path)).render_as_string()
    reader = LogReader.open(url)
    stack.callback(reader.close)
    try:
        record = parse_record(reader.get_record(0))
    except SQLAlchemyError as error:
        raise LedgerError("LOG_DAMAGED", "the file is no access log") from error
    return str(record["log"]), reader


def open_database_logs(url: str, stack: ExitStack, *, leave_out: str = "") -> dict[str, LogReader]:
    """Open the logs of a PostgreSQL database for reading, by origin; the stack closes them.

    Args:
        url: SQLAlchemy URL of the database.
        stack: closes them.
        leave_out: origin of a log that is not opened.

    Raises:
        LedgerError: LOG_DATABASE_UNSUPPORTED, LOG_DATABASE_UNREACHABLE, LOG_MISSING.
    """
    found: dict[str, LogReader] = {}
    for origin in find_origins(parse_url(url)):
        if origin == leave_out:
            continue
        found[origin] = LogReader.open(url, origin)
        stack.callback(found[origin].close)
    return found


def check_logs(paths: Sequence[Path], *, database: str = "") -> OfflineReport:
    """Check the logs of a city's gateways by themselves and against each other.

    Whether keys and decisions were right needs the chain: see run_audit.

    Args:
        paths: the logs' files, one to a gateway.
        database: SQLAlchemy URL of a PostgreSQL database, all of whose logs are checked too.

    Raises:
        SanlianError: a file is no access log; LOG_GIVEN_TWICE.
    """
    findings: list[Finding] = []
    explained: list[Explained] = []
    completeness = Completeness()
    total = 0
    with ExitStack() as stack:
        stack.callback(completeness.close)
        opened = open_database_logs(database, stack) if database else {}
        for path in paths:
            origin, reader = open_log(path, stack)
            if origin in opened:
                raise LedgerError("LOG_GIVEN_TWICE", "a log of this origin was given before")
            opened[origin] = reader
        for origin, reader in opened.items():
            try:
                total += _check_log(origin, reader, completeness, findings)
            except SQLAlchemyError as error:
                raise LedgerError("LOG_DAMAGED", "the log cannot be read") from error
        for step in completeness.finish():
            if isinstance(step, Finding):
                findings.append(step)
            else:
                explained.append(step)
    return OfflineReport(tuple(findings), tuple(explained), total)


def _check_log(
    origin: str, reader: LogReader, completeness: Completeness, findings: list[Finding]
) -> int:
    end = reader.size()
    intents: set[int] = set()
    frontier = Frontier()
    for seq, data in reader.records(0, end):
        place = f"{origin}, record {seq}"
        if seq != frontier.size:
            message = "records before it are missing"
            findings.append(Finding(place, message, "RECORD_MISSING"))
            return frontier.size
        frontier.append(leaf_hash(data))
        try:
            record = parse_record(data)
            if (record["log"], record["seq"]) != (origin, seq):
                message = "it names another place in the log"
                findings.append(Finding(place, message, "RECORD_MISPLACED"))
                continue
            if "request" in record:
                verify_request(record)
        except SanlianError as error:
            findings.append(Finding(place, error.message, error.code))
            continue
        completeness.add(record)
        if record["event"] == "intent":
            intents.add(seq)
        elif record["event"] in ("outcome", "interrupted"):
            intents.discard(record["intent"])
    if frontier.size != end or reader.root(end) != frontier.root():
        message = "the records are not those of the kept tree"
        findings.append(Finding(origin, message, "ROOT_DIFFERS"))
    for seq in sorted(intents):
        # The end may have been written since the log's size was read.
        if not has_end_behind(reader, seq, end):
            message = "the intent has neither outcome nor interruption"
            findings.append(Finding(f"{origin}, record {seq}", message, "INTENT_OPEN"))
    return end
