"""Builds the evidence of a record: the record, the acts it rests on, and who vouches for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from crypto.errors import LedgerError
from crypto.sm2 import PublicKey, Signature
from ledger.audit.chain import BlockData, ChainReader, LocatedEvent, prove
from ledger.chain.rpc import Rpc
from ledger.db import models as table
from ledger.db.engine import make_engine
from ledger.log.reader import LogReader
from ledger.settings import Settings
from protocol.acts import Act
from protocol.checkpoint import Checkpoint, note_of
from protocol.deployment import Deployment
from protocol.description import Role
from protocol.ethereum import ActEvent, AnchorEvent, GenesisEvent, PieceEvent
from protocol.evidence import BlockCosignature, BlockProof, Evidence, ReceiptProof, RecordProof
from protocol.evidence.chain import apply_event
from protocol.model import Applied, Log, MemoryStore
from protocol.records import parse_record
from protocol.trust import TrustRoot

#: Stands for the authority's threshold and persons among the ids of nouns.
_AUTHORITY = b"authority"
_AUTHORITY_ACTS = frozenset({"ThresholdSet", "AuthorityPersonAdded", "AuthorityPersonRemoved"})
#: A longer run of headers to the next cosigned block is left out: the evidence is then undecided.
MAX_RUN = 4_096


#: Fields of acts that name another noun.
_REFERENCES = (
    "parent",
    "entry",
    "interface",
    "request",
    "grant",
    "log",
    "subject",
    "superior",
    "successor",
    "third_party",
)


class LogSource(Protocol):
    """What the builder reads of an access log."""

    def get_record(self, seq: int) -> bytes:
        """Return a record's bytes."""

    def find_end(self, intent_seq: int) -> int | None:
        """Return the index of an intent's outcome or interruption."""

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """Return the inclusion path of a record in the tree of this size."""


@dataclass(frozen=True, slots=True)
class HeldCosignature:
    """A witness's cosignature with the hash of the block that it is about."""

    hash: bytes
    cosignature: BlockCosignature


def _not_ready(message: str) -> LedgerError:
    return LedgerError("EVIDENCE_NOT_READY", message)


def _find_records(log: LogSource, seq: int) -> list[tuple[int, bytes, dict[str, Any]]]:
    data = log.get_record(seq)
    record = parse_record(data)
    if record["event"] == "denied":
        return [(seq, data, record)]
    if record["event"] in ("outcome", "interrupted"):
        seq = record["intent"]
        data = log.get_record(seq)
        record = parse_record(data)
    if record["event"] != "intent":
        raise LedgerError("EVIDENCE_UNSUPPORTED", "there is no evidence of such a record")
    end = log.find_end(seq)
    if end is None:
        raise _not_ready("the call has not ended")
    end_data = log.get_record(end)
    return [(seq, data, record), (end, end_data, parse_record(end_data))]


def _replay(
    events: Iterable[LocatedEvent], block: int, chain: ChainReader, trust: TrustRoot
) -> tuple[MemoryStore, list[tuple[LocatedEvent, set[bytes]]]]:
    """Return the state after a block, and each act so far with the ids that it touches."""
    store = MemoryStore()
    acts: list[tuple[LocatedEvent, set[bytes]]] = []
    times: dict[int, int] = {}
    for located in events:
        if located.block > block:
            break
        if isinstance(located.event, PieceEvent):
            continue
        if located.block not in times:
            times[located.block] = chain.get_header(located.block)[1].timestamp
        applied = apply_event(
            store,
            located.event,
            trust_chain_id=trust.chain_id,
            contracts=trust.contracts,
            block_number=located.block,
            block_time=times[located.block],
            check_nonce=True,
        )
        if applied is not None and isinstance(located.event, ActEvent):
            touched = _touched(store, applied)
            if "element" in applied.act.values:
                touched.add(applied.act.octets("element"))
            if applied.act.type.brings_key:
                touched.add(located.event.signed.signatures[-1].key_id)
            acts.append((located, touched))
    return store, acts


