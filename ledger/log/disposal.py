"""Disposal of a period's parameter key: recorded first, then done (docs/operation.md).

Killed in between, the record stands and the key is still there: the same command again adds no
second record and destroys the key. The other order could leave a key gone and nothing that tells.
"""

import time
from collections.abc import Mapping, Sequence

from crypto.errors import LedgerError
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.parameters import CAUSES, PERIOD_PATTERN, key_digest, parameter_digest, period_at
from protocol.records import parse_record

RECORD_WAIT_S = 60.0


def check_disposal(period: str, cause: str) -> None:
    """Refuse a period that is not over, and a cause that is none.

    Raises:
        LedgerError: PARAMETER_PERIOD_INVALID, PERIOD_RUNNING, CAUSE_INVALID.
    """
    if PERIOD_PATTERN.fullmatch(period) is None:
        raise LedgerError("PARAMETER_PERIOD_INVALID", "a period is a month, such as 2026-11")
    if period >= period_at(time.time_ns() // 1_000_000):
        raise LedgerError("PERIOD_RUNNING", "the key of a period that is not over is in use")
    if cause not in CAUSES:
        raise LedgerError("CAUSE_INVALID", "the cause is one of " + ", ".join(CAUSES))


def dispose_period(
    writer: LogWriter, reader: LogReader, keys: ParameterKeys, *, period: str, cause: str
) -> bool:
    """Record the disposal of a period's key, then destroy the key.

    Args:
        writer: the log, which nobody else writes meanwhile.
        reader: the same log.
        keys: the keys of its gateway.
        period: a period that is over.
        cause: one of protocol.parameters.CAUSES.

    Returns:
        Whether a record was added; False finishes a disposal that was cut off.

    Raises:
        LedgerError: PARAMETER_PERIOD_INVALID, PERIOD_RUNNING, CAUSE_INVALID,
            PARAMETER_KEY_UNREADABLE, LOG_BUSY, LOG_CLOSED, LOG_WRITE_FAILED.
    """
    check_disposal(period, cause)
    is_new = period not in find_disposed(reader)
    if is_new:
        key = keys.find(period)
        draft = {
            "event": "disposed",
            "period": period,
            "key": None if key is None else key_digest(key).hex(),
            "cause": cause,
        }
        writer.append(draft).result(RECORD_WAIT_S)
    keys.dispose(period)
    return is_new


def find_disposed(reader: LogReader) -> Mapping[str, int]:
    """Return the index of the record that tells of its disposal, by period."""
    told = ((seq, parse_record(data)) for seq, data in reader.disposals())
    return {record["period"]: seq for seq, record in told if record["event"] == "disposed"}


def search_parameter(
    reader: LogReader,
    keys: ParameterKeys,
    pointers: Sequence[str],
    value: object,
    *,
    periods: Sequence[str] | None = None,
) -> tuple[list[int], list[str]]:
    """Find the requests that asked about a parameter's value.

    Args:
        reader: the log.
        keys: the keys of its gateway.
        pointers: where in the parameters the value may have stood.
        value: the JSON value, exactly as it was sent.
        periods: months to search, all without them.

    Returns:
        Indices of intents and denials, in order; and the periods that cannot be searched, because
        their key is not there.

    Raises:
        LedgerError: PARAMETER_KEY_UNREADABLE.
        ProtocolError: PARAMETER_INVALID.
    """
    wanted: dict[str, set[str] | None] = {}
    found: list[int] = []
    for event in ("intent", "denied"):
        for seq, data in reader.records_of_event(event):
            member = parse_record(data).get("parameters")
            if member is None:
                continue
            period = member["period"]
            if periods is not None and period not in periods:
                continue
            if period not in wanted:
                key = keys.find(period)
                wanted[period] = (
                    None
                    if key is None
                    else {
                        f"{pointer} {parameter_digest(key, period, pointer, value).hex()}"
                        for pointer in pointers
                    }
                )
            digests = wanted[period]
            if digests is None:
                continue
            if any(f"{one['pointer']} {one['digest']}" in digests for one in member["digests"]):
                found.append(seq)
    return sorted(found), sorted(period for period, one in wanted.items() if one is None)
