"""The told history: what it holds, that it is always the same, and how its recording begins."""

from pathlib import Path

import pytest

from crypto.errors import LedgerError
from example_city import recording
from example_city.history import BEGIN, END, History, tell
from example_city.home import ORIGIN, free_ports
from example_city.plan import Planner
from example_city.recording import STAGING, record_history
from ledger.supervisor import Supervisor
from protocol.acts import Act
from protocol.calendar import day_at
from protocol.description import BY_NAME, CONTRACTS
from protocol.model import RequestState

ADDRESSES = {name: bytes([number]) * 20 for number, name in enumerate(CONTRACTS, 1)}


@pytest.fixture(scope="module")
def history() -> History:
    planner = Planner(chain_id=7, contracts=ADDRESSES, expires_at=0, seed=b"seed")
    return tell(planner, ORIGIN)


def acts_of(history: History) -> list[Act]:
    """Return the acts in their order."""
    return [Act.from_bytes(one.signed.data) for m in history.moments for one in m.acts]


def test_requests_end_in_every_state(history: History) -> None:
    assert set(history.requests) == set(RequestState)
    assert len(set(history.requests.values())) == len(RequestState)


def test_sixty_entries_of_more_than_twelve_departments(history: History) -> None:
    submitted = [a for a in acts_of(history) if a.type.name == "EntrySubmitted"]
    first = [a for a in submitted if a.revision == 0]
    assert len(first) == len(history.entries) == 60
    assert len({a.key_id for a in first}) >= 12


def test_a_dispute_a_correction_and_a_misuse(history: History) -> None:
    names = [act.type.name for act in acts_of(history)]
    for name in ("DisputeDecided", "CorrectionClosed", "GrantSuspended", "InterfaceRetired"):
        assert names.count(name) == 1, name
    (misuse,) = [a for a in acts_of(history) if a.type.name == "GrantSuspended"]
    assert misuse.number("cause") == 1
    # Only what is about keys, and the end of nouns that the city still uses, is left out.
    directory = {n for n in BY_NAME if BY_NAME[n].contract in ("Requests", "Corrections")}
    assert directory - set(names) <= {"GrantResumed", "GrantRenewed"}


def test_it_is_told_the_same_way_every_time(history: History) -> None:
    planner = Planner(chain_id=7, contracts=ADDRESSES, expires_at=0, seed=b"seed")
    again = tell(planner, ORIGIN)
    ids = [[one.id for one in m.acts] for m in again.moments]
    assert ids == [[one.id for one in m.acts] for m in history.moments]


def test_time_goes_forward_and_on_working_days(history: History) -> None:
    times = [moment.at for moment in history.moments]
    assert times == sorted(set(times))
    assert BEGIN < times[0] <= times[-1] < END
    assert all((day_at(at) + 3) % 7 < 5 for at in times), "1970-01-01 was a Thursday"


def test_a_first_start_that_was_cut_off_while_moving_goes_on(tmp_path: Path) -> None:
    staging = tmp_path / STAGING
    (staging / "node").mkdir(parents=True)
    (staging / "node" / "journal").write_bytes(b"blocks")
    (staging / "deployment.json").write_bytes(b"{}")
    (staging / "complete").touch()
    (tmp_path / "trust.json").write_bytes(b"moved before")
    supervisor = Supervisor(tmp_path / "processes", say=lambda _: None)
    record_history(tmp_path, free_ports(), supervisor, say=lambda _: None)
    assert (tmp_path / "node" / "journal").read_bytes() == b"blocks"
    assert (tmp_path / "deployment.json").exists()
    assert (tmp_path / "trust.json").read_bytes() == b"moved before"
    assert not staging.exists()
    # A deployment that is there is left alone.
    record_history(tmp_path, free_ports(), supervisor, say=lambda _: None)


def test_a_chain_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "journal").write_bytes(b"theirs")
    supervisor = Supervisor(tmp_path / "processes", say=lambda _: None)
    with pytest.raises(LedgerError, match="EXAMPLE_HOME_TAKEN"):
        record_history(tmp_path, free_ports(), supervisor, say=lambda _: None)
    assert (tmp_path / "node" / "journal").read_bytes() == b"theirs"


def test_a_clock_before_the_history_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording.time, "time", lambda: float(END - 1))
    supervisor = Supervisor(tmp_path / "processes", say=lambda _: None)
    with pytest.raises(LedgerError, match="EXAMPLE_CLOCK_BEHIND"):
        record_history(tmp_path, free_ports(), supervisor, say=lambda _: None)
