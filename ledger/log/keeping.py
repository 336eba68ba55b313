"""Kept envelopes of a log: sealed with the intent, opened by an auditor, disposed of by record.

As with the keys of parameters' digests: the record of a disposal is durable before a key is gone.
"""

from collections.abc import Mapping
from typing import Any

from crypto.errors import LedgerError
from ledger.log.disposal import RECORD_WAIT_S, check_disposal
from ledger.log.kept_keys import KeptKeys
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.kept import Bound, open_envelope, seal_body, slot_of
from protocol.parameters import CAUSES, period_at
from protocol.records import parse_record


class Keeper:
    """Seals the bodies of requests whose interfaces' parameters must be kept.

    Args:
        keys: keys of envelopes.
        interfaces: ids of these interfaces; with none nothing is made.
        origin: origin of the log.
    """

    def __init__(self, keys: KeptKeys, interfaces: frozenset[bytes], origin: str) -> None:
        self._keys = keys
        self._interfaces = interfaces
        self._origin = origin

    def prepare(self, time_ms: int) -> None:
        """Make the month's keys now, so that the first request does not wait for them.

        Raises:
            LedgerError: KEPT_KEY_DISPOSED, KEPT_KEYS_UNREADABLE: who must keep does not serve
                without.
        """
        if self._interfaces:
            self._keys.prepare(period_at(time_ms))

    def keep(
        self,
        interface: bytes,
        body: bytes,
        *,
        time_ms: int,
        key_id: bytes,
        digest: bytes,
        nonce: str,
    ) -> tuple[bytes | None, Mapping[str, Any]]:
        """Return the envelope of a request and the members that its intent has besides.

        Args:
            interface: id of the interface.
            body: exact bytes of the body.
            time_ms: time of the decision.
            key_id: id of the requester's key.
            digest: SM3 of the body.
            nonce: the request's nonce in hex.

        Returns:
            None and no members where the interface's parameters are not kept.

        Raises:
            LedgerError: KEPT_KEY_DISPOSED, KEPT_KEYS_UNREADABLE: then the request is refused.
        """
        if interface not in self._interfaces:
            return None, {}
        slot, key = self._keys.take(period_at(time_ms))
        bound = Bound(self._origin, digest, key_id, nonce)
        sealed, member = seal_body(key, slot, bound, body)
        return sealed, {"kept": member}


def find_kept(reader: LogReader, seq: int) -> tuple[dict[str, Any], bytes]:
    """Return an intent that has an envelope, and the envelope.

    Raises:
        LedgerError: LOG_RECORD_UNKNOWN; KEPT_NONE when the record has none; KEPT_MISSING when it
            is not in the database.
    """
    record = parse_record(reader.get_record(seq))
    if "kept" not in record:
        raise LedgerError("KEPT_NONE", "the record has no envelope", seq=seq)
    sealed = reader.find_envelope(seq)
    if sealed is None:
        raise LedgerError("KEPT_MISSING", "the record's envelope is not there", seq=seq)
    return record, sealed


def open_kept(reader: LogReader, keys: KeptKeys, seq: int) -> bytes:
    """Return the body that a record's envelope holds, exactly as the requester signed it.

    Raises:
        LedgerError: those of find_kept; KEPT_KEY_MISSING when its key is not there or destroyed,
            KEPT_KEYS_UNREADABLE.
        VerificationError: KEPT_DIFFERS, KEPT_INVALID.
    """
    record, sealed = find_kept(reader, seq)
    key = keys.find(slot_of(record["kept"]))
    if key is None:
        raise LedgerError("KEPT_KEY_MISSING", "the envelope's key is not there", seq=seq)
    return open_envelope(key, record, sealed)


def dispose_kept_period(
    writer: LogWriter, reader: LogReader, keys: KeptKeys, *, period: str, cause: str
) -> bool:
    """Record the disposal of all envelopes' keys of a month, then destroy them.

    Args:
        writer: the log, which nobody else writes meanwhile.
        reader: the same log.
        keys: the keys of its gateway.
        period: a month that is over.
        cause: one of protocol.parameters.CAUSES.

    Returns:
        Whether a record was added; False finishes a disposal that was cut off.

    Raises:
        LedgerError: PARAMETER_PERIOD_INVALID, PERIOD_RUNNING, CAUSE_INVALID,
            KEPT_KEYS_UNREADABLE, LOG_BUSY, LOG_CLOSED, LOG_WRITE_FAILED.
    """
    check_disposal(period, cause)
    is_new = not _is_recorded(reader, period, None)
    if is_new:
        _record(writer, period, None, cause)
    keys.dispose_period(period)
    return is_new


def dispose_kept_record(
    writer: LogWriter, reader: LogReader, keys: KeptKeys, *, seq: int, cause: str
) -> bool:
    """Record the disposal of one envelope's key, then destroy it; any month, also the running one.

    Returns:
        Whether a record was added; False finishes a disposal that was cut off.

    Raises:
        LedgerError: CAUSE_INVALID, LOG_RECORD_UNKNOWN, KEPT_NONE; those of dispose_kept_period.
    """
    if cause not in CAUSES:
        raise LedgerError("CAUSE_INVALID", "the cause is one of " + ", ".join(CAUSES))
    record = parse_record(reader.get_record(seq))
    if "kept" not in record:
        raise LedgerError("KEPT_NONE", "the record has no envelope", seq=seq)
    slot = slot_of(record["kept"])
    is_new = not _is_recorded(reader, slot.period, seq)
    if is_new:
        _record(writer, slot.period, seq, cause)
    keys.dispose(slot)
    return is_new


def _is_recorded(reader: LogReader, period: str, seq: int | None) -> bool:
    return any(
        (record["period"], record["record"]) == (period, seq)
        for record in (parse_record(data) for _, data in reader.disposals())
        if record["event"] == "kept_disposed"
    )


def _record(writer: LogWriter, period: str, seq: int | None, cause: str) -> None:
    draft = {"event": "kept_disposed", "period": period, "record": seq, "cause": cause}
    writer.append(draft).result(RECORD_WAIT_S)
