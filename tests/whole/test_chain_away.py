"""The chain away under load: refused and recorded, or served and anchored afterwards.

Which of the two is the setting head_max_age_s. Nothing is lost either way, and the age of what no
anchor covers shows all the time.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from example_city.home import free_ports
from ledger.settings import Settings
from tests.whole.instance import copy_of, wait_until
from tests.whole.parts import Load, Parts

TEN_MINUTES_S = 600.0


@pytest.fixture
def parts(loaded: Path, tmp_path: Path) -> Iterator[Parts]:
    """A stopped copy of the loaded instance, to be started part by part."""
    found = Parts(copy_of(loaded, tmp_path / "city").home, free_ports())
    yield found
    found.end()


def _stop(parts: Parts) -> Callable[[], None]:
    """Let the node answer nobody, with its connections open; return how it comes back."""
    parts.send("node", signal.SIGSTOP)
    return lambda: parts.send("node", signal.SIGCONT)


def _kill(parts: Parts) -> Callable[[], None]:
    """Kill the node; it comes back on its own journal."""
    parts.kill_part("node")
    return lambda: parts.start_part("node")


def _leave(
    parts: Parts, leave: Callable[[Parts], Callable[[], None]], away_s: float, pause_s: float
) -> tuple[Load, float, float]:
    """Take the chain away under load for so long; return the load, and when it left and came."""
    parts.start()
    parts.await_anchored()
    with Load(parts, parts.receipts, pause_s=pause_s) as load:
        wait_until(lambda: len(load.released) > 10)
        come_back = leave(parts)
        left = time.monotonic()
        _require_age(parts, left, away_s)
        come_back()
        came = time.monotonic()
        wait_until(lambda: any(at > came + 1 for at in load.released), 120)
    assert load.lost == []
    return load, left, came


def _require_age(parts: Parts, left: float, away_s: float) -> None:
    """While the chain is away, head and tail grow older in the gateway's health, by the second."""
    while (gone := time.monotonic() - left) < away_s:
        before = time.monotonic() - left
        health = parts.health()
        # An anchor may have been on its way, and a busy machine looks late.
        if gone > 4:
            assert before - 4 <= health["head_age_s"] <= gone + 15
            assert before - 4 <= health["unanchored_age_s"] <= gone + 20
            assert health["log_size"] - health["anchored_size"] <= health["unanchored_records"] + 50
            assert health["unanchored_records"] > 0
        time.sleep(0.5)


def _require_nothing_lost(parts: Parts, load: Load) -> None:
    """The backlog is anchored, the audit finds nothing, and every receipt is in the log."""
    parts.await_anchored()
    records = parts.records()
    health = parts.health()
    assert (health["status"], health["anchored_size"]) == ("ok", len(records))
    assert health["unanchored_age_s"] == 0
    outcomes = [r for r in records if r["event"] == "outcome" and r["result"] == "released"]
    assert len(outcomes) >= len(load.released)
    parts.require_sound(parts.receipts)
    kept = [path for path in parts.receipts.iterdir() if path.name[0].isdigit()]
    assert len(kept) == len(load.released) + len(load.refused)


def _refused(parts: Parts, bound_s: int, away_s: float, pause_s: float = 0.05) -> None:
    parts.settings["head_max_age_s"] = str(bound_s)
    before = len([r for r in parts.records() if r["event"] == "denied"])
    load, left, came = _leave(parts, _stop, away_s, pause_s)
    assert {code for _, code in load.refused} == {"HEAD_STALE"}
    # Served up to the bound, refused beyond it; the last look at the node was some time before.
    assert not [at for at in load.released if left + bound_s + 8 < at < came]
    assert all(at > left + max(0, bound_s - 10) for at, _ in load.refused)
    assert any(left < at < came for at in load.released)
    assert len([at for at, _ in load.refused if at < came]) > 10
    denied = [r for r in parts.records() if r["event"] == "denied"][before:]
    assert [r["code"] for r in denied] == ["HEAD_STALE"] * len(load.refused)
    _require_nothing_lost(parts, load)


def _served(parts: Parts, bound_s: int, away_s: float, pause_s: float = 0.05) -> None:
    parts.settings["head_max_age_s"] = str(bound_s)
    load, left, came = _leave(parts, _kill, away_s, pause_s)
    assert load.refused == []
    for share in range(10):  # without a pause from beginning to end
        begin = left + (came - left) * share / 10
        assert any(begin <= at <= begin + (came - left) / 10 for at in load.released)
    _require_nothing_lost(parts, load)


def test_the_default_bound_is_a_minute() -> None:
    assert Settings.model_fields["head_max_age_s"].default == 60


@pytest.mark.timeout(600)
def test_beyond_the_bound_requests_are_refused_and_recorded(parts: Parts) -> None:
    _refused(parts, bound_s=3, away_s=15)


@pytest.mark.timeout(600)
def test_within_a_longer_bound_requests_are_served_and_anchored_later(parts: Parts) -> None:
    _served(parts, bound_s=600, away_s=12)


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_ten_minutes_with_the_default_bound(parts: Parts) -> None:
    _refused(parts, bound_s=60, away_s=TEN_MINUTES_S, pause_s=0.3)


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_ten_minutes_with_a_longer_bound(parts: Parts) -> None:
    _served(parts, bound_s=1200, away_s=TEN_MINUTES_S, pause_s=0.3)
