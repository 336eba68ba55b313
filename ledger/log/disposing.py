"""Opens a home's log for a disposal, as its gateway does: with the last anchor to go on from."""

from collections.abc import Iterator
from contextlib import contextmanager

from crypto.errors import LedgerError
from ledger.db.engine import make_engine, read_transaction
from ledger.db.state import load_state
from ledger.deployment import load_deployment
from ledger.log.disposal import check_disposal, dispose_period
from ledger.log.keeping import dispose_kept_period, dispose_kept_record
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from ledger.log.recovery import AnchorPoint
from ledger.log.writer import LogWriter
from ledger.settings import Settings
from ledger.token_keys import open_gateway_key
from protocol.model import MemoryStore


def dispose_in_home(settings: Settings, *, period: str, cause: str) -> bool:
    """Record the disposal of a period's key in the home's log, then destroy the key.

    Returns:
        Whether a record was added; False finishes a disposal that was cut off.

    Raises:
        LedgerError: those of home_log and dispose_period.
    """
    check_disposal(period, cause)
    with home_log(settings) as (writer, reader):
        keys = ParameterKeys(settings.parameter_keys_dir)
        return dispose_period(writer, reader, keys, period=period, cause=cause)


def dispose_kept_in_home(
    settings: Settings, *, period: str | None, seq: int | None, cause: str
) -> bool:
    """Record the disposal of a month's envelopes, or of one, then destroy the keys.

    Args:
        settings: settings of the gateway's home.
        period: a month that is over, or None.
        seq: index of the record whose envelope it is, where no month is given.
        cause: one of protocol.parameters.CAUSES.

    Returns:
        Whether a record was added; False finishes a disposal that was cut off.

    Raises:
        LedgerError: those of home_log, dispose_kept_period and dispose_kept_record.
    """
    if period is not None:
        check_disposal(period, cause)
    with home_log(settings) as (writer, reader):
        keys = KeptKeys(settings.kept_keys_dir)
        if period is not None:
            return dispose_kept_period(writer, reader, keys, period=period, cause=cause)
        return dispose_kept_record(writer, reader, keys, seq=seq or 0, cause=cause)


@contextmanager
def home_log(settings: Settings) -> Iterator[tuple[LogWriter, LogReader]]:
    """Open the home's log for a disposal.

    Raises:
        LedgerError: LOG_IN_USE while the gateway runs, LOG_UNREGISTERED, LOG_MISSING; those of
            opening a log.
    """
    deployment = load_deployment(settings.home / "deployment.json")
    key = open_gateway_key(settings, deployment)
    state = MemoryStore()
    engine = make_engine(settings.resolved_database_url, read_only=True)
    try:
        with read_transaction(engine) as connection:
            load_state(connection, state)
    finally:
        engine.dispose()
    log = state.find_log_by_origin(deployment.origin)
    if log is None:
        raise LedgerError("LOG_UNREGISTERED", "the log is not registered on chain")
    anchor = state.find_anchor(log.id)
    url = settings.resolved_log_database_url
    # First for reading: a disposal never makes a log.
    reader = LogReader.open(url, log.origin)
    try:
        writer = LogWriter(
            url,
            origin=log.origin,
            log_id=log.id,
            key=key,
            anchor=None if anchor is None else AnchorPoint(anchor.size, anchor.root),
        )
        try:
            yield writer, reader
        finally:
            writer.close()
    finally:
        reader.close()
