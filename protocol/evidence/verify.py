"""The verifier: evidence and a trust root in, a verdict out (docs/protocol.md, 9)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from crypto.errors import ProtocolError, SanlianError, VerificationError
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.sm2 import PublicKey
from protocol.checkpoint import Checkpoint, parse_note, verify_checkpoint
from protocol.description import Role
from protocol.ethereum import ActEvent, AnchorEvent, GenesisEvent, Header
from protocol.evidence.chain import PlacedEvent, find_unvouched, read_events, read_headers, replay
from protocol.evidence.decision import (
    MAX_SKEW_S,
    verify_denial,
    verify_end,
    verify_intent,
    verify_request,
)
from protocol.evidence.format import Evidence
from protocol.model import Log, MemoryStore
from protocol.records import parse_record
from protocol.trust import TrustRoot

NO_BLOCKS: Mapping[int, bytes] = {}


class Status(IntEnum):
    """What a verifier says of evidence that is not invalid; the value is its exit code."""

    VALID = 0
    UNDECIDED = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for evidence in which nothing fails.

    Attributes:
        status: VALID, or UNDECIDED when nobody vouches for a block.
        reason: why it is undecided, empty when valid.
        summary: what the evidence shows, one fact a line.
        facts: the same for programs: event, who, whom, items, time, decision, block.
    """

    status: Status
    reason: str
    summary: str
    facts: Mapping[str, Any]


@contextmanager
def _part(name: str) -> Iterator[None]:
    """Name the part of the evidence in which a check fails."""
    try:
        yield
    except SanlianError as error:
        raise VerificationError(
            "EVIDENCE_INVALID", f"{name}: {error.message}", part=name, cause=error.code
        ) from error


def verify_evidence(
    data: bytes, trust: TrustRoot, *, pinned: Mapping[int, bytes] = NO_BLOCKS
) -> Verdict:
    """Check an evidence file from the record's bytes to the block.

    Args:
        data: the file.
        trust: what the verifier believes beforehand.
        pinned: block hashes by number that the verifier knows from elsewhere.

    Returns:
        A verdict, VALID or UNDECIDED.

    Raises:
        VerificationError: EVIDENCE_INVALID; details part (form, blocks, cosignatures, receipts,
            acts, anchor, checkpoint, records, request, decision, outcome) and cause, a code.
    """
    with _part("form"):
        evidence = Evidence.from_bytes(data)
        if evidence.chain_id != trust.chain_id:
            raise ProtocolError("WRONG_CHAIN", "the evidence is of another chain")
    with _part("blocks"):
        headers = read_headers(evidence.blocks)
    with _part("cosignatures"):
        missing = find_unvouched(headers, evidence.cosignatures, trust, pinned)
    with _part("receipts"):
        events = read_events(headers, evidence.blocks, trust.contracts)
        _verify_shape(events)
    with _part("records"):
        records = [parse_record(proof.record) for proof in evidence.records]
        _verify_kinds(records)
    first = records[0]
    deciding = first["block"]["number"]
    with _part("blocks"):
        _verify_deciding(headers, first)
    store = MemoryStore()
    with _part("acts"):
        # What was recorded behind the deciding block decided nothing.
        own = [one for one in events if _is_needed(one, evidence.log)]
        before = [one for one in own if one.header.number <= deciding]
        replay(store, before, trust)
        log = store.find_log(evidence.log)
        if log is None:
            raise VerificationError("LOG_UNKNOWN", "the log is not registered")
    with _part("checkpoint"):
        checkpoint = _verify_note(store, evidence.checkpoint, log)
    with _part("records"):
        for proof, record in zip(evidence.records, records, strict=True):
            verify_inclusion(
                leaf_hash(proof.record),
                proof.index,
                checkpoint.size,
                proof.path,
                checkpoint.root,
            )
            if record["seq"] != proof.index or record["log"] != log.origin:
                raise VerificationError("RECORD_MISPLACED", "a record names another place")
    with _part("request"):
        request = verify_request(first)
    with _part("decision"):
        if first["event"] == "denied":
            verify_denial(store, first, request)
        else:
            verify_intent(store, first, request)
    with _part("outcome"):
        if len(records) == 2:
            verify_end(store, first, evidence.records[0].record, records[1])
    facts = _facts(store, records)
    for placed in own[len(before) :]:
        # An anchor rests on the gateway's key as it stood at its block.
        with _part("anchor" if isinstance(placed.event, AnchorEvent) else "acts"):
            replay(store, [placed], trust)
    with _part("anchor"):
        facts["anchored_at"] = _find_anchor(own, checkpoint)
    reason = ""
    if missing:
        numbers = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        reason = f"nobody whom the trust root names vouches for block {numbers}"
    summary = "\n".join(f"{name}: {value}" for name, value in facts.items())
    return Verdict(Status.UNDECIDED if missing else Status.VALID, reason, summary, facts)


