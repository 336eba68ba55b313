"""Evidence's blocks: vouched for, with receipts proven, events decoded and replayed."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.errors import CryptoError, VerificationError
from crypto.sm2 import verify
from protocol.checkpoint import block_statement
from protocol.ethereum import (
    ActEvent,
    AnchorEvent,
    Event,
    EventLog,
    GenesisEvent,
    Header,
    PieceEvent,
    decode_event,
    verify_receipt_proof,
)
from protocol.evidence.format import BlockCosignature, BlockProof, is_ascending
from protocol.model import Applied, Store, apply_act, apply_anchor, apply_genesis
from protocol.trust import TrustRoot


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """An event and the block that holds it."""

    header: Header
    event: Event


def _refuse(code: str, message: str) -> VerificationError:
    return VerificationError(code, message)


def read_headers(blocks: Sequence[BlockProof]) -> list[Header]:
    """Decode the headers; they ascend, and neighbours are parent and child.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
        VerificationError: BLOCK_INVALID.
    """
    headers = [Header.from_bytes(block.header) for block in blocks]
    if not is_ascending([header.number for header in headers]):
        raise _refuse("BLOCK_INVALID", "the blocks do not stand in the order of their numbers")
    for parent, child in itertools.pairwise(headers):
        if parent.number + 1 == child.number and child.parent_hash != parent.hash:
            raise _refuse("BLOCK_INVALID", f"block {child.number} has another parent")
        if parent.timestamp > child.timestamp:
            raise _refuse("BLOCK_INVALID", f"block {child.number} is older than one before it")
    return headers


def find_unvouched(
    headers: Sequence[Header],
    cosignatures: Sequence[BlockCosignature],
    trust: TrustRoot,
    pinned: Mapping[int, bytes],
) -> list[int]:
    """Check every cosignature and return the numbers of blocks that nobody vouches for.

    A block is vouched for by enough witnesses, by a pinned hash, or by its child in the list.

    Raises:
        VerificationError: COSIGNATURE_INVALID, BLOCK_INVALID.
    """
    if not is_ascending([(one.number, one.key_id) for one in cosignatures]):
        raise _refuse("COSIGNATURE_INVALID", "the cosignatures do not stand in their order")
    witnesses = {key.key_id: key for key in trust.witnesses}
    by_number = {header.number: header for header in headers}
    counts: dict[int, int] = {}
    for one in cosignatures:
        header, key = by_number.get(one.number), witnesses.get(one.key_id)
        if header is None or key is None:
            raise _refuse("COSIGNATURE_INVALID", "a cosignature names no block or witness we know")
        statement = block_statement(
            chain_id=trust.chain_id, number=one.number, block_hash=header.hash, time=one.time
        )
        try:
            verify(key, statement, one.signature)
        except CryptoError as error:
            raise _refuse(
                "COSIGNATURE_INVALID", f"a cosignature on block {one.number} does not hold"
            ) from error
        counts[one.number] = counts.get(one.number, 0) + 1
    missing: list[int] = []
    child_vouched: int | None = None
    for header in reversed(headers):
        known = pinned.get(header.number)
        if known is not None and known != header.hash:
            raise _refuse("BLOCK_INVALID", f"block {header.number} is not the pinned one")
        if (
            known is not None
            or counts.get(header.number, 0) >= trust.witness_threshold
            or child_vouched == header.number + 1
        ):
            child_vouched = header.number
        else:
            missing.append(header.number)
    return missing[::-1]


def read_events(
    headers: Sequence[Header], blocks: Sequence[BlockProof], contracts: Mapping[str, bytes]
) -> list[PlacedEvent]:
    """Prove every receipt and return the contracts' events in the chain's order.

    Anybody can put several calls into one transaction, and so other events beside those that
    evidence needs. Pieces of documents are left out.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
        VerificationError: PROOF_INVALID, RECEIPT_UNNEEDED, EVENT_FOREIGN.
    """
    events: list[PlacedEvent] = []
    for header, block in zip(headers, blocks, strict=True):
        if not is_ascending([one.index for one in block.receipts]):
            raise _refuse("PROOF_INVALID", "the receipts do not stand in their order")
        for one in block.receipts:
            receipt = verify_receipt_proof(header.receipts_root, one.index, one.nodes)
            found = [event_of(log, contracts) for log in receipt.logs]
            known = [e for e in found if e is not None and not isinstance(e, PieceEvent)]
            if not receipt.succeeded or not known:
                raise _refuse("RECEIPT_UNNEEDED", "a receipt holds no event of the contracts")
            events.extend(PlacedEvent(header, event) for event in known)
    return events


def event_of(log: EventLog, contracts: Mapping[str, bytes]) -> Event | None:
    """Return a contract's event; None for events of other addresses.

    Raises:
        ProtocolError: ETHEREUM_MALFORMED.
        VerificationError: EVENT_FOREIGN when a contract emits what another one should.
    """
    names = [name for name, address in contracts.items() if address == log.address]
    if not names:
        return None
    event = decode_event(log)
    if event is None:
        return None
    match event:
        case GenesisEvent():
            right = "Registry"
        case AnchorEvent():
            right = "Logs"
        case PieceEvent():
            right = "Documents"
        case _:
            right = names[0]  # apply_event compares an act's own contract
    if contracts[right] != log.address:
        raise _refuse("EVENT_FOREIGN", "an event comes from a contract that does not emit it")
    if isinstance(event, ActEvent) and event.signed.data[32:52] != log.address:
        raise _refuse("EVENT_FOREIGN", "an act was recorded by another contract than it names")
    return event


def apply_event(
    store: Store,
    event: Event,
    *,
    trust_chain_id: int,
    contracts: Mapping[str, bytes],
    block_number: int,
    block_time: int,
    check_nonce: bool,
    verify_signatures: bool = True,
) -> Applied | None:
    """Replay one event, with every signature and rule.

    Args:
        store: the state before it.
        event: the event.
        trust_chain_id: id of the chain.
        contracts: 20-byte address of each contract by name.
        block_number: block that holds it.
        block_time: time of that block, unix seconds.
        check_nonce: False where acts of the actor may be left out.
        verify_signatures: False where the chain that holds the event is trusted.

    Returns:
        What an act did; None for other events.

    Raises:
        ProtocolError: the rule that does not hold.
        VerificationError: EVENT_DIFFERS when the event says something else than the act does.
    """
    match event:
        case GenesisEvent():
            apply_genesis(
                store,
                department=event.department,
                head=event.head,
                authority_keys=event.authority_keys,
                threshold=event.threshold,
                replacement_delay_s=event.replacement_delay_s,
                block_number=block_number,
            )
        case AnchorEvent():
            apply_anchor(
                store,
                event.log,
                event.size,
                event.root,
                event.signature,
                block_number=block_number,
                block_time=block_time,
                verify_signature=verify_signatures,
            )
        case ActEvent():
            applied = apply_act(
                store,
                event.signed,
                chain_id=trust_chain_id,
                contracts=contracts,
                block_number=block_number,
                block_time=block_time,
                check_nonce=check_nonce,
                verify_signatures=verify_signatures,
            )
            told = (event.name, event.act_id, event.target, event.revision)
            if told != (applied.act.type.name, applied.act_id, applied.target, applied.revision):
                raise _refuse("EVENT_DIFFERS", "an event says something else than its act")
            return applied
        case PieceEvent():
            return None
    return None


def replay(
    store: Store, events: Sequence[PlacedEvent], trust: TrustRoot
) -> list[tuple[PlacedEvent, Applied | None]]:
    """Replay evidence's events, some of the chain's, in their order.

    Raises:
        ProtocolError: the rule that does not hold.
        VerificationError: EVENT_DIFFERS.
    """
    done: list[tuple[PlacedEvent, Applied | None]] = []
    for placed in events:
        applied = apply_event(
            store,
            placed.event,
            trust_chain_id=trust.chain_id,
            contracts=trust.contracts,
            block_number=placed.header.number,
            block_time=placed.header.timestamp,
            check_nonce=False,
        )
        done.append((placed, applied))
    return done