def _touched(store: MemoryStore, applied: Applied) -> set[bytes]:
    """Return the ids that an act touches, without a key that it brings."""
    touched = {applied.target}
    if applied.act.type.name == "HeadKeyReplaced":
        touched.add(applied.act.octets("key"))
    # How many authority persons there are, and how many act together, is one state.
    key = store.find_key(applied.target)
    person = store.find_person(applied.target if key is None else key.person)
    if applied.act.type.name in _AUTHORITY_ACTS or (
        person is not None and person.roles & Role.AUTHORITY
    ):
        touched.add(_AUTHORITY)
    return touched


def _depends(store: MemoryStore, item: bytes) -> set[bytes]:
    """Return what a noun rests on: a key on its person, a person on the department, and so on."""
    found: set[bytes] = set()
    if (key := store.find_key(item)) is not None:
        found.add(key.person)
    if (person := store.find_person(item)) is not None:
        found.add(person.department)
    if (department := store.find_department(item)) is not None:
        found.add(department.parent)
    if (entry := store.find_entry(item)) is not None:
        found.add(entry.department)
    if (claim := store.find_claim(item)) is not None:
        found |= {claim.element, claim.entry, claim.department}
    if (interface := store.find_interface(item)) is not None:
        found |= {interface.entry, interface.department}
    if (request := store.find_request(item)) is not None:
        found |= {request.interface, request.requester, request.provider}
    if (correction := store.find_correction(item)) is not None:
        found |= {correction.subject, correction.requester, correction.provider}
    if (dispute := store.find_dispute(item)) is not None:
        found |= {dispute.request, dispute.superior, dispute.requester, dispute.provider}
    if (consent := store.find_consent(item)) is not None:
        found |= {consent.grant, consent.provider, consent.third_party}
    if (log := store.find_log(item)) is not None:
        found.add(log.gateway_key)
    return found


def find_needed_acts(
    store: MemoryStore, acts: Sequence[tuple[LocatedEvent, set[bytes]]], roots: set[bytes]
) -> list[LocatedEvent]:
    """Return the acts on which some nouns rest: who signed what, recursively up to genesis.

    Args:
        store: the state after the acts.
        acts: acts with the ids that each touches.
        roots: ids of the nouns.
    """
    by_item: dict[bytes, list[int]] = {}
    for position, (_, touched) in enumerate(acts):
        for item in touched:
            by_item.setdefault(item, []).append(position)
    needed: set[int] = set()
    seen: set[bytes] = set()
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        waiting.extend(_depends(store, item))
        for position in by_item.get(item, ()):
            if position in needed:
                continue
            needed.add(position)
            located, touched = acts[position]
            waiting.extend(touched)
            if isinstance(located.event, ActEvent):
                signed = located.event.signed
                waiting.extend(one.key_id for one in signed.signatures)
                waiting.extend(_referenced(Act.from_bytes(signed.data)))
    return [acts[position][0] for position in sorted(needed)]


def _with_companions(
    store: MemoryStore,
    acts: Sequence[tuple[LocatedEvent, set[bytes]]],
    roots: set[bytes],
    *anchors: LocatedEvent,
) -> list[LocatedEvent]:
    """Return the acts on which the nouns rest, with all that stand in the same transactions.

    Anybody can put several calls into one transaction. Its receipt is proven whole, so that the
    verifier replays them all: what they rest on is needed too.
    """
    while True:
        needed = find_needed_acts(store, acts, roots)
        places = {(one.block, one.transaction) for one in (*needed, *anchors)}
        wider = roots.union(
            *(touched for one, touched in acts if (one.block, one.transaction) in places)
        )
        if wider == roots:
            return needed
        roots = wider


def _referenced(act: Act) -> set[bytes]:
    found = {act.octets(name) for name in _REFERENCES if name in act.values}
    return found | {_AUTHORITY} if "AUTHORITY*m" in act.type.signers else found


