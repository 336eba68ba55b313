"""A monitor: follows one log and alarms on a fork, a loss, a stall, or a tail without anchor.

It needs no key and no right. All that it believes are signatures and proofs that it computes from
tiles. What it saw last is on disk, so that a log cannot begin anew while the monitor is away. A
fork is final: both signed notes are kept, and it does not start again. Other alarms stand until
what they tell of has ended.

Source: docs/protocol.md 6.5, 8.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import (
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.sm2 import PublicKey
from protocol.checkpoint import (
    Checkpoint,
    key_hash,
    parse_note,
    verify_cosignature,
)
from protocol.deployment import Deployment
from protocol.tiles import TileTree
from sanlian_client.anchors import AnchorSource, ApiAnchors, NodeAnchors, SeenAnchor
from sanlian_client.files import read_limited, replace_file
from sanlian_client.log import LogClient
from sanlian_client.monitor_state import (
    ALARM_FILE,
    ALARM_TYPE,
    MAX_FILE_SIZE,
    STATE_FILE,
    MonitorState,
    read_alarms,
    size_of,
)

TIMEOUT_S = 10.0
#: Sizes and times that are remembered of what is not anchored yet.
MAX_SEEN = 512
_WARNINGS = frozenset({"cosignatures"})
#: What cannot be told of a log while its gateway does not answer.
_OF_THE_LOG = frozenset({"unproven", "shrunk"})


class ForkFound(VerificationError):
    """The gateway has signed two histories; the alarm file proves it."""

    def __init__(self, message: str) -> None:
        super().__init__("MONITOR_FORK", message)


class _Unproven(VerificationError):
    """The gateway does not prove what it shows now; kind is that of the alarm."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(code, message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Limits:
    """When the monitor alarms.

    Attributes:
        stall_s: the log has not grown for so long; above the gateway's heartbeat_interval_s.
        unanchored_s: a record has been without an anchor for so long.
        unanchored_records: so many records are without an anchor.
        unreachable_s: gateway, or source of anchors, has not answered for so long.
        cosigned_s: no checkpoint with enough cosignatures was seen for so long.
    """

    stall_s: int = 1800
    unanchored_s: int = 600
    unanchored_records: int = 100_000
    unreachable_s: int = 300
    cosigned_s: int = 300