def _verify_shape(events: list[PlacedEvent]) -> None:
    if not events or not isinstance(events[0].event, GenesisEvent):
        raise VerificationError("GENESIS_MISSING", "the first event is not genesis")
    if not any(isinstance(one.event, AnchorEvent) for one in events):
        raise VerificationError("ANCHOR_MISSING", "there is no anchor")
    if not all(isinstance(one.event, ActEvent | AnchorEvent) for one in events[1:]):
        raise VerificationError("RECEIPT_UNNEEDED", "there are events that evidence does not hold")


def _is_needed(placed: PlacedEvent, log_id: bytes) -> bool:
    """Return whether an event is no anchor of another log, which proves nothing here."""
    return not isinstance(placed.event, AnchorEvent) or placed.event.log == log_id


def _find_anchor(events: Sequence[PlacedEvent], checkpoint: Checkpoint) -> int:
    """Return the number of the block that anchors the checkpoint."""
    for one in events:
        event = one.event
        if isinstance(event, AnchorEvent) and (event.size, event.root) == (
            checkpoint.size,
            checkpoint.root,
        ):
            return one.header.number
    raise VerificationError("ANCHOR_MISSING", "this checkpoint is not the anchored one")


def _verify_kinds(records: list[dict[str, Any]]) -> None:
    kinds = tuple(record["event"] for record in records)
    if kinds not in (("denied",), ("intent", "outcome"), ("intent", "interrupted")):
        raise VerificationError(
            "RECORD_MISSING", "the records must be an intent with its end, or a denial"
        )


def _verify_deciding(headers: list[Header], record: Mapping[str, Any]) -> None:
    block = record["block"]
    found = [header for header in headers if header.number == block["number"]]
    if len(found) != 1 or found[0].hash.hex() != block["hash"]:
        raise VerificationError("BLOCK_INVALID", "the deciding block is missing or another")
    if record["time_ms"] // 1000 + MAX_SKEW_S < found[0].timestamp:
        raise VerificationError("BLOCK_INVALID", "the record is older than its deciding block")


def _verify_note(store: MemoryStore, note: str, log: Log) -> Checkpoint:
    key = store.find_key(log.gateway_key)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None or not person.roles & Role.GATEWAY:
        raise VerificationError("KEY_UNKNOWN", "the gateway's key is not a gateway's")
    _, lines = parse_note(note)
    if len(lines) != 1:
        raise VerificationError("CHECKPOINT_INVALID", "only the gateway's signature belongs here")
    return verify_checkpoint(note, origin=log.origin, public_key=key.public_key)


def _facts(store: MemoryStore, records: list[dict[str, Any]]) -> dict[str, Any]:
    first = records[0]
    request = first["request"]
    requester = store.find_department(bytes.fromhex(first["department"]))
    key_id = PublicKey.from_bytes(bytes.fromhex(request["public_key"])).key_id
    binding = store.find_certificate(key_id)
    facts: dict[str, Any] = {
        "log": first["log"],
        "record": first["seq"],
        "time_ms": first["time_ms"],
        "requester": first["department"],
        "requester_name": requester.name if requester else "",
        "requester_key": key_id.hex(),
        "requester_certificate": "" if binding is None else binding.certificate.hex(),
        "person": request["person"],
        "grant": request["grant"],
        "basis": request["basis"],
        "scenario": request["scenario"],
        "case": request["case"],
        "decided_at_block": first["block"]["number"],
    }
    if first["event"] == "denied":
        return {**facts, "decision": "denied", "code": first["code"]}
    provider = store.find_department(bytes.fromhex(first["provider"]))
    mask = int(first["items"], 16)
    end = records[1]
    facts |= {
        "provider": first["provider"],
        "provider_name": provider.name if provider else "",
        "entry": first["entry"],
        "entry_version": first["entry_version"],
        "interface": first["interface"],
        "interface_version": first["interface_version"],
        "items": [i for i in range(256) if mask >> i & 1],
        "decision": "passed",
        "result": end["result"] if end["event"] == "outcome" else "interrupted",
    }
    if end["event"] == "outcome":
        released = int(end["items"], 16)
        facts |= {
            "code": end["code"],
            "released_items": [i for i in range(256) if released >> i & 1],
            "rows": end["rows"],
        }
    return facts
