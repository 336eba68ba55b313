"""Keys that one log's records name: of parameters' digests, and of kept envelopes."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from crypto.errors import SanlianError
from crypto.sm3 import sm3
from ledger.audit.completeness import Finding
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from protocol.acts import Act, Value
from protocol.disposals import DISPOSAL_EVENTS, disposal_values
from protocol.kept import Slot, slot_of
from protocol.parameters import key_digest, period_at

#: A gateway that runs files an act sooner.
FILING_MS = 3_600_000


class EnvelopeSource(Protocol):
    """What the comparison reads of an access log."""

    def find_envelope(self, seq: int) -> bytes | None:
        """Return the envelope that goes with a record, None where there is none."""


class LogKeys:
    """Takes note of what a log's records, in their order, say about keys."""

    def __init__(self) -> None:
        #: Digests of the keys of parameters' digests, by month; and the months disposed of.
        self._named: dict[str, set[str]] = {}
        self._disposed: set[str] = set()
        #: Records with an envelope: where its key is, and its digest.
        self._kept: dict[int, tuple[Slot, str]] = {}
        self._slots: dict[Slot, int] = {}
        self._kept_disposed: set[str] = set()
        self._kept_disposed_records: set[int] = set()
        #: Records of disposals, in order: index, time, and what their act must say.
        self._told: list[tuple[int, int, dict[str, Value]]] = []
        self._last_ms = 0

    def add_disposal(self, record: dict[str, Any], data: bytes) -> None:
        """Take note of a record's time, and of what its act must say where it is a disposal."""
        self._last_ms = max(self._last_ms, record["time_ms"])
        if record["event"] in DISPOSAL_EVENTS:
            self._told.append((record["seq"], record["time_ms"], disposal_values(data)))

    def compare_acts(self, acts: Sequence[Act], end: int) -> Iterator[Finding]:
        """Compare the acts ParametersDisposed of the log, in order, with its records.

        Args:
            acts: the acts.
            end: number of records that were read; acts about later ones are for the next audit.
        """
        acts = [act for act in acts if act.number("record") < end]
        for number, act in enumerate(acts):
            told = self._told[number][2] if number < len(self._told) else None
            if told != act.values:
                message = f"the act about record {act.number('record')} is not what the log says"
                yield Finding("disposals", message, "DISPOSAL_DIFFERS")
        for seq, time_ms, _ in self._told[len(acts) :]:
            if self._last_ms - time_ms > FILING_MS:
                message = "no act on the chain tells of this disposal"
                yield Finding(f"record {seq}", message, "DISPOSAL_NOT_FILED")

    def add(self, record: dict[str, Any]) -> Iterator[Finding]:
        """Take one record and yield what it says against those before it."""
        place = f"record {record['seq']}"
        if record["event"] == "disposed":
            yield from self._add_disposed(record, place)
        elif record["event"] == "kept_disposed":
            yield from self._add_kept_disposed(record, place)
        if "parameters" in record:
            yield from self._add_parameters(record, place)
        if "kept" in record:
            yield from self._add_kept(record, place)

    def _add_disposed(self, record: dict[str, Any], place: str) -> Iterator[Finding]:
        period = record["period"]
        self._disposed.add(period)
        if period >= period_at(record["time_ms"]):
            yield Finding(place, "the period was not over", "PERIOD_RUNNING")
        named = self._named.get(period, set())
        if record["key"] is not None and named and record["key"] not in named:
            yield Finding(place, "another key was disposed of", "PARAMETER_KEY_DIFFERS")

    def _add_parameters(self, record: dict[str, Any], place: str) -> Iterator[Finding]:
        """A digest is of its record's own month."""
        member = record["parameters"]
        keys = self._named.setdefault(member["period"], set())
        keys.add(member["key"])
        if member["period"] != period_at(record["time_ms"]):
            yield Finding(place, "its digests are of another period", "PERIOD_MISMATCH")
        if member["period"] in self._disposed:
            yield Finding(place, "its period was disposed of before", "PARAMETER_KEY_DISPOSED")
        if len(keys) > 1:
            yield Finding(place, "its period has two keys", "PARAMETER_KEY_DIFFERS")

    def _add_kept(self, record: dict[str, Any], place: str) -> Iterator[Finding]:
        member = record["kept"]
        slot = slot_of(member)
        self._kept[record["seq"]] = slot, member["digest"]
        if member["period"] != period_at(record["time_ms"]):
            yield Finding(place, "its envelope is of another period", "PERIOD_MISMATCH")
        if member["period"] in self._kept_disposed:
            yield Finding(place, "its month's envelopes were disposed of", "KEPT_KEY_DISPOSED")
        before = self._slots.setdefault(slot, record["seq"])
        if before != record["seq"]:
            yield Finding(place, f"record {before} has the same key", "KEPT_SLOT_REPEATED")

    def _add_kept_disposed(self, record: dict[str, Any], place: str) -> Iterator[Finding]:
        seq, period = record["record"], record["period"]
        if seq is None:
            self._kept_disposed.add(period)
            if period >= period_at(record["time_ms"]):
                yield Finding(place, "the period was not over", "PERIOD_RUNNING")
            return
        self._kept_disposed_records.add(seq)
        if seq not in self._kept or self._kept[seq][0].period != period:
            yield Finding(place, f"record {seq} has no such envelope", "KEPT_NONE")

    def compare_parameters(self, keys: ParameterKeys) -> Iterator[Finding]:
        """Name the periods whose key is neither there nor recorded as disposed of."""
        for period, named in sorted(self._named.items()):
            place = f"parameters, {period}"
            try:
                key = keys.find(period)
            except SanlianError as error:
                yield Finding(place, error.message, error.code)
                continue
            if period in self._disposed:
                if key is not None:
                    message = "the key was recorded as disposed of and is still there"
                    yield Finding(place, message, "PARAMETER_KEY_DISPOSED")
            elif key is None:
                message = "the key is missing, and no record tells of its disposal"
                yield Finding(place, message, "PARAMETER_KEY_MISSING")
            elif key_digest(key).hex() not in named:
                message = "the key is not the one that the records name"
                yield Finding(place, message, "PARAMETER_KEY_DIFFERS")

    def compare_kept(self, log: EnvelopeSource, keys: KeptKeys) -> Iterator[Finding]:
        """Name the envelopes that are not those of the records, and the keys that do not agree.

        Nothing is opened. A month's keys that are missing together are one finding.
        """
        missing: dict[str, list[int]] = {}
        for seq, (slot, digest) in self._kept.items():
            place = f"record {seq}"
            sealed = log.find_envelope(seq)
            if sealed is None:
                yield Finding(place, "its envelope is not there", "KEPT_MISSING")
            elif sm3(sealed).hex() != digest:
                yield Finding(place, "its envelope is not the one it names", "KEPT_DIFFERS")
            try:
                key = keys.find(slot)
            except SanlianError as error:
                yield Finding(place, error.message, error.code)
                continue
            if slot.period in self._kept_disposed or seq in self._kept_disposed_records:
                if key is not None:
                    message = "its key was recorded as disposed of and is still there"
                    yield Finding(place, message, "KEPT_KEY_DISPOSED")
            elif key is None:
                missing.setdefault(slot.period, []).append(seq)
        for period, seqs in sorted(missing.items()):
            message = (
                f"keys of {len(seqs)} envelopes are missing, the first of record {seqs[0]}, and no "
                "record tells of their disposal"
            )
            yield Finding(f"kept, {period}", message, "KEPT_KEY_MISSING")
