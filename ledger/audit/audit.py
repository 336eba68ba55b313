"""The audit of the whole ledger: every block, act, document and anchor, then every access record.

It believes neither the platform nor its database: the state is rebuilt from the chain's receipts,
and each decision of the gateway is replayed at the block that its record names.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crypto.errors import SanlianError, VerificationError
from crypto.merkle import Frontier, leaf_hash, verify_inclusion
from crypto.sm2 import PublicKey
from ledger.audit.chain import BlockData, ChainReader, LocatedEvent
from ledger.audit.completeness import Completeness, Explained, Finding, has_end_behind
from ledger.audit.keys import LogKeys
from ledger.audit.networks import Declared, LogNetworks, Place, collect, is_among
from ledger.audit.receipts import check_receipts
from ledger.audit.transfers import Transfers
from protocol.acts import Act
from protocol.checkpoint import verify_checkpoint
from protocol.consultation import verify_consultation
from protocol.documents.pieces import Pieces
from protocol.ethereum import ActEvent, AnchorEvent, PieceEvent
from protocol.evidence.chain import apply_event
from protocol.evidence.decision import (
    MAX_SKEW_S,
    verify_denial,
    verify_end,
    verify_intent,
    verify_not_sent,
    verify_request,
    verify_sealed,
    verify_test,
    verify_transfer,
)
from protocol.evidence.observed import verify_observed
from protocol.httpsig import SignedRequest
from protocol.model import GRANT_PROBLEMS, Log, MemoryStore
from protocol.records import parse_record
from protocol.restriction import verify_restriction

__all__ = ["Audit", "AuditedLog", "Explained", "Finding", "Progress", "audit_ledger"]

PROGRESS_EVERY = 500
#: As a gateway is set to without a setting (ledger.settings).
HEAD_MAX_AGE_S = 60


class AuditedLog(Protocol):
    """What the audit reads of an access log."""

    def records(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of all records in order."""

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """Return the inclusion path of a record in the tree of this size, from the kept tree."""

    def get_checkpoint(self, size: int) -> str:
        """Return the checkpoint of this size that the gateway signed, as a note."""

    def get_record(self, seq: int) -> bytes:
        """Return a record's bytes."""

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree of this size, from the kept tree."""

    def size(self) -> int:
        """Return the size of the newest signed checkpoint."""

    def find_end(self, intent_seq: int) -> int | None:
        """Return the index of the outcome or interruption of an intent, or None."""

    def restrictions(self) -> Iterator[dict[str, Any]]:
        """Yield the records `restricted` in order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the audit has come.

    Attributes:
        stage: chain or log.
        done: blocks or records checked.
        total: how many there are, 0 when that is not known.
    """

    stage: str
    done: int
    total: int


class Audit:
    """One audit of one ledger.

    Args:
        chain: the chain.
        chain_id: its id.
        contracts: 20-byte address of each contract by name.
        log: the access log; None audits the chain alone.
        origin: origin of that log.
        others: the other gateways' logs by their origins; numbers, nonces and quotas are joined
            over all of them.
        sharing: origins of the logs that one database holds: their gateways follow each other's
            declarations of networks.
        receipts: folder of receipts that requesters and providers hold.
        head_max_age_s: how old a state gateways may decide by; clocks have MAX_SKEW_S beside it.
    """

    def __init__(
        self,
        chain: ChainReader,
        *,
        chain_id: int,
        contracts: Mapping[str, bytes],
        log: AuditedLog | None,
        origin: str,
        others: Mapping[str, AuditedLog] | None = None,
        sharing: Collection[str] = (),
        receipts: Path | None = None,
        head_max_age_s: int = HEAD_MAX_AGE_S,
    ) -> None:
        self._chain = chain
        self._chain_id = chain_id
        self._contracts = contracts
        self._logs = dict(others or {})
        if log is not None:
            self._logs = {origin: log, **self._logs}
        self._receipts = receipts
        self._sharing = [origin for origin in self._logs if origin in sharing]
        self._declared: dict[str, dict[Place, list[Declared]]] = {}
        self._head_max_age_s = head_max_age_s
        self._names_logs = len(self._logs) > 1
        self.completeness = Completeness()
        self._store = MemoryStore()
        self._events: list[tuple[LocatedEvent, int]] = []
        #: Block and bytes of each act by its id.
        self._acts: dict[bytes, tuple[int, bytes]] = {}
        self._hashes: dict[int, str] = {}
        self._times: dict[int, int] = {}
        self._anchors: list[AnchorEvent] = []
        #: Acts ParametersDisposed of each log, in order.
        self._disposals: dict[bytes, list[Act]] = {}
        #: What the records of each log say about keys, by its origin.
        self.keys: dict[str, LogKeys] = {}
        # Over all logs: nonces and ids of observed records with their places, uses of grants.
        self.nonces: dict[tuple[str, str], tuple[str, int]] = {}
        self.observations: dict[tuple[bytes, str], tuple[str, int]] = {}
        self.uses: dict[str, int] = {}
        self._documents = Pieces()
        self._replayed, self._replayed_to, self._position = MemoryStore(), 0, 0
        self.findings = 0
        self.records = 0

    @property
    def exit_code(self) -> int:
        """0 when nothing was found, else 1."""
        return 1 if self.findings else 0

    def run(self) -> Iterator[Finding | Explained | Progress]:
        """Check everything; findings and progress come as they arise."""
        for step in self._steps():
            if isinstance(step, Finding):
                self.findings += 1
            yield step

    def _steps(self) -> Iterator[Finding | Explained | Progress]:
        # The logs' ends come before the chain's: a ledger in use goes on meanwhile, and so each
        # record that is audited rests on a block that is.
        ends = {origin: log.size() for origin, log in self._logs.items()}
        yield from self._audit_chain()
        yield from self._audit_documents()
        for origin in self._sharing:
            # A record that cannot be read is named where its log is audited.
            with suppress(SanlianError):
                self._declared[origin] = collect(self._logs[origin].restrictions())
        for origin, log in self._logs.items():
            for step in self._audit_log(log, ends[origin], origin):
                yield self._named(step, origin)
        if self._receipts is not None:
            yield from check_receipts(self._receipts, dict(self._receipted()))
        yield from self.completeness.finish()
        self.completeness.close()

    def _receipted(self) -> Iterator[tuple[str, tuple[AuditedLog, PublicKey]]]:
        """Yield each registered log with its gateway's key."""
        for origin, log in self._logs.items():
            registered = self._store.find_log_by_origin(origin)
            key = self._store.find_key(registered.gateway_key) if registered is not None else None
            if key is not None:
                yield origin, (log, key.public_key)

    def _named(self, step: Finding | Progress, origin: str) -> Finding | Progress:
        """Say of which log a finding is, where there are several."""
        if self._names_logs and isinstance(step, Finding):
            return Finding(f"{origin}, {step.place}", step.message, step.code)
        return step

    # --- the chain -----------------------------------------------------------------------------

    def _audit_chain(self) -> Iterator[Finding | Progress]:
        head = self._chain.head()
        parent: bytes | None = None
        # Block 0 is the node's own: it has no receipts, and block 1 names its hash.
        for number in range(1, head + 1):
            try:
                block = self._chain.get_block(number)
            except SanlianError as error:
                parent = None
                yield Finding(f"block {number}", error.message, error.code)
                continue
            if parent is not None and block.header.parent_hash != parent:
                yield Finding(
                    f"block {number}", "it does not follow the block before", "BLOCK_INVALID"
                )
            parent = block.header.hash
            self._hashes[number] = parent.hex()
            self._times[number] = block.header.timestamp
            yield from self._apply_block(block)
            if number % PROGRESS_EVERY == 0 or number == head:
                yield Progress("chain", number, head)

    def _apply_block(self, block: BlockData) -> Iterator[Finding]:
        place = f"block {block.header.number}"
        try:
            events = list(self._chain.events_of(block))
        except SanlianError as error:
            yield Finding(place, error.message, error.code)
            return
        for located in events:
            event = located.event
            if isinstance(event, PieceEvent):
                self._documents.add(event)
                continue
            try:
                self._apply(self._store, located, block.header.timestamp)
            except SanlianError as error:
                yield Finding(
                    f"{place}, transaction {located.transaction}", error.message, error.code
                )
                continue
            self._events.append((located, block.header.timestamp))
            if isinstance(event, ActEvent):
                self._acts[event.signed.act_id] = (located.block, event.signed.data)
                if event.name == "ParametersDisposed":
                    act = Act.from_bytes(event.signed.data)
                    self._disposals.setdefault(act.target, []).append(act)
            if isinstance(event, AnchorEvent):
                self._anchors.append(event)

    def _apply(self, store: MemoryStore, located: LocatedEvent, time: int) -> None:
        apply_event(
            store,
            located.event,
            trust_chain_id=self._chain_id,
            contracts=self._contracts,
            block_number=located.block,
            block_time=time,
            check_nonce=True,
        )

    def _audit_documents(self) -> Iterator[Finding]:
        """Name the documents that the current versions need and that nobody supplied whole."""
        needed: dict[bytes, str] = {}
        for entry in self._store.entries.values():
            if entry.current is not None:
                needed[entry.current.document] = f"entry {entry.id.hex()}"
        for interface in self._store.interfaces.values():
            if interface.current is not None:
                needed[interface.current.document] = f"interface {interface.id.hex()}"
        for digest, place in needed.items():
            if self._documents.find(digest) is None:
                yield Finding(
                    place, f"its document {digest.hex()} is missing on chain", "DOCUMENT_MISSING"
                )

    # --- the access log ------------------------------------------------------------------------

    def _audit_log(self, log: AuditedLog, end: int, origin: str) -> Iterator[Finding | Progress]:
        registered = self._store.find_log_by_origin(origin)
        if registered is None:
            yield Finding("log", "it is not registered on chain", "LOG_UNREGISTERED")
            return
        anchors = {a.size: a.root for a in self._anchors if a.log == registered.id}
        reader = _RecordAudit(self, registered)
        frontier = Frontier()
        anchored = expected = 0
        held: list[bytes] = []
        damaged = False
        for seq, data in log.records(0, end):
            if seq != expected:
                missing = f"records {expected} to {seq - 1}"
                yield Finding(missing, "they are missing", "RECORD_MISSING")
                return
            expected += 1
            held.append(leaf_hash(data))
            frontier.append(held[-1])
            yield from reader.check(seq, data)
            root = anchors.pop(frontier.size, None)
            if root is not None:
                if root != frontier.root():
                    found = list(
                        _name_differing(log, held, anchored, frontier.size, root, named=damaged)
                    )
                    damaged = True
                    yield from found
                anchored = frontier.size
            if expected % PROGRESS_EVERY == 0:
                yield Progress("log", expected, 0)
        # What was written and anchored since the end was read is for the next audit.
        written = log.size()
        anchors = {size: root for size, root in anchors.items() if not end < size <= written}
        if expected > anchored and not anchors:
            yield from self._audit_tail(
                log, registered, held, frontier.root(), end=end, anchored=anchored, damaged=damaged
            )
        for size in sorted(anchors):
            yield Finding(
                "log", f"{size} records were anchored, {expected} are there", "LOG_BEHIND_ANCHOR"
            )
        yield from reader.finish(log, end)
        filed = self._disposals.get(registered.id, [])
        yield from self.keys[origin].compare_acts(filed, expected)
        self.records += expected
        yield Progress("log", expected, expected)

    def _audit_tail(
        self,
        log: AuditedLog,
        registered: Log,
        held: list[bytes],
        root: bytes,
        *,
        end: int,
        anchored: int,
        damaged: bool,
    ) -> Iterator[Finding]:
        """Compare the records since the last anchor with the newest signed checkpoint."""
        key = self._store.find_key(registered.gateway_key)
        if key is None:
            raise AssertionError("a registered log's key is registered")
        try:
            signed = verify_checkpoint(
                log.get_checkpoint(end), origin=registered.origin, public_key=key.public_key
            )
        except SanlianError as error:
            yield Finding("log", f"no checkpoint for its tail: {error.message}", error.code)
            return
        if signed.size != len(held):
            message = f"{signed.size} records were signed, {len(held)} are there"
            yield Finding("log", message, "LOG_BEHIND_CHECKPOINT")
        elif signed.root != root:
            yield from _name_differing(
                log, held, anchored, signed.size, signed.root, named=damaged, tree="signed"
            )

    def state_at(self, number: int) -> MemoryStore:
        """Return the state after a block, rebuilt from what the chain's audit accepted.

        Asked in falling order it starts again; in rising order it goes on.
        """
        if self._replayed_to > number:
            self._replayed, self._replayed_to, self._position = MemoryStore(), 0, 0
        while self._position < len(self._events):
            located, time = self._events[self._position]
            if located.block > number:
                break
            self._apply(self._replayed, located, time)
            self._position += 1
        self._replayed_to = number
        return self._replayed

    def find_act(self, act_id: bytes, block: int) -> Act | None:
        """Return an act that was recorded by a block."""
        number, data = self._acts.get(act_id, (block + 1, b""))
        return Act.from_bytes(data) if number <= block else None

    def time_problem(self, record: Mapping[str, Any]) -> tuple[str, str] | None:
        """Say what is wrong between a record's time and its block, None where nothing is.

        A gateway that goes on deciding by an old block has not heard of what was revoked since;
        each single decision follows from its block.
        """
        number, time_s = record["block"]["number"], record["time_ms"] // 1000
        made, next_ = self._times.get(number), self._times.get(number + 1)
        if made is not None and time_s + MAX_SKEW_S < made:
            return "the record is older than its deciding block", "BLOCK_INVALID"
        if next_ is not None and time_s > next_ + self._head_max_age_s + MAX_SKEW_S:
            message = f"block {number + 1} was there {time_s - next_} s before, and did not count"
            return message, "BLOCK_STALE"
        return None

    def declared_beside(self, origin: str) -> list[dict[Place, list[Declared]]]:
        """Return the networks that were declared in the other logs of a log's database."""
        if origin not in self._sharing:
            return []
        return [found for other, found in self._declared.items() if other != origin]

    def has_collected(self, origin: str, record: Mapping[str, Any]) -> bool:
        """Return whether a declaration counts in the other logs of its database, if there are."""
        return origin not in self._sharing or is_among(record, self._declared.get(origin, {}))

    def hash_of(self, number: int) -> str | None:
        """Return the hash of a block that the audit read, in hex."""
        return self._hashes.get(number)