def build_evidence(
    seq: int,
    *,
    log: LogSource,
    log_id: bytes,
    chain: ChainReader,
    trust: TrustRoot,
    find_cosignatures: Callable[[int, int], Sequence[HeldCosignature]],
) -> bytes:
    """Build the evidence file of a record.

    Args:
        seq: index of a denial, an intent, or an intent's end.
        log: the access log.
        log_id: its id on chain.
        chain: the chain.
        trust: trust root whose witnesses count.
        find_cosignatures: cosignatures on the blocks from one number to another, both included.

    Raises:
        LedgerError: EVIDENCE_NOT_READY while the call has not ended or is not anchored yet,
            EVIDENCE_UNSUPPORTED; those of the log and the chain.
    """
    records = _find_records(log, seq)
    first = records[0][2]
    deciding: int = first["block"]["number"]
    events = chain.scan()
    anchor = _find_anchor(log_id, events, records[-1][0])
    store, acts = _replay(events, anchor.block, chain, trust)
    found = store.find_log(log_id)
    if found is None or found.block_number > deciding:
        raise LedgerError("LOG_UNREGISTERED", "the log was not registered at the deciding block")
    checkpoint = _checkpoint_of(store, found, anchor)
    roots = {
        log_id,
        _key_id(first["request"]["public_key"]),
        bytes.fromhex(first["request"]["grant"]),
    }
    if first["event"] == "intent" and records[1][2]["event"] == "outcome":
        answer = records[1][2]["provider_response"]
        if answer is not None:
            roots.add(_key_id(answer["public_key"]))
    genesis = [x for x in events if isinstance(x.event, GenesisEvent)]
    decided = [one for one in acts if one[0].block <= deciding]
    needed = [
        *genesis,
        *_with_companions(store, decided, roots),
        # The anchor rests on the gateway's key as it stood at the anchor's block.
        *_with_companions(store, acts, {log_id}, anchor),
        anchor,
    ]
    places: dict[int, set[int]] = {deciding: set()}
    for located in needed:
        places.setdefault(located.block, set()).add(located.transaction)
    blocks, cosignatures = _vouch(chain, trust, places, find_cosignatures)
    return Evidence(
        chain_id=trust.chain_id,
        log=log_id,
        checkpoint=checkpoint,
        records=tuple(
            RecordProof(index, data, tuple(log.inclusion(index, anchor_size(anchor))))
            for index, data, _ in records
        ),
        blocks=blocks,
        cosignatures=cosignatures,
    ).to_bytes()


def anchor_size(located: LocatedEvent) -> int:
    """Return the size of the checkpoint that an event anchors."""
    if not isinstance(located.event, AnchorEvent):
        raise TypeError("not an anchor")
    return located.event.size


def _key_id(public_key: str) -> bytes:
    return PublicKey.from_bytes(bytes.fromhex(public_key)).key_id


def _find_anchor(log_id: bytes, events: Iterable[LocatedEvent], last: int) -> LocatedEvent:
    """Return the first anchor of a log that covers a record."""
    for located in events:
        event = located.event
        if isinstance(event, AnchorEvent) and event.log == log_id and event.size > last:
            return located
    raise _not_ready("no anchored checkpoint covers the record yet")


def _checkpoint_of(store: MemoryStore, log: Log, anchor: LocatedEvent) -> str:
    """Return the anchored checkpoint as the gateway signed it."""
    event, key = anchor.event, store.find_key(log.gateway_key)
    if not isinstance(event, AnchorEvent) or key is None:
        raise TypeError("not an anchor of a registered log")
    checkpoint = Checkpoint(log.origin, event.size, event.root)
    return note_of(checkpoint, key.public_key, event.signature)