class Monitor:
    """One monitor of one log.

    Args:
        directory: where its state and its alarms live; one monitor per directory.
        deployment: the deployment; it may be left out once there is a state.
        api_url: base URL of the api: anchors are read there when no node is named.
        gateway_url: base URL of the gateway.
        node_url: JSON-RPC endpoint of a node, best its own, for the anchors on chain.
        limits: when it alarms.
        witnesses: keys whose cosignatures are counted.
        threshold: how many of them a checkpoint should have; 0: none are asked for.
        say: takes one line of news.
        clock: unix time in seconds.

    Raises:
        ForkFound: MONITOR_FORK when the fork of an earlier run stands in the alarm file.
        LedgerError: MONITOR_STATE_DAMAGED, DEPLOYMENT_CHANGED.
    """

    def __init__(
        self,
        directory: Path,
        *,
        deployment: Deployment | None,
        api_url: str,
        gateway_url: str,
        node_url: str | None = None,
        limits: Limits | None = None,
        witnesses: Sequence[PublicKey] = (),
        threshold: int = 0,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._limits = limits or Limits()
        self._witnesses = tuple(witnesses)
        self._threshold = threshold
        self._say = say
        self._clock = clock
        self._alarms = read_alarms(directory / ALARM_FILE)
        if "fork" in self._alarms:
            raise ForkFound(f"an earlier run proved a fork: see {ALARM_FILE}")
        self._state = self._open_state(deployment)
        state = self._state
        self._log = LogClient(
            gateway_url, origin=state.origin, public_key=state.public_key, timeout_s=TIMEOUT_S
        )
        self._anchors: AnchorSource
        if node_url is None:
            self._anchors = ApiAnchors(
                api_url, origin=state.origin, public_key=state.public_key, timeout_s=TIMEOUT_S
            )
        else:
            self._anchors = NodeAnchors(
                node_url,
                chain_id=state.chain_id,
                contract=bytes.fromhex(state.contract),
                origin=state.origin,
                public_key=state.public_key,
                timeout_s=TIMEOUT_S,
            )
        self.problem: SanlianError | None = None
        self._last_news = ""

    def close(self) -> None:
        """Close its connections."""
        self._log.close()
        self._anchors.close()

    @property
    def note(self) -> str:
        """The newest checkpoint that was proven, empty before the first."""
        return self._state.note

    @property
    def alarms(self) -> dict[str, dict[str, Any]]:
        """The standing alarms and warnings by kind, as in the alarm file."""
        return dict(self._alarms)

    @property
    def is_alarmed(self) -> bool:
        """Whether an alarm stands; a warning is none."""
        return any(kind not in _WARNINGS for kind in self._alarms)

    def run(self, stop: threading.Event, *, interval_s: float) -> None:
        """Follow the log until asked to stop.

        Raises:
            ForkFound: MONITOR_FORK.
            LedgerError: FILE_NOT_WRITTEN.
        """
        while not stop.is_set():
            more = self.step()
            stop.wait(0 if more and self.problem is None else interval_s)

    def step(self) -> bool:
        """Look once, alarm or clear; True when older anchors wait to be read.

        What kept it from looking is in problem afterwards.

        Raises:
            ForkFound: MONITOR_FORK.
            LedgerError: FILE_NOT_WRITTEN.
        """
        state, now = self._state, int(self._clock())
        self.problem = None
        found: dict[str, str] = {}
        anchors: tuple[SeenAnchor, ...] = ()
        block, more = state.block, True
        try:
            # Read before the checkpoint: the log must by then be at least as long.
            page = self._anchors.read(block=state.block, size=size_of(state.anchor))
            anchors, block, more = page.anchors, page.next_block, page.more
            state.anchors_failing = 0
        except SanlianError as error:
            self.problem = error
            state.anchors_failing = state.anchors_failing or now
        has_looked = True
        try:
            self._look(anchors, now)
            state.block = block
            state.gateway_failing = 0
        except ForkFound:
            raise
        except (ProtocolError, VerificationError) as error:
            self.problem = error
            kind = error.kind if isinstance(error, _Unproven) else "unproven"
            found[kind] = f"{error.message} ({error.code})"
            state.gateway_failing = 0
        except SanlianError as error:
            if error.code == "FILE_NOT_WRITTEN":
                raise
            self.problem = error
            has_looked = False
            state.gateway_failing = state.gateway_failing or now
        self._judge(found, now, is_caught_up=not more)
        if not has_looked:
            found.update(dict.fromkeys(_OF_THE_LOG & self._alarms.keys(), ""))
        self._save()
        self._set_alarms(found, now)
        news = "" if self.problem is None else f"{self.problem.code}: {self.problem.message}"
        if news != self._last_news:
            self._say(news or "well again")
            self._last_news = news
        return more and self.problem is None

    # What the log shows

    def _look(self, anchors: Sequence[SeenAnchor], now: int) -> None:
        """Check the newest checkpoint against all that is known of the log, and remember it."""
        state = self._state
        try:
            note, newest = self._log.checkpoint()
        except RequestRefused as error:
            if error.code == "LOG_CHECKPOINT_UNKNOWN" and (state.note or anchors):
                message = "the log shows no checkpoint any more"
                raise _Unproven("shrunk", error.code, message) from error
            raise
        note = _gateway_note(note, state.origin)
        tree = TileTree(self._log.tile, newest.size)
        known = [state.note] if state.note else []
        known += [anchor.note for anchor in anchors]
        for other in known:
            self._compare(other, note, newest, tree)
        if not known:
            self._prove(0, newest, tree)
        self._count_cosignatures(newest, now)
        if newest.size > size_of(state.note):
            state.grown_at = now
        state.note = note
        if anchors and anchors[-1].checkpoint.size > size_of(state.anchor):
            state.anchor = anchors[-1].note
        self._remember(newest.size, now)

    def _compare(self, known: str, note: str, newest: Checkpoint, tree: TileTree) -> None:
        """Check the newest checkpoint against one that the gateway signed at another time."""
        old, _ = parse_note(known)
        if old.size == newest.size:
            if old.root != newest.root:
                self._alarm_fork(known, note, None)
            return
        if old.size < newest.size:
            prefix, path = self._prove(old.size, newest, tree)
            if prefix != old.root:
                self._alarm_fork(known, note, (old.size, prefix, path))
            return
        # The log shows less than it signed: it may still have the rest, and the rest may differ.
        message = "the log is shorter than a checkpoint or anchor that it signed"
        shrunk = _Unproven("shrunk", "LOG_SHRANK", message)
        try:
            whole = TileTree(self._log.tile, old.size)
            prefix, path = self._prove(newest.size, old, whole)
        except (ProtocolError, VerificationError, RequestRefused) as error:
            raise shrunk from error
        if prefix != newest.root:
            self._alarm_fork(note, known, (newest.size, prefix, path))
        raise shrunk

    def _prove(self, size: int, newest: Checkpoint, tree: TileTree) -> tuple[bytes, list[bytes]]:
        try:
            return tree.prove_prefix(size, newest.root)
        except RequestRefused as error:
            # A log that signed a size and does not have its tiles has lost records.
            if error.code != "LOG_SIZE_UNKNOWN":
                raise
            message = "the log does not have the tiles of its checkpoint"
            raise _Unproven("unproven", error.code, message) from error

    def _count_cosignatures(self, newest: Checkpoint, now: int) -> None:
        """Count on the checkpoint of the round before: witnesses had the time to sign it."""
        state = self._state
        if not self._threshold:
            return
        state.cosigned_at = state.cosigned_at or now
        size = size_of(state.note) or newest.size
        note, checkpoint = self._log.checkpoint(size)
        _, lines = parse_note(note)
        if checkpoint.size != size:
            message = "the gateway gave a checkpoint of another size"
            raise _Unproven("unproven", "CHECKPOINT_INVALID", message)
        signed = 0
        for key in self._witnesses:
            names = {line.name for line in lines if line.key_hash == key_hash(line.name, key)}
            signed += any(_is_cosigned(note, name, key) for name in names)
        if signed >= self._threshold:
            state.cosigned_at = now

    def _remember(self, size: int, now: int) -> None:
        state = self._state
        anchored = size_of(state.anchor)
        state.seen = [pair for pair in state.seen if pair[1] > anchored]
        if size <= anchored or (state.seen and state.seen[-1][1] >= size):
            return
        if len(state.seen) < MAX_SEEN:
            state.seen.append([now, size])
        else:
            # Rather too old than too young.
            state.seen[-1][1] = size

    # Alarms

    def _judge(self, found: dict[str, str], now: int, *, is_caught_up: bool) -> None:
        """Add what has lasted too long, by kind and in words."""
        state, limits = self._state, self._limits
        if _lasts(state.gateway_failing, now, limits.unreachable_s):
            found["unreachable"] = f"no answer of the gateway for {limits.unreachable_s} s"
        if _lasts(state.anchors_failing, now, limits.unreachable_s):
            found["anchors_unreachable"] = f"no anchors readable for {limits.unreachable_s} s"
        if _lasts(state.grown_at, now, limits.stall_s):
            found["stalled"] = f"the log has not grown for {limits.stall_s} s"
        if self._threshold and _lasts(state.cosigned_at, now, limits.cosigned_s):
            found["cosignatures"] = (
                f"no checkpoint with {self._threshold} cosignatures for {limits.cosigned_s} s"
            )
        if not is_caught_up and not state.anchors_failing:
            # While older anchors are still read, nobody knows how long the tail is.
            if "unanchored" in self._alarms:
                found["unanchored"] = ""
            return
        count = size_of(state.note) - size_of(state.anchor)
        if count > limits.unanchored_records:
            found["unanchored"] = f"more than {limits.unanchored_records} records have no anchor"
        elif state.seen and _lasts(state.seen[0][0], now, limits.unanchored_s):
            found["unanchored"] = f"a record has no anchor for {limits.unanchored_s} s"

    def _set_alarms(self, found: dict[str, str], now: int) -> None:
        alarms: dict[str, dict[str, Any]] = {}
        news = []
        for kind, message in sorted(found.items()):
            level = "warning" if kind in _WARNINGS else "alarm"
            if kind in self._alarms:
                alarms[kind] = self._alarms[kind]
            else:
                alarms[kind] = {"kind": kind, "level": level, "since": now, "message": message}
                news.append(f"{level} {kind}: {message}")
        news += [f"cleared {kind}" for kind in sorted(self._alarms.keys() - found.keys())]
        if alarms.keys() != self._alarms.keys():
            self._write_alarms(alarms)
        for line in news:
            self._say(line)

    def _alarm_fork(
        self, earlier: str, later: str, proof: tuple[int, bytes, list[bytes]] | None
    ) -> None:
        """Keep both notes, and of two sizes the path that proves the difference; stop for good."""
        message = "the gateway has signed two histories"
        fork: dict[str, Any] = {
            "kind": "fork",
            "level": "alarm",
            "since": int(self._clock()),
            "message": message,
            "earlier": earlier,
            "later": later,
            "proof": None,
        }
        if proof is not None:
            size, root, path = proof
            hexed = [one.hex() for one in path]
            fork["proof"] = {"size": size, "root": root.hex(), "path": hexed}
        self._write_alarms({**self._alarms, "fork": fork})
        self._say(f"alarm fork: {message}")
        raise ForkFound(f"{message}: see {ALARM_FILE}")

    def _write_alarms(self, alarms: dict[str, dict[str, Any]]) -> None:
        value = {
            "type": ALARM_TYPE,
            "origin": self._state.origin,
            "gateway_key": self._state.gateway_key,
            "alarms": [alarms[kind] for kind in sorted(alarms)],
        }
        replace_file(self._directory / ALARM_FILE, canonical_json(value) + b"\n")
        self._alarms = alarms

    # State

    def _open_state(self, deployment: Deployment | None) -> MonitorState:
        state = None
        if (self._directory / STATE_FILE).exists():
            data = read_limited(self._directory / STATE_FILE, max_bytes=MAX_FILE_SIZE)
            state = MonitorState.from_bytes(data)
        if deployment is not None:
            new = MonitorState(
                deployment.chain_id,
                deployment.origin,
                deployment.gateway_key.to_bytes().hex(),
                deployment.contracts["Logs"].hex(),
                block=deployment.block,
            )
            if state is not None and state.identity != new.identity:
                raise LedgerError(
                    "DEPLOYMENT_CHANGED", "this directory follows the log of another deployment"
                )
            state = state or new
        if state is None:
            raise LedgerError("DEPLOYMENT_MISSING", "the first run needs the deployment")
        # A clock that was set back must not make anything look younger than it is seen now.
        now = int(self._clock())
        for name in ("grown_at", "cosigned_at", "gateway_failing", "anchors_failing"):
            setattr(state, name, min(getattr(state, name), now))
        state.seen = [[min(seen_at, now), size] for seen_at, size in state.seen]
        return state

    def _save(self) -> None:
        replace_file(self._directory / STATE_FILE, self._state.to_bytes())


def _lasts(since: int, now: int, limit_s: int) -> bool:
    return bool(since) and now - since > limit_s


def _is_cosigned(note: str, name: str, key: PublicKey) -> bool:
    try:
        verify_cosignature(note, name=name, public_key=key)
    except VerificationError:
        return False
    return True


def _gateway_note(note: str, origin: str) -> str:
    """Return a verified note without others' cosignatures."""
    text, _, lines = note.partition("\n\n")
    own = [line for line in lines.splitlines() if line.startswith(f"— {origin} ")]
    return f"{text}\n\n" + "".join(line + "\n" for line in own)