def _name_differing(
    log: AuditedLog,
    leaves: list[bytes],
    first: int,
    size: int,
    root: bytes,
    *,
    named: bool,
    tree: str = "anchored",
) -> Iterator[Finding]:
    """Name the records whose bytes are not those of an anchored or signed tree.

    The tree that the log keeps beside the bytes tells which, as far as it is itself the anchored
    one; otherwise all records since the anchor before are named together.
    """
    differing: list[int] = []
    for seq in range(first, size):
        try:
            verify_inclusion(leaves[seq], seq, size, log.inclusion(seq, size), root)
        except SanlianError:
            differing.append(seq)
    whole = len(differing) == size - first
    if whole and size - first > 1:
        yield Finding(
            f"records {first} to {size - 1}", f"bytes do not match the {tree} tree", "ROOT_DIFFERS"
        )
        return
    for seq in differing:
        yield Finding(f"record {seq}", f"bytes do not match the {tree} tree", "ROOT_DIFFERS")
    # A record that was named before makes every later root differ.
    if not differing and not named:
        yield Finding(
            f"records 0 to {first - 1}", f"bytes do not match the {tree} tree", "ROOT_DIFFERS"
        )


def _is_decided(record: Mapping[str, Any]) -> bool:
    """Tell whether the state of a block decided: a refusal may say that it is too old to."""
    return "block" in record and (record["event"] != "denied" or record["code"] in GRANT_PROBLEMS)