def _vouch(
    chain: ChainReader,
    trust: TrustRoot,
    places: Mapping[int, set[int]],
    find_cosignatures: Callable[[int, int], Sequence[HeldCosignature]],
) -> tuple[tuple[BlockProof, ...], tuple[BlockCosignature, ...]]:
    """Return the blocks, with headers up to the next cosigned one, and the cosignatures."""
    witnesses = {key.key_id for key in trust.witnesses}
    head = chain.head()
    data: dict[int, BlockData] = {number: chain.get_block(number) for number in places}
    headers = {number: (one.header_bytes, one.header) for number, one in data.items()}
    held: dict[int, list[HeldCosignature]] = {}
    for one in find_cosignatures(min(places), head):
        if one.cosignature.key_id in witnesses:
            held.setdefault(one.cosignature.number, []).append(one)

    def is_vouched(number: int) -> bool:
        if len(held.get(number, ())) < trust.witness_threshold:
            return False
        if number not in headers:
            headers[number] = chain.get_header(number)
        fitting = [one for one in held[number] if one.hash == headers[number][1].hash]
        return len(fitting) >= trust.witness_threshold

    chosen: set[int] = set(places)
    for number in sorted(places):
        run = number
        while run <= min(head, number + MAX_RUN) and not is_vouched(run):
            run += 1
        if run <= min(head, number + MAX_RUN):
            chosen.update(range(number, run + 1))
    blocks: list[BlockProof] = []
    cosignatures: list[BlockCosignature] = []
    for number in sorted(chosen):
        if number not in headers:
            headers[number] = chain.get_header(number)
        header_bytes, header = headers[number]
        receipts = prove(data[number], places[number]) if number in places else []
        blocks.append(
            BlockProof(
                header_bytes, tuple(ReceiptProof(index, tuple(nodes)) for index, nodes in receipts)
            )
        )
        fitting = [x.cosignature for x in held.get(number, ()) if x.hash == header.hash]
        cosignatures.extend(sorted(fitting, key=lambda x: x.key_id))
    return tuple(blocks), tuple(cosignatures)


def make_evidence_builder(settings: Settings, deployment: Deployment) -> Callable[[int], bytes]:
    """Return a function that builds the evidence of a record of this home's access log.

    Args:
        settings: settings of the home directory.
        deployment: its deployment.

    Raises:
        ProtocolError: TRUST_MALFORMED.
        LedgerError: TRUST_MISSING.
    """
    path = settings.home / "trust.json"
    if not path.exists():
        raise LedgerError("TRUST_MISSING", "trust.json is missing in the home directory")
    trust = TrustRoot.from_bytes(path.read_bytes())
    chain = ChainReader(Rpc(settings.resolved_node_url), deployment.contracts)
    engine = make_engine(settings.resolved_database_url, read_only=True)

    def find_cosignatures(first: int, last: int) -> list[HeldCosignature]:
        kind = table.BlockCosignature
        with Session(engine) as session:
            rows = session.scalars(
                select(kind).where(kind.number >= first, kind.number <= last)
            ).all()
            return [
                HeldCosignature(
                    row.hash,
                    BlockCosignature(
                        row.number, row.time, row.key_id, Signature.from_bytes(row.signature)
                    ),
                )
                for row in rows
            ]

    def build(seq: int) -> bytes:
        log_id = find_log_id(chain, deployment)
        reader = LogReader.open(settings.resolved_log_database_url, deployment.origin)
        try:
            return build_evidence(
                seq,
                log=reader,
                log_id=log_id,
                chain=chain,
                trust=trust,
                find_cosignatures=find_cosignatures,
            )
        finally:
            reader.close()

    return build


def find_log_id(chain: ChainReader, deployment: Deployment) -> bytes:
    """Return the id of the deployment's log.

    Raises:
        LedgerError: LOG_UNREGISTERED.
    """
    for located in chain.scan():
        event = located.event
        if isinstance(event, ActEvent) and event.name == "LogRegistered":
            act = Act.from_bytes(event.signed.data)
            if act.text("origin") == deployment.origin:
                return event.act_id
    raise LedgerError("LOG_UNREGISTERED", "the log is not registered on chain")