class _RecordAudit:
    """Checks the records of one log, one after the other."""

    def __init__(self, audit: Audit, log: Log) -> None:
        self._audit = audit
        self._log = log
        self._intents: dict[int, tuple[dict[str, Any], bytes]] = {}
        self._tests: dict[int, str] = {}
        self._nonces = audit.nonces
        self._observations = audit.observations
        self._uses = audit.uses
        self._transfers = Transfers()
        self._networks = LogNetworks(audit.declared_beside(log.origin))
        self._keys = audit.keys.setdefault(log.origin, LogKeys())
        self._last_ms = 0

    def check(self, seq: int, data: bytes) -> Iterator[Finding]:
        """Yield what is wrong with a record."""
        place = f"record {seq}"
        try:
            record = parse_record(data)
        except SanlianError as error:
            yield Finding(place, error.message, error.code)
            return
        if record["seq"] != seq or record["log"] != self._log.origin:
            yield Finding(place, "it names another place in the log", "RECORD_MISPLACED")
        if record["time_ms"] + 1000 * MAX_SKEW_S < self._last_ms:
            yield Finding(place, "it is much older than one before", "TIME_REVERSED")
        self._last_ms = max(self._last_ms, record["time_ms"])
        yield from self._keys.add(record)
        self._keys.add_disposal(record, data)
        check = {
            "opened": self._opened,
            "intent": self._intent,
            "outcome": self._end,
            "interrupted": self._end,
            "denied": self._denied,
            "inspected": self._inspected,
            "sealed": self._sealed,
            "restricted": self._restricted,
            "consulted": self._consulted,
            "test": self._test,
            "tested": self._tested,
            "observed": self._observed,
            "not_sent": self._not_sent,
            "offered": self._offered,
            "closed": self._closed,
        }.get(record["event"])
        if (record["event"] == "opened") != (seq == 0):
            yield Finding(place, "a log opens once, with its first record", "RECORD_MISPLACED")
        if check is None:
            return
        if _is_decided(record) and (problem := self._audit.time_problem(record)) is not None:
            yield Finding(place, *problem)
        try:
            for message, code in check(record, data):
                yield Finding(place, message, code)
        except SanlianError as error:
            yield Finding(place, error.message, error.code)

    def finish(self, log: AuditedLog, end: int) -> Iterator[Finding]:
        """Yield the intents that have no end, not even behind the records that are audited."""
        for seq in self._intents:
            if has_end_behind(log, seq, end):
                continue
            yield Finding(
                f"record {seq}", "the intent has neither outcome nor interruption", "INTENT_OPEN"
            )

    def _opened(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        if (record["log_id"], record["gateway_key"]) != (
            self._log.id.hex(),
            self._log.gateway_key.hex(),
        ):
            yield "it names another log or gateway than the chain", "LOG_OTHER_IDENTITY"

    def _state(self, record: dict[str, Any]) -> MemoryStore | None:
        block = record["block"]
        if self._audit.hash_of(block["number"]) != block["hash"]:
            return None
        return self._audit.state_at(block["number"])

    def _decisive_state(self, record: dict[str, Any]) -> MemoryStore:
        """Return the state that decided.

        Raises:
            VerificationError: BLOCK_INVALID.
        """
        store = self._state(record)
        if store is None:
            raise VerificationError("BLOCK_INVALID", "the block that decided is not on the chain")
        return store

    def _verified(self, record: dict[str, Any]) -> SignedRequest:
        """Verify a record's request, and count its number."""
        request = verify_request(record)
        self._audit.completeness.add(record)
        return request

    def _begin(self, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if record["event"] == "denied" and record["code"] == "NONCE_REPLAYED":
            return
        request = record["request"]
        nonce = (request["public_key"], request["nonce"])
        here = self._log.origin, record["seq"]
        before = self._nonces.setdefault(nonce, here)
        if before != here:
            yield f"{self._place(before)} has the same key and nonce", "NONCE_REPLAYED"

    def _place(self, where: tuple[str, int]) -> str:
        origin, seq = where
        return f"record {seq}" + ("" if origin == self._log.origin else f" of {origin}")

    def _intent(self, record: dict[str, Any], data: bytes) -> Iterator[tuple[str, str]]:
        self._intents[record["seq"]] = (record, data)
        request = self._verified(record)
        yield from self._begin(record)
        store = self._decisive_state(record)
        grant = request.grant.hex()
        self._uses[grant] = self._uses.get(grant, 0) + 1
        found = store.find_request(request.grant)
        term = found.granted_term if found is not None else None
        if term is not None and self._uses[grant] > term.quota:
            yield "the grant's quota is exceeded", "QUOTA_EXCEEDED"
        if not self._networks.allows(grant, record["source"], record["time_ms"]):
            yield "the grant was used from an address that it excludes", "SOURCE_NOT_ALLOWED"
        verify_intent(store, record, request)

    def _denied(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        store = self._decisive_state(record)
        verify_denial(store, record, request)
        return iter(())

    def _inspected(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        self._verified(record)
        yield from self._begin(record)
        if self._state(record) is None:
            yield "the block that decided is not on the chain", "BLOCK_INVALID"

    def _sealed(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        yield from self._begin(record)
        store = self._decisive_state(record)
        act = self._audit.find_act(bytes.fromhex(record["act"]), record["block"]["number"])
        verify_sealed(store, record, request, act)

    def _not_sent(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        store = self._decisive_state(record)
        verify_not_sent(store, record, request)
        return iter(())

    def _offered(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        store = self._decisive_state(record)
        verify_transfer(store, record, request)
        yield from self._transfers.offer(record)

    def _closed(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        store = self._decisive_state(record)
        verify_transfer(store, record, request)
        yield from self._transfers.close(record)

    def _restricted(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        self._verified(record)
        yield from self._begin(record)
        store = self._decisive_state(record)
        verify_restriction(store, record)
        self._networks.apply(record)
        # Others of the database follow what its index names, and nothing signed covers the index.
        if not self._audit.has_collected(self._log.origin, record):
            yield "the database's index leaves the declaration out", "LOG_DAMAGED"

    def _consulted(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        self._verified(record)
        yield from self._begin(record)
        store = self._decisive_state(record)
        verify_consultation(store, record)

    def _observed(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        store = self._decisive_state(record)
        observation = verify_observed(store, record)
        pair = (observation.key_id, observation.record)
        here = self._log.origin, record["seq"]
        before = self._observations.setdefault(pair, here)
        if before != here:
            yield f"{self._place(before)} has the same key and id", "OBSERVATION_REPEATED"

    def _test(self, record: dict[str, Any], data: bytes) -> Iterator[tuple[str, str]]:
        request = self._verified(record)
        self._tests[record["seq"]] = leaf_hash(data).hex()
        yield from self._begin(record)
        store = self._decisive_state(record)
        verify_test(store, record, request)

    def _tested(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        if self._tests.pop(record["test"], "") != record["test_leaf"]:
            yield f"there is no open test {record['test']}", "OUTCOME_INVALID"
        elif (record["result"] == "passed") != (record["code"] == ""):
            yield "code and result do not agree", "OUTCOME_INVALID"

    def _end(self, record: dict[str, Any], _data: bytes) -> Iterator[tuple[str, str]]:
        found = self._intents.pop(record["intent"], None)
        if found is None:
            yield f"there is no open intent {record['intent']}", "INTENT_CLOSED"
            return
        intent, data = found
        store = self._state(intent)
        if store is None:
            return
        verify_end(store, intent, data, record)
        self._transfers.release(intent, record)


def audit_ledger(
    chain: ChainReader,
    *,
    chain_id: int,
    contracts: Mapping[str, bytes],
    log: AuditedLog | None,
    origin: str,
) -> Audit:
    """Return an audit to run; see Audit.

    Args:
        chain: the chain.
        chain_id: its id.
        contracts: 20-byte address of each contract by name.
        log: the access log, None for the chain alone.
        origin: origin of that log.
    """
    return Audit(chain, chain_id=chain_id, contracts=contracts, log=log, origin=origin)
